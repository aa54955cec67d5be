import { describe, test } from "node:test";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { fromHalf, toHalf } from "../device/half.ts";
import { DEVICES } from "../methods/_test_heads.ts";
import type { Selector } from "../methods/selector.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { type Random, random } from "../testing/random.ts";
import { attendCache, bitmap, decode, dense, KVCache, paged, quantized, type Storage } from "./mod.ts";

const half = (x: number): number => fromHalf(toHalf(x));

/** Storages by name, and how far attention through them may be from exact attention over the same numbers. */
const STORAGES: Readonly<Record<string, { storage: Storage; tolerance: number; exact: boolean }>> = {
  "dense f32": { storage: dense(), tolerance: 1e-4, exact: true },
  "dense f16": { storage: dense({ type: "f16" }), tolerance: 1e-4, exact: true },
  "int8": { storage: quantized({ bits: 8 }), tolerance: 0.03, exact: false },
  "int4 in groups": { storage: quantized({ bits: 4, group: 16 }), tolerance: 0.4, exact: false },
  "bitmap of everything": {
    storage: bitmap({ sparsity: { k: 0, v: 0 }, window: 16, chunk: 64 }),
    tolerance: 1e-4,
    exact: true,
  },
  "bitmap 0.5": {
    storage: bitmap({ sparsity: { k: 0.5, v: 0.5 }, window: 16, chunk: 64 }),
    tolerance: 1.2,
    exact: false,
  },
  "pages": { storage: paged({ page: 16 }), tolerance: 1e-4, exact: true },
  "pages of int8": {
    storage: paged({ page: 16, of: quantized({ bits: 8 }) }),
    tolerance: 0.03,
    exact: false,
  },
};

const [HEADS, QUERY_HEADS, DIM] = [2, 6, 64];

/** Random rows that float16 can hold. */
class Tokens {
  readonly k: Float32Array[] = [];
  readonly v: Float32Array[] = [];
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = random(seed);
  }

  /** Appends `n` tokens to the cache. */
  append(device: Device, cache: KVCache, n: number): void {
    using scope = device.scope();
    const made = (rows: Float32Array[]): Tensor => {
      for (let t = 0; t < n; t++) rows.push(this.#random.normals(HEADS * DIM).map(half));
      const last = rows.slice(rows.length - n);
      const all = Float32Array.from({ length: HEADS * n * DIM }, (_, i) => {
        const [head, t, d] = [Math.floor(i / (n * DIM)), Math.floor(i / DIM) % n, i % DIM];
        return last[t]![head * DIM + d]!;
      });
      return scope.tensor(all, [HEADS, n, DIM]);
    };
    cache.append(made(this.k), made(this.v));
  }

  query(): Float32Array<ArrayBuffer> {
    return this.#random.normals(QUERY_HEADS * DIM);
  }

  /** Attention of q to the first `length` tokens. */
  attend(q: Float32Array, length = this.k.length): Float32Array {
    const out = new Float32Array(QUERY_HEADS * DIM);
    for (let h = 0; h < QUERY_HEADS; h++) {
      const at = Math.floor(h * HEADS / QUERY_HEADS) * DIM;
      const scores = this.k.slice(0, length).map((row) => {
        let sum = 0;
        for (let d = 0; d < DIM; d++) sum += row[at + d]! * q[h * DIM + d]!;
        return sum / Math.sqrt(DIM);
      });
      const top = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - top));
      const total = powers.reduce((a, b) => a + b, 0);
      for (let d = 0; d < DIM; d++) {
        out[h * DIM + d] = powers.reduce((sum, p, t) => sum + p * this.v[t]![at + d]!, 0) / total;
      }
    }
    return out;
  }
}

function open(device: Device, storage: Storage, capacity = Infinity): KVCache {
  return new KVCache(device, { heads: HEADS, headDim: DIM, queryHeads: QUERY_HEADS, storage, capacity });
}

async function decoded(device: Device, cache: KVCache, q: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  using scope = device.scope();
  return await decode(scope, scope.tensor(q, [QUERY_HEADS, 1, DIM]), cache).read();
}

function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assertEquals(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) assertAlmostEquals(actual[i]!, expected[i]!, tolerance);
}

