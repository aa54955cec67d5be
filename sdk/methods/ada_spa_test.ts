import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assert, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import {
  assertMask,
  type Case,
  DEVICES,
  type Heads,
  keys,
  maskOf,
  queries,
  randomHeads,
  sizesOf,
} from "./_test_heads.ts";
import { largest, massOf } from "./_vision_test_maps.ts";
import { adaSpa, type AdaSpaOptions } from "./ada_spa.ts";
import { adaSpaSchedule } from "./ada_spa_schedule.ts";

const CASES: readonly Case<AdaSpaOptions>[] = [
  { title: "there is no text", sizes: [4, 4, 64, 64, 5], options: { blockSize: 8, sparsity: 0.7 } },
  {
    title: "the text is at the end and shares a block with the video",
    sizes: [6, 3, 77, 77, 4],
    options: { blockSize: 8, sparsity: 0.6, textLen: 11, goodRecall: 0.5 },
  },
  {
    title: "the text is at the start",
    sizes: [8, 1, 70, 70, 8],
    options: { blockSize: 9, sparsity: 0.5, textLen: 13, textAt: "start", goodRecall: 0.6 },
  },
  {
    title: "few heads pass the recall",
    sizes: [5, 5, 60, 60, 3],
    options: { blockSize: 6, sparsity: 0.8, goodRecall: 0.45 },
  },
  {
    title: "the low level would be below 0",
    sizes: [4, 2, 50, 50, 4],
    options: { blockSize: 5, sparsity: 0.2, goodRecall: 0.1 },
  },
  {
    title: "heads are not adapted",
    sizes: [4, 2, 64, 64, 4],
    options: { blockSize: 8, sparsity: 0.7, goodRecall: 0, adaptHeads: false },
  },
  { title: "there is one head", sizes: [1, 1, 40, 40, 4], options: { blockSize: 8, goodRecall: 0 } },
  { title: "all is text", sizes: [2, 2, 30, 30, 4], options: { blockSize: 8, textLen: 30 } },
  { title: "only one block is video", sizes: [2, 2, 20, 20, 4], options: { blockSize: 8, textLen: 12 } },
  { title: "there is one token", sizes: [3, 1, 1, 1, 2], options: {} },
];

/** Block masks [H][n][n] by the description. */
function expectedBlocks(sample: Heads, options: AdaSpaOptions, mass: number[][][]): boolean[][][] {
  const { blockSize, sparsity, textLen, textAt, goodRecall, adaptHeads } = options;
  const n = Math.ceil(sample.lk / blockSize);
  const text = Array.from({ length: n }, (_, b) => {
    for (let i = b * blockSize; i < Math.min((b + 1) * blockSize, sample.lk); i++) {
      if (textAt === "end" ? i >= sample.lk - textLen : i < textLen) return true;
    }
    return false;
  });
  const video = text.flatMap((is, b) => is ? [] : [b]);
  const maskOf = (h: number, s: number): boolean[][] => {
    const keep = Math.max(1, Math.min(video.length, Math.ceil((1 - s) * video.length - 1e-9)));
    return mass[h]!.map((row, a) => {
      const best = largest(video.map((b) => row[b]!), keep).map((at) => video[at]!);
      return row.map((_, b) => text[a]! || text[b]! || best.includes(b));
    });
  };
  const recall = mass.map((rows, h) => {
    const base = maskOf(h, sparsity);
    const sum = (of: (a: number, b: number) => number) =>
      rows.reduce((all, row, a) => all + row.reduce((own, w, b) => own + w * of(a, b), 0), 0);
    return sum((a, b) => Number(base[a]![b]!)) / sum(() => 1);
  });
  const good = recall.filter((r) => r > goodRecall).length;
  const m = adaptHeads ? Math.min(good, Math.floor(sample.heads / 2)) : 0;
  const order = largest(recall, sample.heads);
  return mass.map((_, h) => {
    const rank = order.indexOf(h);
    const own = rank < m
      ? (1 + sparsity) / 2
      : rank >= sample.heads - m
      ? Math.max(0, (3 * sparsity - 1) / 2)
      : sparsity;
    return maskOf(h, own);
  });
}

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`adaSpa() on ${title}`, () => {
    for (const { title, sizes: shape, options } of CASES) {
      test(`shows the blocks of its description when ${title}`, async () => {
        const all = { ...adaSpa.defaults, ...options };
        const sample = randomHeads(random(shape[2] + shape[0]), sizesOf(shape));
        const expected = expectedBlocks(sample, all, massOf(sample, all.blockSize));
        assertMask(
          await maskOf(device, adaSpa(options), sample),
          sample,
          (h, i, j) => Number(expected[h]![Math.floor(i / all.blockSize)]![Math.floor(j / all.blockSize)]!),
        );
      });
    }

    test("a search by another step's log-sum-exp weighs rows by it", async () => {
      const options = { ...adaSpa.defaults, blockSize: 8, sparsity: 0.6, goodRecall: 0.5 };
      const sample = randomHeads(random(5), sizesOf([4, 2, 48, 48, 4]));
      const sums = random(6).normals(4 * 48);
      using d = device.scope();
      const method = adaSpa(options);
      const found = method.search(d, queries(d, sample), keys(d, sample), d.tensor(sums, [4, 48]));
      await found.plan.validate();
      const expected = expectedBlocks(sample, options, massOf(sample, 8, (h, i) => sums[h * 48 + i]!));
      assertMask(
        await found.plan.mask(),
        sample,
        (h, i, j) => Number(expected[h]![Math.floor(i / 8)]![Math.floor(j / 8)]!),
      );
    });

    test("heads of equal recall are told apart by their number", async () => {
      const one = randomHeads(random(2), sizesOf([1, 1, 40, 40, 4]));
      const [q, k] = [one.q, one.k].map((x) => Float32Array.from([...x, ...x, ...x, ...x]));
      const sample = { ...one, heads: 4, kvHeads: 4, q: q!, k: k! };
      using d = device.scope();
      const lse = attention(d, queries(d, sample), keys(d, sample), keys(d, sample), { lse: true }).lse;
      const method = adaSpa({ blockSize: 4, sparsity: 0.5, goodRecall: 0.1 });
      const { headSparsity } = method.search(d, queries(d, sample), keys(d, sample), lse);
      assertEquals([...await headSparsity.read()], [0.75, 0.75, 0.25, 0.25]);
    });

    test("its plan stays valid when a frame is not numbers", async () => {
      const sample = randomHeads(random(8), sizesOf([4, 2, 60, 60, 4]));
      sample.k.fill(NaN, 40, 80);
      sample.q.fill(NaN, 40, 80);
      await maskOf(device, adaSpa({ blockSize: 8, textLen: 5 }), sample);
    });

    test("a session follows its schedule and frees what it kept", async () => {
      const before = device.report.tensors;
      {
        using d = device.scope();
        const options = { blockSize: 8, sparsity: 0.7, searchSteps: [2, 4], textLen: 6 };
        const method = adaSpa(options);
        using session = method.session(d);
        const kinds = adaSpaSchedule(6, options.searchSteps);
        const parts = Array.from({ length: 6 }, (_, i) => randomHeads(random(i), sizesOf([4, 2, 48, 48, 4])));
        const given: string[] = [];
        let lse = d.empty([0]);
        let plan = undefined;
        for (const [step, sample] of parts.entries()) {
          using s = d.scope();
          const [q, k] = [queries(s, sample), keys(s, sample)];
          const { out, kind } = session.attend(s, q, k, k, { step, layer: 3 });
          given.push(kind);
          if (kind === "dense + search") lse = attention(d, q, k, k, { lse: true }).lse;
          if (kind.includes("search")) plan = method.search(d, q, k, lse).plan;
          const expected = await attention(s, q, k, k, kind.includes("sparse") ? { plan } : {}).out.read();
          assert((await out.read()).every((value, i) => Math.abs(value - expected[i]!) < 1e-6));
        }
        assertEquals(given, kinds);
        assertEquals(kinds, ["dense", "dense + search", "sparse", "search + sparse", "sparse", "sparse"]);
      }
      assertEquals(device.report.tensors, before);
    });
  });
}

