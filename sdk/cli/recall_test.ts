import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { errorsOf } from "./_errors_test_console.ts";
import { main, report } from "./recall.ts";

describe("deno task recall", () => {
  test("prints a row per method and a column per kind of sample", () => {
    const result = (title: string, score: number) => {
      return { title, score, read: 0.0625, found: new Uint8Array(), share: score, best: 1 };
    };
    const text = report({
      "f=0.35": [result("dense", 1), result("some", 0.5)],
      "f=1": [result("dense", 1), result("some", 0)],
    });
    assertEquals(text.split("\n"), [
      "method  read  f=0.35    f=1",
      "──────  ────  ──────  ─────",
      "dense   0.06   1.000  1.000",
      "some    0.06   0.500  0.000",
    ]);
  });

  test("exits with 2 for options that it does not know", async () => {
    const lines = await errorsOf(async () => {
      assertEquals(await main(["--device", "abacus"]), 2);
      assertEquals(await main(["--seed", "-1"]), 2);
      assertEquals(await main(["--shape", "round"]), 2);
    });
    assertEquals(
      lines[0]!.startsWith("Cannot use --device abacus: expected webgpu, wasm, reference\n"),
      true,
    );
  });
});
