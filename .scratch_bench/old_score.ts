/**
 * Products of a query and cached rows.
 *
 * @module
 */
import type { OpOf } from "../sdk/device/ops.ts";
import type { Context, Dispatch, Kernel } from "../gpu/kernel.ts";
import cached from "../gpu/parts/cached.wgsl" with { type: "text" };
import { span } from "../gpu/windows.ts";
import { byHeads, formOf, lanesOf, metaSpan, rowSpan } from "../gpu/kernels/cached_rows.ts";
import source from "./old_score.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "old_score",
  source: cached + source,
  bindings: { k: "read", meta: "read", q: "read", out: "write" },
  params: {
    kvHeads: "u",
    group: "u",
    rows: "u",
    columns: "u",
    kBase: "u",
    kHead: "u",
    kNotes: "u",
    notesHead: "u",
    qBase: "u",
    outBase: "u",
    outHead: "u",
    chunks: "u",
    scale: "f",
  },
};

/** Threads of a workgroup, and query heads and scores of a slot at most. */
const READERS = 128;
const MOST_HEADS = 8;
const SCORES = 16;
const DEEP = 8;

/**
 * `scoreRows` as dispatches: as many key heads at once as can be bound.
 *
 * @param bytesOf Bytes of a buffer.
 * @throws RangeError if one key head cannot be bound.
 */
export function scoreRows(
  op: OpOf<"scoreRows">,
  { caps }: Context,
  bytesOf: (id: number) => number,
): Dispatch[] {
  const { headDim, rows, outHead } = op;
  const group = op.heads / op.kvHeads;
  return byHeads("scoreRows", caps, op.kvHeads, (from, to) => {
    const heads = (to - from) * group;
    return {
      k: rowSpan(op, op.k, op.kHead, rows, bytesOf, from, to),
      meta: metaSpan(op, [0], rows, bytesOf, from, to),
      q: span(op.q, from * group * headDim, heads * headDim),
      out: span(op.out, from * group * outHead, (heads - 1) * outHead + rows),
    };
  }, ({ k, meta, q, out }, from, to) => {
    const r = Math.min(MOST_HEADS, 2 ** Math.ceil(Math.log2(group)));
    const form = formOf(op, r <= MOST_HEADS / 2, [k.base, op.kHead]);
    const lanes = lanesOf("scoreRows", form, 1, READERS);
    const deep = Math.min(DEEP, SCORES / r);
    const chunks = Math.ceil(rows / (READERS / lanes * deep));
    return [{
      kernel,
      constants: {
        THREADS: READERS,
        LANES: lanes,
        R: r,
        DEEP: deep,
        E: deep * r,
        ...(lanes > 1 && { FOLD: 1 }),
        ...form,
      },
      bind: [k, meta, q, out],
      params: {
        kvHeads: to - from,
        group,
        rows,
        columns: op.group,
        kBase: k.base,
        kHead: op.kHead,
        kNotes: meta.base,
        notesHead: op.metaHead,
        qBase: q.base,
        outBase: out.base,
        outHead,
        chunks,
        scale: op.scale,
      },
      groups: (to - from) * Math.ceil(group / r) * chunks,
    }];
  });
}
