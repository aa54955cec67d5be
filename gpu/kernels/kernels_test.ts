import fc from "fast-check";
import { describe, test } from "node:test";
import type { Op } from "../../sdk/device/ops.ts";
import { assert, assertEquals, assertThrows } from "../../sdk/testing/assert.ts";
import type { Caps, Dispatch } from "../kernel.ts";
import {
  attentionOf,
  type Call,
  CAPS,
  decodeOf,
  dispatch,
  gatherOf,
  linearOf,
  type LinearShape,
  lineSumsOf,
  lineTilesOf,
  markOf,
  matmulOf,
  mergeLinesOf,
  packBitmapOf,
  quantizeOf,
  readRowsOf,
  scanOf,
  scoreRowsOf,
  softmaxOf,
  topkOf,
} from "./_test_calls.ts";

const names = (dispatches: readonly Dispatch[]): string[] => dispatches.map(({ kernel }) => kernel.name);

describe("linear as dispatches", () => {
  test("linear of one row is one dispatch that reads the weight once", () => {
    assertEquals(names(dispatch(linearOf({ m: 1, n: 4096, k: 4096, type: "i4", groups: 32 }))), ["gemv"]);
  });

  test("linear of many rows is one dispatch of tiles", () => {
    assertEquals(names(dispatch(linearOf({ m: 512, n: 512, k: 512, bias: true, residual: "out" }))), [
      "gemm",
    ]);
  });

  test("linear of a weight beyond a binding is cut along its outputs", () => {
    const dispatches = dispatch(linearOf({ m: 4, n: 1000, k: 64 }), { ...CAPS, maxBinding: 1 << 16 });
    assertEquals(dispatches.map(({ params }) => params["n"]).reduce((a, b) => a! + b!), 1000);
    assertEquals(dispatches[1]!.params["column"], dispatches[0]!.params["n"]);
  });

  test("linear refuses a row beyond a binding with a sentence", () => {
    const caps = { ...CAPS, maxBinding: 1 << 12 };
    assertThrows(() => dispatch(linearOf({ m: 1, n: 2, k: 5000 }), caps), RangeError, "narrower tensors");
  });
});

describe("matmul as dispatches", () => {
  test("matmul of a batch is one dispatch", () => {
    assertEquals(names(dispatch(matmulOf(12, 100, 80, 64))), ["gemm"]);
    assertEquals(names(dispatch(matmulOf(12, 1, 80, 64, true))), ["gemv"]);
  });

  test("matmul beyond a binding is cut into entries, rows and columns, each computed once", () => {
    const dispatches = dispatch(matmulOf(3, 200, 150, 64), { ...CAPS, maxBinding: 1 << 14 });
    const outputs = dispatches.reduce(
      (sum, { params }) => sum + params["batch"]! * params["m"]! * params["n"]!,
      0,
    );
    assertEquals(outputs, 3 * 200 * 150);
  });
});

describe("attention as dispatches", () => {
  test("attention of the rows of a table gives every query a thread", () => {
    const table = attentionOf({ batch: 2000, kvHeads: 4, headDim: 16, lq: 24, lk: 24, extras: true });
    assertEquals(names(dispatch(table)), ["attention_rows"]);
  });

  test("attention of a long prompt works on tiles", () => {
    const prompt = attentionOf({ kvHeads: 8, group: 4, headDim: 128, lq: 2048, lk: 2048, causal: true });
    assertEquals(names(dispatch(prompt)), ["attention_tiles"]);
  });

  test("attention of one query splits the keys and merges", () => {
    const decode = attentionOf({ kvHeads: 8, group: 4, headDim: 128, lq: 1, lk: 32_768, half: true });
    assertEquals(names(dispatch(decode)), ["attention_split", "attention_merge"]);
  });

  test("attention whose keys are beyond a binding takes them window by window", () => {
    const decode = attentionOf({ headDim: 64, lq: 1, lk: 4096 });
    const dispatches = dispatch(decode, { ...CAPS, maxBinding: 1 << 18 });
    assertEquals(names(dispatches).at(-1), "attention_merge");
    const windows = dispatches.slice(0, -1);
    assert(windows.length > 1);
    assertEquals(windows.map(({ params }) => params["keys"]).reduce((a, b) => a! + b!), 4096);
  });
});

