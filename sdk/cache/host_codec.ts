/**
 * Rows outside the device: how a chunk of tokens becomes bytes, and how single tokens come back.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { type DType, DTYPE_BYTES } from "../device/ops.ts";
import type { CachedRows } from "../device/ops/cached_rows.ts";
import { concat } from "../device/ops/concat.ts";
import { slice } from "../device/ops/slice.ts";
import { readAny } from "../device/read_any.ts";
import type { Tensor } from "../device/tensor.ts";
import type { ChunkPool } from "./chunk_pool.ts";
import type { RowCodec } from "../device/row_codec.ts";

/** Tokens to bring back: `perHead` of every head, one head after the other. */
export interface Wanted {
  readonly perHead: number;
  /** Number of the piece of each; -1 for a row without meaning. */
  readonly slots: Int32Array;
  /** Which token of its piece. */
  readonly tokens: Int32Array;
  /** Tokens of a piece. */
  readonly chunk: number;
}

/** Rows that were fetched, on the device: those of {@linkcode CachedRows} but for what they are tokens of. */
export type FetchedRows = Omit<CachedRows, "first" | "rows">;

/** Turns rows into bytes and back. */
export interface HostCodec {
  /** Form of the rows that wait on the device and of those that come back. */
  readonly rows: RowCodec;
  /** Begins to read the rows from `from` to `to` (excluded). Their memory may change at once after the call. */
  pack(device: Device, rows: CachedRows, from: number, to: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Brings tokens back. */
  fetch(device: Device, pool: ChunkPool, wanted: Wanted): Promise<FetchedRows>;
}

/** Rows as the codec stores them: a piece holds [heads, chunk, (key row, value row)], then the numbers beside them in the same order. */
export function rowHostCodec(codec: RowCodec, heads: number, headDim: number): HostCodec {
  const rowBytes = 2 * codec.width * DTYPE_BYTES[codec.dtype];
  const pairBytes = 2 * codec.pairs * 4;
  return {
    rows: codec,
    async pack(device, rows, from, to) {
      using scope = device.scope();
      const some = (x: Tensor): Tensor => slice(scope, x, 1, from, to);
      const tensors = [concat(scope, [some(rows.k), some(rows.v)], 2)];
      if (rows.meta) {
        // Those of the values stand behind those of the keys.
        const meta = some(rows.meta);
        const [keys, values] = [0, heads].map((head) => slice(scope, meta, 0, head, head + heads));
        tensors.push(concat(scope, [keys!, values!], 2));
      }
      const parts = await Promise.all(tensors.map(readBytes));
      const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
      }
      return bytes;
    },
    async fetch(device, pool, wanted) {
      const { perHead, chunk } = wanted;
      const rows = await records(pool, wanted, rowBytes, 0);
      const pairs = await records(pool, wanted, pairBytes, heads * chunk * rowBytes);
      return uploadRows(device, codec, { heads, headDim, perHead }, rows, pairs);
    },
  };
}

/** Records of one size, [heads, chunk] of them from byte `begin` of a piece on. */
async function records(
  pool: ChunkPool,
  { slots, tokens, perHead, chunk }: Wanted,
  bytes: number,
  begin: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(slots.length * bytes);
  if (bytes === 0) return into;
  // A row without meaning is any that exists.
  const some = slots.find((slot) => slot >= 0) ?? 0;
  const offsets = tokens.map((token, i) => begin + (Math.floor(i / perHead) * chunk + token) * bytes);
  await pool.read({
    slots: slots.map((slot) => slot < 0 ? some : slot),
    offsets,
    ends: slots.map((_, i) => (i + 1) * bytes),
    into,
  });
  return into;
}

/** Rows [heads, perHead, (key row, value row)] and the numbers beside them, as tensors of their own. */
export function uploadRows(
  device: Device,
  codec: RowCodec,
  { heads, headDim, perHead }: { readonly heads: number; readonly headDim: number; readonly perHead: number },
  rows: Uint8Array<ArrayBuffer>,
  pairs: Uint8Array<ArrayBuffer>,
): FetchedRows {
  using scope = device.scope();
  const both = scope.tensor(typed(rows, codec.dtype), [heads, perHead, 2 * codec.width]);
  const half = (x: Tensor, part: number, width: number): Tensor =>
    slice(scope, x, 2, part * width, (part + 1) * width);
  const [k, v] = [0, 1].map((part) => scope.keep(half(both, part, codec.width)));
  const strides = { kHead: perHead * headDim, vHead: perHead * headDim };
  const found = { form: codec.form, k: k!, v: v!, kvHeads: heads, headDim, group: codec.group, ...strides };
  if (codec.pairs === 0) return found;
  const beside = scope.tensor(typed(pairs, "f32"), [heads, perHead, 2 * codec.pairs]);
  const meta = scope.keep(concat(scope, [half(beside, 0, codec.pairs), half(beside, 1, codec.pairs)], 0));
  return { ...found, meta, metaHead: perHead * codec.pairs, vMetaAt: heads * perHead * codec.pairs };
}

function typed(bytes: Uint8Array<ArrayBuffer>, dtype: DType): Float32Array | Uint16Array | Uint8Array {
  if (dtype === "f32") return new Float32Array(bytes.buffer);
  return dtype === "f16" ? new Uint16Array(bytes.buffer) : bytes;
}

/** The bytes of a tensor of any type. */
export async function readBytes(tensor: Tensor): Promise<Uint8Array> {
  const { buffer, byteOffset, byteLength } = await readAny(tensor);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
