/**
 * Pruned rows outside the device: bitmap tiles as the device packs them, from which single tokens are taken.
 *
 * @module
 */
import { DTYPE_BYTES } from "../device/ops.ts";
import { packBitmap } from "../device/ops/pack_bitmap.ts";
import { slice } from "../device/ops/slice.ts";
import type { Run } from "./chunk_pool.ts";
import { type HostCodec, readBytes, uploadRows } from "./host_codec.ts";
import { floatCodec } from "./row_codec.ts";

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
    async pack(device, rows, count) {
      using scope = device.scope();
      const tiles = count * headDim / 64;
      const capacity = count * headDim;
      const metaHead = (tiles + 1) * ENTRY;
      const meta = scope.tensor(new Int32Array(parts * metaHead), [parts, tiles + 1, ENTRY]);
      const packed = (["k", "v"] as const).map((kind) => {
        const out = scope.empty([heads, capacity, 1], "f16");
        packBitmap(scope, slice(scope, rows[kind], 1, 0, count), {
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
    async fetch(device, pool, wanted, perHead, chunk) {
      const tiles = chunk * headDim / 64;
      const rows = new Uint16Array(heads * perHead * 2 * headDim);
      const loaded = await load(pool, wanted.filter((token) => token !== undefined), parts, heads, tiles);
      for (const [i, token] of wanted.entries()) {
        if (token === undefined) continue;
        for (const part of [0, 1]) {
          const tile = loaded.get(`${token.slot} ${part * heads + token.head}`)!;
          expand(
            tile,
            token.token,
            headDim,
            part === 0,
            rows.subarray((2 * i + part) * headDim, (2 * i + part + 1) * headDim),
          );
        }
      }
      return uploadRows(
        device,
        back,
        { heads, headDim, perHead },
        new Uint8Array(rows.buffer),
        new Uint8Array(0),
      );
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

/** Reads the parts that the tokens lie in, each once. */
async function load(
  pool: Parameters<HostCodec["fetch"]>[1],
  wanted: readonly { readonly slot: number; readonly head: number }[],
  parts: number,
  heads: number,
  tiles: number,
): Promise<Map<string, Tiles>> {
  const slots = [...new Set(wanted.map(({ slot }) => slot))];
  const tables = slots.map((slot) => ({ slot, offset: 0, into: new Uint8Array(4 * (parts + 1)) }));
  await pool.read(tables);
  const begins = new Map(tables.map(({ slot, into }) => [slot, new Int32Array(into.buffer)]));
  const runs = new Map<string, Run>();
  for (const { slot, head } of wanted) {
    for (const part of [head, heads + head]) {
      const table = begins.get(slot)!;
      const into = new Uint8Array(table[part + 1]! - table[part]!);
      runs.set(`${slot} ${part}`, { slot, offset: table[part]!, into });
    }
  }
  await pool.read([...runs.values()]);
  const words = (tiles + 1) * ENTRY;
  return new Map([...runs].map(([name, { into }]) => {
    const elements = new Uint16Array(into.buffer, words * 4);
    return [name, { entries: new Int32Array(into.buffer, 0, words), elements }];
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
