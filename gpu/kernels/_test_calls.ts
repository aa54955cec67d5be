/**
 * Calls of operations with the sizes of their tensors, and what a device would say of their dispatches, for tests without a
 * GPU.
 *
 * @module
 */
import { DTYPE_CODE, FORM, type Op, type OpName, type OpOf, OPS, WEIGHT_CODE } from "../../sdk/device/ops.ts";
import { assert, assertEquals } from "../../sdk/testing/assert.ts";
import { ALIGNMENT, type Caps, type Dispatch, sourceOf, variantOf } from "../kernel.ts";
import { type Workgroup, workgroupOf } from "./_test_workgroup.ts";
import { dispatchesOf, packedBytes } from "./mod.ts";

/** The least adapter that WebGPU promises. */
export const CAPS: Caps = {
  maxBinding: 1 << 27,
  workgroupBytes: 1 << 14,
  invocations: 256,
  f16: false,
  subgroups: false,
};

/** An operation, and the bytes of its tensors by the names of their fields; those that are not named are absent. */
export interface Call {
  readonly op: Op;
  readonly bytes: ReadonlyMap<number, number>;
}

function callOf<N extends OpName>(
  name: N,
  fields: Partial<OpOf<N>>,
  tensors: Readonly<Partial<Record<keyof OpOf<N>, number>>>,
): Call {
  const bytes = new Map<number, number>();
  const numbers = Object.keys(OPS[name].fields).map((field) => {
    const size = tensors[field as keyof OpOf<N>];
    if (size === undefined) return [field, 0];
    bytes.set(bytes.size + 1, size);
    return [field, bytes.size];
  });
  return { op: { op: name, ...Object.fromEntries(numbers), ...fields } as unknown as Op, bytes };
}

/** The dispatches of a call, each checked as the device will. */
export function dispatch({ op, bytes }: Call, caps: Caps = CAPS): Dispatch[] {
  const sizes = new Map(bytes);
  let last = 0;
  const scratch = (size: number): number => {
    sizes.set(--last, size);
    return last;
  };
  const dispatches = dispatchesOf(op, { caps, scratch }, (id) => sizes.get(id)!);
  assert(dispatches.length > 0, `${op.op} does nothing`);
  for (const each of dispatches) {
    const problem = problemOf(each, caps, sizes);
    assertEquals(problem, undefined, `${each.kernel.name}: ${problem} in ${JSON.stringify({ op, caps })}`);
  }
  return dispatches;
}

/** What a device would not accept, if anything. */
function problemOf(
  { kernel, constants, bind, params, groups }: Dispatch,
  caps: Caps,
  sizes: ReadonlyMap<number, number>,
) {
  const accesses = Object.values(kernel.bindings);
  if (bind.length !== accesses.length) return `${bind.length} windows for ${accesses.length} bindings`;
  for (const [i, { id, offset, bytes }] of bind.entries()) {
    if (id === 0) {
      if (offset !== 0 || bytes !== 0) return "nothing has bytes";
      continue;
    }
    if (!Number.isInteger(offset) || offset < 0 || offset % ALIGNMENT !== 0) {
      return `window ${i} begins at ${offset}`;
    }
    if (!(bytes > 0 && bytes <= caps.maxBinding)) return `window ${i} has ${bytes} bytes`;
    if (!(offset + bytes <= sizes.get(id)!)) {
      return `window ${i} ends at ${offset + bytes} of ${sizes.get(id)}`;
    }
    if (bind.some((other, j) => other.id === id && accesses[i] === "write" && i !== j)) {
      return `window ${i} is bound beside another of its buffer`;
    }
  }
  if (!Number.isInteger(groups) || groups < 1) return `${groups} workgroups`;
  for (const [name, type] of Object.entries(kernel.params)) {
    const value = params[name];
    if (typeof value !== "number" || Number.isNaN(value)) return `parameter ${name} is ${value}`;
    if (type === "u" && !(Number.isInteger(value) && value >= 0 && value < 2 ** 32)) {
      return `parameter ${name} is ${value}`;
    }
  }
  for (const name in params) if (!(name in kernel.params)) return `the kernel has no parameter ${name}`;
  for (const [name, value] of Object.entries(constants)) {
    if (!(Number.isInteger(value) && value >= 0)) return `constant ${name} is ${value}`;
  }
  const { threads, bytes } = workgroup(kernel, constants);
  if (threads > caps.invocations) return `a workgroup has ${threads} threads`;
  if (bytes > caps.workgroupBytes) return `a workgroup shares ${bytes} bytes`;
  return undefined;
}

const workgroups = new Map<string, Workgroup>();

function workgroup(kernel: Dispatch["kernel"], constants: Dispatch["constants"]): Workgroup {
  const name = variantOf(kernel, constants);
  const known = workgroups.get(name) ?? workgroupOf(sourceOf(kernel, constants));
  workgroups.set(name, known);
  return known;
}

