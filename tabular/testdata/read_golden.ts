/**
 * A small reader of golden files for tests, until the hardened reader of `sdk/weights` is there.
 *
 * @module
 */

/** A tensor of a golden file. */
export interface GoldenTensor {
  /** Its shape. */
  shape: number[];
  /** Its numbers, row-major. */
  data: ArrayLike<number>;
}

/** A golden file. */
export interface Golden {
  /** The JSON of the metadata key `params`. */
  params: Record<string, unknown>;
  /** The tensors by name. */
  tensors: Map<string, GoldenTensor>;
}

const KINDS = { F64: Float64Array, F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

/** Reads a golden file that is known to be sound. */
export function readGolden(bytes: Uint8Array): Golden {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const { __metadata__: metadata, ...entries } = header;
  const tensors = new Map<string, GoldenTensor>();
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, data_offsets: [from, to] } = entry as {
      dtype: keyof typeof KINDS;
      shape: number[];
      data_offsets: [number, number];
    };
    tensors.set(name, { shape, data: new KINDS[dtype](new Uint8Array(bytes.subarray(start + from, start + to)).buffer) });
  }
  return { params: JSON.parse(metadata.params), tensors };
}
