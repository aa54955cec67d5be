/**
 * Attention: which of three kernels, in which parts.
 *
 * - `attention_rows`: a thread owns a query; narrow heads and short sequences (the rows of a table).
 * - `attention_tiles`: a workgroup owns a tile of queries; long sequences (prefill).
 * - `attention_split`: workgroups share the keys of a few queries; then `attention_merge` (decode).
 *
 * @module
 */
import { DTYPE_CODE, type OpOf } from "../../sdk/device/ops.ts";
import {
  type Caps,
  type Context,
  type Dispatch,
  type Kernel,
  NOTHING,
  powerOfTwo,
  THREADS,
} from "../kernel.ts";
import attended from "../parts/attended.wgsl" with { type: "text" };
import functions from "../parts/functions.wgsl" with { type: "text" };
import heads from "../parts/heads.wgsl" with { type: "text" };
import masked from "../parts/masked.wgsl" with { type: "text" };
import result from "../parts/result.wgsl" with { type: "text" };
import tiled from "../parts/tiled.wgsl" with { type: "text" };
import type { Constants } from "../template.ts";
import { fits, type Span, span } from "../windows.ts";
import mergeSource from "./attention_merge.wgsl" with { type: "text" };
import rowsSource from "./attention_rows.wgsl" with { type: "text" };
import splitSource from "./attention_split.wgsl" with { type: "text" };
import tilesSource from "./attention_tiles.wgsl" with { type: "text" };
import { type ScoreTile, tilesThatFit } from "./score_tiles.ts";

const bindings = {
  q: "read",
  k: "read",
  v: "read",
  mask: "read",
  lens: "read",
  out: "write",
  lse: "write",
} as const;
const where = {
  outBase: "u",
  outBatch: "u",
  outHead: "u",
  outRow: "u",
  lseBase: "u",
  lseBatch: "u",
  queries: "u",
  summed: "u",
} as const;
const params = {
  batch: "u",
  heads: "u",
  group: "u",
  lq: "u",
  lk: "u",
  firstQuery: "u",
  firstKey: "u",
  keys: "u",
  qBase: "u",
  qBatch: "u",
  qHead: "u",
  qRow: "u",
  kBase: "u",
  kBatch: "u",
  kHead: "u",
  kRow: "u",
  vBase: "u",
  vBatch: "u",
  vHead: "u",
  vRow: "u",
  maskBase: "u",
  lensBase: "u",
  masked: "u",
  limited: "u",
  causal: "u",
  ...where,
  scale: "f",
} as const;
const common = functions + heads + masked + result + attended;

const rows: Kernel = { name: "attention_rows", source: common + rowsSource, bindings, params };
const tiles: Kernel = { name: "attention_tiles", source: common + tiled + tilesSource, bindings, params };
const split: Kernel = {
  name: "attention_split",
  source: common + splitSource,
  bindings: { ...bindings, parts: "write" },
  params: { ...params, chunks: "u", chunk: "u", firstChunk: "u", allChunks: "u" },
};
const merge: Kernel = {
  name: "attention_merge",
  source: functions + mergeSource,
  bindings: { parts: "read", out: "write", lse: "write" },
  params: { batch: "u", heads: "u", lq: "u", chunks: "u", ...where },
};

/** Widest head whose query a thread can hold in registers, and whose tile a workgroup can. */
const NARROW = 32;
const WIDE = 256;
/** Queries that are few, and queries that a workgroup of `attention_split` owns at most. */
const FEW = 16;
const MOST_ROWS = 8;
/** Threads that keep a GPU busy with narrow heads; workgroups that do so with few queries. */
const BUSY_THREADS = 8192;
const BUSY_GROUPS = 1024;
const ROW_THREADS = 64;
/** Scores of a slot of `attention_split` in one round at most: its keys times its queries. */
const SUMS = 16;

/** A part of the operation: ranges of batch entries, key heads and queries. */
interface Part {
  readonly b: Range;
  readonly kv: Range;
  readonly i: Range;
}
type Range = readonly [from: number, to: number];

/** `attention` as dispatches. */
export function attention(op: OpOf<"attention">, context: Context): Dispatch[] {
  return cut(op, context, { b: [0, op.batch], kv: [0, op.kvHeads], i: [0, op.lq] });
}

/** One part, or its halves if it cannot be bound. */
function cut(op: OpOf<"attention">, context: Context, part: Part): Dispatch[] {
  const { caps } = context;
  const { b, kv, i } = part;
  const spans = spansOf(op, part, [0, op.lk]);
  const keysFit = fits(caps, spans.k, spans.v);
  if (keysFit && fits(caps, spans.q, spans.out, spans.lse, spans.mask)) {
    return whole(op, context, part, spans);
  }
  if (b[1] - b[0] > 1) return halves(op, context, part, "b");
  if (kv[1] - kv[0] > 1) return halves(op, context, part, "kv");
  if (!fits(caps, spans.q, spans.out, spans.lse, spans.mask) && i[1] - i[0] > 1) {
    return halves(op, context, part, "i");
  }
  return overKeys(op, context, part);
}

