import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { lserve, type LserveOptions } from "./lserve.ts";

const SIZES = [[4, 2, 80, 80, 5], [8, 2, 33, 97, 4], [2, 2, 1, 90, 3], [6, 3, 64, 64, 8], [
  4,
  2,
  60,
  35,
  2,
]] as const;

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`lserve() on ${name}`, () => {
    test("retrieval heads see everything, streaming heads a sink and a window to the token", async () => {
      const r = random(1);
      for (const [heads, kvHeads, lq, lk, headDim] of SIZES) {
        const sample = randomHeads(r, { heads, kvHeads, lq, lk, headDim });
        const flags = Array.from({ length: kvHeads }, (_, g) => g % 2);
        const [sink, local, blockSize] = [r.int(0, 20), r.int(1, 30), r.int(1, 30)];
        const headFlags = [flags.map((flag) => 1 - flag), flags];
        const planner = lserve({ headFlags, layer: 1, blockSize, prefill: { sink, local } });
        assertMask(await maskOf(device, planner, sample), sample, (h, i, j) => {
          const p = i + lk - lq;
          const retrieves = flags[Math.floor(h / (heads / kvHeads))] === 1;
          return Number(j <= p && (retrieves || j < sink || j > p - local));
        });
      }
    });
  });
}

describe("lserve()", () => {
  const device = DEVICES["reference"]!;
  const plan = async (options: Partial<LserveOptions>, lk = 60): Promise<string | number[]> => {
    using d = device.scope();
    const sample = randomHeads(random(2), { heads: 4, kvHeads: 2, lq: lk, lk, headDim: 2 });
    const small = { blockSize: 8, prefill: { sink: 4, local: 16 } };
    const made = lserve({ ...small, ...options }).plan(d, queries(d, sample), keys(d, sample));
    return made.kind === "dense" ? "dense" : [...await made.densities()].map((one) => Number(one < 1));
  };

  test("splits heads over the whole model by score", async () => {
    const headScores = [[0.9, 0.8], [0.1, 0.7], [0.2, 0.3]];
    assertEquals(await plan({ headScores, layer: 0 }), "dense");
    assertEquals(await plan({ headScores, layer: 1 }), [1, 1, 0, 0]);
    assertEquals(await plan({ headScores, layer: 2 }), [1, 1, 1, 1]);
    assertEquals(await plan({ headScores, layer: 2, staticSparsity: 0 }), "dense");
  });

  test("plans the layer that a call names", () => {
    using d = device.scope();
    const sample = randomHeads(random(2), { heads: 2, kvHeads: 2, lq: 60, lk: 60, headDim: 2 });
    const planner = lserve({ headFlags: [[1, 0], [1, 1]], blockSize: 8, prefill: { sink: 4, local: 16 } });
    const [q, k] = [queries(d, sample), keys(d, sample)];
    const kinds = [{}, { layer: 1 }].map((state) => planner.plan(d, q, k, state).kind);
    assertEquals(kinds, ["sparse", "dense"]);
    assertThrows(() => planner.plan(d, q, k, { layer: 2 }), RangeError, "no layer 2");
  });

  test("is dense for prompts of up to sink and window", async () => {
    assertEquals([await plan({ headFlags: [[0, 0]] }, 20), await plan({ headFlags: [[0, 0]] }, 0)], [
      "dense",
      "dense",
    ]);
    assertEquals(await plan({ headFlags: [[0, 1]] }, 21), [1, 1, 0, 0]);
  });

  test("refuses missing, malformed and foreign scores", async () => {
    assertThrows(() => lserve(), TypeError, "parseHeadScores");
    const wrong: readonly Partial<LserveOptions>[] = [
      { headScores: [[1], [1, 2]] },
      { headScores: [[NaN]] },
      { headScores: [[1]], layer: 1 },
      { headScores: [] },
      { headFlags: [[2]] },
      { headScores: [[1]], staticSparsity: NaN },
      { headFlags: [[1]], prefill: { sink: 0, local: 0 } },
      { headFlags: [[1]], blockSize: 0 },
    ];
    for (const options of wrong) assertThrows(() => lserve(options), RangeError, "Cannot use lserve");
    let message = "";
    await plan({ headFlags: [[0, 1, 0]] }).catch((error: RangeError) => message = error.message);
    assertEquals(message.includes("3 key heads"), true);
  });
});
