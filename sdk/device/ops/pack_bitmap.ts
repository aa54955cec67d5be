/**
 * Prunes rows and stores what is left.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, expectRoom, live, use } from "./_check.ts";

/** Where {@linkcode packBitmap} stores rows, and what it keeps of them. */
export interface PackBitmapOptions {
  /** Receives the elements that are left: f16, `packedHead` of them for every head. */
  readonly packed: Tensor;
  /** Receives (bits of elements 0 to 31, bits of elements 32 to 63, offset) of every tile, and the next offset: i32. */
  readonly meta: Tensor;
  /** Elements of `packed` for a head; a multiple of 8. Tiles that do not fit are not written, but their offsets are. */
  readonly packedHead: number;
  /** Where in `meta` the part of these rows begins. */
  readonly metaAt: number;
  /** Elements of `meta` between heads. */
  readonly metaHead: number;
  /** Tiles that are there already; a multiple of headDim. Their last offset is read from `meta`, where it must be 0 at the start. */
  readonly tile0: number;
  /** Of every row the elements stay that are as large as its `drop`-th smallest: from 1 (all stay) to headDim. */
  readonly drop: number;
  /** Whether rows are keys (a tile is a column of 64 rows) or values (64 columns of a row). */
  readonly kind: "k" | "v";
}

/**
 * Prunes rows by magnitude (in float16) and appends them to bitmap tiles (Mustafar, arXiv 2505.22913).
 *
 * @param d Runs it.
 * @param x [heads, n, headDim], f32 (rounded to f16 first) or f16; n and headDim are multiples of 64.
 * @throws RangeError if shapes do not fit or `meta` or `packed` is too small.
 */
export function packBitmap(d: Device, x: Tensor, options: PackBitmapOptions): void {
  const op = "packBitmap";
  const { packed, meta, packedHead, metaAt, metaHead, tile0, drop, kind } = options;
  const ids = {
    x: live(d, op, "x", x),
    packed: use(d, op, "packed", packed, "f16"),
    meta: use(d, op, "meta", meta, "i32"),
  };
  if (x.dtype !== "f32" && x.dtype !== "f16") {
    throw new TypeError(`Cannot run ${op}: "x" has type "${x.dtype}", expected "f32" or "f16"`);
  }
  if (kind !== "k" && kind !== "v") {
    throw new TypeError(`Cannot run ${op}: "kind" is "${kind}", expected k or v`);
  }
  expectRank(op, "x", x, 3, 3);
  const [heads, n, headDim] = x.shape as [number, number, number];
  if (n % 64 !== 0 || headDim % 64 !== 0 || headDim === 0) {
    throw new RangeError(
      `Cannot run ${op}: "x" has shape [${x.shape}], expected multiples of 64 rows and columns`,
    );
  }
  expectInt(op, "drop", drop, 1, headDim);
  expectInt(op, "packedHead", packedHead, 0);
  expectInt(op, "metaAt", metaAt, 0);
  expectInt(op, "metaHead", metaHead, 0);
  expectInt(op, "tile0", tile0, 0);
  if (tile0 % headDim !== 0 || packedHead % 8 !== 0) {
    throw new RangeError(
      `Cannot run ${op}: "tile0" is ${tile0} and "packedHead" ${packedHead}, expected multiples of ${headDim} and 8`,
    );
  }
  if (x.size === 0) return;
  expectRoom(op, "packed", packed, heads * packedHead);
  const entries = tile0 + n * headDim / 64 + 1;
  expectRoom(op, "meta", meta, metaAt + (heads - 1) * metaHead + 3 * entries);
  if (heads > 1) expectInt(op, "metaHead", metaHead, 3 * entries);
  d.submit({
    op,
    ...ids,
    heads,
    n,
    headDim,
    xHead: n * headDim,
    packedHead,
    metaAt,
    metaHead,
    tile0,
    drop,
    kind: kind === "k" ? 0 : 1,
    xtype: DTYPE_CODE[x.dtype],
  });
}
