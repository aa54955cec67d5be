import { after, before, describe, test } from "node:test";
import { concat, type Device, openDevice, type Tensor } from "../device/mod.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { Sampler, type SamplingOptions } from "./sampler.ts";

/** Probabilities by id, from the definitions; what may not be drawn has none. */
function expected(
  logits: readonly number[],
  seen: ReadonlySet<number>,
  options: SamplingOptions,
): Map<number, number> {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  let left = logits
    .map((x, id) => ({ id, x: !seen.has(id) ? x : x > 0 ? x / repetitionPenalty : x * repetitionPenalty }))
    .sort((a, b) => b.x - a.x || a.id - b.id);
  if (temperature === 0) return new Map([[left[0]!.id, 1]]);
  if (topK > 0) left = left.slice(0, topK);
  const shares = (): number[] => {
    const weights = left.map(({ x }) => Math.exp((x - left[0]!.x) / temperature));
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / sum);
  };
  let sum = 0;
  const sums = shares().map((share) => (sum += share) - share);
  left = left.filter((_, i) => topP === 1 || sums[i]! < topP);
  const kept = shares();
  left = left.filter((_, i) => kept[i]! >= minP * kept[0]!);
  const final = shares();
  return new Map(left.map(({ id }, i) => [id, final[i]!]));
}

/** Draws `count` tokens of every row from the same logits. */
async function draw(sampler: Sampler, logits: Tensor, count: number): Promise<number[]> {
  const drawn = Array.from({ length: count }, () => sampler.next(logits));
  const all = concat(logits.device, drawn, 0);
  const ids = [...await all.read("i32")];
  for (const tensor of [...drawn, all]) tensor.dispose();
  return ids;
}

