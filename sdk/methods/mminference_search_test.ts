import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertAlmostEquals, assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { type MmHead, mminference, type MmPattern } from "./mminference.ts";

const device = createDevice(openReference());
const [HEADS, LENGTH, WIDTH] = [4, 80, 6];
const modality = Array.from({ length: LENGTH }, (_, i) => i % 40 < 12 ? 0 : 1);
const ROWS = [0, 1].map((name) => modality.flatMap((own, i) => own === name ? [i] : []));

function sampleOf(seed: number, kvHeads = 2) {
  const r = random(seed);
  const [q, k, v] = [HEADS, kvHeads, kvHeads].map((heads) =>
    device.tensor(r.normals(heads * LENGTH * WIDTH, 1.5), [heads, LENGTH, WIDTH])
  );
  return { q: q!, k: k!, v: v! };
}

const ends = { init: 1, local: 3 };
const dense: MmPattern = { type: "dense" };
const space: MmPattern[] = [
  { type: "a_shape", init: 3, local: 12 },
  { type: "vertical_slash", nv: 8, ns: 8, ...ends },
  { type: "grid", strides: [4, 7], hline: false, vline: true, slash: true, ...ends },
  { type: "grid", strides: [5, 8], hline: true, vline: true, slash: false, ...ends },
];

type Sample = ReturnType<typeof sampleOf>;

/** Mean absolute difference from dense attention of every head, over some rows. */
async function errorsOf(sample: Sample, head: MmHead, rows: readonly number[]): Promise<number[]> {
  using scope = device.scope();
  const { q, k, v } = sample;
  const plan = mminference({ modality, heads: [head] }).plan(scope, q, k);
  const out = await attention(scope, q, k, v, { plan }).out.read();
  const full = await attention(scope, q, k, v, { causal: true }).out.read();
  return Array.from({ length: HEADS }, (_, h) => {
    let sum = 0;
    for (const row of rows) {
      for (let d = 0; d < WIDTH; d++) {
        const at = (h * LENGTH + row) * WIDTH + d;
        sum += Math.abs(out[at]! - full[at]!);
      }
    }
    return sum / (rows.length * WIDTH);
  });
}

/** The pattern with the smallest error for every head, where a description of a head has a place for it. */
async function bestOf(
  sample: Sample,
  rows: readonly number[],
  place: (pattern: MmPattern) => MmHead,
): Promise<MmPattern[]> {
  const errors: number[][] = [];
  for (const pattern of space) errors.push(await errorsOf(sample, place(pattern), rows));
  return Array.from({ length: HEADS }, (_, h) => {
    const own = errors.map((all) => all[h]!);
    return space[own.indexOf(Math.min(...own))]!;
  });
}

