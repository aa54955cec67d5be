import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import { DEVICES } from "../methods/_test_heads.ts";
import type { Choice, Selection, Selector } from "../methods/selector.ts";
import type { Device } from "../device/device.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import {
  bitmap,
  decode,
  dense,
  KVCache,
  offload,
  type OffloadOptions,
  quantized,
  type Storage,
} from "./mod.ts";

const [HEADS, QUERY_HEADS, DIM] = [2, 4, 64];

/** A selector that names given lists, whatever the query. */
function listing(lists: (length: number) => readonly (readonly number[])[]): Selector {
  return {
    name: "listing",
    start(): Selection {
      const selection: Selection = {
        bytes: 0,
        append() {},
        truncate() {},
        fork: () => selection,
        choose(device, _q, length): Choice {
          const named = lists(length);
          const cap = Math.max(...named.map((list) => list.length));
          const flat = named.flatMap((list) => [...list, ...new Array<number>(cap - list.length).fill(-1)]);
          return { list: device.tensor(Int32Array.from(flat), [named.length, cap]) };
        },
        dispose() {},
        [Symbol.dispose]() {},
      };
      return selection;
    },
  };
}

/** Some tokens, always with the newest: a list for each of `count`. */
function someTokens(count: number): Selector {
  return listing((length) =>
    Array.from({ length: count }, (_, list) => {
      const draw = random(list + 3 * length);
      const some = Array.from({ length: 20 + list }, () => draw.int(0, length));
      return [...new Set([...some, length - 1])].sort((a, b) => a - b);
    })
  );
}

function open(device: Device, storage: Storage): KVCache {
  return new KVCache(device, { heads: HEADS, headDim: DIM, queryHeads: QUERY_HEADS, storage });
}

/** Appends the same random tokens to all caches. */
function append(device: Device, caches: readonly KVCache[], n: number, seed: number): void {
  using scope = device.scope();
  const draw = random(seed);
  const [k, v] = [0, 1].map(() => scope.tensor(draw.normals(HEADS * n * DIM), [HEADS, n, DIM]));
  for (const cache of caches) cache.append(k!, v!);
}

async function step(device: Device, cache: KVCache, seed: number, select?: Selector): Promise<Float32Array> {
  using scope = device.scope();
  const q = scope.tensor(random(seed).normals(QUERY_HEADS * DIM), [QUERY_HEADS, 1, DIM]);
  await cache.fetch(scope, q, { select });
  return await decode(scope, q, cache, { select }).read();
}

function assertNear(actual: Float32Array, expected: Float32Array, tolerance = 1e-5): void {
  for (let i = 0; i < expected.length; i++) assertAlmostEquals(actual[i]!, expected[i]!, tolerance);
}

const ROWS: Readonly<Record<string, Storage>> = {
  "float32": dense(),
  "float16": dense({ type: "f16" }),
  "int8": quantized({ bits: 8 }),
  "int4 in groups": quantized({ bits: 4, group: 32 }),
  "bitmaps": bitmap({ sparsity: { k: 0.5, v: 0.7 }, window: 64, chunk: 64 }),
};