describe("topk as dispatches", () => {
  test("topk of a short row is one dispatch", () => {
    assertEquals(names(dispatch(topkOf(7, 2000, 50))), ["topk"]);
  });

  test("topk of a long row takes rounds until one run is left", () => {
    const dispatches = dispatch(topkOf(2, 150_000, 50));
    assertEquals(dispatches.map(({ params }) => params["runs"]), [74, 2, 1]);
    assertEquals(dispatches.map(({ constants }) => constants["LAST"] ?? 0), [0, 0, 1]);
  });

  test("topk beyond a binding is cut at rows that begin at aligned bytes", () => {
    const dispatches = dispatch(topkOf(40, 4100, 64), { ...CAPS, maxBinding: 1 << 21 });
    assert(dispatches.length > 2);
  });

  test("topk of nearly everything sorts the row", () => {
    const steps = dispatch(topkOf(1, 5000, 4500)).map(({ params }) => [params["block"], params["step"]]);
    // Parts that workgroups sort, then blocks: steps between workgroups, and one for all steps within them.
    assertEquals(steps, [[0, 0], [4096, 2048], [4096, 0], [8192, 4096], [8192, 2048], [8192, 0]]);
  });

  test("topk of many of a long row selects them and sorts no others", () => {
    const dispatches = dispatch(topkOf(32, 131_072, 2048));
    assertEquals(names(dispatches), ["fill", "select", "select", "select", "sort"]);
    assertEquals(dispatches.at(-1)!.params["size"], 2048);
  });

  test("topk in any order selects from a long row and sorts nothing", () => {
    const steps = ["fill", "select", "select", "select"];
    for (const k of [1, 2048, 131_072]) assertEquals(names(dispatch(topkOf(32, 131_072, k, false))), steps);
    assertEquals(names(dispatch(topkOf(32, 2048, 9, false))), ["topk"]);
  });

  test("topk looks at the row with more threads where an adapter has them", () => {
    const threads = (invocations: number) =>
      dispatch(topkOf(1, 9000, 500, false), { ...CAPS, invocations }).map(({ constants, groups }) => [
        constants["THREADS"],
        groups,
      ]).slice(1);
    assertEquals(threads(256), [[256, 3], [256, 3], [256, 1]]);
    assertEquals(threads(1024), [[512, 2], [512, 2], [1024, 1]]);
  });
});

describe("scan as dispatches", () => {
  test("scan of a short row is one dispatch", () => {
    assertEquals(dispatch(scanOf(9, 1024)).length, 1);
  });

  test("scan of a long row sums chunks, scans the sums and scans the chunks", () => {
    assertEquals(dispatch(scanOf(2, 5000)).map(({ constants }) => constants["SUMS"] ?? 0), [1, 0, 0]);
    assertEquals(dispatch(scanOf(1, 2_000_000)).map(({ constants }) => constants["SUMS"] ?? 0), [
      1,
      1,
      0,
      0,
      0,
    ]);
  });
});

describe("gather as dispatches", () => {
  test("gather of rows made of words moves words", () => {
    const [only] = dispatch(gatherOf(10, 6, 2, 50));
    assertEquals([only!.params["width"], only!.constants["WORDS"]], [3, 1]);
    assertEquals(dispatch(gatherOf(10, 3, 1, 50))[0]!.constants["SIZE"], 1);
  });

  test("gather from more than a binding looks at every source row once and writes zeros once", () => {
    const dispatches = dispatch(gatherOf(10, 64, 4, 1000), { ...CAPS, maxBinding: 1 << 14 });
    assertEquals(dispatches.map(({ params }) => params["zeros"]), dispatches.map((_, i) => i === 0 ? 1 : 0));
    let next = 0;
    for (const { params } of dispatches) {
      assertEquals(params["first"], next);
      next += params["count"]!;
    }
    assertEquals(next, 1000);
  });
});

const size = (most: number) =>
  fc.oneof(fc.integer({ min: 1, max: most }), fc.constantFrom(1, 2, 4, 8, 16, 64).filter((n) => n <= most));
const adapters = fc.record({
  maxBinding: fc.constantFrom(1 << 20, 1 << 27),
  workgroupBytes: fc.constantFrom(1 << 14, 1 << 15, 49_152),
  invocations: fc.constantFrom(256, 1024),
  f16: fc.boolean(),
  subgroups: fc.boolean(),
});

const FORMS = ["f32", "f16", "int8", "int4", "bitmap"] as const;
/** Rows of a cache; bitmaps have multiples of 64 columns, int4 an even number. */
const caches = fc.record({
  form: fc.constantFrom(...FORMS),
  kvHeads: size(5),
  group: size(10),
  headDim: size(40),
  rows: size(700),
}).map(({ form, headDim, ...rest }) => ({
  ...rest,
  form,
  headDim: headDim * (form === "bitmap" ? 64 : form === "int4" ? 2 : 1) % 500 || 64,
}));

