import fc from "fast-check";
import { describe, test } from "node:test";
import { DTYPE_CODE, NO_PART } from "../../sdk/device/ops.ts";
import { assert, assertEquals, assertThrows } from "../../sdk/testing/assert.ts";
import type { Caps } from "../kernel.ts";
import { type Call, CAPS, dispatch } from "./_test_calls.ts";

interface Shape {
  readonly kvHeads?: number;
  readonly group?: number;
  readonly headDim?: number;
  readonly lq?: number;
  readonly lk?: number;
  readonly blockQ?: number;
  readonly tileK?: number;
  readonly tileCap?: number;
  /** Whether all heads share one row of the plan. */
  readonly shared?: boolean;
  readonly half?: boolean;
  /** Whether there are values and a result. */
  readonly mixed?: boolean;
}

/** Attention by a plan of tiles. */
function plannedOf(
  {
    kvHeads = 1,
    group = 1,
    headDim = 64,
    lq = 256,
    lk = 256,
    blockQ = 64,
    tileK = 64,
    tileCap = 4,
    shared = false,
    half = false,
    mixed = true,
  }: Shape,
): Call {
  const heads = kvHeads * group;
  const planHead = Math.ceil(lq / blockQ) * tileCap;
  const kvBytes = (half ? 2 : 4) * kvHeads * lk * headDim;
  const bytes = [[1, 4 * heads * lq * headDim], [2, kvBytes], [4, 4 * planHead * (shared ? 1 : heads)]];
  if (mixed) bytes.push([3, kvBytes], [6, 4 * heads * lq * headDim]);
  bytes.push([5, 4 * kvHeads * lk], [7, 4 * heads * lq]);
  return {
    op: {
      op: "planned",
      ...{ q: 1, k: 2, v: mixed ? 3 : 0, plan: 4, bias: 5, out: mixed ? 6 : 0, stat: 7 },
      ...{ heads, kvHeads, headDim, lq, lk, planHead: shared ? 0 : planHead, blockQ, tileK },
      ...{ tilesAt: 0, tileCap, bitsAt: NO_PART, columnOfAt: NO_PART, columnsAt: NO_PART },
      ...{ columnCap: 0, lists: 0, qOrderAt: NO_PART, kOrderAt: NO_PART, bandAt: NO_PART },
      ...{ kvtype: half ? DTYPE_CODE.f16 : DTYPE_CODE.f32, causal: 1, statKind: 0, scale: 0.125 },
    },
    bytes: new Map(bytes as [number, number][]),
  };
}

const rowsOf = (shape: Shape, caps: Caps): number[] =>
  dispatch(plannedOf(shape), caps).map(({ constants }) => 8 * constants["WY"]!);

describe("planned as dispatches", () => {
  test("planned gives a row block a workgroup of as many rows if memory allows", () => {
    const roomy = { ...CAPS, workgroupBytes: 49_152 };
    assertEquals(rowsOf({ headDim: 128, blockQ: 128 }, roomy), [128]);
    assertEquals(rowsOf({ headDim: 128, blockQ: 64 }, roomy), [64]);
    assertEquals(rowsOf({ headDim: 128, blockQ: 8 }, roomy), [32]);
    assertEquals(rowsOf({ headDim: 256, blockQ: 128 }, CAPS), [32]);
  });

  test("planned gives a row block larger than a workgroup several", () => {
    const [only] = dispatch(plannedOf({ lq: 500, blockQ: 192 }));
    assertEquals([only!.params["blocks"], only!.params["parts"], only!.groups], [3, 3, 9]);
  });

  test("planned beyond a binding takes some heads at once, each once and beside its keys", () => {
    const caps = { ...CAPS, maxBinding: 1 << 18 };
    const dispatches = dispatch(plannedOf({ kvHeads: 2, group: 8 }), caps);
    assert(dispatches.length > 2, `${dispatches.length} dispatches`);
    let next = 0;
    for (const { params } of dispatches) {
      assertEquals(params["firstInGroup"], next % 8);
      next += params["heads"]!;
    }
    assertEquals(next, 16);
  });

  test("planned refuses one head beyond a binding with a sentence that names the tensor", () => {
    const caps = { ...CAPS, maxBinding: 1 << 16 };
    assertThrows(
      () => dispatch(plannedOf({ headDim: 16, tileCap: 10_000 }), caps),
      RangeError,
      '"plan" of one head',
    );
    assertThrows(() => dispatch(plannedOf({ lk: 4000 }), caps), RangeError, '"k" of one head');
  });

  test("planned gives dispatches that an adapter accepts", () => {
    const int = (max: number) => fc.integer({ min: 1, max });
    const shapes = fc.record({
      ...{ kvHeads: int(6), group: int(8), headDim: int(256), lq: int(600), lk: int(900) },
      ...{ blockQ: int(256), tileK: int(256), tileCap: int(20) },
      ...{ shared: fc.boolean(), half: fc.boolean(), mixed: fc.boolean() },
    });
    const adapters = fc.record({
      maxBinding: fc.constantFrom(1 << 20, 1 << 27),
      workgroupBytes: fc.constantFrom(1 << 14, 1 << 15, 49_152),
      invocations: fc.constantFrom(256, 1024),
      f16: fc.boolean(),
      subgroups: fc.boolean(),
    });
    fc.assert(
      fc.property(shapes, adapters, (shape, caps) => void dispatch(plannedOf(shape), caps)),
      { seed: 1, numRuns: 300 },
    );
  });
});