/** A part in two. */
function halves(op: OpOf<"attention">, context: Context, part: Part, name: keyof Part): Dispatch[] {
  const [from, to] = part[name];
  const middle = Math.ceil((from + to) / 2);
  const ranges: Range[] = [[from, middle], [middle, to]];
  return ranges.flatMap((range) => cut(op, context, { ...part, [name]: range }));
}

interface Spans {
  readonly q: Span;
  readonly k: Span;
  readonly v: Span;
  readonly mask: Span;
  readonly out: Span;
  readonly lse: Span;
}

function spansOf(op: OpOf<"attention">, { b, kv, i }: Part, [key, keyEnd]: Range): Spans {
  const group = op.heads / op.kvHeads;
  const { headDim } = op;
  const size = op.kvtype === DTYPE_CODE.f16 ? 2 : 4;
  const reach = (batch: number, heads: number, head: number, row: number, rows: number): number =>
    (b[1] - b[0] - 1) * batch + (heads - 1) * head + (rows - 1) * row + headDim;
  const [queries, keys] = [i[1] - i[0], keyEnd - key];
  const [h, hs] = [kv[0] * group, (kv[1] - kv[0]) * group];
  const kvs = kv[1] - kv[0];
  return {
    q: span(
      op.q,
      op.qOffset + b[0] * op.qBatch + h * op.qHead + i[0] * op.qRow,
      reach(op.qBatch, hs, op.qHead, op.qRow, queries),
    ),
    k: span(
      op.k,
      op.kOffset + b[0] * op.kBatch + kv[0] * op.kHead + key * op.kRow,
      reach(op.kBatch, kvs, op.kHead, op.kRow, keys),
      size,
    ),
    v: span(
      op.v,
      op.vOffset + b[0] * op.vBatch + kv[0] * op.vHead + key * op.vRow,
      reach(op.vBatch, kvs, op.vHead, op.vRow, keys),
      size,
    ),
    mask: span(op.mask, i[0] * op.lk, queries * op.lk, 1),
    out: span(
      op.out,
      b[0] * op.outBatch + h * op.outHead + i[0] * op.outRow,
      reach(op.outBatch, hs, op.outHead, op.outRow, queries),
    ),
    lse: span(
      op.lse,
      (b[0] * op.heads + h) * op.lq + i[0],
      ((b[1] - b[0] - 1) * op.heads + hs - 1) * op.lq + queries,
    ),
  };
}

/** What all kernels get: bindings, parameters and the constants of the variant. */
function call(op: OpOf<"attention">, caps: Caps, part: Part, spans: Spans, [key, keyEnd]: Range) {
  const { b, kv, i } = part;
  const group = op.heads / op.kvHeads;
  const { q, k, v, mask, out, lse } = spans;
  const numbers = [
    op.headDim,
    ...[q, k, v].map(({ base }) => base),
    ...[op.qBatch, op.qHead, op.qRow, op.kBatch, op.kHead, op.kRow, op.vBatch, op.vHead, op.vRow],
  ];
  const vec = numbers.every((number) => number % 4 === 0);
  const half = op.kvtype === DTYPE_CODE.f16;
  const flag = (name: string, on: boolean): Constants => (on ? { [name]: 1 } : {});
  const written = {
    outBase: out.base,
    outBatch: op.outBatch,
    outHead: op.outHead,
    outRow: op.outRow,
    lseBase: lse.base,
    lseBatch: op.heads * op.lq,
    queries: op.lq,
    summed: op.lse === 0 ? 0 : 1,
  };
  const lens = op.lens ? span(op.lens, b[0], b[1] - b[0]) : { ...NOTHING, base: 0 };
  const constants: Constants = {
    D: op.headDim,
    ...flag("VEC", vec),
    ...flag("HALF", half),
    ...flag("F16", half && vec && caps.f16),
  };
  return {
    bind: [q, k, v, mask, lens, out, lse],
    written,
    constants,
    params: {
      batch: b[1] - b[0],
      heads: (kv[1] - kv[0]) * group,
      group,
      lq: i[1] - i[0],
      lk: op.lk,
      firstQuery: i[0],
      firstKey: key,
      keys: keyEnd - key,
      qBase: q.base,
      qBatch: op.qBatch,
      qHead: op.qHead,
      qRow: op.qRow,
      kBase: k.base,
      kBatch: op.kBatch,
      kHead: op.kHead,
      kRow: op.kRow,
      vBase: v.base,
      vBatch: op.vBatch,
      vHead: op.vHead,
      vRow: op.vRow,
      maskBase: mask.base,
      lensBase: lens.base,
      masked: op.mask === 0 ? 0 : 1,
      limited: op.lens === 0 ? 0 : 1,
      causal: op.causal,
      ...written,
      scale: op.scale,
    },
  };
}

