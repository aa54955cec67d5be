import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, type Heads, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { efficientVdit } from "./efficient_vdit.ts";
import { frameDensity, frameTiles, keptFrames, referenceFrames, seesFrame } from "./efficient_vdit_frames.ts";
import { efficientVditLayers, type EfficientVditProfile } from "./efficient_vdit_profile.ts";

interface Layout {
  readonly frames: number;
  readonly tokensPerFrame: number;
  readonly text: number;
}

function headsFor({ frames, tokensPerFrame, text }: Layout, heads: number, kvHeads = heads): Heads {
  const length = text + frames * tokensPerFrame;
  return randomHeads(random(7), { heads, kvHeads, lq: length, lk: length, headDim: 8 });
}

/** The mask in words of the paper. */
function sees({ frames, tokensPerFrame, text }: Layout, k: number, i: number, j: number): boolean {
  if (i < text || j < text || frames <= 2 || k >= frames) return true;
  const [a, b] = [Math.floor((i - text) / tokensPerFrame), Math.floor((j - text) / tokensPerFrame)];
  const step = Math.ceil(frames / Math.max(k, 1));
  const reference = (frame: number): boolean => k > 0 && frame % step === 0 && frame / step < k;
  return a === b || reference(a) || reference(b);
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`efficientVdit() on ${name}`, () => {
    const cases: readonly (readonly [string, Layout, number, number | undefined])[] = [
      ["frames that end inside blocks", { frames: 7, tokensPerFrame: 9, text: 0 }, 2, 4],
      ["text before them", { frames: 5, tokensPerFrame: 9, text: 7 }, 1, 6],
      ["blocks wider than a word of bits", { frames: 4, tokensPerFrame: 21, text: 5 }, 1, 40],
      ["blocks that divide frames", { frames: 6, tokensPerFrame: 12, text: 0 }, 3, 4],
      ["text that does not fill its last block goes last", { frames: 6, tokensPerFrame: 12, text: 5 }, 2, 4],
      ["blocks chosen for the frame", { frames: 4, tokensPerFrame: 20, text: 3 }, 1, undefined],
      ["the diagonal alone", { frames: 6, tokensPerFrame: 5, text: 0 }, 0, 3],
      ["as many references as frames", { frames: 5, tokensPerFrame: 5, text: 2 }, 5, 4],
      ["a one-frame video", { frames: 1, tokensPerFrame: 24, text: 3 }, 1, 4],
      ["two frames", { frames: 2, tokensPerFrame: 12, text: 0 }, 0, 4],
    ];
    for (const [title, layout, k, blockSize] of cases) {
      test(`shows references and the own frame: ${title}`, async () => {
        const heads = headsFor(layout, 4, 2);
        const mask = await maskOf(device, efficientVdit({ ...layout, k, blockSize }), heads);
        assertMask(mask, heads, (_, i, j) => sees(layout, k, i, j) ? 1 : 0);
        const share = mask.reduce((sum, bit) => sum + bit, 0) / mask.length;
        assertAlmostEquals(frameDensity(layout, k), share, 1e-12);
      });
    }

    test("keeps NaN in one frame away from frames that do not see it", async () => {
      using d = device.scope();
      const layout = { frames: 6, tokensPerFrame: 8, text: 0 };
      const heads = headsFor(layout, 2);
      for (let h = 0; h < 2; h++) heads.k.fill(NaN, (h * 48 + 16) * 8, (h * 48 + 24) * 8);
      const [q, k] = [queries(d, heads), keys(d, heads)];
      // Frames 0 and 3 are references.
      const plan = efficientVdit({ ...layout, k: 2 }).plan(d, q, k);
      await plan.validate();
      const out = await attention(d, q, k, k, { plan }).out.read();
      out.forEach((value, at) => {
        const frame = Math.floor(at / 64) % 6;
        assertEquals(Number.isNaN(value), [0, 2, 3].includes(frame), `frame ${frame}`);
      });
    });

    test("search takes the sparsest mask below the loss and keeps one candidate of each mask", async () => {
      using d = device.scope();
      const layout = { frames: 9, tokensPerFrame: 4, text: 3 };
      const heads = headsFor(layout, 4, 2);
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const before = device.report.tensors;
      const samples = [0, 1, 0].map((layer) => ({ layer, q, k, v: k }));
      const options = { ...layout, candidates: [4, 9, 1, 3, 2, 1] };
      const loose = await efficientVdit.search(d, samples, { ...options, r: 1e9 });
      // 4 references of 9 frames would be 0, 3 and 6, as with 3.
      assertEquals([loose.candidates, loose.chosen], [[1, 2, 3], [1, 1]]);
      loose.losses[0]!.forEach((loss, c) => assertAlmostEquals(loss, loose.losses[1]![c]!, 1e-9));
      const [first, second] = loose.losses[0]! as [number, number];
      const between = await efficientVdit.search(d, samples, { ...options, r: Math.min(first, second) });
      assertEquals(between.chosen[0] !== (first < second ? 1 : 2), true);
      const strict = await efficientVdit.search(d, samples, { ...options, r: 0 });
      assertEquals(strict.chosen, [-1, -1]);
      assertEquals(efficientVditLayers(strict)[0], { k: -1, loss: 0, density: 1 });
      const normal = await efficientVdit.search(d, samples, { ...options, r: 1, normalise: true });
      const v = d.tensor(heads.k.map((x) => 10 * x), k.shape);
      const larger = samples.map((one) => ({ ...one, v }));
      const scaled = await efficientVdit.search(d, larger, { ...options, r: 1, normalise: true });
      scaled.losses[0]!.forEach((loss, c) => assertAlmostEquals(loss, normal.losses[0]![c]!, 1e-5));
      using plan = efficientVdit({ profile: loose, layer: 1 }).plan(d, q, k);
      assertAlmostEquals(await plan.density(), efficientVditLayers(loose)[1]!.density, 1e-9);
      assertEquals(device.report.tensors, before + 2);
    });
  });
}

