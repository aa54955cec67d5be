import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { gather } from "../device/ops/gather.ts";
import { reshape } from "../device/ops/reshape.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { tokensRead, tokensWhere } from "./_test_choices.ts";
import { DEVICES, type Heads, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { longgen, type LonggenOptions } from "./longgen.ts";

const device = DEVICES["reference"]!;

/** The key blocks that the first query of a block sees, by head. */
async function seen(
  sample: Heads,
  options: Partial<LonggenOptions>,
  i: number,
  size: number,
): Promise<number[][]> {
  const mask = await maskOf(device, longgen({ ...options, blockSize: size }), sample);
  return Array.from({ length: sample.heads }, (_, h) => {
    const at = (h * sample.lq + i * size) * sample.lk;
    const blocks = Array.from({ length: i + 1 }, (_, j) => j);
    return blocks.filter((j) => mask[at + j * size] === 1);
  });
}

describe("longgen()", () => {
  test("sees the blocks of the worked example", async () => {
    const sample = randomHeads(random(1), { heads: 4, kvHeads: 4, lq: 56, lk: 56, headDim: 3 });
    const options = { localBlocks: 2, stride: 4 };
    assertEquals(await seen(sample, options, 6, 8), [[0, 4, 5, 6], [3, 5, 6], [2, 5, 6], [1, 5, 6]]);
    const two = randomHeads(random(1), { heads: 2, kvHeads: 2, lq: 56, lk: 56, headDim: 3 });
    assertEquals(await seen(two, options, 6, 8), [[0, 4, 5, 6], [2, 5, 6]]);
  });

  test("sees a window and a sink in the other variant", async () => {
    const sample = randomHeads(random(1), { heads: 2, kvHeads: 1, lq: 56, lk: 56, headDim: 3 });
    assertEquals(await seen(sample, { variant: "window", localBlocks: 2 }, 6, 8), [[0, 5, 6], [0, 5, 6]]);
    const sinks = { variant: "window", localBlocks: 1, sinkBlocks: 2 } as const;
    assertEquals(await seen(sample, sinks, 6, 8), [[0, 1, 6], [0, 1, 6]]);
  });

  test("is dense in the middle third of the layers, or in those that are named", () => {
    using d = device.scope();
    const sample = randomHeads(random(2), { heads: 1, kvHeads: 1, lq: 30, lk: 30, headDim: 2 });
    const [q, k] = [queries(d, sample), keys(d, sample)];
    const kinds = (options: Partial<LonggenOptions>): string =>
      [0, 1, 2, 3, 4, 5].map((layer) => longgen({ ...options, layer, blockSize: 4 }).plan(d, q, k).kind[0])
        .join("");
    assertEquals(kinds({ layers: 6 }), "ssddss");
    assertEquals(kinds({ fullLayers: [0, 5] }), "dssssd");
    assertEquals(longgen({ blockSize: 4 }).plan(d, q, k).kind, "sparse");
    const named = longgen({ layers: 3, blockSize: 4, localBlocks: 1 });
    assertEquals([0, 1].map((layer) => named.plan(d, q, k, { layer }).kind), ["sparse", "dense"]);
  });

  test("refuses options out of range, and a layer of an unknown model", () => {
    const wrong: readonly Partial<LonggenOptions>[] = [
      { stride: 0 },
      { localBlocks: 0 },
      { variant: "full" as "window" },
      { layer: 1 },
      { layers: 4, layer: 4 },
      { layers: 4, fullLayers: [4] },
      { fullLayers: [0.5] },
    ];
    for (const options of wrong) assertThrows(() => longgen(options), RangeError, "Cannot use longgen");
  });
});

describe("longgen() decoding", () => {
  const cases: readonly (readonly [queryHeads: number, heads: number, options: Partial<LonggenOptions>])[] = [
    [4, 4, { localBlocks: 2, stride: 4 }],
    [6, 3, { localBlocks: 1, stride: 5, headOffset: 2, sinkBlocks: 1 }],
    [4, 1, { localBlocks: 3, variant: "window", sinkBlocks: 2 }],
    [2, 2, { localBlocks: 1, stride: 1 }],
  ];

  test("reads what the mask shows to the last query, block by block", async () => {
    for (const [queryHeads, heads, options] of cases) {
      const planner = longgen({ ...options, blockSize: 4 });
      using selection = planner.start(device, { queryHeads, heads, headDim: 3, layer: 0 });
      for (let lk = 1; lk < 50; lk++) {
        const sample = randomHeads(random(5), { heads: queryHeads, kvHeads: heads, lq: 1, lk, headDim: 3 });
        const mask = await maskOf(device, planner, sample);
        const q = device.tensor(sample.q, [queryHeads, 3]);
        const read = await tokensRead(selection.choose(device, q, lk), { queryHeads, heads }, lk);
        read.forEach((own, h) => assertEquals(own, tokensWhere(lk, (token) => mask[h * lk + token] === 1)));
      }
    }
  });

  test("makes a list when a block begins, and none for full layers", () => {
    const planner = longgen({ layers: 3, blockSize: 4, localBlocks: 1 });
    const shape = { queryHeads: 1, heads: 1, headDim: 3 };
    const q = device.tensor(new Float32Array(3), [1, 3]);
    using full = planner.start(device, { ...shape, layer: 1 });
    assertEquals(full.choose(device, q, 40), undefined);
    using sparse = planner.start(device, { ...shape, layer: 2 });
    const ids = [37, 38, 40, 41].map((length) => sparse.choose(device, q, length)!.list!.id);
    assertEquals([ids[1] === ids[0], ids[2] === ids[0], ids[3] === ids[0]], [true, true, false]);
  });
});

describe("longgen.retains()", () => {
  test("keeps what the queries of a block see, and everything of full layers", () => {
    const options = { layers: 3, blockSize: 4, localBlocks: 2, stride: 4 };
    const kept = (layer: number, head: number): number[] => {
      const retains = longgen.retains({ heads: 4, kvHeads: 4 }, { ...options, layer });
      return [0, 1, 2, 3, 4, 5, 6, 7].filter((block) => retains(head, block, 7));
    };
    assertEquals([kept(0, 0), kept(0, 1), kept(1, 1)], [[0, 4, 6, 7], [3, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7]]);
  });
});

describe("longgen.middleThird()", () => {
  test("rounds up the count and down the beginning", () => {
    assertEquals(longgen.middleThird(28), [9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
    assertEquals([longgen.middleThird(1), longgen.middleThird(2), longgen.middleThird(0)], [[0], [0], []]);
  });
});

describe("longgen.coverage()", () => {
  test("tells which blocks no head sees", () => {
    const options = { localBlocks: 2, stride: 4 };
    assertEquals(longgen.coverage({ heads: 4, kvHeads: 4 }, options), {
      complete: true,
      share: 1,
      missing: [],
    });
    assertEquals(longgen.coverage({ heads: 2, kvHeads: 2 }, options), {
      complete: false,
      share: 0.5,
      missing: [1, 3],
    });
    assertEquals(longgen.coverage({ heads: 32, kvHeads: 8 }).share, 0.5);
    assertEquals(longgen.coverage({ heads: 1, kvHeads: 1 }, { variant: "window" }).share, 0);
  });

  test("agrees with what the heads of a plan see", async () => {
    for (
      const [heads, kvHeads, stride, headOffset] of [[4, 2, 4, 1], [6, 3, 5, 0], [8, 8, 8, 3], [
        3,
        1,
        9,
        2,
      ]] as const
    ) {
      const size = 2;
      const lk = size * 3 * stride;
      const sample = randomHeads(random(3), { heads, kvHeads, lq: lk, lk, headDim: 2 });
      const options = { localBlocks: 1, stride, headOffset };
      const union = new Set((await seen(sample, options, 3 * stride - 1, size)).flat());
      const missing = Array.from({ length: stride }, (_, j) => j).filter((j) => !union.has(j + stride));
      assertEquals(longgen.coverage({ heads, kvHeads }, options).missing, missing);
    }
  });
});

describe("longgen.kvRetained()", () => {
  test("frees and keeps the blocks of the worked example", () => {
    const options = { blockSize: 4, localBlocks: 2, stride: 4 };
    const blocks = (n: number): number[] => {
      const kept = longgen.kvRetained(n, { heads: 4, kvHeads: 4 }, options).subarray(0, n);
      return Array.from(kept, (one, token) => one ? token / 4 : -1).filter((j) =>
        j >= 0 && Number.isInteger(j)
      );
    };
    assertEquals(blocks(27), [0, 4, 5, 6]);
    assertEquals(blocks(28), [0, 4, 6]);
  });

  test("keeps all that later queries see, and never regains what it dropped", () => {
    const heads = { heads: 8, kvHeads: 4 };
    const options = { blockSize: 4, localBlocks: 2, stride: 5, sinkBlocks: 1 };
    for (let n = 1; n < 90; n++) {
      const [now, next] = [longgen.kvRetained(n, heads, options), longgen.kvRetained(n + 1, heads, options)];
      for (let g = 0; g < 4; g++) {
        for (let token = 0; token < n; token++) {
          assertEquals(now[g * n + token]! >= next[g * (n + 1) + token]!, true);
        }
      }
    }
  });

  test("decoding over what is retained gives what the mask gives", async () => {
    using d = device.scope();
    const options = { blockSize: 4, localBlocks: 2, stride: 3 };
    const [n, headDim] = [46, 5];
    const sample = randomHeads(random(4), { heads: 4, kvHeads: 2, lq: 1, lk: n + 1, headDim });
    const [q, k] = [queries(d, sample), keys(d, sample)];
    const masked = await attention(d, q, k, k, { plan: longgen(options).plan(d, q, k) }).out.read();
    const kept = longgen.kvRetained(n, { heads: 4, kvHeads: 2 }, options);
    for (let g = 0; g < 2; g++) {
      const tokens = Array.from({ length: n + 1 }, (_, t) => t).filter((t) =>
        t === n || kept[g * n + t] === 1
      );
      const index = d.tensor(Int32Array.from(tokens, (t) => g * (n + 1) + t), [1, tokens.length]);
      const cache = gather(d, reshape(d, k, [2 * (n + 1), headDim]), index);
      const own = d.tensor(sample.q.slice(g * 2 * headDim, (g + 1) * 2 * headDim), [2, 1, headDim]);
      const out = await attention(d, own, cache, cache).out.read();
      out.forEach((value, i) => assertAlmostEquals(value, masked[g * 2 * headDim + i]!, 1e-5));
    }
  });
});

describe("longgen.kvBytes()", () => {
  test("is 38 to 39 % of dense for 128K tokens, 32 layers, stride 16 and a window of 1024", () => {
    const model = { heads: 32, kvHeads: 32, headDim: 128 };
    const share = longgen.kvBytes(131072, model, { layers: 32 }) / (131072 * 2 * 32 * 128 * 2 * 32);
    assertAlmostEquals(share, 11 / 32 + 21 / 32 * 0.0698, 1e-4);
  });

  test("counts every token of a short prompt, and needs the number of layers", () => {
    const model = { heads: 2, kvHeads: 1, headDim: 4, bytesPerElement: 4 };
    assertEquals(longgen.kvBytes(10, model, { layers: 3 }), 10 * 3 * 2 * 4 * 4);
    assertEquals(longgen.kvBytes(0, model, { layers: 3 }), 0);
    assertThrows(() => longgen.kvBytes(10, model), RangeError, "layers");
  });
});
