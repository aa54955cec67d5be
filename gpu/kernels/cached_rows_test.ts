import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../../sdk/testing/assert.ts";
import type { Dispatch } from "../kernel.ts";
import {
  CAPS,
  decodeOf,
  dispatch,
  packBitmapOf,
  quantizeOf,
  readRowsOf,
  scoreRowsOf,
} from "./_test_calls.ts";

const names = (dispatches: readonly Dispatch[]): string[] => dispatches.map(({ kernel }) => kernel.name);
const heads = (dispatches: readonly Dispatch[]): unknown[] =>
  dispatches.map(({ params }) => params["kvHeads"]).filter((count) => count !== undefined);

/** A long cache of 8 key heads with 4 query heads each. */
const long = { kvHeads: 8, group: 4, headDim: 128, rows: 32_768 } as const;

describe("decode as dispatches", () => {
  test("decode of a long cache keeps a GPU busy, and query heads of a group share its rows", () => {
    const [split, merge] = dispatch(decodeOf({ form: "f16", ...long }));
    assertEquals(names([split!, merge!]), ["decode", "decode_merge"]);
    assert(split!.groups >= 512, `${split!.groups} workgroups`);
    assertEquals([split!.constants["R"], merge!.groups], [4, 32]);
  });

  test("decode with a list for every query head gives each its own workgroups", () => {
    const shared = dispatch(decodeOf({ form: "f16", ...long }, 8, 2048))[0]!;
    const apart = dispatch(decodeOf({ form: "f16", ...long }, 32, 2048))[0]!;
    assertEquals([shared.constants["R"], apart.constants["R"]], [4, 1]);
    assertEquals([shared.params["named"], apart.params["named"]], [2048, 2048]);
  });

  test("decode reads bitmaps tile by tile unless a list scatters the tokens", () => {
    assertEquals(names(dispatch(decodeOf({ form: "bitmap", ...long }))), ["decode_bitmap", "decode_merge"]);
    assertEquals(names(dispatch(decodeOf({ form: "bitmap", ...long }, 1, 99))), ["decode", "decode_merge"]);
  });

  test("decode of bitmaps shares them among as many query heads as fit, and reads wide heads row by row", () => {
    const first = (headDim: number, workgroupBytes: number) =>
      dispatch(decodeOf({ form: "bitmap", ...long, headDim }), { ...CAPS, workgroupBytes })[0]!;
    const variant = ({ kernel, constants }: Dispatch) => [kernel.name, constants["R"], constants["WARPS"]];
    assertEquals(variant(first(128, 1 << 14)), ["decode_bitmap", 4, 4]);
    assertEquals(variant(first(256, 1 << 14)), ["decode_bitmap", 2, 4]);
    assertEquals(variant(first(512, 49_152)), ["decode_bitmap", 4, 8]);
    assertEquals(first(512, 1 << 14).kernel.name, "decode");
    assertEquals(first(192, 49_152).kernel.name, "decode");
  });

  test("decode loads halves where an adapter has them, else pairs", () => {
    const halves = (f16: boolean) =>
      dispatch(decodeOf({ form: "bitmap", ...long }), { ...CAPS, f16 })[0]!.constants["F16"];
    assertEquals([halves(true), halves(false)], [1, undefined]);
  });

  test("decode asks for more scattered rows at once where an adapter has large workgroups", () => {
    const deep = (lists: number, invocations: number) =>
      dispatch(decodeOf({ form: "f16", ...long, group: 1 }, lists, 64), { ...CAPS, invocations })[0]!
        .constants["DEEP"];
    assertEquals([deep(8, 1024), deep(8, 256), deep(0, 1024)], [16, 8, 8]);
  });

  test("decode divides by the step of a list only if there is one", () => {
    const steps = (step: number) =>
      dispatch(decodeOf({ form: "f16", ...long }, 32, 64, step))[0]!.constants["STEPS"];
    assertEquals([steps(1), steps(16)], [undefined, 1]);
  });

  test("decode of more than a binding takes as many key heads at once as fit", () => {
    const caps = { ...CAPS, maxBinding: 1 << 25 };
    assertEquals(heads(dispatch(decodeOf({ form: "f16", ...long }), caps)), [4, 4]);
    assertEquals(heads(dispatch(scoreRowsOf({ form: "f32", ...long }), caps)), [2, 2, 2, 2]);
    const { group: _, ...rows } = long;
    assertEquals(
      dispatch(readRowsOf({ form: "int8", ...rows }), caps).map(({ params }) => params["heads"]),
      [
        2,
        2,
        2,
        2,
      ],
    );
  });

  test("decode refuses a key head beyond a binding with a sentence", () => {
    const caps = { ...CAPS, maxBinding: 1 << 20 };
    assertThrows(() => dispatch(decodeOf({ form: "f16", ...long }), caps), RangeError, '"k" of one head');
  });
});

describe("rows that are stored as dispatches", () => {
  test("quantize finds the range of every group, then codes by the word", () => {
    const dispatches = dispatch(quantizeOf(1000, 128, 4, 32));
    assertEquals(names(dispatches), ["quantize_ranges", "quantize"]);
    assertEquals(dispatches.map(({ groups }) => groups), [500, 63]);
  });

  test("packBitmap scans the room of tiles once for all heads", () => {
    const steps = ["pack_bitmap_least", "pack_bitmap_bits", "scan", "scan", "scan", "pack_bitmap"];
    assertEquals(names(dispatch(packBitmapOf(8, 1024, 128))), steps);
  });

  test("packBitmap of more than a binding packs heads apart", () => {
    const dispatches = dispatch(packBitmapOf(3, 256, 64), { ...CAPS, maxBinding: 1 << 17 });
    const packs = dispatches.filter(({ kernel }) => kernel.name === "pack_bitmap");
    assertEquals(packs.map(({ params }) => params["heads"]), [2, 1]);
  });
});