describe("adaSpa()", () => {
  const d = DEVICES["reference"]!;
  const x = d.tensor(random(1).normals(2 * 32 * 4), [2, 32, 4]);

  test("warns of even maps, and of recall that falls between searches", async () => {
    using session = adaSpa({ blockSize: 8, searchSteps: [1, 3], sparsity: 0.5 }).session(d);
    // A block diagonal map, then an even one.
    const blocks = Float32Array.from({ length: 32 * 4 }, (_, i) => Number(Math.floor(i / 32) === i % 4) * 8);
    const sharp = d.tensor(blocks, [1, 32, 4]);
    const even = d.tensor(new Float32Array(32 * 4), [1, 32, 4]);
    session.attend(d, sharp, sharp, sharp, { step: 0 });
    assertEquals(await session.warnings(), []);
    session.attend(d, even, even, even, { step: 2 });
    const [flat, drift] = await session.warnings();
    assertEquals(
      flat!.startsWith("Layer 0: attention is too even to choose from in head 0 (recall 0.50 at"),
      true,
    );
    assertEquals(
      drift,
      "Layer 0: the recall of head 0 fell from 1.00 to 0.50 between searches: they are too far apart",
    );
  });

  test("refuses zero steps", () => {
    assertThrows(() => adaSpaSchedule(0), RangeError, `"steps" is 0`);
  });

  test("refuses a text that is longer than the sequence", () => {
    assertThrows(() => adaSpa({ textLen: 33 }).plan(d, x, x), RangeError, "the text has 33 tokens");
  });

  test("refuses a changed length in the middle of a generation", () => {
    using session = adaSpa({ blockSize: 8 }).session(d);
    session.attend(d, x, x, x, { step: 0 }).out.dispose();
    const longer = d.empty([2, 40, 4]);
    assertThrows(
      () => session.attend(d, longer, longer, longer, { step: 1 }),
      RangeError,
      "layer 0 has 40 tokens at step 1, expected 32",
    );
  });

  test("refuses to go on where the first search was left out", () => {
    using session = adaSpa({ blockSize: 8, searchSteps: [2] }).session(d);
    session.attend(d, x, x, x, { step: 0 }).out.dispose();
    assertThrows(() => session.attend(d, x, x, x, { step: 2 }), RangeError, "run step 1 first");
  });

  test("refuses options out of range", () => {
    for (
      const options of [
        { sparsity: 1.1 },
        { sparsity: NaN },
        { goodRecall: -1 },
        { blockSize: 0 },
        { textLen: -1 },
        { searchSteps: [] },
        { searchSteps: [0] },
        { searchSteps: [3, 3] },
        { textAt: "middle" as "end" },
      ]
    ) assertThrows(() => adaSpa(options), RangeError, `"${Object.keys(options)[0]}"`);
  });

  test("refuses fewer queries than keys", () => {
    assertThrows(() => adaSpa().plan(d, d.empty([2, 8, 4]), x), RangeError, "8 queries and 32 keys");
  });

  test("plans and searches an empty sequence", async () => {
    const empty = d.empty([2, 0, 4]);
    const { plan, recall } = adaSpa().search(d, empty, empty, d.empty([2, 0]));
    assertEquals([plan.kind, plan.causal, ...await recall.read()], ["dense", false, 1, 1]);
  });
});
