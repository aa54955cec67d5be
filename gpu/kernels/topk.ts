/**
 * The largest of each row. Workgroups sort runs of a row and keep the best of each, until one run is left; where so many are
 * asked for that this would take long, they are selected first and sorted in memory, or the whole row is.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, NOTHING, powerOfTwo, THREADS } from "../kernel.ts";
import bitonic from "../parts/bitonic.wgsl" with { type: "text" };
import keys from "../parts/keys.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import { select } from "./select.ts";
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
/** From so many on the largest of a row that no workgroup can sort are selected. */
const MANY = MOST / 8;

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
    if (cols <= MOST) return selectRuns(call, context);
    if (op.sorted === 0) return select(call.x, call, { rows: call.rows, cols, take: k, size: k }, context);
    if (k < MANY) return selectRuns(call, context);
    return powerOfTwo(k) < powerOfTwo(cols) ? selectAndSort(call, context) : sortAll(call, context);
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
        SIZE: Math.max(2, powerOfTwo(width)),
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

function selectAndSort(call: Call, context: Context): Dispatch[] {
  const { x, rows, cols, k } = call;
  const size = powerOfTwo(k);
  const pairs = rowsOf(context.scratch(8 * size * rows), 8 * size, 0, rows);
  return [
    ...select(x, { taken: pairs }, { rows, cols, take: k, size }, context),
    ...sortPairs({ ...call, x: NOTHING, cols: k }, pairs, context),
  ];
}

function sortAll(call: Call, context: Context): Dispatch[] {
  const size = powerOfTwo(call.cols);
  return sortPairs(call, rowsOf(context.scratch(8 * size * call.rows), 8 * size, 0, call.rows), context);
}

/** Sorts `pairs`, whose rows have a power of two; they are made of x unless that is nothing. */
function sortPairs(
  { x, values, indices, rows, cols, k }: Call,
  pairs: Call["x"],
  { caps }: Context,
): Dispatch[] {
  const size = powerOfTwo(cols);
  const all = rows * size;
  const most = Math.min(size, caps.workgroupBytes < 1 << 15 ? MOST : 2 * MOST);
  const block = { THREADS: Math.max(2, Math.min(most / 2, caps.invocations)), SIZE: most };
  const one = (constants: Dispatch["constants"], groups: number, step: number, block: number): Dispatch => ({
    kernel: sort,
    constants,
    bind: [
      constants["FIRST"] ? x : NOTHING,
      pairs,
      constants["LAST"] ? values : NOTHING,
      constants["LAST"] ? indices : NOTHING,
    ],
    params: { rows, cols, size, step, block, take: k },
    groups,
  });
  const steps = [
    one(
      { ...block, FIRST: 1, ...(x.id === 0 && { FROM_PAIRS: 1 }), ...(size === most && { LAST: 1 }) },
      all / most,
      0,
      0,
    ),
  ];
  for (let width = 2 * most; width <= size; width *= 2) {
    for (let step = width / 2; step >= most; step /= 2) {
      steps.push(one({ THREADS }, Math.ceil(all / 2 / THREADS), step, width));
    }
    steps.push(one({ ...block, ...(width === size && { LAST: 1 }) }, all / most, 0, width));
  }
  return steps;
}