/** A part that can be bound, by the kernel that suits it. */
function whole(op: OpOf<"attention">, context: Context, part: Part, spans: Spans): Dispatch[] {
  const { caps } = context;
  const { bind, constants, params } = call(op, caps, part, spans, [0, op.lk]);
  const { headDim } = op;
  const { batch, heads, group, lq } = params;
  const threads = batch * heads * lq;
  const d4 = Math.ceil(headDim / 4);
  if (
    headDim <= (constants["VEC"] ? NARROW : NARROW / 4) &&
    (threads >= BUSY_THREADS || op.lk <= 64 || group * lq > FEW)
  ) {
    const first: Constants = op.qHead < op.qRow ? { HEADS_FIRST: 1 } : {};
    return [{
      kernel: rows,
      constants: { THREADS: ROW_THREADS, D4: d4, ...first, ...constants },
      bind,
      params,
      groups: Math.ceil(threads / ROW_THREADS),
    }];
  }
  if (group * lq <= FEW || headDim > WIDE) return overKeys(op, context, part);
  const tile = tileFor(caps, d4, lq);
  return [{
    kernel: tiles,
    constants: { ...tile, ...constants },
    bind,
    params,
    groups: batch * heads * Math.ceil(lq / (8 * tile.WY)),
  }];
}

/** The largest tile that is not wasted on so few queries. */
function tileFor(caps: Caps, d4: number, lq: number): ScoreTile {
  const tiles = tilesThatFit(caps, d4, (_, wy) => 96 * wy);
  return tiles.find(({ WY }) => lq > 64 || WY < 16) ?? tiles.at(-1)!;
}

/** A part of few queries, or of keys that cannot be bound at once: chunks of keys, then their merge. */
function overKeys(op: OpOf<"attention">, context: Context, part: Part): Dispatch[] {
  const { caps } = context;
  const { lk, headDim } = op;
  const size = op.kvtype === DTYPE_CODE.f16 ? 2 : 4;
  const group = op.heads / op.kvHeads;
  const rowsAll = group * (part.i[1] - part.i[0]);
  const r = Math.min(MOST_ROWS, powerOfTwo(rowsAll));
  const lanes = powerOfTwo(Math.max(r > 1 ? 8 : 4, Math.ceil(headDim / 4)));
  const deep = Math.min(8, SUMS / r);
  const threads = Math.max(lanes, Math.min(caps.workgroupBytes < 1 << 15 ? 128 : 256, caps.invocations));
  if (lanes > threads) {
    throw new RangeError(
      `Cannot run attention on this GPU: heads of ${headDim} are wider than ${4 * caps.invocations}`,
    );
  }
  const round = threads / lanes * deep;
  const pairs = (part.b[1] - part.b[0]) * (part.kv[1] - part.kv[0]) * Math.ceil(rowsAll / r);
  // Chunks keep the GPU busy, and windows of keys can be bound.
  const busy = Math.ceil(lk / Math.ceil(BUSY_GROUPS / pairs) / round) * round;
  const widest = size * Math.max(op.kRow, op.vRow);
  const chunk = Math.max(
    Math.min(64, lk),
    Math.min(busy, Math.max(1, Math.floor((caps.maxBinding / 2) / widest))),
  );
  const window = Math.max(
    chunk,
    Math.floor((caps.maxBinding - 256 - size * headDim) / widest / chunk) * chunk,
  );
  const allChunks = Math.ceil(lk / chunk);
  const first = call(op, caps, part, spansOf(op, part, [0, lk]), [0, lk]);
  const { batch, heads, lq } = first.params;
  const partRow = 4 * allChunks * (headDim + 2);
  const partial = allChunks > 1;
  if (partial && partRow * batch * heads * lq > caps.maxBinding) {
    for (const name of ["i", "kv", "b"] as const) {
      if (part[name][1] - part[name][0] > 1) return halves(op, context, part, name);
    }
  }
  const scratch = partial
    ? span(context.scratch(partRow * batch * heads * lq), 0, partRow / 4 * batch * heads * lq)
    : NOTHING;
  const dispatches: Dispatch[] = [];
  for (let key = 0; key < lk; key += window) {
    const range: Range = [key, Math.min(lk, key + window)];
    const spans = spansOf(op, part, range);
    const { bind, constants, params } = call(op, caps, part, spans, range);
    const chunks = Math.ceil((range[1] - range[0]) / chunk);
    dispatches.push({
      kernel: split,
      constants: {
        THREADS: threads,
        LANES: lanes,
        R: r,
        DEEP: deep,
        ...constants,
        ...(partial && { PARTS: 1 }),
      },
      bind: partial ? [...bind.slice(0, 5), NOTHING, NOTHING, scratch] : [...bind, NOTHING],
      params: { ...params, chunks, chunk, firstChunk: key / chunk, allChunks },
      groups: pairs * chunks,
    });
  }
  if (!partial) return dispatches;
  const [, , , , , out, lse] = first.bind;
  return [...dispatches, {
    kernel: merge,
    constants: { THREADS, D: headDim },
    bind: [scratch, out!, lse!],
    params: { batch, heads, lq, chunks: allChunks, ...first.written },
    groups: Math.ceil(batch * heads * lq * headDim / THREADS),
  }];
}