for (const [kind, device] of Object.entries(DEVICES)) {
  for (const to of ["memory", "file"] as const) {
    describe(`A cache offloaded to ${to} on ${kind}`, () => {
      for (const [name, of] of Object.entries(ROWS)) {
        for (const lists of [0, 1, HEADS, QUERY_HEADS]) {
          const reads = lists === 0 ? "everything" : `${lists} lists`;
          test(`decodes ${reads} of ${name} as it does on the device`, async () => {
            const select = lists === 0 ? undefined : someTokens(lists);
            using away = open(device, offload({ of, to, window: 64, chunk: 64 }));
            using here = open(device, of);
            append(device, [away, here], 300, 1);
            for (let n = 0; n < 6; n++) {
              // The first time everything of bitmaps is still as it came.
              assertNear(
                await step(device, away, n, select),
                await step(device, here, n, select),
                n === 0 && name === "bitmaps" ? 3 : 1e-4,
              );
              append(device, [away, here], n % 2 === 0 ? 1 : 70, 10 + n);
            }
            assertEquals(away.length, here.length);
          });
        }
      }

      test("goes on after it was truncated or forked", async () => {
        const storage = offload({ of: dense(), to, window: 16, chunk: 64 });
        using away = open(device, storage);
        using here = open(device, dense());
        append(device, [away, here], 500, 1);
        await step(device, away, 1);
        for (const length of [490, 333, 64, 10]) {
          away.truncate(length);
          here.truncate(length);
          assertEquals(away.length, length);
          append(device, [away, here], 50, length);
          assertNear(await step(device, away, length), await step(device, here, length));
        }
        append(device, [away, here], 300, 3);
        using other = away.fork();
        append(device, [other], 100, 4);
        assertNear(await step(device, away, 5), await step(device, here, 5));
        away.dispose();
        append(device, [here], 100, 4);
        assertNear(await step(device, other, 6), await step(device, here, 6));
      });

      test("may fetch for a query that is a prediction, before the token is appended", async () => {
        const select = someTokens(QUERY_HEADS);
        using away = open(device, offload({ of: dense(), to, window: 16, chunk: 64 }));
        append(device, [away], 400, 1);
        using scope = device.scope();
        const q = scope.tensor(random(1).normals(QUERY_HEADS * DIM), [QUERY_HEADS, 1, DIM]);
        await away.fetch(scope, q, { select });
        append(device, [away], 1, 2);
        const out = await decode(scope, q, away, { select }).read();
        assert(out.every(Number.isFinite));
        assertThrows(() => decode(scope, q, away, { select }), Error, "cache.fetch");
      });

      test("keeps what was fetched last, also if what was asked for before comes later", async () => {
        const select = someTokens(HEADS);
        const storage = offload({ of: dense(), to, window: 16, chunk: 64 });
        const shape = { heads: HEADS, headDim: DIM, queryHeads: QUERY_HEADS };
        using away = new KVCache(device, { ...shape, storage, select });
        using here = open(device, dense());
        append(device, [away, here], 2000, 1);
        await away.settle();
        using scope = device.scope();
        const q = scope.tensor(random(2).normals(QUERY_HEADS * DIM), [QUERY_HEADS, 1, DIM]);
        // The lists of the first are read before its tokens; the second has none.
        await Promise.all([away.fetch(scope, q, { select }), away.fetch(scope, q)]);
        assertNear(await decode(scope, q, away).read(), await decode(scope, q, here).read(), 1e-4);
      });

      test("holds little on the device", async () => {
        using away = open(device, offload({ of: dense(), to, window: 64, chunk: 64 }));
        using here = open(device, dense());
        for (let n = 0; n < 10; n++) append(device, [away, here], 500, n);
        await away.settle();
        assert(away.bytes < here.bytes / 14, `${away.bytes} of ${here.bytes}`);
      });

      test("gives all its memory back", async () => {
        const { bytes, tensors } = device.report;
        const away = open(device, offload({ to, window: 16, chunk: 64 }));
        append(device, [away], 300, 1);
        await step(device, away, 1);
        append(device, [away], 1, 1);
        await away.settle();
        away.dispose();
        await away.settle().catch(() => {});
        assertEquals([device.report.bytes, device.report.tensors], [bytes, tensors]);
      });
    });
  }
}

describe("The file of an offloaded cache", () => {
  const device = DEVICES["wasm"]!;

  async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(`${tmpdir()}/filigree-`);
    try {
      await run(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  const options = (path: string): OffloadOptions => ({
    of: dense(),
    to: "file",
    path,
    window: 16,
    chunk: 64,
  });

  test("has no name while it is in use, so that a crash leaves nothing behind", async () => {
    await inFolder(async (folder) => {
      using first = open(device, offload(options(folder)));
      using second = open(device, offload(options(folder)));
      append(device, [first, second], 300, 1);
      await Promise.all([first.settle(), second.settle()]);
      assertEquals(await readdir(folder), []);
      assertNear(await step(device, first, 1), await step(device, second, 1));
    });
  });

  test("is reported when its folder is missing, and the tokens on the device are not lost", async () => {
    using cache = open(device, offload(options("/nonexistent/folder")));
    append(device, [cache], 50, 1);
    assert((await step(device, cache, 1)).every(Number.isFinite));
    append(device, [cache], 100, 2);
    cache.compact();
    await assertRejects(() => step(device, cache, 1), Error, "expected a folder that can be written to");
    await assertRejects(() => cache.settle(), Error, "/nonexistent/folder");
  });
});
