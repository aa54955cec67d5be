import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, type Heads, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { sparseVdit } from "./sparse_vdit.ts";
import type { SparseVditGeometry } from "./sparse_vdit_modes.ts";
import { headGroups, type SparseVditProfile } from "./sparse_vdit_profile.ts";

/** A profile of one layer. */
function profileOf(
  { frames, tokensPerFrame, ...rest }: SparseVditGeometry,
  mode: readonly number[],
  stripe: readonly number[] = [],
): SparseVditProfile {
  return {
    ...{ version: 1, F: frames, S: tokensPerFrame, ...rest, lambda: 0.5, epsilon: 1 },
    layers: [{ mode, stripeBlocks: mode.map(() => stripe), loss: mode.map(() => [0, 0, 0, 0, 0]) }],
  };
}

const GEOMETRY: SparseVditGeometry = {
  ...{ frames: 5, tokensPerFrame: 9, text: 7, blockSize: 4, wDiagonal: 1, wMulti: 2, nStripe: 2 },
};

function headsFor(
  { frames, tokensPerFrame, text }: SparseVditGeometry,
  heads: number,
  kvHeads = heads,
): Heads {
  const length = text + frames * tokensPerFrame;
  return randomHeads(random(3), { heads, kvHeads, lq: length, lk: length, headDim: 8 });
}

/** The mask of a mode in words of the paper: blocks of the order in which tokens are read. */
function sees(g: SparseVditGeometry, mode: number, stripe: readonly number[], i: number, j: number): boolean {
  if (mode < 2) return mode === 0;
  const place = (token: number): number => {
    const at = token - g.text;
    if (mode !== 3 || at < 0) return token;
    return g.text + at % g.tokensPerFrame * g.frames + Math.floor(at / g.tokensPerFrame);
  };
  const [a, b] = [Math.floor(place(i) / g.blockSize), Math.floor(place(j) / g.blockSize)];
  if (a * g.blockSize < g.text || b * g.blockSize < g.text) return true;
  if (mode === 4) return stripe.includes(b);
  return Math.abs(a - b) <= (mode === 2 ? g.wDiagonal : g.wMulti);
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`sparseVdit() on ${name}`, () => {
    const cases: readonly (readonly [string, SparseVditGeometry, number])[] = [
      ["a short last block and text in a block with video", GEOMETRY, 1],
      ["no text, heads in groups", { ...GEOMETRY, text: 0, blockSize: 5 }, 2],
      ["a one-frame video", { ...GEOMETRY, frames: 1, tokensPerFrame: 40 }, 1],
      ["blocks of one token", { ...GEOMETRY, blockSize: 1, text: 2, wDiagonal: 3 }, 1],
    ];
    for (const [title, geometry, group] of cases) {
      test(`computes the tiles of every mode: ${title}`, async () => {
        const modes = [2, 3, 4, 1, 0, 3];
        const stripe = geometry.text > 2 ? [4, 7] : [2, 5];
        const heads = headsFor(geometry, 6, 6 / group);
        const mask = await maskOf(device, sparseVdit({ profile: profileOf(geometry, modes, stripe) }), heads);
        assertMask(mask, heads, (h, i, j) => sees(geometry, modes[h]!, stripe, i, j) ? 1 : 0);
      });
    }

    test("gives zeros where all heads are skipped", async () => {
      using d = device.scope();
      const heads = headsFor(GEOMETRY, 2);
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const plan = sparseVdit({ profile: profileOf(GEOMETRY, [1, 1]) }).plan(d, q, k);
      await plan.validate();
      assertEquals(await plan.density(), 0);
      assertEquals((await attention(d, q, k, k, { plan }).out.read()).every((value) => value === 0), true);
    });

    test("plans dense attention both ways where all heads are full", async () => {
      using d = device.scope();
      const heads = headsFor(GEOMETRY, 2);
      const plan = sparseVdit({ profile: profileOf(GEOMETRY, [0, 0]) }).plan(
        d,
        queries(d, heads),
        keys(d, heads),
      );
      assertEquals([plan.kind, plan.causal, await plan.density()], ["dense", false, 1]);
    });

    test("keeps NaN in one frame away from diagonal heads of other frames", async () => {
      using d = device.scope();
      const geometry = { ...GEOMETRY, frames: 6, tokensPerFrame: 8, text: 0, wDiagonal: 0 };
      const heads = headsFor(geometry, 1);
      heads.k.fill(NaN, 8 * 8, 16 * 8);
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const plan = sparseVdit({ profile: profileOf(geometry, [2]) }).plan(d, q, k);
      await plan.validate();
      const out = await attention(d, q, k, k, { plan }).out.read();
      out.forEach((value, at) => assertEquals(Number.isNaN(value), at >= 64 && at < 128));
    });

    test("normalised losses are the same for values of any size", async () => {
      using d = device.scope();
      const heads = headsFor(GEOMETRY, 2);
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const lossesOf = async (factor: number, normalise: boolean): Promise<number[]> => {
        const v = d.tensor(heads.k.map((value) => factor * value), k.shape);
        const options = { normalise, lambda: 0 };
        const { layers } = await sparseVdit.calibrate(d, [{ q, k, v }], GEOMETRY, options);
        return layers[0]!.loss.flat();
      };
      const [plain, normal] = [await lossesOf(1, false), await lossesOf(1, true)];
      (await lossesOf(8, true)).forEach((loss, i) => assertAlmostEquals(loss, normal[i]!, 1e-5));
      (await lossesOf(8, false)).forEach((loss, i) => assertAlmostEquals(loss, 64 * plain[i]!, 1e-4));
      // Nothing is left of the output of a skipped head.
      assertAlmostEquals(normal[1]!, 1, 1e-6);
    });

    test("keeps to a density, has modes by step, and frees what it makes", async () => {
      using d = device.scope();
      const heads = headsFor(GEOMETRY, 4, 2);
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const before = device.report.tensors;
      const samples = [0, 1, 2].flatMap((step) => [0, 1].map((layer) => ({ layer, step, q, k, v: k })));
      for (const targetDensity of [1, 0.7, 0.5]) {
        const profile = await sparseVdit.calibrate(d, () => samples, GEOMETRY, {
          ...{ targetDensity, perStep: true, normalise: true },
        });
        assertEquals(profile.steps?.map((step) => step.length), [2, 2, 2]);
        // The same samples at every step.
        assertEquals(profile.steps?.[1]?.[0], profile.layers[0]!.mode);
        using plan = sparseVdit({ profile, layer: 1, step: 2 }).plan(d, q, k);
        await plan.validate();
        assertEquals(await plan.density() <= targetDensity + 0.05, true);
      }
      assertEquals(device.report.tensors, before);
    });

    test("measures what modes cost on the device", async () => {
      using d = device.scope();
      const heads = headsFor(GEOMETRY, 2);
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const { cost, layers } = await sparseVdit.calibrate(d, [{ q, k, v: k }], GEOMETRY, {
        cost: "measured",
      });
      assertEquals([cost?.length, cost?.[0], cost?.[1]], [5, 1, 0]);
      assertEquals(cost?.every((one) => one >= 0), true);
      assertEquals(layers[0]!.loss[0]![0], 0.5);
    });
  });
}

