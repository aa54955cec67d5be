/**
 * Attention by a plan: the tiles of dense attention over the slots that are listed. A workgroup owns at least 32 rows of a row
 * block, so blocks of fewer rows (or a single query) leave some of it idle.
 *
 * @module
 */
import { DTYPE_CODE, NO_PART, type OpOf } from "../../sdk/device/ops.ts";
import type { Caps, Context, Dispatch, Kernel } from "../kernel.ts";
import functions from "../parts/functions.wgsl" with { type: "text" };
import heads from "../parts/heads.wgsl" with { type: "text" };
import listed from "../parts/listed.wgsl" with { type: "text" };
import result from "../parts/result.wgsl" with { type: "text" };
import tiled from "../parts/tiled.wgsl" with { type: "text" };
import { fits, type Span, span } from "../windows.ts";
import { type ScoreTile, tilesThatFit } from "./score_tiles.ts";
import source from "./planned.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "planned",
  source: functions + heads + result + tiled + listed + source,
  bindings: {
    q: "read",
    k: "read",
    v: "read",
    plan: "read",
    bias: "read",
    out: "write",
    stat: "write",
  },
  params: {
    heads: "u",
    group: "u",
    firstInGroup: "u",
    lq: "u",
    lk: "u",
    blocks: "u",
    parts: "u",
    blockQ: "u",
    tileSlots: "u",
    words: "u",
    qBase: "u",
    kBase: "u",
    vBase: "u",
    outBase: "u",
    statBase: "u",
    biasBase: "u",
    planBase: "u",
    planHead: "u",
    tilesAt: "u",
    tileCap: "u",
    bitsAt: "u",
    columnOfAt: "u",
    columnsAt: "u",
    columnCap: "u",
    lists: "u",
    qOrderAt: "u",
    kOrderAt: "u",
    bandAt: "u",
    causal: "u",
    plain: "u",
    biased: "u",
    stat: "u",
    scale: "f",
  },
};

/**
 * `planned` as dispatches: as many heads at once as can be bound.
 *
 * @param planBytes Bytes of the plan.
 * @throws RangeError if one head cannot be bound.
 */
export function planned(op: OpOf<"planned">, context: Context, planBytes: number): Dispatch[] {
  return cut(op, context.caps, planBytes, 0, op.heads);
}

/** Heads [from, to), or their halves if they cannot be bound. */
function cut(op: OpOf<"planned">, caps: Caps, planBytes: number, from: number, to: number): Dispatch[] {
  const spans = spansOf(op, planBytes, from, to);
  if (fits(caps, ...Object.values(spans))) return [whole(op, caps, spans, from, to)];
  if (to - from === 1) {
    const [name, { bytes }] = Object.entries(spans).find(([, each]) => !fits(caps, each))!;
    throw new RangeError(
      `Cannot run attention by a plan on this GPU: "${name}" of one head has ${bytes} bytes, more than a binding of ${caps.maxBinding}; ${
        name === "plan" ? "use larger tiles or shorter lists" : "use fewer tokens"
      }`,
    );
  }
  const middle = Math.ceil((from + to) / 2);
  return [...cut(op, caps, planBytes, from, middle), ...cut(op, caps, planBytes, middle, to)];
}

type Spans = Readonly<Record<"q" | "k" | "v" | "plan" | "bias" | "out" | "stat", Span>>;

function spansOf(op: OpOf<"planned">, planBytes: number, from: number, to: number): Spans {
  const { lq, lk, headDim, planHead } = op;
  const group = op.heads / op.kvHeads;
  const size = op.kvtype === DTYPE_CODE.f16 ? 2 : 4;
  const kvFrom = Math.floor(from / group);
  const kvs = Math.ceil(to / group) - kvFrom;
  const count = to - from;
  const row = lq * headDim;
  const kvRow = lk * headDim;
  return {
    q: span(op.q, from * row, count * row),
    k: span(op.k, kvFrom * kvRow, kvs * kvRow, size),
    v: span(op.v, kvFrom * kvRow, kvs * kvRow, size),
    plan: span(op.plan, from * planHead, planHead === 0 ? planBytes / 4 : count * planHead),
    bias: span(op.bias, kvFrom * lk, kvs * lk),
    out: span(op.out, from * row, count * row),
    stat: span(op.stat, from * lq, count * lq),
  };
}

/** Heads that can be bound. */
function whole(op: OpOf<"planned">, caps: Caps, spans: Spans, from: number, to: number): Dispatch {
  const { q, k, v, plan, bias, out, stat } = spans;
  const { headDim, lq, lk, blockQ } = op;
  const group = op.heads / op.kvHeads;
  const half = op.kvtype === DTYPE_CODE.f16;
  const vec = headDim % 4 === 0;
  const rows = Math.min(blockQ, lq);
  const tile = tileFor(caps, Math.ceil(headDim / 4), rows);
  const blocks = Math.ceil(lq / blockQ);
  const parts = Math.ceil(rows / (8 * tile.WY));
  const has = (at: number): boolean => at !== NO_PART;
  const flag = (on: boolean): number => (on ? 1 : 0);
  return {
    kernel,
    constants: {
      ...tile,
      D: headDim,
      OUT: flag(op.out !== 0),
      ...(vec && { VEC: 1 }),
      ...(half && { HALF: 1 }),
      ...(half && vec && caps.f16 && { F16: 1 }),
    },
    bind: [q, k, v, plan, bias, out, stat],
    params: {
      heads: to - from,
      group,
      firstInGroup: from % group,
      lq,
      lk,
      blocks,
      parts,
      blockQ,
      // Slots from lk on are not visible.
      tileSlots: Math.min(op.tileK, lk),
      words: Math.ceil(op.tileK / 32),
      qBase: q.base,
      kBase: k.base,
      vBase: v.base,
      outBase: out.base,
      statBase: stat.base,
      biasBase: bias.base,
      planBase: plan.base,
      planHead: op.planHead,
      tilesAt: op.tilesAt,
      tileCap: has(op.tilesAt) ? op.tileCap : 0,
      bitsAt: op.bitsAt,
      columnOfAt: op.columnOfAt,
      columnsAt: op.columnsAt,
      columnCap: op.columnCap,
      lists: op.lists,
      qOrderAt: op.qOrderAt,
      kOrderAt: op.kOrderAt,
      bandAt: op.bandAt,
      causal: op.causal,
      plain: flag(!has(op.bitsAt) && !has(op.bandAt) && op.bias === 0),
      biased: flag(op.bias !== 0),
      stat: op.stat === 0 ? 0 : 1 + op.statKind,
      scale: op.scale,
    },
    groups: (to - from) * blocks * parts,
  };
}

/** The largest tile that is not wasted on so few rows. */
function tileFor(caps: Caps, d4: number, rows: number): ScoreTile {
  const tiles = tilesThatFit(caps, d4, (wx, wy) => 32 * wy + 16 * wx + 32);
  return tiles.find(({ WY }) => 8 * WY < 2 * rows) ?? tiles.at(-1)!;
}
