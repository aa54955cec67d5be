/**
 * The largest of each row. Workgroups sort runs of a row and keep the best of each, until one run is left; where so many are
 * asked for that this would keep everything, the whole row is sorted in memory.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, NOTHING, THREADS } from "../kernel.ts";
import bitonic from "../parts/bitonic.wgsl" with { type: "text" };
import keys from "../parts/keys.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import sortSource from "./sort.wgsl" with { type: "text" };
import source from "./topk.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "topk",
  source: keys + bitonic + source,
  bindings: { x: "read", pairs: "read", merged: "write", values: "write", indices: "write" },
  params: { rows: "u", cols: "u", runs: "u", width: "u", take: "u" },
};

const sort: Kernel = {
  name: "sort",
  source: keys + bitonic + sortSource,
  bindings: { x: "read", pairs: "write", values: "write", indices: "write" },
  params: { rows: "u", cols: "u", size: "u", step: "u", block: "u", take: "u" },
};

/** Pairs that a workgroup sorts at most: 8 bytes each within 16 KiB. */
const MOST = 2048;

/** `topk` as dispatches. */
export function topk(op: OpOf<"topk">, context: Context): Dispatch[] {
  const { cols, k } = op;
  // Pairs take twice the room of numbers.
  const widths = cols <= MOST ? [4 * cols, 4 * k] : [4 * cols, 16 * cols, 4 * k];
  return Array.from(chunksOf(context.caps, op.rows, widths), ([from, to]) => {
    const call: Call = {
      x: rowsOf(op.x, 4 * cols, from, to),
      values: rowsOf(op.values, 4 * k, from, to),
      indices: rowsOf(op.indices, 4 * k, from, to),
      rows: to - from,
      cols,
      k,
    };
    return cols > MOST && k > MOST / 2 ? sortAll(call, context) : selectRuns(call, context);
  }).flat();
}

interface Call {
  readonly x: ReturnType<typeof rowsOf>;
  readonly values: ReturnType<typeof rowsOf>;
  readonly indices: ReturnType<typeof rowsOf>;
  readonly rows: number;
  readonly cols: number;
  readonly k: number;
}

function selectRuns({ x, values, indices, rows, cols: all, k }: Call, context: Context): Dispatch[] {
  const dispatches: Dispatch[] = [];
  let pairs = NOTHING;
  let cols = all;
  for (;;) {
    const runs = Math.ceil(cols / MOST);
    const width = runs === 1 ? cols : MOST;
    const last = runs === 1;
    const merged = last ? NOTHING : rowsOf(context.scratch(8 * rows * runs * k), 8 * runs * k, 0, rows);
    dispatches.push({
      kernel,
      constants: {
        THREADS,
        SIZE: Math.max(2, 2 ** Math.ceil(Math.log2(width))),
        ...(pairs.id !== 0 && { FROM_PAIRS: 1 }),
        ...(last && { LAST: 1 }),
      },
      bind: [
        pairs.id === 0 ? x : NOTHING,
        pairs,
        merged,
        last ? values : NOTHING,
        last ? indices : NOTHING,
      ],
      params: { rows, cols, runs, width, take: k },
      groups: rows * runs,
    });
    if (last) return dispatches;
    pairs = merged;
    cols = runs * k;
  }
}

function sortAll({ x, values, indices, rows, cols, k }: Call, context: Context): Dispatch[] {
  const size = 2 ** Math.ceil(Math.log2(cols));
  const pairs = rowsOf(context.scratch(8 * size * rows), 8 * size, 0, rows);
  const all = rows * size;
  const one = (constants: Dispatch["constants"], groups: number, step: number, block: number): Dispatch => ({
    kernel: sort,
    constants: { THREADS, ...constants },
    bind: [
      constants["FIRST"] ? x : NOTHING,
      pairs,
      constants["LAST"] ? values : NOTHING,
      constants["LAST"] ? indices : NOTHING,
    ],
    params: { rows, cols, size, step, block, take: k },
    groups,
  });
  const dispatches = [one({ SIZE: MOST, FIRST: 1 }, all / MOST, 0, 0)];
  for (let block = 2 * MOST; block <= size; block *= 2) {
    for (let step = block / 2; step >= MOST; step /= 2) {
      dispatches.push(one({}, Math.ceil(all / 2 / THREADS), step, block));
    }
    dispatches.push(one({ SIZE: MOST, ...(block === size && { LAST: 1 }) }, all / MOST, 0, block));
  }
  return dispatches;
}