describe("mminference.calibrate()", () => {
  test("finds the best pattern of every cell alone, then the best inter-modality type", async () => {
    const samples = [sampleOf(1), sampleOf(2, 1)];
    const figures: (readonly (readonly number[])[])[] = [];
    const profile = await mminference.calibrate(device, samples, {
      modality,
      space,
      date: "2025-01-01",
      onLayer: (_, errors) => figures.push(errors),
    });
    for (const [layer, sample] of samples.entries()) {
      const all = ROWS.flat();
      const none = await bestOf(sample, all, (all) => ({ inter: "none", all }));
      const q = [
        await bestOf(sample, ROWS[0]!, (q0) => ({ inter: "q", q0, q1: dense })),
        await bestOf(sample, ROWS[1]!, (q1) => ({ inter: "q", q0: dense, q1 })),
      ] as const;
      const others: MmHead = { inter: "2d", q0k0: dense, q0k1: dense, q1k0: dense, q1k1: dense };
      const pair = (a: 0 | 1, b: 0 | 1): Promise<MmPattern[]> =>
        bestOf(sample, ROWS[a]!, (pattern) => ({ ...others, [`q${a}k${b}`]: pattern }));
      const pairs = [await pair(0, 0), await pair(0, 1), await pair(1, 0), await pair(1, 1)] as const;
      for (let h = 0; h < HEADS; h++) {
        const candidates: MmHead[] = [
          { inter: "none", all: none[h]! },
          { inter: "q", q0: q[0][h]!, q1: q[1][h]! },
          { inter: "2d", q0k0: pairs[0][h]!, q0k1: pairs[1][h]!, q1k0: pairs[2][h]!, q1k1: pairs[3][h]! },
        ];
        const errors: number[] = [];
        for (const head of candidates) errors.push((await errorsOf(sample, head, all))[h]!);
        errors.forEach((error, i) => assertAlmostEquals(figures[layer]![h]![i]!, error, 1e-6));
        assertEquals(profile.layers[layer]![h], candidates[errors.indexOf(Math.min(...errors))]);
      }
    }
    assertEquals([profile.heads, profile.length, profile.date], [HEADS, LENGTH, "2025-01-01"]);
  });

  test("gives a profile that is read back from its text", async () => {
    const profile = await mminference.calibrate(device, [sampleOf(3)], { modality, space, model: "small" });
    const text = JSON.stringify(profile);
    assertEquals(mminference.load(text, { heads: HEADS, layers: 1, model: "small" }), profile);
  });

  test("leaves out what costs more than the target, unless all do", async () => {
    const sample = sampleOf(4);
    const layerOf = async (space: MmPattern[], init: number, local: number): Promise<readonly MmHead[]> =>
      (await mminference.calibrate(device, [sample], { space, target: { init, local } })).layers[0]!;
    const shape = (init: number, local: number): MmPattern => ({ type: "a_shape", init, local });
    const [small, fits, big] = [shape(1, 1), shape(2, 5), shape(3, 5)];
    for (const { all } of await layerOf([small, big, fits, dense], 2, 5)) assertEquals(all, fits);
    for (const { all } of await layerOf([dense, big, fits], 1, 1)) assertEquals(all, fits);
  });

  test("tries no boundaries where there is one modality", async () => {
    const figures: (readonly (readonly number[])[])[] = [];
    const [layer] = (await mminference.calibrate(device, [sampleOf(5)], {
      space: [dense],
      onLayer: (_, errors) => figures.push(errors),
    })).layers;
    assertEquals(layer, new Array(HEADS).fill({ inter: "none", all: dense }));
    assertEquals(figures[0]![0], [0, Infinity, Infinity]);
  });

  test("stops when it is aborted and frees what it made", async () => {
    const sample = sampleOf(6);
    const before = device.report.tensors;
    const abort = new AbortController();
    const reason = new Error("enough");
    const samples = (function* () {
      yield sample;
      abort.abort(reason);
      yield sample;
    })();
    const error = await assertRejects(() =>
      mminference.calibrate(device, samples, { modality, space, signal: abort.signal })
    );
    assertEquals(error, reason);
    assertEquals(device.report.tensors, before);
  });

  test("refuses an empty space", async () => {
    await assertRejects(
      () => mminference.calibrate(device, [], { space: [] }),
      RangeError,
      '"space" is empty',
    );
  });
});

describe("mminference.searchSpace()", () => {
  test("holds the grids of every list of strides, then A-shapes, then vertical lines and slashes", () => {
    const patterns = mminference.searchSpace({ strides: [196], maxStride: 32, init: 4, local: 10 });
    assertEquals(patterns.length, 6 + 6 + 3 + 9);
    assertEquals(patterns[3], {
      type: "grid",
      strides: [196],
      hline: true,
      vline: true,
      slash: false,
      init: 4,
      local: 10,
    });
    assertEquals(
      patterns.slice(6, 12).map((p) => p.type === "grid" && p.strides),
      new Array(6).fill([16, 32]),
    );
    assertEquals(patterns[12], { type: "a_shape", init: 128, local: 1024 });
    assertEquals(patterns.at(-1), { type: "vertical_slash", nv: 1000, ns: 2500, init: 4, local: 10 });
  });
});
