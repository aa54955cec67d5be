/**
 * Replays golden files of Mustafar: the bitmap cache.
 *
 * @module
 */
import { attendCache, bitmap, decode, dense, KVCache } from "../../cache/mod.ts";
import type { Device } from "../../device/device.ts";
import { slice } from "../../device/ops/slice.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareSelections, floats } from "../../golden/check.ts";
import { halvesToFloats } from "../../weights/half.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Decodes step by step, then compares what the cache consists of bit by bit. */
export const replayMustafar: Replay = async (device, file, params) => {
  using scope = device.scope();
  const [q, k, v] = ["q", "k", "v"].map((name) => upload(scope, file, name)) as [Tensor, Tensor, Tensor];
  const [heads, length, headDim] = k.shape as [number, number, number];
  const prefill = numberOf(params, "prefill_len");
  const storage = bitmap({
    sparsity: { k: numberOf(params, "k_sparsity"), v: numberOf(params, "v_sparsity") },
    window: numberOf(params, "window"),
    chunk: numberOf(params, "chunk"),
  });
  const shape = { heads, headDim, queryHeads: q.shape[0]! };
  using cache = new KVCache(device, { ...shape, storage });
  using whole = new KVCache(device, { ...shape, storage: dense() });
  const rows = (x: Tensor, from: number, to: number): Tensor => slice(scope, x, 1, from, to);
  cache.append(rows(k, 0, prefill), rows(v, 0, prefill));
  cache.compact();
  const checks: Check[] = [compare("compressed_after_prefill", [compressed(cache)], [
    numberOf(params, "compressed_after_prefill"),
  ], 0)];

  const steps = length - prefill;
  const out = new Float32Array(q.size);
  const lengths = new Int32Array(steps);
  for (let step = 0; step < steps; step++) {
    using one = device.scope();
    const at = prefill + step;
    cache.append(slice(one, k, 1, at, at + 1), slice(one, v, 1, at, at + 1));
    const row = await decode(one, slice(one, q, 1, step, step + 1), cache).read();
    for (let h = 0; h < shape.queryHeads; h++) {
      out.set(row.subarray(h * headDim, (h + 1) * headDim), (h * steps + step) * headDim);
    }
    lengths[step] = compressed(cache);
  }
  whole.append(k, v);
  const exact = attendCache(scope, q, whole);
  checks.push(
    compare("out", out, floats(file, "out"), 1e-4),
    compare("out_dense", await exact.read(), floats(file, "out_dense"), 1e-4),
    compareSelections("compressed_len", lengths, integers(file, "compressed_len")),
    ...await checkTiles(device, file, params, cache),
  );
  return { checks };
};

/** Tokens that are compressed. */
function compressed(cache: KVCache): number {
  const [first] = cache.sections();
  return first!.form === "bitmap" ? first!.rows : 0;
}

/** Bitmaps, offsets, packed values, window and bytes of the end. */
async function checkTiles(
  device: Device,
  file: SafetensorsFile,
  params: Params,
  cache: KVCache,
): Promise<Check[]> {
  await cache.settle();
  using scope = device.scope();
  const { tensors } = cache.store.state(scope);
  const { heads, headDim } = cache;
  const tokens = compressed(cache);
  const tiles = tokens * headDim / 64;
  const meta = await tensors["meta"]!.read("i32");
  const checks: Check[] = [];
  for (const kind of ["k", "v"] as const) {
    const packed = halvesToFloats(await tensors[kind === "k" ? "packedK" : "packedV"]!.read("f16"));
    const entries = (head: number, tile: number): number =>
      (((kind === "k" ? 0 : heads) + head) * (tiles + 1) + tile) * 3;
    const bits: number[] = [];
    const offsets: number[] = [];
    for (let head = 0; head < heads; head++) {
      for (let tile = 0; tile <= tiles; tile++) {
        const at = entries(head, tile);
        if (tile < tiles) bits.push(meta[at]!, meta[at + 1]!);
        offsets.push(meta[at + 2]!);
      }
    }
    const lengths = integers(file, `${kind}_packed_len`);
    const widest = packed.length / heads;
    const expected = floats(file, `${kind}_packed`);
    const width = expected.length / heads;
    const values = Float32Array.from(expected, (_, i) => {
      const [head, at] = [Math.floor(i / width), i % width];
      return at < lengths[head]! ? packed[head * widest + at]! : 0;
    });
    const total = Array.from({ length: heads }, (_, head) => 2 * offsets[head * (tiles + 1) + tiles]!);
    const bytes = (8 * tiles + 4 * (tiles + 1) + 2 * total.reduce((a, b) => a + b, 0) / heads) / tokens;
    checks.push(
      compareSelections(`${kind}_bitmap`, bits, integers(file, `${kind}_bitmap`)),
      compareSelections(`${kind}_offsets`, offsets, integers(file, `${kind}_offsets`)),
      compareSelections(`${kind}_packed_len`, total, lengths),
      compare(`${kind}_packed`, values, expected, 0),
      compare(`${kind}_bytes`, [bytes], [numberOf(params, `${kind}_bytes_per_token_head_fp16`)], 1e-3),
    );
    const window = halvesToFloats(await tensors[kind === "k" ? "windowK" : "windowV"]!.read("f16"));
    checks.push(compare(`${kind}_window`, window, floats(file, `${kind}_window`), 0));
  }
  return checks;
}
