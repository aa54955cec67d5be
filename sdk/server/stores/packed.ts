import type { StoredContext } from "./store.ts";

/** Bytes before the description: its length as a little-endian number of 32 bits. */
export const LENGTH_BYTES = 4;

/**
 * Puts a context and its description into one run of bytes, so that both are written at once.
 *
 * @param context The context.
 * @returns The length of the description, the description as JSON, and the file at a multiple of 8.
 */
export function pack({ meta, bytes }: StoredContext): Uint8Array<ArrayBuffer> {
  const json = JSON.stringify(meta);
  const encoder = new TextEncoder();
  const short = encoder.encode(json);
  // White space after JSON means nothing; it puts the tensors of the file where they can be read without a copy.
  const padding = (8 - (LENGTH_BYTES + short.length) % 8) % 8;
  const start = LENGTH_BYTES + short.length + padding;
  const packed = new Uint8Array(start + bytes.length).fill(32, LENGTH_BYTES + short.length, start);
  new DataView(packed.buffer).setUint32(0, short.length + padding, true);
  packed.set(short, LENGTH_BYTES);
  packed.set(bytes, start);
  return packed;
}

/**
 * Says where the file begins.
 *
 * @param packed The first bytes of what `pack` made, at least {@linkcode LENGTH_BYTES}.
 * @returns The offset, which is also the end of the description.
 */
export function fileStart(packed: Uint8Array): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return LENGTH_BYTES + view.getUint32(0, true);
}

/**
 * Reads the description.
 *
 * @param packed What `pack` made, at least up to the file.
 * @returns The description.
 * @throws {SyntaxError} If it is broken.
 */
export function unpackMeta(packed: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(packed.subarray(LENGTH_BYTES, fileStart(packed))));
}

/**
 * Reads a context.
 *
 * @param packed What `pack` made.
 * @returns The context; its bytes are a view.
 * @throws {SyntaxError} If it is broken.
 */
export function unpack(packed: Uint8Array<ArrayBuffer>): StoredContext {
  return { meta: unpackMeta(packed), bytes: packed.subarray(fileStart(packed)) };
}
