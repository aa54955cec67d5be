import { test } from "node:test";
import { assertEquals } from "../sdk/testing/assert.ts";

test("the example of digits prints a row for every run, and keeps its promise", async () => {
  const lines: string[] = [];
  const print = console.log;
  console.log = (line: string): number => lines.push(line);
  try {
    // Throws if a quarter of the keys reads much less than all.
    await import("./digits_vit.ts");
  } finally {
    console.log = print;
  }
  assertEquals(lines.map((line) => line.slice(0, 18).trimEnd()), [
    "keys of a query",
    "all",
    "best 50 %",
    "best 25 %",
    "best 10 %",
    "5 x 5 pixels",
  ]);
});
