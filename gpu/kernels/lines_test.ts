import { describe, test } from "node:test";
import { assertEquals } from "../../sdk/testing/assert.ts";
import type { Dispatch } from "../kernel.ts";
import { CAPS, dispatch, lineSumsOf, lineTilesOf, markOf, mergeLinesOf } from "./_test_calls.ts";

const names = (dispatches: readonly Dispatch[]): string[] => dispatches.map(({ kernel }) => kernel.name);

describe("lines as dispatches", () => {
  test("lineSums of many columns is one dispatch, of few it sums parts of the rows first", () => {
    assertEquals(dispatch(lineSumsOf(8, 64, 32_768)).length, 1);
    assertEquals(dispatch(lineSumsOf(1, 64, 500)).map(({ params }) => params["parts"]), [4, 1, 1]);
    assertEquals(dispatch(lineSumsOf(1, 64, 500, false)).map(({ params }) => params["parts"]), [4, 1]);
  });

  test("lineSums beyond a binding is cut into maps of any length", () => {
    const dispatches = dispatch(lineSumsOf(5, 9, 1001), { ...CAPS, maxBinding: 1 << 17 });
    assertEquals(dispatches.map(({ params }) => params["batch"]), [3, 2]);
  });

  test("operations on lines without entries only fill", () => {
    assertEquals(names(dispatch(lineSumsOf(2, 0, 50))), ["fill", "fill"]);
    assertEquals(names(dispatch(markOf(3, 0, 20))), ["fill"]);
    assertEquals(names(dispatch(mergeLinesOf(2, 5, 0, 4))), ["fill", "fill"]);
    assertEquals(names(dispatch(lineTilesOf(2, 300, 0, 5))), ["fill"]);
  });

  test("mergeLines beyond a binding is cut into blocks, each done once", () => {
    const dispatches = dispatch(mergeLinesOf(3, 64, 50, 100), { ...CAPS, maxBinding: 1 << 15 });
    const merges = dispatches.filter(({ kernel }) => kernel.name === "merge_lines");
    assertEquals(merges.map(({ params }) => params["first"]), [0, 128, 256]);
  });

  test("lineTiles packs lines and keys once for all chunks of its tiles", () => {
    const dispatches = dispatch(lineTilesOf(4, 1024, 1024, 8), { ...CAPS, maxBinding: 1 << 17 });
    assertEquals(names(dispatches), ["line_bits", "line_runs", "line_tiles", "line_tiles"]);
  });
});
