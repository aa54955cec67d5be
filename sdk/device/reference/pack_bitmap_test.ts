import { describe, test } from "node:test";
import { assertEquals } from "../../testing/assert.ts";
import { random } from "../../testing/random.ts";
import { createDevice } from "../core_device.ts";
import { floatsToHalves, halvesToFloats } from "../half.ts";
import { packBitmap, readRows } from "../ops/mod.ts";
import { openReference } from "./mod.ts";

const device = createDevice(openReference());

/** Packs the rows of a head and reads them back. */
async function packed(
  kind: "k" | "v",
  x: Float32Array,
  headDim: number,
  drop: number,
  parts: readonly number[],
) {
  const n = x.length / headDim;
  const entries = n * headDim / 64 + 1;
  const data = device.tensor(new Uint16Array(x.length), [x.length]);
  const meta = device.tensor(new Int32Array(3 * entries), [3 * entries]);
  const options = { packed: data, meta, packedHead: x.length, metaAt: 0, metaHead: 0, drop, kind };
  let done = 0;
  for (const rows of parts) {
    const part = x.slice(done * headDim, (done + rows) * headDim);
    packBitmap(device, device.tensor(part, [1, rows, headDim]), { ...options, tile0: done * headDim / 64 });
    done += rows;
  }
  const rows = readRows(device, {
    ...{ form: "bitmap", k: data, v: data, kHead: x.length, vHead: x.length, meta, vMetaAt: 0 },
    ...{ kvHeads: 1, headDim, first: 0, rows: n },
  }, kind);
  return {
    rows: await rows.read(),
    data: halvesToFloats(await data.read("f16")),
    meta: await meta.read("i32"),
  };
}

/** The elements at or above the drop-th smallest magnitude of their row, in float16. */
function pruned(x: Float32Array, headDim: number, drop: number): Float32Array {
  const out = halvesToFloats(floatsToHalves(x));
  for (let at = 0; at < x.length; at += headDim) {
    const row = out.subarray(at, at + headDim);
    const least = [...row].map(Math.abs).sort((a, b) => a - b)[drop - 1]!;
    row.set(row.map((value) => Math.abs(value) >= least ? value || 0 : 0));
  }
  return out;
}

describe("packBitmap on the reference device", () => {
  test("packs a column of 64 keys, the first in the highest bit", async () => {
    const x = new Float32Array(64 * 64);
    // Token t has its largest element in column t mod 2, but token 5 has nothing.
    for (let t = 0; t < 64; t++) x[t * 64 + t % 2] = t === 5 ? 0 : t + 1;
    const { data, meta } = await packed("k", x, 64, 64, [64]);
    assertEquals([...meta.subarray(0, 9)], [
      ...[0xaaaa_aaaa | 0, 0xaaaa_aaaa | 0, 0],
      ...[0x5155_5555, 0x5555_5555, 16],
      ...[0, 0, 32],
    ]);
    assertEquals([...meta.subarray(-3)], [0, 0, 32]);
    assertEquals([...data.subarray(0, 3), ...data.subarray(32, 36)], [1, 3, 5, 2, 4, 8, 10]);
    assertEquals([data[62], data[63], data[64]], [64, 0, 0]);
  });

  test("packs 64 columns of a value, 64 tokens before the next columns, filled up to 8", async () => {
    const x = new Float32Array(64 * 128);
    for (let t = 0; t < 64; t++) x.set([-1 - t, 0.5, 200 + t], t * 128 + 62);
    const { data, meta } = await packed("v", x, 128, 127, [64]);
    // Columns 62 and 64 stay; 63 is below the second largest.
    const tile = (n: number): number[] => [...meta.subarray(3 * n, 3 * n + 3)];
    assertEquals([tile(0), tile(1), tile(63)], [[0, 2, 0], [0, 2, 4], [0, 2, 252]]);
    assertEquals([tile(64), tile(127), tile(128)], [[1 << 31, 0, 256], [1 << 31, 0, 508], [0, 0, 512]]);
    assertEquals([...data.subarray(0, 9)], [-1, 0, 0, 0, 0, 0, 0, 0, -2]);
    assertEquals([...data.subarray(512, 521)], [200, 0, 0, 0, 0, 0, 0, 0, 201]);
  });

  test("keeps as many elements as the official code without ties", async () => {
    for (
      const [headDim, share, kept] of [[128, 0.5, 65], [128, 0.7, 40], [64, 0.5, 33], [64, 0.7, 21]] as const
    ) {
      const x = Float32Array.from({ length: 64 * headDim }, (_, i) => (i * 37 % headDim + 1) * (-1) ** i);
      const { rows } = await packed("v", x, headDim, Math.trunc(share * headDim), [64]);
      for (let at = 0; at < rows.length; at += headDim) {
        assertEquals(rows.subarray(at, at + headDim).filter((value) => value !== 0).length, kept);
      }
    }
  });

  test("gives back the pruned rows after several calls, with ties, zeros and numbers between halves", async () => {
    const source = random(6);
    for (const headDim of [64, 128]) {
      for (const drop of [1, headDim >> 1, headDim * 0.7 | 0, headDim]) {
        for (const kind of ["k", "v"] as const) {
          const x = source.normals(192 * headDim);
          for (let i = 0; i < 64 * headDim; i++) x[i] = Math.round(x[i]!);
          x.fill(0, 70 * headDim, 72 * headDim);
          const { rows } = await packed(kind, x, headDim, drop, [64, 128]);
          assertEquals(rows, pruned(x, headDim, drop), `${kind} ${headDim} ${drop}`);
        }
      }
    }
  });

  test("leaves tiles that do not fit and counts on", async () => {
    const x = device.tensor(new Float32Array(64 * 64).fill(1), [1, 64, 64]);
    const data = device.tensor(new Uint16Array(200).fill(7), [200]);
    const meta = device.tensor(new Int32Array(3 * 65), [3 * 65]);
    packBitmap(device, x, {
      ...{ packed: data, meta, packedHead: 136, metaAt: 0, metaHead: 0, tile0: 0, drop: 1, kind: "k" },
    });
    assertEquals(await data.read("f16"), new Uint16Array(200).fill(0x3c00, 0, 128).fill(7, 128));
    assertEquals(
      (await meta.read("i32")).filter((_, i) => i % 3 === 2),
      Int32Array.from({ length: 65 }, (_, n) => 32 * n),
    );
  });
});