/** What a product with a weight is made of. */
export interface LinearShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly type?: keyof typeof WEIGHT_CODE;
  /** Groups of inputs that share a scale. @default 1 */
  readonly groups?: number;
  readonly bias?: boolean;
  readonly residual?: "none" | "other" | "out";
}

/** A linear layer. */
export function linearOf(
  { m, n, k, type = "f32", groups = 1, bias = false, residual = "none" }: LinearShape,
): Call {
  const wtype = WEIGHT_CODE[type];
  const scaled = type === "i8" || type === "i4";
  const call = callOf("linear", { m, n, k, wtype, group: k / groups }, {
    x: 4 * m * k,
    w: packedBytes(n, k, wtype),
    ...(scaled && { scales: 4 * n * groups }),
    ...(bias && { bias: 4 * n }),
    ...(residual === "other" && { residual: 4 * m * n }),
    out: 4 * m * n,
  });
  return residual === "out"
    ? { ...call, op: { ...call.op, residual: (call.op as OpOf<"linear">).out } as Op }
    : call;
}

/** What attention is made of; all numbers not given are 1. */
export interface AttentionShape {
  readonly batch?: number;
  readonly kvHeads?: number;
  readonly group?: number;
  readonly headDim: number;
  readonly lq: number;
  readonly lk: number;
  readonly half?: boolean;
  readonly causal?: boolean;
  readonly extras?: boolean;
}

/** Attention whose heads lie side by side in rows. */
export function attentionOf(shape: AttentionShape): Call {
  const { batch = 1, kvHeads = 1, group = 1, headDim, lq, lk, half = false, causal = false, extras = false } =
    shape;
  const heads = kvHeads * group;
  const [row, kvRow] = [heads * headDim, kvHeads * headDim];
  const kvBytes = (half ? 2 : 4) * batch * lk * kvRow;
  return callOf("attention", {
    ...{ batch, heads, kvHeads, headDim, lq, lk },
    ...{ qRow: row, outRow: row, kRow: kvRow, vRow: kvRow },
    ...{ qHead: headDim, kHead: headDim, vHead: headDim, outHead: headDim },
    ...{ qBatch: lq * row, outBatch: lq * row, kBatch: lk * kvRow, vBatch: lk * kvRow },
    kvtype: half ? DTYPE_CODE.f16 : DTYPE_CODE.f32,
    causal: causal ? 1 : 0,
    scale: headDim ** -0.5,
  }, {
    q: 4 * batch * lq * row,
    k: kvBytes,
    v: kvBytes,
    out: 4 * batch * lq * row,
    ...(extras && { mask: lq * lk, lens: 4 * batch, lse: 4 * batch * heads * lq }),
  });
}

/** The others, by their sizes. */
export const topkOf = (rows: number, cols: number, k: number, sorted = true): Call =>
  callOf("topk", { rows, cols, k, sorted: sorted ? 1 : 0 }, {
    x: 4 * rows * cols,
    values: 4 * rows * k,
    indices: 4 * rows * k,
  });
export const scanOf = (rows: number, cols: number, dtype: number = DTYPE_CODE.f32): Call =>
  callOf("scan", { rows, cols, dtype }, { x: 4 * rows * cols, out: 4 * rows * cols });
export const gatherOf = (n: number, width: number, size: number, sources: number): Call =>
  callOf("gather", { n, width, size }, { x: sources * width * size, index: 4 * n, out: n * width * size });
export const matmulOf = (batch: number, m: number, n: number, k: number, shared = false): Call =>
  callOf("matmul", { batch, m, n, k, aBatch: m * k, bBatch: shared ? 0 : n * k, alpha: 1 }, {
    a: 4 * batch * m * k,
    b: 4 * (shared ? 1 : batch) * n * k,
    out: 4 * batch * m * n,
  });
export const softmaxOf = (rows: number, cols: number, period: number): Call =>
  callOf("softmax", { rows, cols, period, scale: 1 }, {
    x: 4 * rows * cols,
    lens: 4 * period,
    out: 4 * rows * cols,
  });
export const lineSumsOf = (batch: number, n: number, length: number, both = true): Call =>
  callOf("lineSums", { batch, n, length }, {
    x: 4 * batch * n * length,
    starts: 4 * n,
    columns: 4 * batch * length,
    ...(both && { diagonals: 4 * batch * length }),
  });
export const markOf = (rows: number, k: number, cols: number): Call =>
  callOf("mark", { rows, k, cols }, { index: 4 * rows * k, counts: 4 * rows, out: 4 * rows * cols });
