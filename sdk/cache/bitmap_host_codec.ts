/**
 * Pruned rows outside the device: bitmap tiles as the device packs them, from which single tokens are taken.
 *
 * @module
 */
import { DTYPE_BYTES } from "../device/ops.ts";
import { packBitmap } from "../device/ops/pack_bitmap.ts";
import { slice } from "../device/ops/slice.ts";
import type { ChunkPool } from "./chunk_pool.ts";
import { type HostCodec, readBytes, uploadRows, type Wanted } from "./host_codec.ts";
import { floatCodec } from "../device/row_codec.ts";

/** Words of a tile's entry: bits of the first 32 elements, of the others, offset in units of two. */
const ENTRY = 3;

/**
 * Pieces hold, for every head and for keys then values, the entries of all tiles (and one more) and the elements that are left, two bytes each; a table at the
 * start says where each of these parts begins.
 *
 * @param drop Which smallest magnitude is the least that stays, for keys and values.
 */
export function bitmapHostCodec(
  drop: { readonly k: number; readonly v: number },
  type: "f32" | "f16",
  heads: number,
  headDim: number,
): HostCodec {
  const waiting = floatCodec(type, headDim);
  const back = floatCodec("f16", headDim);
  const parts = 2 * heads;
  return {
    rows: waiting,
    async pack(device, rows, from, to) {
      using scope = device.scope();
      const count = to - from;
      const tiles = count * headDim / 64;
      const capacity = count * headDim;
      const metaHead = (tiles + 1) * ENTRY;
      const meta = scope.tensor(new Int32Array(parts * metaHead), [parts, tiles + 1, ENTRY]);
      const packed = (["k", "v"] as const).map((kind) => {
        const out = scope.empty([heads, capacity, 1], "f16");
        packBitmap(scope, slice(scope, rows[kind], 1, from, to), {
          packed: out,
          packedHead: capacity,
          meta,
          metaHead,
          metaAt: kind === "k" ? 0 : heads * metaHead,
          tile0: 0,
          drop: drop[kind],
          kind,
        });
        return out;
      });
      const [entries, k, v] = await Promise.all([
        meta.read("i32"),
        readBytes(packed[0]!),
        readBytes(packed[1]!),
      ]);
      return join(entries, [k, v], heads, tiles, capacity);
    },
    async fetch(device, pool, wanted) {
      const { perHead, slots, tokens, chunk } = wanted;
      const rows = new Uint16Array(heads * perHead * 2 * headDim);
      const loaded = await load(pool, wanted, heads, chunk * headDim / 64);
      for (let i = 0; i < slots.length; i++) {
        if (slots[i]! < 0) continue;
        for (const part of [0, 1]) {
          const tiles = loaded.get(slots[i]! * parts + part * heads + Math.floor(i / perHead))!;
          const row = rows.subarray((2 * i + part) * headDim, (2 * i + part + 1) * headDim);
          expand(tiles, tokens[i]!, headDim, part === 0, row);
        }
      }
      const sizes = { heads, headDim, perHead };
      return uploadRows(device, back, sizes, new Uint8Array(rows.buffer), new Uint8Array(0));
    },
  };
}

/** One part of a piece: entries and elements of the tiles of one head. */
interface Tiles {
  readonly entries: Int32Array;
  readonly elements: Uint16Array;
}

/** Table of begins, then the parts, each a multiple of 4 bytes. */
function join(
  entries: Int32Array,
  packed: readonly Uint8Array[],
  heads: number,
  tiles: number,
  capacity: number,
): Uint8Array<ArrayBuffer> {
  const words = (tiles + 1) * ENTRY;
  const used = (part: number): number => 2 * entries[part * words + tiles * ENTRY + 2]! * DTYPE_BYTES.f16;
  const table = new Int32Array(2 * heads + 1);
  table[0] = table.byteLength;
  for (let part = 0; part < 2 * heads; part++) table[part + 1] = table[part]! + words * 4 + used(part);
  const bytes = new Uint8Array(table.at(-1)!);
  bytes.set(new Uint8Array(table.buffer));
  for (let part = 0; part < 2 * heads; part++) {
    const own = entries.subarray(part * words, (part + 1) * words);
    bytes.set(new Uint8Array(own.buffer, own.byteOffset, own.byteLength), table[part]!);
    const from = (part % heads) * capacity * DTYPE_BYTES.f16;
    bytes.set(packed[part < heads ? 0 : 1]!.subarray(from, from + used(part)), table[part]! + words * 4);
  }
  return bytes;
}

/** Reads the parts that the tokens lie in, each once; by number: slot * 2 heads + part. */
async function load(
  pool: ChunkPool,
  { slots, perHead }: Wanted,
  heads: number,
  tiles: number,
): Promise<Map<number, Tiles>> {
  const parts = 2 * heads;
  const wanted = new Set<number>();
  for (let i = 0; i < slots.length; i++) {
    const head = Math.floor(i / perHead);
    if (slots[i]! >= 0) wanted.add(slots[i]! * parts + head).add(slots[i]! * parts + heads + head);
  }
  const pieces = Int32Array.from(new Set(slots.filter((slot) => slot >= 0)));
  const width = parts + 1;
  const tables = new Int32Array(pieces.length * width);
  await pool.read({
    slots: pieces,
    offsets: new Int32Array(pieces.length),
    ends: pieces.map((_, i) => (i + 1) * width * 4),
    into: new Uint8Array(tables.buffer),
  });
  const placeOf = new Map(Array.from(pieces, (slot, i) => [slot, i * width]));
  const numbers = Int32Array.from(wanted);
  const table = (number: number): number => placeOf.get(Math.floor(number / parts))! + number % parts;
  const ends = new Int32Array(numbers.length);
  numbers.forEach((number, i) => {
    ends[i] = (ends[i - 1] ?? 0) + tables[table(number) + 1]! - tables[table(number)]!;
  });
  const bytes = new Uint8Array(ends.at(-1) ?? 0);
  await pool.read({
    slots: numbers.map((number) => Math.floor(number / parts)),
    offsets: numbers.map((number) => tables[table(number)]!),
    ends,
    into: bytes,
  });
  const words = (tiles + 1) * ENTRY;
  return new Map(Array.from(numbers, (number, i) => {
    const from = ends[i - 1] ?? 0;
    const elements = new Uint16Array(bytes.buffer, from + words * 4, (ends[i]! - from - words * 4) / 2);
    return [number, { entries: new Int32Array(bytes.buffer, from, words), elements }];
  }));
}

/** Writes the row of one token. Key tiles are a column of 64 tokens, value tiles 64 columns of a token. */
function expand(
  { entries, elements }: Tiles,
  token: number,
  headDim: number,
  keys: boolean,
  out: Uint16Array,
): void {
  const group = Math.floor(token / 64) * headDim;
  for (let c = 0; c < headDim; c++) {
    const tile = (group + (keys ? c : (c - c % 64) + token % 64)) * ENTRY;
    const e = keys ? token % 64 : c % 64;
    const [high, low] = [entries[tile]!, entries[tile + 1]!];
    const word = e < 32 ? high : low;
    if ((word >>> (31 - e % 32) & 1) === 0) continue;
    const before = e % 32 === 0 ? 0 : word >>> (32 - e % 32);
    out[c] = elements[2 * entries[tile + 2]! + (e < 32 ? 0 : ones(high)) + ones(before)]!;
  }
}

/** Bits that are set. */
function ones(word: number): number {
  let x = word - (word >>> 1 & 0x5555_5555);
  x = (x & 0x3333_3333) + (x >>> 2 & 0x3333_3333);
  return Math.imul(x + (x >>> 4) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
