import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, type Heads, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { gateLogits, GATES, randomGate, shares } from "./_test_seer.ts";
import { seerAttention, type SeerAttentionOptions } from "./seer_attention.ts";
import type { SeerGate } from "./seer_attention_gate.ts";

/** Which keys a query sees, as the definition says. */
function oracle(
  gate: SeerGate,
  sample: Heads,
  { threshold, nzRatio, lastBlockDense }: SeerAttentionOptions,
): (h: number, i: number, j: number) => number {
  const { blockSize: b } = gate.config;
  const first = (sample.lk - sample.lq) / b;
  const count = Math.ceil(sample.lk / b);
  const most = Math.max(1, Math.floor((1 - Math.sqrt(1 - (nzRatio ?? 1))) * count));
  const blocks = gateLogits(gate, sample).map((head) =>
    head.map((row, r) => {
      const share = shares(row);
      const order = row.map((_, c) => c).sort((x, y) => row[y]! - row[x]! || x - y);
      const chosen = nzRatio === undefined
        ? order.filter((c) => share[c]! > threshold)
        : order.slice(0, most);
      const all = lastBlockDense && first + r >= count - 2;
      return new Set(all ? order : chosen.length > 0 ? chosen : [first + r]);
    })
  );
  return (h, i, j) =>
    Number(j <= i + sample.lk - sample.lq && blocks[h]![Math.floor(i / b)]!.has(Math.floor(j / b)));
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`seerAttention on ${name}`, () => {
    const settings: readonly Partial<SeerAttentionOptions>[] = [
      { threshold: 0.05 },
      { threshold: 0.3, lastBlockDense: false },
      { nzRatio: 0.4 },
      { nzRatio: 1e-3, lastBlockDense: false },
      { nzRatio: 1 },
    ];
    for (const [seed, [config, double]] of GATES.entries()) {
      for (const given of settings) {
        test(`sees the blocks that the gate scores high: gate ${seed}, ${JSON.stringify(given)}`, async () => {
          const source = random(seed);
          const gate = randomGate(source, config, double);
          const options = { ...seerAttention.defaults, ...given };
          const before = device.report.tensors;
          for (
            const [lq, lk] of [[1, 1], [7, 7], [56, 56], [61, 61], [20, 20 + 3 * config.blockSize]] as const
          ) {
            const sample = randomHeads(source, { ...config, lq, lk });
            const mask = await maskOf(device, seerAttention({ ...given, gate }), sample);
            assertMask(mask, sample, oracle(gate, sample, options));
          }
          assertEquals(device.report.tensors, before);
        });
      }
    }

    test("sees everything where the gate does not apply", async () => {
      const [config, double] = GATES[0]!;
      const gate = randomGate(random(1), config, double);
      for (const [lq, lk] of [[10, 21], [30, 22]] as const) {
        const sample = randomHeads(random(2), { ...config, lq, lk });
        assertMask(
          await maskOf(device, seerAttention({ gate }), sample),
          sample,
          (_, i, j) => Number(j <= i + lk - lq),
        );
      }
    });

    test("sees its own block where all are below the threshold or not numbers", async () => {
      const [config, double] = GATES[0]!;
      const gate = randomGate(random(1), config, double, 0.01);
      const sample = randomHeads(random(2), { ...config, lq: 61, lk: 61 });
      const planner = seerAttention({ gate, threshold: 0.9, lastBlockDense: false });
      const own = (_: number, i: number, j: number): number => Number(j <= i && j >= i - i % 8);
      const mask = await maskOf(device, planner, sample);
      assertMask(mask, sample, (h, i, j) => own(h, i, j));
      sample.k[5 * 6] = NaN;
      await maskOf(device, planner, sample);
      await maskOf(device, seerAttention({ gate, nzRatio: 0.5 }), sample);
    });

    test("refuses heads that the gate is not made for", () => {
      using d = device.scope();
      const [config, double] = GATES[0]!;
      const gate = randomGate(random(1), config, double);
      const sample = randomHeads(random(2), { ...config, heads: 4, kvHeads: 2, lq: 16, lk: 16 });
      const plan = () => seerAttention({ gate }).plan(d, queries(d, sample), keys(d, sample));
      assertThrows(plan, RangeError, "made for 2 query heads and 1 key heads of 6 columns");
    });
  });
}

describe("seerAttention", () => {
  test("refuses options out of range", () => {
    const [config, double] = GATES[0]!;
    const gate = randomGate(random(1), config, double);
    assertThrows(() => seerAttention(), TypeError, `there is no "gate"`);
    const wrong = [{ threshold: -1 }, { threshold: NaN }, { nzRatio: 0 }, { nzRatio: 1.1 }];
    for (const options of wrong) {
      assertThrows(() => seerAttention({ gate, ...options }), RangeError, "seerAttention");
    }
  });
});
