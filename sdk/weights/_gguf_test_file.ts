/**
 * Makes GGUF files for tests, well-formed or not.
 *
 * @module
 */

/** A tensor to write; its axes in the file's order, innermost first. */
export interface TestTensor {
  readonly name: string | Uint8Array;
  readonly axes: readonly (number | bigint)[];
  readonly type: number;
  /** Default: after the tensor before it, aligned. */
  readonly offset?: number | bigint;
  readonly data: Uint8Array;
}

/** What a file is made of; everything is written as it is. */
export interface TestFile {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly entryCount?: bigint;
  readonly entries?: readonly Uint8Array[];
  readonly tensors?: readonly TestTensor[];
  /** What the writer aligns to; the file says so only in an entry. */
  readonly alignment?: number;
}

/** Numbers of value types. */
export const U8 = 0,
  I8 = 1,
  U16 = 2,
  I16 = 3,
  U32 = 4,
  I32 = 5,
  F32 = 6,
  BOOL = 7,
  STRING = 8,
  ARRAY = 9,
  U64 = 10;

export const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
export const u64 = (value: number | bigint): Uint8Array =>
  new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, BigInt(value))).buffer);
export const f32 = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer);

export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function text(value: string | Uint8Array, length?: bigint): Uint8Array {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return join([u64(length ?? bytes.length), bytes]);
}

export const entry = (key: string, type: number, value: Uint8Array): Uint8Array =>
  join([text(key), u32(type), value]);

export const array = (type: number, items: readonly Uint8Array[], count?: bigint): Uint8Array =>
  join([u32(type), u64(count ?? items.length), ...items]);

/** Writes a file that ends with the last byte of its last tensor. */
export function ggufFile(of: TestFile): Uint8Array<ArrayBuffer> {
  const { magic = "GGUF", version = 3, entries = [], tensors = [], alignment = 32 } = of;
  const aligned = (size: number): number => Math.ceil(size / alignment) * alignment;
  const infos: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  let end = 0;
  for (const { name, axes, type, offset, data: bytes } of tensors) {
    const begin = aligned(end);
    infos.push(
      join([text(name), u32(axes.length), ...axes.map(u64), u32(type), u64(offset ?? begin)]),
    );
    data.push(new Uint8Array(begin - end), bytes);
    end = begin + bytes.length;
  }
  const header = join([
    new TextEncoder().encode(magic),
    u32(version),
    u64(of.tensorCount ?? tensors.length),
    u64(of.entryCount ?? entries.length),
    ...entries,
    ...infos,
  ]);
  const padding = tensors.length === 0 ? 0 : aligned(header.length) - header.length;
  return join([header, new Uint8Array(padding), ...data]);
}
