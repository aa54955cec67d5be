/**
 * Products of a query and cached rows. Rows of a few codes have a kernel of their own.
 *
 * @module
 */
import { FORM, type OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, powerOfTwo } from "../kernel.ts";
import cached from "../parts/cached.wgsl" with { type: "text" };
import task from "../parts/task.wgsl" with { type: "text" };
import { type Span, span } from "../windows.ts";
import { byHeads, formOf, lanesOf, metaSpan, rowSpan } from "./cached_rows.ts";
import codesSource from "./score_codes.wgsl" with { type: "text" };
import source from "./score_rows.wgsl" with { type: "text" };

const bindings = { k: "read", meta: "read", q: "read", out: "write" } as const;
const where = {
  kvHeads: "u",
  group: "u",
  rows: "u",
  kBase: "u",
  kHead: "u",
  kNotes: "u",
  notesHead: "u",
  qBase: "u",
  outBase: "u",
  outHead: "u",
  chunks: "u",
  scale: "f",
} as const;

const kernel: Kernel = {
  name: "score_rows",
  source: cached + task + source,
  bindings,
  params: { ...where, columns: "u" },
};

const ofCodes: Kernel = { name: "score_codes", source: task + codesSource, bindings, params: where };

/** Threads of a workgroup, and query heads and scores of a slot at most. */
const READERS = 128;
const MOST_HEADS = 8;
const SCORES = 16;
const DEEP = 8;
/** Of rows of a few codes: columns of all queries that a thread holds at most, and rows. */
const COLUMNS = 64;
const EACH = 8;

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
  }, (spans, from, to): Dispatch[] => {
    const { k, meta, q, out } = spans;
    const kvHeads = to - from;
    const where = {
      kvHeads,
      group,
      rows,
      kBase: k.base,
      kHead: op.kHead,
      kNotes: meta.base,
      notesHead: op.metaHead,
      qBase: q.base,
      outBase: out.base,
      outHead,
      scale: op.scale,
    };
    const words = wordsOf(op, spans);
    if (words > 0) {
      const r = Math.min(
        powerOfTwo(group),
        MOST_HEADS,
        2 ** Math.floor(Math.log2(COLUMNS / headDim)),
      );
      const chunks = Math.ceil(rows / (READERS * EACH));
      return [{
        kernel: ofCodes,
        constants: {
          THREADS: READERS,
          EACH,
          R: r,
          D4: headDim / 4,
          ...(words === 4 && { FOUR: 1 }),
          ...(words === 2 && { TWO: 1 }),
          ...(words > 1 && { MANY: 1 }),
          ...(op.form === FORM.int4 && { INT4: 1 }),
        },
        bind: [k, meta, q, out],
        params: {
          ...where,
          kBase: k.base / headDim,
          kHead: op.kHead / headDim,
          kNotes: meta.base / 2,
          notesHead: op.metaHead / 2,
          qBase: q.base / 4,
          chunks,
        },
        groups: kvHeads * Math.ceil(group / r) * chunks,
      }];
    }
    const r = Math.min(MOST_HEADS, powerOfTwo(group));
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
      params: { ...where, columns: op.group, chunks },
      groups: kvHeads * Math.ceil(group / r) * chunks,
    }];
  });
}

/** Words of a row of codes that a thread can read whole; 0 if it cannot. */
function wordsOf(
  { form, headDim, group, kHead, metaHead }: OpOf<"scoreRows">,
  { k, meta, q }: Readonly<Record<"k" | "meta" | "q", Span>>,
): number {
  const words = form === FORM.int4 ? headDim / 8 : form === FORM.int8 ? headDim / 4 : 0;
  const whole = group === headDim && k.base % headDim === 0 && kHead % headDim === 0;
  return [1, 2, 4].includes(words) && whole && [meta.base, metaHead].every((n) => n % 2 === 0) &&
      q.base % 4 === 0
    ? words
    : 0;
}
