/**
 * Attention of one query token over cached rows: chunks of the tokens, then their merge. Rows in bitmap form have a kernel of
 * their own unless a list or a table scatters them.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, NOTHING, powerOfTwo, THREADS } from "../kernel.ts";
import cached from "../parts/cached.wgsl" with { type: "text" };
import functions from "../parts/functions.wgsl" with { type: "text" };
import folds from "../parts/rows.wgsl" with { type: "text" };
import task from "../parts/task.wgsl" with { type: "text" };
import { rowsOf, type Span, span } from "../windows.ts";
import { byHeads, metaSpan, rowSpan, tooLarge } from "./cached_rows.ts";
import bitmapSource from "./decode_bitmap.wgsl" with { type: "text" };
import mergeSource from "./decode_merge.wgsl" with { type: "text" };
import { byRows, byTiles } from "./decode_variants.ts";
import source from "./decode.wgsl" with { type: "text" };

const where = {
  kvHeads: "u",
  group: "u",
  first: "u",
  rows: "u",
  total: "u",
  kBase: "u",
  kHead: "u",
  vBase: "u",
  vHead: "u",
  kNotes: "u",
  vNotes: "u",
  notesHead: "u",
  qBase: "u",
  bandBase: "u",
  banded: "u",
  chunks: "u",
  chunk: "u",
  scale: "f",
} as const;

const split: Kernel = {
  name: "decode",
  source: cached + task + source,
  bindings: {
    k: "read",
    meta: "read",
    table: "read",
    v: "read",
    q: "read",
    list: "read",
    band: "read",
    parts: "write",
  },
  params: {
    ...where,
    columns: "u",
    paged: "u",
    page: "u",
    tableBase: "u",
    tableHead: "u",
    named: "u",
    listed: "u",
    step: "u",
    listBase: "u",
    listGroup: "u",
    listCap: "u",
  },
};

const bitmap: Kernel = {
  name: "decode_bitmap",
  source: task + bitmapSource,
  bindings: { k: "read", meta: "read", v: "read", q: "read", band: "read", parts: "write" },
  params: where,
};

const merge: Kernel = {
  name: "decode_merge",
  source: functions + folds + mergeSource,
  bindings: { parts: "read", out: "write", lse: "write" },
  params: { heads: "u", chunks: "u", merge: "u", outBase: "u", lseBase: "u" },
};

/** Workgroups that keep a GPU busy. */
const BUSY_GROUPS = 1024;
/** Rounds of a workgroup at least: its queries and its result cost as much as a few rows. */
const ROUNDS = 2;

/**
 * `decode` as dispatches: as many key heads at once as can be bound.
 *
 * @param bytesOf Bytes of a buffer.
 * @throws RangeError if one key head cannot be bound.
 */
export function decode(op: OpOf<"decode">, context: Context, bytesOf: (id: number) => number): Dispatch[] {
  const named = op.rows === 0 ? 0 : op.list === 0 ? op.rows : op.listCap * op.step;
  return byHeads(
    "decode",
    context.caps,
    op.kvHeads,
    (from, to) => spansOf(op, bytesOf, from, to),
    (spans, from, to) => whole(op, context, spans, named, to - from),
  );
}

type Spans = Readonly<Record<"k" | "v" | "meta" | "table" | "q" | "list" | "band" | "out" | "lse", Span>>;

function spansOf(op: OpOf<"decode">, bytesOf: (id: number) => number, from: number, to: number): Spans {
  const group = op.heads / op.kvHeads;
  const { headDim, listCap } = op;
  const count = to - from;
  const heads = count * group;
  const lists = op.lists === 1 ? [0, 1] as const : [from, count].map((n) => n * op.lists / op.kvHeads);
  const starts = [op.kMetaAt, op.vMetaAt];
  return {
    k: rowSpan(op, op.k, op.kHead, op.rows, bytesOf, from, to),
    v: rowSpan(op, op.v, op.vHead, op.rows, bytesOf, from, to),
    meta: metaSpan(op, starts, op.rows, bytesOf, from, to),
    table: span(op.table, from * op.tableHead, count * op.tableHead),
    q: span(op.q, from * group * headDim, heads * headDim),
    list: span(op.list, lists[0]! * listCap, lists[1]! * listCap),
    band: span(op.band, 2 * from, 2 * count),
    out: span(op.out, from * group * headDim, heads * headDim),
    lse: span(op.lse, from * group, heads),
  };
}

/** Key heads that can be bound. */
function whole(
  op: OpOf<"decode">,
  context: Context,
  spans: Spans,
  named: number,
  kvHeads: number,
): Dispatch[] {
  const { caps } = context;
  const { headDim } = op;
  const { k, v, meta, table, q, list, band, out, lse } = spans;
  const group = op.heads / op.kvHeads;
  const heads = kvHeads * group;
  const d4 = Math.ceil(headDim / 4);
  // Query heads with a list each share nothing.
  const shared = op.list !== 0 && op.lists === op.heads ? 1 : powerOfTwo(group);
  const tiles = byTiles(op, caps, shared);
  const { r, tokens: step, constants } = tiles ??
    byRows(op, caps, [k.base, v.base, op.kHead, op.vHead], shared);
  const pairs = kvHeads * Math.ceil(group / r);
  const most = Math.floor(caps.maxBinding / (16 * heads * (d4 + 1)));
  if (most === 0) throw tooLarge("decode", caps.maxBinding, "parts", 16 * heads * (d4 + 1));
  const busy = Math.min(most, Math.ceil(BUSY_GROUPS / pairs));
  const chunk = Math.max(ROUNDS, Math.ceil(named / step / busy)) * step;
  const chunks = Math.ceil(named / chunk);
  const bytes = 16 * heads * chunks * (d4 + 1);
  const parts = chunks === 0 ? NOTHING : rowsOf(context.scratch(bytes), bytes, 0, 1);
  const notes = Math.min(op.kMetaAt, op.vMetaAt);
  const params = {
    kvHeads,
    group,
    first: op.first,
    rows: op.rows,
    total: op.total,
    kBase: k.base,
    kHead: op.kHead,
    vBase: v.base,
    vHead: op.vHead,
    kNotes: meta.base + op.kMetaAt - notes,
    vNotes: meta.base + op.vMetaAt - notes,
    notesHead: op.metaHead,
    qBase: q.base,
    bandBase: band.base,
    banded: op.band === 0 ? 0 : 1,
    chunks,
    chunk: tiles ? chunk / step : chunk,
    scale: op.scale,
  };
  const reader: Dispatch = tiles
    ? { kernel: bitmap, constants, bind: [k, meta, v, q, band, parts], params, groups: pairs * chunks }
    : {
      kernel: split,
      constants,
      bind: [k, meta, table, v, q, list, band, parts],
      params: {
        ...params,
        columns: op.group,
        paged: op.table === 0 ? 0 : 1,
        page: op.page,
        tableBase: table.base,
        tableHead: op.tableHead,
        named,
        listed: op.list === 0 ? 0 : 1,
        step: op.step,
        listBase: list.base,
        listGroup: op.list === 0 ? 1 : op.heads / op.lists,
        listCap: op.listCap,
      },
      groups: pairs * chunks,
    };
  return [...(chunks === 0 ? [] : [reader]), {
    kernel: merge,
    constants: { THREADS, LANES: THREADS, WIDTH: powerOfTwo(d4), D: headDim },
    bind: [parts, out, lse],
    params: { heads, chunks, merge: op.merge, outBase: out.base, lseBase: lse.base },
    groups: heads,
  }];
}