describe("frame masks", () => {
  test("have evenly spaced references, at most k", () => {
    const places: readonly (readonly [number, number, readonly number[]])[] = [
      ...[[8, 3, [0, 3, 6]], [8, 2, [0, 4]], [8, 0, []], [9, 4, [0, 3, 6]]] as const,
      ...[[24, 12, Array.from({ length: 12 }, (_, i) => 2 * i)], [5, 4, [0, 2, 4]]] as const,
    ];
    for (const [frames, k, expected] of places) assertEquals(referenceFrames(frames, k), expected);
  });

  test("keep a number of tiles that grows linearly with the frames", () => {
    for (let frames = 1; frames < 30; frames++) {
      for (let k = 0; k <= frames; k++) {
        const visible = seesFrame(frames, k);
        let kept = 0;
        for (let i = 0; i < frames; i++) for (let j = 0; j < frames; j++) if (visible(i, j)) kept++;
        assertEquals(keptFrames(frames, k), kept);
      }
    }
    const growth = [8, 16, 24].map((frames) => keptFrames(frames, 2));
    assertEquals(growth[1]! - growth[0]!, growth[2]! - growth[1]!);
  });

  test("give the sparsities of the paper's table", () => {
    const table = [[8, 4, 17.60], [8, 3, 29.88], [8, 2, 45.47], [8, 1, 64.38], [24, 12, 21.51]] as const;
    for (const [frames, k, percent] of table) {
      const { blocks, touched, whole } = frameTiles({ frames, tokensPerFrame: 3600, text: 0 }, k, 128);
      assertAlmostEquals(100 * (1 - touched / blocks ** 2), percent, 0.005);
      // Blocks across borders make the sparsity of blocks smaller than that of tokens.
      const density = frameDensity({ frames, tokensPerFrame: 3600, text: 0 }, k);
      assertEquals(whole / blocks ** 2 < density && density < touched / blocks ** 2, true);
    }
  });
});

describe("efficientVdit()", () => {
  const device = DEVICES["reference"]!;
  const layout = { frames: 4, tokensPerFrame: 6, text: 2 };
  const heads = headsFor(layout, 2);
  const profile: EfficientVditProfile = {
    ...{
      version: 1,
      F: 4,
      S: 6,
      text: 2,
      candidates: [1, 2],
      r: 0.1,
      chosen: [1, -1],
      losses: [[0, 0], [1, 1]],
    },
  };

  test("refuses a grid that does not match the length, and a text part longer than the sequence", () => {
    using d = device.scope();
    const [q, k] = [queries(d, heads), keys(d, heads)];
    const plan = (more: object): unknown => efficientVdit({ ...layout, k: 1, ...more }).plan(d, q, k);
    assertThrows(() => plan({ frames: 5 }), RangeError, "grid does not match");
    assertThrows(() => plan({ text: 99 }), RangeError, "text alone is longer");
  });

  test("refuses a profile of another grid or model", () => {
    using d = device.scope();
    const [q, k] = [queries(d, heads), keys(d, heads)];
    assertThrows(() => efficientVdit({ profile, frames: 5 }), RangeError, "another grid");
    assertThrows(() => efficientVdit({ profile, layer: 2 }).plan(d, q, k), RangeError, "another model");
    assertThrows(() => efficientVdit({ profile: { ...profile, S: 7 } }).plan(d, q, k), RangeError, "grid");
  });

  test("refuses a profile that is broken, an empty image, and options that say nothing", () => {
    assertThrows(() => efficientVdit(), TypeError, "profile");
    assertThrows(() => efficientVdit({ k: 1, frames: 0, tokensPerFrame: 4 }), RangeError, "frames");
    assertThrows(() => efficientVdit({ k: 1, frames: 4, tokensPerFrame: 0 }), RangeError, "tokensPerFrame");
    assertThrows(() => efficientVdit({ ...layout, k: -1 }), RangeError, "k");
    const broken: readonly (readonly [object, string])[] = [
      [{ version: 3 }, "version"],
      [{ F: "4" }, "F"],
      [{ chosen: [3, -1] }, "candidates"],
      [{ losses: [[0, 0]] }, "losses"],
    ];
    for (const [change, says] of broken) {
      assertThrows(
        () => efficientVdit({ profile: { ...profile, ...change } as EfficientVditProfile }),
        Error,
        says,
      );
    }
    efficientVdit({ profile: JSON.parse(JSON.stringify(profile)) });
  });

  test("search refuses no samples, a missing layer, other lengths, and NaN in one frame", async () => {
    using d = device.scope();
    const [q, k] = [queries(d, heads), keys(d, heads)];
    const run = (samples: { layer?: number; q: typeof q; k: typeof q; v: typeof q }[], more = {}) =>
      efficientVdit.search(d, samples, { ...layout, r: 1, ...more });
    await assertRejects(() => run([]), RangeError, "no samples");
    await assertRejects(() => run([{ layer: 1, q, k, v: k }]), RangeError, "layer 0");
    await assertRejects(() => run([{ q, k, v: k }], { frames: 3 }), RangeError, "grid");
    const bad = d.tensor(heads.k.with(100, NaN), k.shape);
    await assertRejects(() => run([{ q, k, v: bad }]), RangeError, "not a finite number");
  });
});
