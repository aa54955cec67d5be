/**
 * How kernels see rows as a cache stores them.
 *
 * @module
 */
import { FORM } from "../../sdk/device/ops.ts";
import { type Caps, powerOfTwo } from "../kernel.ts";
import { NOWHERE, type Span, span } from "../windows.ts";

/** What an operation says of the rows. */
interface Rows {
  readonly form: number;
  readonly headDim: number;
  readonly group: number;
  readonly meta: number;
  readonly metaHead: number;
  readonly table?: number;
}

/** Constants of `parts/cached.wgsl`. */
export interface FormConstants {
  readonly D: number;
  /** Vectors of four columns that a lane takes. */
  readonly C4: number;
  readonly [name: string]: number;
}

/** Bytes of an element. */
const BYTES: Readonly<Record<number, number>> = {
  [FORM.f32]: 4,
  [FORM.f16]: 2,
  [FORM.int8]: 1,
  [FORM.int4]: 0.5,
  [FORM.bitmap]: 2,
};

/**
 * The constants that say how a lane reads rows.
 *
 * @param wide Whether a lane may take eight columns.
 * @param places Elements at which rows begin, or multiples of these.
 */
export function formOf(
  { form, headDim, group }: Rows,
  wide: boolean,
  places: readonly number[],
): FormConstants {
  const codes = form === FORM.int8 || form === FORM.int4;
  const suits = (columns: number): boolean => {
    const unit = form === FORM.int4 ? 8 : columns;
    return form !== FORM.bitmap && (!codes || group % columns === 0) &&
      [headDim, ...places].every((number) => number % unit === 0);
  };
  const columns = wide && form !== FORM.f32 && suits(8) ? 8 : suits(4) ? 4 : 0;
  return {
    D: headDim,
    C4: columns === 8 ? 2 : 1,
    ...(columns > 0 ? { VEC: 1, UNIT: form === FORM.int4 ? 8 : columns } : { EACH: 4 / BYTES[form]! }),
    ...(columns === 8 && { WIDE: 1 }),
    ...(form === FORM.f16 && { HALF: 1 }),
    ...(codes && { CODES: 1, [form === FORM.int8 ? "INT8" : "INT4"]: 1 }),
    ...(form === FORM.bitmap && { BITMAP: 1 }),
  };
}

/**
 * The rows of heads [from, to) of a tensor.
 *
 * @param stride Elements between heads.
 * @param rows Rows of a head.
 */
export function rowSpan(
  { form, headDim, table = 0 }: Rows,
  id: number,
  stride: number,
  rows: number,
  bytesOf: (id: number) => number,
  from: number,
  to: number,
): Span {
  const size = BYTES[form]!;
  const all = bytesOf(id) / size;
  const start = from * stride;
  // Pages may lie anywhere, and a head of bitmaps is as long as it is.
  const end = table !== 0
    ? all
    : form === FORM.bitmap
    ? Math.min(all, to * stride || all)
    : (to - 1) * stride + rows * headDim;
  return span(id, start, end - start, size);
}

/**
 * What belongs to the rows of heads [from, to).
 *
 * @param starts Where the parts for head 0 begin.
 */
export function metaSpan(
  { form, headDim, group, meta, metaHead, table = 0 }: Rows,
  starts: readonly number[],
  rows: number,
  bytesOf: (id: number) => number,
  from: number,
  to: number,
): Span {
  if (meta === 0) return NOWHERE;
  const start = Math.min(...starts) + from * metaHead;
  const each = form === FORM.bitmap ? 3 * Math.ceil(rows / 64) * headDim : 2 * rows * headDim / group;
  const end = table !== 0 ? bytesOf(meta) / 4 : Math.max(...starts) + (to - 1) * metaHead + each;
  return span(meta, start, end - start);
}

/**
 * Heads in as few parts as can be bound.
 *
 * @param spansOf What is bound for heads [from, to).
 * @param run Turns them into dispatches.
 * @throws RangeError if one head cannot be bound.
 */
export function byHeads<S extends object, T>(
  name: string,
  { maxBinding }: Caps,
  heads: number,
  spansOf: (from: number, to: number) => S & Readonly<Record<keyof S, Span>>,
  run: (spans: S, from: number, to: number) => T[],
): T[] {
  const cut = (from: number, to: number): T[] => {
    const spans = spansOf(from, to);
    const wide = Object.entries<Span>(spans).find(([, { bytes }]) => bytes > maxBinding);
    if (wide === undefined) return run(spans, from, to);
    if (to - from === 1) throw tooLarge(name, maxBinding, wide[0], wide[1].bytes);
    const middle = Math.ceil((from + to) / 2);
    return [...cut(from, middle), ...cut(middle, to)];
  };
  return cut(0, heads);
}

/**
 * Threads that share a row.
 *
 * @param least How many at least.
 * @param most How many a workgroup has.
 * @throws RangeError if the row needs more.
 */
export function lanesOf(name: string, { D, C4 }: FormConstants, least: number, most: number): number {
  const lanes = powerOfTwo(Math.max(least, D / (4 * C4)));
  if (lanes <= most) return lanes;
  throw new RangeError(
    `Cannot run ${name} on this GPU: heads of ${D} columns are wider than ${4 * C4 * most}`,
  );
}

/** The error for a head that cannot be bound. */
export function tooLarge(name: string, maxBinding: number, tensor: string, bytes: number): RangeError {
  return new RangeError(
    `Cannot run ${name} on this GPU: "${tensor}" of one head has ${bytes} bytes, more than a binding of ${maxBinding}; use fewer tokens`,
  );
}
