import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { flatMapWarning } from "./flat_maps.ts";

describe("flatMapWarning()", () => {
  test("says nothing where every head keeps much more than chance", () => {
    assertEquals(flatMapWarning(0.2, [0.7, 0.9, 1]), undefined);
    assertEquals(flatMapWarning([0.2, 1], [0.7, 1]), undefined);
  });

  test("names the heads that keep little more than chance, or what is not a number", () => {
    assertEquals(
      flatMapWarning([0.3, 0.5, 0.3], [0.7, 0.9, NaN])?.split(":")[0],
      "attention is too even to choose from in heads 0 (recall 0.70 at density 0.30), 2 (recall NaN at density 0.30)",
    );
  });
});