/** Blocks of 64; room for all columns and for one tile per diagonal. */
export const mergeLinesOf = (heads: number, columns: number, diagonals: number, blocks: number): Call => {
  const tileCap = Math.max(diagonals, 1);
  return callOf("mergeLines", {
    ...{ heads, columnCount: columns, diagonalCount: diagonals, blocks, tileCap, columnCap: columns },
    block: 64,
  }, {
    columns: 4 * heads * columns,
    diagonals: 4 * heads * diagonals,
    tiles: 4 * heads * blocks * tileCap,
    lists: 4 * heads * blocks * columns,
  });
};
/** Two classes of keys, tiles of 64 by 40; the bits of `tileCap` tiles, or occupancy if that is 0. */
export const lineTilesOf = (heads: number, lq: number, length: number, tileCap: number): Call => {
  const blocks = Math.ceil(lq / 64);
  const lk = Math.max(length, 1);
  const sizes = { heads, keyHead: 2 * lk, queryClasses: 1, keyClasses: 2, lq, lk, length };
  return callOf("lineTiles", { ...sizes, blockQ: 64, tileK: 40, tileCap }, {
    queries: 4 * 3 * lq,
    keys: 4 * heads * 2 * lk,
    lines: 4 * heads * 6 * length,
    ...(tileCap > 0 && { tiles: 4 * heads * blocks * tileCap }),
    out: 4 * heads * blocks * (tileCap > 0 ? tileCap * 64 * 2 : Math.ceil(lk / 40)),
  });
};

/** What rows of a cache are made of; all numbers not given are 1. */
export interface CachedShape {
  readonly form: keyof typeof FORM;
  readonly kvHeads?: number;
  readonly group?: number;
  readonly headDim: number;
  readonly rows: number;
  /** Columns of a pair (step, min). @default headDim */
  readonly columns?: number;
}

const CODE_BITS: Readonly<Record<keyof typeof FORM, number>> = {
  f32: 32,
  f16: 16,
  int8: 8,
  int4: 4,
  bitmap: 16,
};

/** Rows without room between heads, and the bytes of one kind of them and of their meta. */
function cachedOf({ form, kvHeads = 1, group = 1, headDim, rows, columns = headDim }: CachedShape) {
  const codes = form === "int8" || form === "int4";
  const room = form === "bitmap" ? Math.ceil(rows / 64) * 64 : rows;
  const metaHead = codes ? 2 * rows * headDim / columns : form === "bitmap" ? 3 * room * headDim / 64 : 0;
  const metaBytes = 4 * kvHeads * metaHead;
  return {
    heads: kvHeads * group,
    rowBytes: kvHeads * room * headDim * CODE_BITS[form] / 8,
    metaBytes,
    fields: {
      ...{ form: FORM[form], kvHeads, headDim, rows, metaHead, group: columns, page: 1 },
      ...{ kHead: room * headDim, vHead: room * headDim, vMetaAt: metaBytes / 4 },
    },
  };
}

/** A decode step; `lists` of `listCap` entries if that is given. */
export function decodeOf(shape: CachedShape, lists = 0, listCap = 0, step = 1): Call {
  const { heads, rowBytes, metaBytes, fields } = cachedOf(shape);
  const { headDim } = shape;
  return callOf(
    "decode",
    { ...fields, heads, total: shape.rows, lists: lists || 1, listCap, step, scale: 1 },
    {
      ...{ q: 4 * heads * headDim, k: rowBytes, v: rowBytes },
      ...(metaBytes > 0 && { meta: 2 * metaBytes }),
      ...(lists > 0 && { list: 4 * lists * listCap }),
      ...{ out: 4 * heads * headDim, lse: 4 * heads },
    },
  );
}
export function scoreRowsOf(shape: CachedShape): Call {
  const { heads, rowBytes, metaBytes, fields: { vHead: _, page: __, vMetaAt: ___, ...fields } } = cachedOf(
    shape,
  );
  return callOf("scoreRows", { ...fields, heads, outHead: shape.rows + 3, scale: 1 }, {
    ...{ q: 4 * heads * shape.headDim, k: rowBytes },
    ...(metaBytes > 0 && { meta: metaBytes }),
    out: 4 * heads * (shape.rows + 3),
  });
}
export function readRowsOf(shape: CachedShape): Call {
  const { rowBytes, metaBytes, fields } = cachedOf(shape);
  const { kvHeads: heads, vHead: _, vMetaAt: __, rows: count, ...rest } = fields;
  return callOf("readRows", { ...rest, heads, count }, {
    k: rowBytes,
    ...(metaBytes > 0 && { meta: metaBytes }),
    out: 4 * heads * count * shape.headDim,
  });
}
export const quantizeOf = (rows: number, cols: number, bits: number, group = cols): Call =>
  callOf("quantize", { rows, cols, bits, group }, {
    x: 4 * rows * cols,
    codes: rows * cols * bits / 8,
    meta: 8 * rows * cols / group,
  });
/** Appends to an empty cache with room for everything. */
export function packBitmapOf(heads: number, n: number, headDim: number, half = false): Call {
  const metaHead = 3 * (n * headDim / 64 + 1);
  const sizes = {
    heads,
    n,
    headDim,
    xHead: n * headDim,
    packedHead: n * headDim,
    metaHead,
    drop: headDim >> 1,
  };
  return callOf("packBitmap", { ...sizes, xtype: half ? DTYPE_CODE.f16 : DTYPE_CODE.f32 }, {
    x: (half ? 2 : 4) * heads * n * headDim,
    packed: 2 * heads * n * headDim,
    meta: 4 * heads * metaHead,
  });
}
