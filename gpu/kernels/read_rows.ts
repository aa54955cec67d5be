/**
 * Cached rows as plain numbers.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import cached from "../parts/cached.wgsl" with { type: "text" };
import { span } from "../windows.ts";
import { byHeads, formOf, metaSpan, rowSpan } from "./cached_rows.ts";
import source from "./read_rows.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "read_rows",
  source: cached + source,
  bindings: { k: "read", meta: "read", table: "read", out: "write" },
  params: {
    heads: "u",
    first: "u",
    count: "u",
    kind: "u",
    columns: "u",
    paged: "u",
    page: "u",
    kBase: "u",
    kHead: "u",
    kNotes: "u",
    notesHead: "u",
    tableBase: "u",
    tableHead: "u",
    outBase: "u",
  },
};

/**
 * `readRows` as dispatches: as many heads at once as can be bound.
 *
 * @param bytesOf Bytes of a buffer.
 * @throws RangeError if one head cannot be bound.
 */
export function readRows(
  op: OpOf<"readRows">,
  { caps }: Context,
  bytesOf: (id: number) => number,
): Dispatch[] {
  const { headDim, first, count } = op;
  return byHeads("readRows", caps, op.heads, (from, to) => ({
    k: rowSpan(op, op.k, op.kHead, first + count, bytesOf, from, to),
    meta: metaSpan(op, [op.kMetaAt], first + count, bytesOf, from, to),
    table: span(op.table, from * op.tableHead, (to - from) * op.tableHead),
    out: span(op.out, from * count * headDim, (to - from) * count * headDim),
  }), ({ k, meta, table, out }, from, to) => {
    const form = formOf(op, true, [k.base, op.kHead]);
    return [{
      kernel,
      constants: { THREADS, TABLE: 1, ...form },
      bind: [k, meta, table, out],
      params: {
        heads: to - from,
        first,
        count,
        kind: op.kind,
        columns: op.group,
        paged: op.table === 0 ? 0 : 1,
        page: op.page,
        kBase: k.base,
        kHead: op.kHead,
        kNotes: meta.base,
        notesHead: op.metaHead,
        tableBase: table.base,
        tableHead: op.tableHead,
        outBase: out.base,
      },
      groups: Math.ceil((to - from) * count * Math.ceil(headDim / (4 * form.C4)) / THREADS),
    }];
  });
}
