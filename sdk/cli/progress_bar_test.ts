import { describe, test } from "node:test";
import { assertEquals, assertStringIncludes } from "../testing/assert.ts";
import { progressBar } from "./progress_bar.ts";

describe("progressBar()", () => {
  test("progressBar() draws at most every 50 ms", () => {
    const writes: string[] = [];
    let time = 0;
    const bar = progressBar({ write: (text) => writes.push(text), columns: 60 }, () => time);
    for (; time < 100; time += 10) bar.update("learning", { stage: "rows", done: time, total: 100 });
    assertEquals(writes.length, 2);
    assertStringIncludes(writes[1] ?? "", " 50 %  learning: rows");
  });

  test("progressBar() keeps inside the terminal and bounds odd progress", () => {
    const writes: string[] = [];
    const bar = progressBar({ write: (text) => writes.push(text), columns: 20 });
    bar.update("x".repeat(100), { stage: "s", done: 7, total: 0 });
    assertEquals([...(writes[0] ?? "").replace("\r\x1b[2K", "")].length, 19);
  });

  test("progressBar() wipes only what it drew", () => {
    const writes: string[] = [];
    progressBar({ write: (text) => writes.push(text) }).clear();
    assertEquals(writes, []);
  });

  test("progressBar() draws nothing in a pipe", () => {
    const bar = progressBar(undefined);
    bar.update("x", { stage: "s", done: 1, total: 2 });
    bar.clear();
  });
});
