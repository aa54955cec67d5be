/**
 * Rows as a cache stores them, and the checks of operations on them.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { type DType, FORM } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, expectRoom, expectShape, use, useOptional } from "./_check.ts";

/**
 * How a row of headDim numbers is stored: as it is (`f32`, `f16`), as codes with a step and a smallest value (`int8`, `int4`: see
 * `quantize`), or only what is not 0 (`bitmap`: see `packBitmap`).
 */
export type RowForm = "f32" | "f16" | "int8" | "int4" | "bitmap";

/** Key and value rows of one section of a cache, of all its KV heads. Head g begins g strides after head 0; strides count elements. */
export interface CachedRows {
  /** How the rows are stored. */
  readonly form: RowForm;
  /** Key rows: f32, f16, u8 codes (int4: two to a byte, low nibble first) or the f16 data of bitmaps. */
  readonly k: Tensor;
  /** Value rows, as `k`. */
  readonly v: Tensor;
  /** f32 pairs (step, min) of `int8` and `int4`, i32 triples (bits, bits, offset) of `bitmap`; those of the keys come first. */
  readonly meta?: Tensor;
  /** i32 [kvHeads, n]: row r is row r mod page of page table[head, floor(r / page)]; below 0: missing. Entries must lie inside. @default rows lie in order */
  readonly table?: Tensor;
  /** Number of KV heads. */
  readonly kvHeads: number;
  /** Columns of a head; even for `int4`, a multiple of 64 for `bitmap`. */
  readonly headDim: number;
  /** Elements of `k` between heads (int4: codes); 0 for a pool of pages that all heads share. */
  readonly kHead: number;
  /** Elements of `v` between heads. */
  readonly vHead: number;
  /** Elements of `meta` between heads. @default 0 */
  readonly metaHead?: number;
  /** Where the part of `meta` that is about the values begins; needed where there is `meta`. */
  readonly vMetaAt?: number;
  /** Columns that share a (step, min) pair; divides headDim, even for `int4`. @default headDim */
  readonly group?: number;
  /** Rows of a page of the table. @default 1 */
  readonly page?: number;
  /** Token of the first row. */
  readonly first: number;
  /** Number of rows. */
  readonly rows: number;
}

/** Key rows alone, in order: what `scoreRows` reads. */
export type KeyRows = Pick<
  CachedRows,
  "form" | "k" | "meta" | "kvHeads" | "headDim" | "rows" | "kHead" | "metaHead" | "group"
>;

/** Types of the rows and of their meta, and what the columns of a head must be a multiple of. */
const FORMS: Readonly<
  Record<RowForm, { data: DType; meta?: "f32" | "i32"; perByte?: number; unit: number }>
> = {
  f32: { data: "f32", unit: 1 },
  f16: { data: "f16", unit: 1 },
  int8: { data: "u8", meta: "f32", unit: 1 },
  int4: { data: "u8", meta: "f32", perByte: 2, unit: 2 },
  bitmap: { data: "f16", meta: "i32", unit: 64 },
};

/** Checks the keys or the values; returns the fields of an operation that say how they are read. */
export function checkRows(d: Device, op: string, rows: KeyRows & Partial<CachedRows>, kind: "k" | "v") {
  const { form, kvHeads, headDim, group = headDim, metaHead = 0, page = 1, table } = rows;
  if (!Object.hasOwn(FORMS, form)) {
    throw new TypeError(
      `Cannot run ${op}: the form of the rows is "${form}", expected f32, f16, int8, int4 or bitmap`,
    );
  }
  const { data: dtype, meta: metaType, perByte = 1, unit } = FORMS[form];
  const x = rows[kind] as Tensor;
  const head = rows[`${kind}Head`] ?? NaN;
  const at = kind === "k" || !metaType ? 0 : rows.vMetaAt ?? NaN;
  const ids = {
    data: use(d, op, kind, x, dtype),
    meta: metaType ? use(d, op, "meta", rows.meta as Tensor, metaType) : 0,
    table: useOptional(d, op, "table", table, "i32"),
  };
  expectInt(op, "kvHeads", kvHeads, 1);
  expectInt(op, "headDim", headDim, 1);
  expectInt(op, "rows", rows.rows, 0, 0x7fff_ffff);
  expectInt(op, "page", page, 1);
  expectInt(op, `${kind}Head`, head, 0);
  expectInt(op, "metaHead", metaHead, 0);
  expectInt(op, "vMetaAt", at, 0);
  expectMultiple(op, `${kind}Head`, head, form === "bitmap" ? 8 : unit);
  expectMultiple(op, "headDim", headDim, unit);
  if (metaType === "f32") {
    expectInt(op, "group", group, 1);
    expectMultiple(op, "group", group, unit);
    expectMultiple(op, "headDim", headDim, group);
  }
  if (table) {
    const pages = Math.ceil(rows.rows / page);
    expectRank(op, "table", table, 2, 2);
    if (table.shape[0] !== kvHeads || table.shape[1]! < pages) {
      throw new RangeError(
        `Cannot run ${op}: "table" has shape [${table.shape}], expected ${kvHeads} KV heads and at least ${pages} pages`,
      );
    }
  } else if (rows.rows > 0) {
    const last = kvHeads - 1;
    // How many elements bitmaps take is known on the device alone.
    const used = form === "bitmap" ? 0 : rows.rows * headDim;
    const words = form === "bitmap"
      ? 3 * Math.ceil(rows.rows / 64) * headDim
      : 2 * rows.rows * headDim / group;
    expectRoom(op, kind, x, Math.ceil((last * head + used) / perByte));
    if (metaType) expectRoom(op, "meta", rows.meta!, at + last * metaHead + words);
  }
  const tableHead = table?.shape[1] ?? 0;
  return { ...ids, head, at, headDim, metaHead, form: FORM[form], group, page, tableHead };
}

/** Refuses queries that do not fit the heads of the rows; returns the number of query heads. */
export function checkQuery(d: Device, op: string, q: Tensor, rows: KeyRows): number {
  use(d, op, "q", q);
  expectRank(op, "q", q, 2, 2);
  const heads = q.shape[0]!;
  expectShape(op, "q", q, [heads, rows.headDim], "(heads, headDim)");
  if (heads === 0 || heads % rows.kvHeads !== 0) {
    throw new RangeError(
      `Cannot run ${op}: "q" has shape [${q.shape}], expected a multiple of ${rows.kvHeads} heads`,
    );
  }
  return heads;
}

function expectMultiple(op: string, name: string, value: number, unit: number): void {
  if (value % unit === 0) return;
  throw new RangeError(`Cannot run ${op}: "${name}" is ${value}, expected a multiple of ${unit}`);
}
