import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import { DEVICES, keys, queries, randomHeads } from "./_test_heads.ts";
import { gateLogits, GATES, randomGate, shares } from "./_test_seer.ts";
import { SeerGate, type SeerGateConfig } from "./seer_attention_gate.ts";

const [config, double] = GATES[1]!;
const gate = randomGate(random(0), config, double);

/** The file of the gate with other metadata. */
function fileWith(metadata: Record<string, string>): Uint8Array {
  return writeSafetensors(readSafetensors(gate.save()).tensors, metadata);
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`SeerGate on ${name}`, () => {
    for (const [seed, [config, double]] of GATES.entries()) {
      test(`scores blocks as defined: gate ${seed}`, async () => {
        const gate = randomGate(random(seed), config, double);
        for (const [lq, lk] of [[50, 50], [10, 10 + 2 * config.blockSize]] as const) {
          const sample = randomHeads(random(seed), { ...config, lq, lk });
          using d = device.scope();
          const [q, k] = [queries(d, sample), keys(d, sample)];
          const cols = Math.ceil(lk / config.blockSize);
          const pad = (row: number[]): number[] => [...row, ...new Array(cols - row.length).fill(0)];
          const expected = gateLogits(gate, sample);
          const logits = expected.flat().flatMap(pad);
          const scores = expected.flat().flatMap((row) => pad(shares(row)));
          const largest = Math.max(...logits.map(Math.abs));
          const found = await gate.logits(d, q, k).read();
          found.forEach((value, i) => assertAlmostEquals(value, logits[i]!, 1e-5 * largest));
          const shown = await gate.scores(d, q, k).read();
          shown.forEach((value, i) => assertAlmostEquals(value, scores[i]!, 1e-5));
        }
      });
    }

    test("turns by given frequencies instead of a base", async () => {
      const frequencies = Array.from({ length: 4 }, (_, i) => 500 ** (-2 * i / 8));
      const other = new SeerGate({ ...config, ropeTheta: 1, ropeFrequencies: frequencies }, gate);
      using d = device.scope();
      const sample = randomHeads(random(1), { ...config, lq: 30, lk: 30 });
      const [q, k] = [queries(d, sample), keys(d, sample)];
      assertEquals(await other.logits(d, q, k).read(), await gate.logits(d, q, k).read());
    });

    test("refuses queries that begin inside a block", () => {
      using d = device.scope();
      const sample = randomHeads(random(1), { ...config, lq: 30, lk: 31 });
      assertThrows(
        () => gate.logits(d, queries(d, sample), keys(d, sample)),
        RangeError,
        "multiple of the block size 7",
      );
    });
  });
}

describe("SeerGate", () => {
  test("comes back from its file", () => {
    for (const [seed, [config, double]] of GATES.entries()) {
      const gate = randomGate(random(seed), config, double);
      const again = SeerGate.load(gate.save());
      assertEquals(again.config, config);
      assertEquals([again.wk, again.wq], [gate.wk, gate.wq]);
    }
  });

  test("loads one of many layers, told what it is for", () => {
    const prefix = "model.layers.3.self_attn.attn_gate.";
    const { tensors } = readSafetensors(gate.save());
    const layers = [...tensors].map(([name, entry]) => [`${prefix}${name}`, entry] as const);
    const again = SeerGate.load(writeSafetensors(new Map(layers)), { prefix, config });
    assertEquals(again, gate);
  });

  test("refuses files that are broken or do not fit", () => {
    const turned = new Map(
      [...readSafetensors(gate.save()).tensors].map(([name, entry]) =>
        [name, { ...entry, shape: entry.shape.toReversed() }] as const
      ),
    );
    const text = JSON.stringify(config);
    const files: readonly [Uint8Array, string][] = [
      [new Uint8Array(3), "safetensors"],
      [gate.save().subarray(0, 500), "its tensors end"],
      [writeSafetensors(new Map()), `no tensor "mask_linear_k.weight"`],
      [writeSafetensors(turned, { seer_gate: text }), "has shape [8,10,4], expected [4,10,8]"],
      [fileWith({}), `give "config"`],
      [fileWith({ seer_gate: "null" }), "expected an object"],
      [fileWith({ seer_gate: "{" }), "Cannot load the gate"],
      [fileWith({ seer_gate: `{"heads":1,"heads":2}` }), "comes twice"],
      [fileWith({ seer_gate: "[".repeat(10_000) }), "nested"],
      [fileWith({ seer_gate: "{}" }), `"heads" is undefined`],
      [fileWith({ seer_gate: text.replace(`"heads":4`, `"heads":1e300`) }), `"heads" is`],
      [fileWith({ seer_gate: text.replace(`"heads":4`, `"heads":8`) }), `"wq" has`],
      [fileWith({ seer_gate: text.replace(`["min"]`, `["median"]`) }), `"kPool" is`],
      [fileWith({ seer_gate: text.replace(`["min"]`, `"min"`) }), `"kPool" is`],
    ];
    for (const [bytes, message] of files) assertThrows(() => SeerGate.load(bytes), WeightsError, message);
  });

  test("refuses sizes and weights that do not fit", () => {
    const wrong: readonly Partial<SeerGateConfig>[] = [
      { heads: 0 },
      { kvHeads: 3 },
      { hidden: 7 },
      { blockSize: 0.5 },
      { qPool: [] },
      { qPool: ["avg", "max"] },
      { ropeTheta: 0 },
      { ropeFrequencies: [1] },
      { ropeFrequencies: [1, 2, 3, NaN] },
    ];
    for (const part of wrong) {
      assertThrows(() => new SeerGate({ ...config, ...part }, gate), RangeError, "Cannot make a gate");
    }
    const { wk, wq } = gate;
    assertThrows(() => new SeerGate(config, { wk: wk.subarray(1), wq }), RangeError, `"wk" has`);
    assertThrows(
      () => new SeerGate(config, { wk: wk.map((x, i) => i === 3 ? NaN : x), wq }),
      RangeError,
      "not finite",
    );
    assertThrows(() => new SeerGate(config, { wk }), RangeError, `without "wq"`);
    assertThrows(() => new SeerGate({ ...config, qPool: ["avg"] }, { wk }), RangeError, `without "wq"`);
  });
});