for (const [kind, device] of Object.entries(DEVICES)) {
  for (const [name, { storage, tolerance, exact }] of Object.entries(STORAGES)) {
    describe(`A cache of ${name} on ${kind}`, () => {
      test("decodes like attention over all tokens at every length", async () => {
        using cache = open(device, storage);
        const tokens = new Tokens(1);
        tokens.append(device, cache, 130);
        for (let step = 0; step < 40; step++) {
          if (step % 10 === 0) {
            const q = tokens.query();
            assertNear(await decoded(device, cache, q), tokens.attend(q), tolerance);
          } else cache.compact();
          tokens.append(device, cache, step % 7 === 6 ? 5 : 1);
        }
        assertEquals(cache.length, tokens.k.length);
      });

      test("forgets what is truncated, and goes on", async () => {
        using cache = open(device, storage);
        const tokens = new Tokens(2);
        tokens.append(device, cache, 200);
        cache.compact();
        for (const length of [199, 150, 70, 1]) {
          cache.truncate(length);
          tokens.k.length = tokens.v.length = length;
          const q = tokens.query();
          assertEquals(cache.length, length);
          assertNear(await decoded(device, cache, q), tokens.attend(q), tolerance);
        }
        tokens.append(device, cache, 100);
        const q = tokens.query();
        assertNear(await decoded(device, cache, q), tokens.attend(q), tolerance);
        cache.truncate(0);
        assertEquals(cache.length, 0);
      });

      test("forks into two that do not know each other", async () => {
        using cache = open(device, storage);
        const tokens = new Tokens(3);
        tokens.append(device, cache, 150);
        cache.compact();
        using other = cache.fork();
        const [q, before] = [tokens.query(), [...tokens.k]];
        const here = await decoded(device, cache, q);
        new Tokens(4).append(device, other, 90);
        assertEquals(await decoded(device, cache, q), here);
        assertEquals([cache.length, other.length], [before.length, before.length + 90]);
        cache.dispose();
        other.truncate(150);
        assertNear(await decoded(device, other, q), here, exact ? 1e-5 : tolerance);
      });

      test("is the same after it was saved and restored", async () => {
        using cache = open(device, storage);
        const tokens = new Tokens(5);
        tokens.append(device, cache, 170);
        const q = tokens.query();
        await decoded(device, cache, q);
        const expected = await decoded(device, cache, q);
        using again = KVCache.restore(device, await cache.save());
        assertEquals(again.length, 170);
        assertEquals(await decoded(device, again, q), expected);
        tokens.append(device, again, 3);
        assertNear(await decoded(device, again, q), tokens.attend(q), tolerance);
      });

      test("attends with several new tokens at once as one after the other", async () => {
        using cache = open(device, storage);
        const tokens = new Tokens(6);
        tokens.append(device, cache, 100);
        const queries = [tokens.query(), tokens.query(), tokens.query()];
        const all = new Float32Array(QUERY_HEADS * 3 * DIM);
        queries.forEach((q, i) => {
          for (let h = 0; h < QUERY_HEADS; h++) {
            all.set(q.subarray(h * DIM, (h + 1) * DIM), (h * 3 + i) * DIM);
          }
        });
        using scope = device.scope();
        const out = await attendCache(scope, scope.tensor(all, [QUERY_HEADS, 3, DIM]), cache).read();
        queries.forEach((q, i) => {
          const expected = tokens.attend(q, 98 + i);
          for (let h = 0; h < QUERY_HEADS; h++) {
            const row = out.subarray((h * 3 + i) * DIM, (h * 3 + i + 1) * DIM);
            assertNear(row, expected.subarray(h * DIM, (h + 1) * DIM), tolerance);
          }
        });
      });

      test("gives all its memory back", () => {
        const { bytes, tensors } = device.report;
        const cache = open(device, storage);
        new Tokens(7).append(device, cache, 700);
        cache.compact();
        cache.truncate(300);
        const other = cache.fork();
        assert(cache.bytes > 0);
        cache.dispose();
        cache.dispose();
        other.dispose();
        assertEquals([device.report.bytes, device.report.tensors], [bytes, tensors]);
      });
    });
  }
}