const CALLS: Readonly<Record<string, fc.Arbitrary<Call>>> = {
  linear: fc.record({
    ...{ m: size(3000), n: size(1500), groups: size(8), per: size(60) },
    type: fc.constantFrom("f32", "f16", "i8", "i4"),
    bias: fc.boolean(),
    residual: fc.constantFrom("none", "other", "out"),
  }).map(({ groups, per, ...rest }) => linearOf({ ...rest, groups, k: groups * 2 * per } as LinearShape)),
  matmul: fc.tuple(size(20), size(300), size(300), size(200), fc.boolean()).map((shape) =>
    matmulOf(...shape)
  ),
  attention: fc.record({
    ...{
      batch: size(300),
      kvHeads: size(4),
      group: size(8),
      headDim: size(128),
      lq: size(40),
      lk: size(300),
    },
    ...{ half: fc.boolean(), causal: fc.boolean(), extras: fc.boolean() },
  }).map(attentionOf),
  "attention of long sequences": fc.record({
    ...{ kvHeads: size(4), group: size(8), headDim: size(300), lq: size(600), lk: size(6000) },
    ...{ half: fc.boolean(), causal: fc.boolean(), extras: fc.boolean() },
  }).map(attentionOf),
  topk: fc.tuple(size(40), size(9000), fc.boolean()).chain(([rows, cols, sorted]) =>
    size(cols).map((k) => topkOf(rows, cols, k, sorted))
  ),
  scan: fc.tuple(size(40), size(20_000), fc.constantFrom(0, 3)).map((shape) => scanOf(...shape)),
  softmax: fc.tuple(size(300), size(2000), size(400)).map((shape) => softmaxOf(...shape)),
  lineSums: fc.tuple(size(40), size(100), size(2000), fc.boolean()).map((shape) => lineSumsOf(...shape)),
  mark: fc.tuple(size(60), size(300), size(3000)).map((shape) => markOf(...shape)),
  mergeLines: fc.tuple(size(8), size(300), size(300), size(60)).map((shape) => mergeLinesOf(...shape)),
  lineTiles: fc.tuple(size(8), size(1000), size(1000), fc.constantFrom(0, 5, 64)).map((shape) =>
    lineTilesOf(...shape)
  ),
  decode: fc.tuple(caches, fc.constantFrom("none", "one", "each"), size(300), size(20)).map((
    [shape, lists, cap, step],
  ) =>
    lists === "none"
      ? decodeOf(shape)
      : decodeOf(shape, lists === "one" ? 1 : shape.kvHeads * shape.group, cap, step)
  ),
  scoreRows: caches.filter(({ form }) => form !== "bitmap").map(scoreRowsOf),
  readRows: caches.map(readRowsOf),
  quantize: fc.tuple(size(300), size(40), size(8), fc.constantFrom(4, 8)).map(([rows, group, groups, bits]) =>
    quantizeOf(rows, 2 * group * groups, bits, 2 * group)
  ),
  packBitmap: fc.tuple(size(5), size(6), size(8), fc.boolean()).map(([heads, n, columns, half]) =>
    packBitmapOf(heads, 64 * n, 64 * columns, half)
  ),
  gather: fc.tuple(size(5000), size(300), fc.constantFrom(1, 2, 4), size(5000)).map((shape) =>
    gatherOf(...shape)
  ),
};

describe("dispatchesOf()", () => {
  for (const [name, calls] of Object.entries(CALLS)) {
    // Partial results of long attention are many: they need the least binding that WebGPU promises.
    const most = name.includes("long")
      ? adapters.map((caps) => ({ ...caps, maxBinding: 1 << 27 }))
      : adapters;
    test(`dispatchesOf() gives ${name} dispatches that an adapter accepts`, () => {
      let refused = 0;
      const accept = (call: Call, caps: Caps): void => {
        try {
          dispatch(call, caps);
        } catch (error) {
          // Rows that are too wide for a binding are refused, never run.
          if (!(error instanceof RangeError)) throw error;
          refused++;
        }
      };
      fc.assert(fc.property(calls, most, accept), { seed: 1, numRuns: 300 });
      assert(refused < 30, `${refused} of 300 were refused`);
    });
  }

  test("dispatchesOf() refuses an operation that is not known", () => {
    assertThrows(
      () => dispatch({ op: { op: "divide" } as unknown as Op, bytes: new Map() }),
      TypeError,
      '"divide"',
    );
  });
});
