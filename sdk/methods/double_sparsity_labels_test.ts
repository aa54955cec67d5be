import { describe, test } from "node:test";
import { assertEquals, assertNotEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { append, choose, profileOf, sampleOf, type Sizes, start } from "./_double_sparsity_test_cache.ts";
import { assertBest, assertValid } from "./_double_sparsity_test_oracle.ts";
import { DEVICES } from "./_test_heads.ts";
import { doubleSparsity, type DoubleSparsityOptions } from "./double_sparsity.ts";
import { labelChannels } from "./double_sparsity_profile.ts";

const CASES:
  readonly (readonly [Sizes, Partial<DoubleSparsityOptions> & { labelChannels: number; tokens: number }])[] =
    [
      [[4, 4, 32, 384], {
        labelChannels: 8,
        labelBits: 4,
        tokens: 48,
        forceLast: false,
        quantiseQuery: true,
      }],
      [[8, 1, 16, 300], { labelChannels: 4, labelBits: 8, tokens: 20 }],
      [[8, 2, 64, 130], { labelChannels: 16, labelBits: 4, tokens: 8, shared: true }],
      [[6, 2, 24, 77], {
        labelChannels: 5,
        labelBits: 8,
        tokens: 76,
        quantiseQuery: true,
        channelSource: "k",
      }],
      [[6, 3, 24, 77], {
        labelChannels: 8,
        labelBits: 8,
        tokens: 9,
        shared: true,
        channelSource: "k",
        forceLast: false,
      }],
      [[3, 1, 20, 515], { labelChannels: 6, labelBits: 16, tokens: 33, channelSource: "q" }],
      [[4, 2, 16, 90], { labelChannels: 16, labelBits: 16, tokens: 1, shared: true, quantiseQuery: true }],
      [[2, 2, 8, 257], { labelChannels: 1, labelBits: 8, tokens: 5 }],
    ];

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`doubleSparsity() on ${name}`, () => {
    test("lists the tokens whose labels score best", async () => {
      const r = random(1);
      for (const [sizes, given] of CASES) {
        using d = device.scope();
        const sample = sampleOf(r, sizes);
        const profile = profileOf(r, sample);
        const { channelSource: source = "qk", shared = false, labelChannels: count } = given;
        const channels = labelChannels(profile, { layer: 0, source, shared, count }, sample);
        using selection = start(d, sample, { profile, ...given });
        append(d, selection, sample);
        const list = await choose(d, selection, sample, sample.length);
        assertEquals(list?.length, channels.length * given.tokens);
        assertBest(list!, sample, { ...doubleSparsity.defaults, ...given, channels });
      }
    });

    test("reads everything until a cache has more tokens than a list", async () => {
      using d = device.scope();
      const r = random(2);
      const sample = sampleOf(r, [2, 1, 16, 34]);
      const profile = profileOf(r, sample);
      using fixed = start(d, sample, { profile, labelChannels: 4, tokens: 33 });
      using share = start(d, sample, { profile, labelChannels: 4, tokenRatio: 0.25 });
      for (const selection of [fixed, share]) append(d, selection, sample);
      assertEquals(await choose(d, fixed, sample, 33), undefined);
      assertEquals((await choose(d, fixed, sample, 34))?.length, 2 * 33);
      assertEquals(await choose(d, share, sample, 1), undefined);
      assertEquals((await choose(d, share, sample, 34))?.length, 2 * 9);
    });

    test("gives the same lists however keys are appended, truncated and forked", async () => {
      for (const labelBits of [4, 8, 16] as const) {
        using d = device.scope();
        const r = random(3);
        const sample = sampleOf(r, [4, 2, 16, 700]);
        const other = { ...sampleOf(r, [4, 2, 16, 700]), q: sample.q };
        const options = { profile: profileOf(r, sample), labelChannels: 4, labelBits, tokens: 40 };
        using whole = start(d, sample, options);
        append(d, whole, sample);
        using parts = start(d, sample, options);
        // Over the first chunk of memory one by one, then beyond it at once.
        append(d, parts, sample, 0, 254);
        for (let t = 254; t < 259; t++) append(d, parts, sample, t, t + 1);
        using early = parts.fork();
        append(d, parts, sample, 259, 640);
        append(d, parts, other, 640, 700);
        const strayed = await choose(d, parts, sample, 700);
        parts.truncate(640);
        append(d, parts, sample, 640, 700);
        append(d, early, other, 259, 700);

        const expected = await choose(d, whole, sample, 700);
        assertEquals(await choose(d, parts, sample, 700), expected);
        assertNotEquals(strayed, expected);
        assertNotEquals(await choose(d, early, sample, 700), expected);
        assertEquals(await choose(d, early, sample, 259), await choose(d, whole, sample, 259));
      }
    });

    test("prefers the earlier of tokens that score alike", async () => {
      using d = device.scope();
      const r = random(4);
      const one = sampleOf(r, [2, 1, 16, 1]);
      // The second half of the tokens repeats the first; then labels that are all equal, whose range is 0.
      const twice = { ...sampleOf(r, [2, 1, 16, 60]) };
      twice.k.copyWithin(30 * 16, 0, 30 * 16);
      const profile = profileOf(r, one);
      for (const forceLast of [false, true]) {
        const options = { profile, labelChannels: 4, tokens: 7, forceLast };
        using halves = start(d, twice, options);
        append(d, halves, twice);
        const list = (await choose(d, halves, twice, 60))!;
        for (const own of [list.subarray(0, 7), list.subarray(7)]) {
          const named = new Set(own);
          assertEquals([...own].filter((t) => t >= 30 && t < 59 && !named.has(t - 30)), []);
        }
        using equal = start(d, one, options);
        const constant = { ...one, length: 50, k: new Float32Array(50 * 16).fill(0.3) };
        append(d, equal, constant);
        const rest = forceLast ? [49, 0, 1, 2, 3, 4, 5] : [0, 1, 2, 3, 4, 5, 6];
        assertEquals([...(await choose(d, equal, constant, 50))!], [...rest, ...rest]);
      }
    });

    test("lists different tokens of the cache where keys or queries are not finite", async () => {
      for (const labelBits of [4, 8, 16] as const) {
        using d = device.scope();
        const r = random(5);
        const sample = sampleOf(r, [4, 2, 8, 40]);
        const options = { profile: profileOf(r, sample), labelChannels: 4, labelBits, tokens: 6 };
        for (const at of r.ints(40, 0, sample.k.length)) {
          sample.k[at] = r.pick([NaN, Infinity, -Infinity, 3e38]);
        }
        for (const q of [sample.q, sample.q.map((value, i) => i % 3 === 0 ? NaN : value)]) {
          using selection = start(d, sample, options);
          append(d, selection, sample);
          assertValid((await choose(d, selection, { ...sample, q }, 40))!, 40, 6);
        }
      }
    });

    test("lists a token that has no label yet where it is read anyway", async () => {
      using d = device.scope();
      const r = random(6);
      const sample = sampleOf(r, [2, 2, 16, 60]);
      const options = { profile: profileOf(r, sample), labelChannels: 4, tokens: 5 };
      using selection = start(d, sample, options);
      append(d, selection, sample, 0, 59);
      using whole = start(d, sample, options);
      append(d, whole, sample);
      assertEquals(await choose(d, selection, sample, 60), await choose(d, whole, sample, 60));
      using free = start(d, sample, { ...options, forceLast: false });
      append(d, free, sample, 0, 59);
      const query = d.tensor(sample.q, [2, 16]);
      assertThrows(() => free.choose(d, query, 60), RangeError, "59 of 60 tokens have labels");
      assertThrows(() => selection.choose(d, query, 61), RangeError, "59 of 61 tokens have labels");
    });

    test("gives back what it takes", async () => {
      const before = device.report;
      using d = device.scope();
      const r = random(7);
      const sample = sampleOf(r, [4, 2, 32, 300]);
      const selection = start(d, sample, { profile: profileOf(r, sample), labelChannels: 8, tokens: 20 });
      append(d, selection, sample);
      await choose(d, selection, sample, 300);
      // 512 tokens of 4 lists: 8 codes of 4 bits, step and minimum; and two index tables.
      assertEquals(selection.bytes, 512 * 4 * (4 + 8) + 2 * 4 * 8 * 4);
      assertEquals(device.report.bytes - before.bytes, selection.bytes);
      const copy = selection.fork();
      assertEquals(copy.bytes, selection.bytes);
      copy.dispose();
      selection.dispose();
      assertEquals(device.report.tensors, before.tensors);
    });
  });
}
