/**
 * The embedding matrix: rows by token id.
 *
 * @module
 */
import { cast } from "../device/ops/cast.ts";
import { gather } from "../device/ops/gather.ts";
import { mul } from "../device/ops/binary.ts";
import { reshape } from "../device/ops/reshape.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import type { StoredWeight } from "../weights/store.ts";

/** Rows on the device, in the type that the file has where the device can gather it. */
export interface Embedding {
  /** [vocab, hidden] of f32, f16 or i8. */
  readonly rows: Tensor;
  /** [vocab, groups] of f32: what the consecutive parts of a row of i8 are multiplied by. */
  readonly scales?: Tensor | undefined;
}

/**
 * Uploads the matrix.
 *
 * @param d Receives it.
 * @param stored The matrix as the file has it.
 * @returns The rows. Nothing is lost; int4 becomes int8.
 */
export function uploadEmbedding(d: Device, { data, shape, scales }: StoredWeight): Embedding {
  const rows = d.tensor(data instanceof Uint8Array ? unpackNibbles(data) : data, shape);
  return { rows, scales: scales && d.tensor(scales, [shape[0], scales.length / shape[0]]) };
}

/**
 * The rows of some tokens.
 *
 * @param d Receives them.
 * @param embedding The matrix.
 * @param ids i32 [n].
 * @returns f32 [n, hidden].
 */
export function embed(d: Device, { rows, scales }: Embedding, ids: Tensor): Tensor {
  const found = gather(d, rows, ids);
  const x = found.dtype === "f32" ? found : cast(d, found, "f32");
  if (scales === undefined) return x;
  const factors = gather(d, scales, ids);
  const grouped = reshape(d, x, [...factors.shape, -1]);
  return reshape(d, mul(d, grouped, factors, { axis: "rows" }), x.shape);
}

function unpackNibbles(packed: Uint8Array): Int8Array<ArrayBuffer> {
  const out = new Int8Array(packed.length * 2);
  packed.forEach((byte, i) => {
    out[2 * i] = (byte & 15) - 8;
    out[2 * i + 1] = (byte >> 4) - 8;
  });
  return out;
}
