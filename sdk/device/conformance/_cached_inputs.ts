/**
 * Random rows of a cache in every form.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { type CachedRows, cast, packBitmap, type RowForm } from "../ops/mod.ts";
import type { Tensor } from "../tensor.ts";

/** Sizes of random rows. */
export interface RowsShape {
  readonly form: RowForm;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rows: number;
  readonly group?: number;
  readonly first?: number;
}

/** Rows with some unused room after those of every head. */
export function randomRows(d: Device, random: Random, shape: RowsShape): CachedRows {
  const { form, kvHeads, headDim, rows, group = headDim, first = 0 } = shape;
  const room = Math.ceil((rows + 3) / 64) * 64;
  const size = [kvHeads, room, headDim];
  const head = room * headDim;
  const normals = (): Tensor => d.tensor(random.normals(kvHeads * head), size);
  const common = { form, kvHeads, headDim, kHead: head, vHead: head, first, rows, group };
  if (form === "f32") return { ...common, k: normals(), v: normals() };
  if (form === "f16") return { ...common, k: cast(d, normals(), "f16"), v: cast(d, normals(), "f16") };
  if (form === "bitmap") return { ...common, ...bitmaps(d, [normals(), normals()], size) };
  const width = form === "int4" ? headDim / 2 : headDim;
  const codes = (): Tensor =>
    d.tensor(Uint8Array.from(random.ints(kvHeads * room * width, 0, 256)), [kvHeads, room, width]);
  const metaHead = 2 * room * headDim / group;
  // Numbers from about -2 to 2, in steps that differ.
  const widest = form === "int4" ? 4 / 15 : 4 / 255;
  const pairs = Float32Array.from(
    { length: 2 * kvHeads * metaHead },
    (_, i) => i % 2 === 0 ? widest * (0.5 + 0.5 * random.uniform()) : -1 - random.uniform(),
  );
  const meta = d.tensor(pairs, [2, kvHeads, metaHead]);
  return { ...common, k: codes(), v: codes(), meta, metaHead, vMetaAt: kvHeads * metaHead };
}

/** Keys and values [heads, rows, headDim], about half of each pruned. */
function bitmaps(d: Device, [keys, values]: readonly [Tensor, Tensor], size: readonly number[]) {
  const [heads, room, headDim] = size as [number, number, number];
  const metaHead = 3 * (room * headDim / 64 + 1);
  const vMetaAt = heads * metaHead;
  const meta = d.tensor(new Int32Array(2 * heads * metaHead), [2 * heads, metaHead]);
  const pack = (x: Tensor, kind: "k" | "v", drop: number): Tensor => {
    const packed = d.tensor(new Uint16Array(heads * room * headDim), size);
    const metaAt = kind === "k" ? 0 : vMetaAt;
    packBitmap(d, x, { packed, meta, packedHead: room * headDim, metaAt, metaHead, tile0: 0, drop, kind });
    return packed;
  };
  return {
    k: pack(keys, "k", headDim >> 1),
    v: pack(values, "v", headDim * 0.7 | 0),
    meta,
    metaHead,
    vMetaAt,
  };
}

/** Rows in pages of one pool that all heads share, in any order; about one page in six is missing. */
export function pagedRows(d: Device, random: Random, shape: RowsShape, page: number): CachedRows {
  const { kvHeads, rows } = shape;
  const pages = Math.ceil(rows / page) + 1;
  const pool = randomRows(d, random, { ...shape, kvHeads: 1, rows: pages * kvHeads * page });
  const order = random.shuffle(Array.from({ length: pages * kvHeads }, (_, i) => i));
  const table = Int32Array.from(order, (place) => random.int(0, 6) === 0 ? -1 : place);
  return {
    ...pool,
    kvHeads,
    rows,
    page,
    kHead: 0,
    vHead: 0,
    metaHead: 0,
    table: d.tensor(table, [kvHeads, pages]),
  };
}
