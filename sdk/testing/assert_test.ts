import { describe, test } from "node:test";
import { assertEquals, AssertionError, assertRejects, assertThrows, fail } from "./assert.ts";

describe("assert", () => {
  test("assertEquals() throws an AssertionError when values differ", () => {
    const error = assertThrows(() => assertEquals({ a: [1, 2] }, { a: [1, 3] }), AssertionError);
    assertEquals(error instanceof Error, true);
  });

  test("assertThrows() fails when nothing is thrown", () => {
    let failed = false;
    try {
      assertThrows(() => 1);
    } catch {
      failed = true;
    }
    if (!failed) fail("assertThrows() let a quiet function pass");
  });

  test("assertRejects() returns the error when a promise rejects", async () => {
    const error = await assertRejects(() => Promise.reject(new RangeError("Out of range")), RangeError);
    assertEquals(error.message, "Out of range");
  });
});