describe("A cache", () => {
  const device = DEVICES["reference"]!;

  test("refuses tokens beyond its capacity and takes none of them", () => {
    using cache = open(device, dense(), 10);
    const tokens = new Tokens(1);
    tokens.append(device, cache, 8);
    assertThrows(() => tokens.append(device, cache, 3), RangeError, "at most 10");
    assertEquals(cache.length, 8);
  });

  test("refuses to be truncated below zero or beyond its end", () => {
    using cache = open(device, dense());
    new Tokens(1).append(device, cache, 8);
    for (const length of [-1, 9, 0.5, NaN]) {
      assertThrows(() => cache.truncate(length), RangeError, "from 0 to 8");
    }
  });

  test("refuses to decode before anything is appended", async () => {
    using cache = open(device, dense());
    await assertRejects(() => decoded(device, cache, new Tokens(1).query()), Error, "empty");
  });

  test("refuses rows of another shape or type", () => {
    using cache = open(device, dense());
    using scope = device.scope();
    const [good, bad] = [scope.empty([HEADS, 2, DIM]), scope.empty([HEADS, 2, DIM - 1])];
    assertThrows(() => cache.append(good, bad), RangeError, "expected [2, n, 64]");
    assertThrows(() => cache.append(bad, bad), RangeError, "expected [2, n, 64]");
    assertThrows(() => cache.append(scope.empty([HEADS, 2, DIM], "f16"), good), TypeError, "f32");
  });

  test("holds nothing when its selector refuses it", () => {
    const { bytes, tensors } = device.report;
    const select: Selector = {
      name: "refusing",
      start: () => {
        throw new RangeError("made for another model");
      },
    };
    assertThrows(
      () => new KVCache(device, { heads: HEADS, headDim: DIM, select }),
      RangeError,
      "another model",
    );
    assertEquals([device.report.bytes, device.report.tensors], [bytes, tensors]);
  });

  test("gives NaN to the heads whose keys are NaN, and to no other", async () => {
    using cache = open(device, dense());
    using scope = device.scope();
    const k = new Float32Array(HEADS * 3 * DIM).fill(0.5);
    k[0] = NaN;
    const rows = scope.tensor(new Float32Array(HEADS * 3 * DIM).fill(0.5), [HEADS, 3, DIM]);
    cache.append(scope.tensor(k, [HEADS, 3, DIM]), rows);
    const out = await decoded(device, cache, new Tokens(1).query());
    assert(Number.isNaN(out[0]));
    assertAlmostEquals(out.at(-1)!, 0.5, 1e-5);
  });

  test("of a bitmap keeps prompts shorter than its window as they are", async () => {
    using cache = open(device, bitmap({ window: 32, chunk: 64 }));
    const tokens = new Tokens(8);
    tokens.append(device, cache, 31);
    const q = tokens.query();
    assertNear(await decoded(device, cache, q), tokens.attend(q), 1e-5);
    assertEquals(cache.sections().length, 1);
  });

  test("of pages gives pages back that no head keeps", () => {
    const last = paged({ page: 16, keep: (head, page, last) => head === 1 || last - page < 2 });
    using cache = open(device, last);
    using all = open(device, paged({ page: 16 }));
    for (let n = 0; n < 10; n++) {
      new Tokens(n).append(device, cache, 160);
      new Tokens(n).append(device, all, 160);
    }
    assert(cache.bytes < 0.6 * all.bytes);
    const { k } = cache.rows();
    assertEquals(k.shape, [HEADS, 1600, DIM]);
    k.dispose();
  });

  test("refuses files that are none of its own", async () => {
    using cache = open(device, paged({ page: 16 }));
    new Tokens(1).append(device, cache, 40);
    const file = await cache.save();
    for (let cut = 0; cut < file.length; cut += 997) {
      assertThrows(() => KVCache.restore(device, file.subarray(0, cut)), Error, "Cannot");
    }
    const text = Array.from(file, (byte) => String.fromCharCode(byte)).join("");
    const broken = (from: string, to: string): Uint8Array => {
      assert(text.includes(from));
      return Uint8Array.from(text.replace(from, to), (char) => char.charCodeAt(0));
    };
    assertThrows(() => KVCache.restore(device, broken("filigree-kv-1", "filigree-kv-2")), Error, "format");
    assertThrows(
      () => KVCache.restore(device, broken('length\\":40', 'length\\":41')),
      Error,
      "Cannot restore",
    );
    assertThrows(() => KVCache.restore(device, broken('"paged', '"paper')), Error, "Cannot restore");
    assertThrows(
      () => KVCache.restore(device, broken('"places\\":[0', '"places\\":[9')),
      Error,
      "Cannot restore",
    );
  });
});