function countsOf(ids: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

for (const kind of ["reference", "wasm"] as const) {
  describe(`sampler on ${kind}`, () => {
    let device: Device;
    before(async () => {
      device = await openDevice({ prefer: kind, threads: 1 });
    });
    after(() => device.dispose());

    const cases: readonly SamplingOptions[] = [
      { temperature: 1 },
      { temperature: 0.6, topK: 4 },
      { temperature: 1.5, topP: 0.7 },
      { temperature: 1, minP: 0.25 },
      { temperature: 0.9, topK: 6, topP: 0.8, minP: 0.1 },
      { temperature: 2, topP: 0.9, minP: 0.3 },
    ];
    for (const [i, options] of cases.entries()) {
      test(`draws follow the distribution with ${JSON.stringify(options)}`, async () => {
        const rows = random(i).normals(12, 2);
        const logits = device.tensor(rows, [1, 12]);
        const sampler = new Sampler(device, 12, [new Int32Array()], { ...options, seed: 99 });
        const total = 2000;
        const counts = countsOf(await draw(sampler, logits, total));
        const wanted = expected([...rows], new Set(), options);
        for (const id of counts.keys()) assertEquals(wanted.has(id), true, `${id} may not be drawn`);
        let chi = 0;
        for (const [id, share] of wanted) {
          chi += ((counts.get(id) ?? 0) - share * total) ** 2 / (share * total);
        }
        const freedom = wanted.size - 1;
        assertEquals(chi < freedom + 4 * Math.sqrt(2 * freedom) + 4, true, `chi-square ${chi} at ${freedom}`);
      });
    }

    test("only allowed ids are drawn on random settings, and with topK 1 the likeliest", async () => {
      const source = random(5);
      for (let round = 0; round < 40; round++) {
        const vocab = source.int(1, 40);
        const rows = source.int(1, 4);
        const values = source.normals(rows * vocab, 3);
        const logits = device.tensor(values, [rows, vocab]);
        const prompts = Array.from({ length: rows }, () => source.ints(source.int(0, 6), 0, vocab));
        const options: SamplingOptions = {
          temperature: source.pick([0, 0.3, 1, 3]),
          topK: source.pick([0, 1, 3, 50]),
          topP: source.pick([1, 0.95, 0.5, 0.01]),
          minP: source.pick([0, 0.05, 0.5, 1]),
          repetitionPenalty: source.pick([1, 1.3, 0.5, 4]),
          seed: source.int(0, 1000),
        };
        const sampler = new Sampler(device, vocab, prompts, options);
        const seen = prompts.map((ids) => new Set(ids));
        for (let step = 0; step < 3; step++) {
          const ids = await draw(sampler, logits, 1);
          ids.forEach((id, row) => {
            const own = [...values.subarray(row * vocab, (row + 1) * vocab)];
            const allowed = expected(own, seen[row]!, options);
            assertEquals(
              allowed.has(id),
              true,
              `${id} of ${[...allowed.keys()]}: ${JSON.stringify(options)}`,
            );
            seen[row]!.add(id);
          });
        }
        sampler.dispose();
        logits.dispose();
      }
    });

    test("a row among others draws what it draws alone, also after others have left", async () => {
      const source = random(8);
      const values = source.normals(3 * 20);
      const rowOf = (row: number) => device.tensor(values.slice(row * 20, row * 20 + 20), [1, 20]);
      const options = { temperature: 1, topK: 10, repetitionPenalty: 1.5, seed: 2 ** 32 - 2 };
      const prompts = [Int32Array.of(1), Int32Array.of(2, 3, 4), new Int32Array()];
      const many = new Sampler(device, 20, prompts, options);
      const together = await draw(many, device.tensor(values, [3, 20]), 4);
      many.keep([2, 0]);
      const swapped = device.tensor(Float32Array.of(...values.subarray(40), ...values.subarray(0, 20)), [
        2,
        20,
      ]);
      const later = await draw(many, swapped, 4);
      const alone = new Sampler(device, 20, [prompts[2]!], { ...options, seed: 0 });
      const own = await draw(alone, rowOf(2), 8);
      assertEquals(
        own,
        [2, 5, 8, 11].map((at) => together[at]!).concat([0, 2, 4, 6].map((at) => later[at]!)),
      );
      const first = new Sampler(device, 20, [prompts[0]!], options);
      assertEquals((await draw(first, rowOf(0), 8)).slice(4), [1, 3, 5, 7].map((at) => later[at]!));
    });

    test("the same seed draws the same, another seed draws something else", async () => {
      const logits = device.tensor(new Float32Array(1000), [1, 1000]);
      const drawn = async (seed: number) =>
        await draw(new Sampler(device, 1000, [new Int32Array()], { temperature: 1, seed }), logits, 8);
      assertEquals(await drawn(3), await drawn(3));
      assertEquals(new Set([...await drawn(3), ...await drawn(4)]).size > 8, true);
    });

    test("logits of -Infinity and far apart are no trouble", async () => {
      const logits = device.tensor(Float32Array.of(-Infinity, 3e4, -3e4, 3e4, -Infinity), [1, 5]);
      for (const options of [{ topP: 0.9 }, { minP: 0.5 }, { topK: 2 }, { topK: 5, topP: 0.999 }]) {
        const sampler = new Sampler(device, 5, [new Int32Array()], { temperature: 0.01, ...options });
        const counts = countsOf(await draw(sampler, logits, 200));
        assertAlmostEquals(counts.get(1)! / 200, 0.5, 0.15);
        assertEquals(counts.get(1)! + counts.get(3)!, 200);
      }
    });

    test("drawing holds no memory beside what it returns", async () => {
      const logits = device.tensor(random(1).normals(64), [2, 32]);
      const sampler = new Sampler(device, 32, [Int32Array.of(1), Int32Array.of(2)], {
        temperature: 1,
        topP: 0.9,
        minP: 0.1,
        repetitionPenalty: 2,
      });
      const { bytes, tensors } = device.report;
      await draw(sampler, logits, 20);
      assertEquals([device.report.bytes, device.report.tensors], [bytes, tensors]);
      sampler.dispose();
      sampler.dispose();
      assertEquals(device.report.tensors, tensors - 1);
    });
  });
}

describe("sampling options", () => {
  test("a value out of range is refused with what was expected", async () => {
    using device = await openDevice({ prefer: "reference" });
    const wrong: readonly [SamplingOptions, string][] = [
      [{ temperature: -1 }, '"temperature" is -1'],
      [{ temperature: NaN }, '"temperature" is NaN'],
      [{ topK: 1.5 }, '"topK" is 1.5'],
      [{ topK: -1 }, '"topK" is -1'],
      [{ topP: 0 }, '"topP" is 0'],
      [{ topP: 1.1 }, '"topP" is 1.1'],
      [{ minP: -0.1 }, '"minP" is -0.1'],
      [{ repetitionPenalty: 0 }, '"repetitionPenalty" is 0'],
      [{ seed: 2 ** 32 }, '"seed" is 4294967296'],
      [{ seed: 0.5 }, '"seed" is 0.5'],
    ];
    for (const [options, message] of wrong) {
      assertThrows(() => new Sampler(device, 4, [new Int32Array()], options), RangeError, message);
    }
    const sampler = new Sampler(device, 4, [new Int32Array()]);
    assertThrows(() => sampler.next(device.empty([2, 4])), RangeError, "have shape [2,4], expected [1, 4]");
  });
});
