/**
 * One decode step over keys and values that lie outside the device: those of chosen tokens beside all of them, which the same device reads in pieces; from memory and from a file.
 *
 * Run: `deno run -A offload.ts` or `bun offload.ts` in `bench/`, with `--length 262144`, `--threads 1`, `--json`.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { decode, dense, KVCache, offload } from "../sdk/cache/mod.ts";
import { type Decoded, decodeRows, openDevice, type Tensor } from "../sdk/device/mod.ts";
import { doubleSparsity } from "../sdk/methods/double_sparsity.ts";
import { FilePool } from "../sdk/cache/chunk_file.ts";
import { type ChunkPool, MemoryPool } from "../sdk/cache/chunk_pool.ts";
import { openOffloadFile } from "../sdk/cache/open_offload_file.ts";
import { normals, random } from "./random.ts";
import { machine, measure, show, type Spread } from "./stats.ts";
import { floatsToHalves } from "../sdk/weights/half.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    length: { type: "string", default: "262144" },
    threads: { type: "string", default: "1" },
  },
});
const [HEADS, KV_HEADS, DIM] = [32, 8, 128];
const length = Number(values.length);
const PIECE = 2048;
const device = await openDevice({ prefer: "wasm", threads: Number(values.threads) });
const next = random(5);
const q: Tensor = device.tensor(normals(next, HEADS * DIM), [HEADS, 1, DIM]);
const rows = normals(next, KV_HEADS * PIECE * DIM);

const lines: { name: string; ms: Spread; beside?: string }[] = [];
function add(name: string, ms: Spread, beside?: string): void {
  lines.push({ name, ms, ...(beside !== undefined && { beside }) });
  if (!values.json) console.log(`${name.padEnd(64)} ${show(ms).padStart(28)}  ${beside ?? ""}`);
}

/** Other rows for every piece, without drawing them all. */
function piece(n: number): Float32Array<ArrayBuffer> {
  const shifted = new Float32Array(rows.length);
  const by = (n * 7919 * DIM) % rows.length;
  shifted.set(rows.subarray(by));
  shifted.set(rows.subarray(0, by), rows.length - by);
  return shifted;
}

/** Everything from the pool to the device, piece by piece: float16 keys, then values. */
async function denseStep(pool: ChunkPool, slots: readonly number[]): Promise<void> {
  using scope = device.scope();
  const query = scope.view(q, [HEADS, DIM]);
  let into: Decoded | undefined;
  for (const [n, slot] of slots.entries()) {
    using inner = scope.scope();
    const bytes = new Uint8Array(2 * rows.length * 2);
    await pool.read({ slots: Int32Array.of(slot), offsets: new Int32Array(1), ends: Int32Array.of(bytes.length), into: bytes });
    const both = new Uint16Array(bytes.buffer);
    const [k, v] = [0, 1].map((part) => inner.tensor(both.subarray(part * rows.length, (part + 1) * rows.length), [KV_HEADS, PIECE, DIM]));
    const section = { form: "f16", k: k!, v: v!, kvHeads: KV_HEADS, headDim: DIM, kHead: PIECE * DIM, vHead: PIECE * DIM, first: n * PIECE, rows: PIECE } as const;
    const result = decodeRows(inner, query, section, { total: length, ...(into && { into }) });
    into ??= { out: scope.keep(inner.keep(result.out)), lse: scope.keep(inner.keep(result.lse)) };
  }
  await into!.lse.read();
}

if (!values.json) console.log(`One decode step, ${HEADS}/${KV_HEADS} heads of ${DIM}, float16, ${length} tokens outside ${device.report.adapter} on ${machine()}\n`);
const profile = await doubleSparsity.calibrate(device, {
  q: device.tensor(normals(next, HEADS * 64 * DIM), [HEADS, 64, DIM]),
  k: device.tensor(normals(next, KV_HEADS * 64 * DIM), [KV_HEADS, 64, DIM]),
});
for (const to of ["memory", "file"] as const) {
  const opened = to === "file" ? await openOffloadFile(process.env["TMPDIR"] ?? "/tmp") : undefined;
  const pool = opened ? new FilePool(opened.file, opened.path) : new MemoryPool();
  const slots: number[] = [];
  for (let n = 0; n < length / PIECE; n++) {
    const half = floatsToHalves(piece(n));
    const both = new Uint8Array(2 * half.byteLength);
    both.set(new Uint8Array(half.buffer));
    both.set(new Uint8Array(half.buffer), half.byteLength);
    slots.push(await pool.write(both));
  }
  const all = await measure(() => denseStep(pool, slots), 3);
  add(`${to}: every token`, all);
  pool.release();
  for (const tokens of [256, length / 16]) {
    const select = doubleSparsity({ profile, labelChannels: DIM / 16, tokens, denseLayers: [], shared: true });
    using cache = new KVCache(device, {
      heads: KV_HEADS,
      headDim: DIM,
      queryHeads: HEADS,
      select,
      storage: offload({ of: dense({ type: "f16" }), to }),
    });
    for (let n = 0; n < length / PIECE; n++) {
      using scope = device.scope();
      const x = scope.tensor(piece(n), [KV_HEADS, PIECE, DIM]);
      cache.append(x, x);
      await cache.settle();
    }
    const held = cache.bytes;
    const ms = await measure(async () => {
      await cache.fetch(device, q, { select });
      const out = decode(device, q, cache, { select });
      await out.read();
      out.dispose();
    }, 5);
    const share = 2 * KV_HEADS * length * DIM * 2 / held;
    add(`${to}: ${tokens} tokens for each KV head`, ms, `${(all.median / ms.median).toFixed(1)}x as fast; the device holds 1/${share.toFixed(1)} of dense`);
  }
}
if (values.json) console.log(JSON.stringify({ machine: machine(), device: device.report.adapter, length, lines }, null, 2));
device.dispose();