describe("sparseVdit()", () => {
  const device = DEVICES["reference"]!;
  const heads = headsFor(GEOMETRY, 2);
  const profile = profileOf(GEOMETRY, [2, 3]);

  test("refuses a grid that does not match the length", () => {
    using d = device.scope();
    const other = headsFor({ ...GEOMETRY, frames: 6 }, 2);
    assertThrows(
      () => sparseVdit({ profile }).plan(d, queries(d, other), keys(d, other)),
      RangeError,
      "grid",
    );
  });

  test("refuses a text part longer than the sequence", () => {
    using d = device.scope();
    const long = profileOf({ ...GEOMETRY, text: 1000 }, [2, 3]);
    const plan = (): unknown => sparseVdit({ profile: long }).plan(d, queries(d, heads), keys(d, heads));
    assertThrows(plan, RangeError, "text alone is longer");
  });

  test("refuses a profile of another model, layer or step", () => {
    using d = device.scope();
    const [q, k] = [queries(d, heads), keys(d, heads)];
    const three = profileOf(GEOMETRY, [2, 3, 0]);
    assertThrows(() => sparseVdit({ profile: three }).plan(d, q, k), RangeError, "another model");
    assertThrows(() => sparseVdit({ profile, layer: 1 }).plan(d, q, k), RangeError, "another model");
    const stepped = { ...profile, steps: [[[2, 2]]] };
    assertThrows(() => sparseVdit({ profile: stepped, step: 1 }).plan(d, q, k), RangeError, "1 steps");
  });

  test("refuses a profile that is broken or of another version", () => {
    assertThrows(() => sparseVdit(), TypeError, "missing");
    const layer = profile.layers[0]!;
    const broken: readonly (readonly [object, string])[] = [
      [{ version: 2 }, "version"],
      [{ F: 0 }, "F"],
      [{ blockSize: 2.5 }, "blockSize"],
      [{ layers: {} }, "layers"],
      [{ layers: [{ ...layer, mode: [2, 5] }] }, "mode[1]"],
      [{ layers: [{ ...layer, mode: [2] }] }, "stripeBlocks"],
      [{ layers: [{ ...layer, stripeBlocks: [[4, 3], []] }] }, "ascend"],
      [{ layers: [{ ...layer, stripeBlocks: [[99], []] }] }, "99"],
      [{ steps: [[[2]]] }, "steps"],
    ];
    for (const [change, says] of broken) {
      const changed = { ...profile, ...change } as SparseVditProfile;
      const error = assertThrows(() => sparseVdit({ profile: changed }), Error, says);
      assertEquals(error instanceof RangeError || error instanceof TypeError, true);
    }
  });

  test("calibrate refuses no samples, an empty image, NaN in one frame, and samples that do not fit", async () => {
    using d = device.scope();
    const [q, k] = [queries(d, heads), keys(d, heads)];
    const run = (
      samples: { q: typeof q; k: typeof q; v: typeof q; step?: number; layer?: number }[],
      more = {},
    ) => sparseVdit.calibrate(d, samples, { ...GEOMETRY, ...more }, { perStep: true });
    await assertRejects(() => run([]), RangeError, "no samples");
    await assertRejects(() => run([{ q, k, v: k }], { tokensPerFrame: 0 }), RangeError, "tokensPerFrame");
    await assertRejects(() => run([{ q, k, v: k, step: 1 }]), RangeError, "step 0");
    await assertRejects(() => run([{ q, k, v: k, layer: 1 }]), RangeError, "layer 0");
    const holed = heads.k.with(60 * 5, NaN);
    const bad = d.tensor(holed, k.shape);
    await assertRejects(() => run([{ q, k: bad, v: bad }]), RangeError, "not a finite number");
  });

  test("a profile survives JSON, its heads grouped by mode", () => {
    const modes = [4, 2, 1, 2];
    const text = JSON.stringify(profileOf(GEOMETRY, modes, [3, 5]));
    sparseVdit({ profile: JSON.parse(text) });
    assertEquals(headGroups(modes), { 1: [2], 2: [1, 3], 4: [0] });
  });
});
