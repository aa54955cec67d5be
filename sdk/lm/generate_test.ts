import { after, before, describe, test } from "node:test";
import { type Device, openDevice } from "../device/mod.ts";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { FakeModel, letters } from "./_fake_test_model.ts";
import { generate, generateMany, type IndexedPiece, type Piece } from "./generate.ts";
import type { GenerateOptions } from "./generate_options.ts";
import type { Prompt } from "./prompt.ts";

const ALPHABET = "abcdefghijklmno|";

async function collect<T extends Piece>(pieces: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

const idsOf = (pieces: readonly Piece[]): number[] => pieces.flatMap(({ ids }) => ids);
const textOf = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join("");

describe("generate()", () => {
  let device: Device;
  before(async () => {
    device = await openDevice({ prefer: "reference" });
  });
  after(() => device.dispose());

  const model = (config: ConstructorParameters<typeof FakeModel>[1] = {}) => new FakeModel(device, config);
  const run = (lm: FakeModel, prompt: Prompt, options: GenerateOptions = {}) =>
    collect(generate(lm, prompt, options));

  test("the likeliest tokens come by default, however many are read at once", async () => {
    const lm = model();
    const wanted = await lm.greedy([3, 1], 21);
    for (const readEvery of [1, 2, 7, 8, 100]) {
      const pieces = await run(lm, [3, 1], { maxTokens: 21, readEvery });
      assertEquals(idsOf(pieces), wanted);
      const sizes = pieces.map(({ ids }) => ids.length);
      assertEquals(sizes[0], 1);
      assertEquals(Math.max(...sizes), Math.min(readEvery, 20));
      assertEquals(pieces.filter(({ finishReason }) => finishReason).length, 1);
      const { usage } = pieces.at(-1)!;
      assertEquals([usage!.promptTokens, usage!.completionTokens], [2, 21]);
      assertEquals(usage!.prefillMs > 0 && usage!.decodeMs > 0 && usage!.kvBytes > 0, true);
    }
    assertEquals(lm.gone, lm.made);
  });

  test("a model without a tokenizer gives ids and no text", async () => {
    const pieces = await run(model(), Int32Array.of(5), { maxTokens: 4 });
    assertEquals(pieces.map(({ text }) => text), ["", "", "", ""]);
    assertEquals(pieces.at(-1)!.finishReason, "length");
  });

  test("drawn tokens depend on the seed alone, not on how they are read", async () => {
    const lm = model();
    const options = { maxTokens: 30, temperature: 1.5, topP: 0.9, repetitionPenalty: 1.2, seed: 11 };
    const ids = idsOf(await run(lm, [1], options));
    assertEquals(idsOf(await run(lm, [1], { ...options, readEvery: 4 })), ids);
    assertEquals(idsOf(await run(lm, [1], { ...options, seed: 12 })).join() === ids.join(), false);
  });

  test("an end id ends the answer and is not given out", async () => {
    const wanted = await model().greedy([7], 40);
    const eos = wanted[12]!;
    const until = wanted.slice(0, wanted.indexOf(eos));
    for (const readEvery of [1, 5]) {
      const lm = model({ eosIds: [eos] });
      const pieces = await run(lm, [7], { maxTokens: 40, readEvery });
      assertEquals(idsOf(pieces), until);
      assertEquals(pieces.at(-1)!.finishReason, "stop");
      assertEquals(pieces.at(-1)!.usage!.completionTokens, until.length);
      assertEquals(idsOf(await run(lm, [7], { maxTokens: 40, readEvery, eosIds: [] })), wanted);
    }
  });

  test("text comes with its ids, and ends before a stop string across pieces", async () => {
    const lm = model({ tokenizer: letters(ALPHABET) });
    const full = textOf(await run(lm, "bc", { maxTokens: 40 }));
    assertEquals(full.length, 40);
    for (const [begin, end] of [[10, 13], [3, 4], [20, 28]] as const) {
      const stop = full.slice(begin, end);
      const cut = full.indexOf(stop);
      for (const readEvery of [1, 3, 8]) {
        const pieces = await run(lm, "bc", { maxTokens: 40, readEvery, stop: ["never", stop] });
        assertEquals(textOf(pieces), full.slice(0, cut));
        assertEquals(pieces.at(-1)!.finishReason, "stop");
        assertEquals(idsOf(pieces).length, cut + stop.length);
      }
    }
    assertEquals(textOf(await run(lm, "bc", { maxTokens: 40, stop: "zz" })), full);
  });

  test("the context ends an answer, and a prompt that fills it is refused", async () => {
    const lm = model({ contextLength: 10 });
    const pieces = await run(lm, [1, 2, 3, 4], { readEvery: 4 });
    assertEquals(idsOf(pieces).length, 6);
    assertEquals(pieces.at(-1)!.finishReason, "length");
    await assertRejects(
      () => run(lm, new Int32Array(10)),
      RangeError,
      "expected fewer than the 10 of the context",
    );
    assertEquals(lm.gone, lm.made);
  });

  test("a sequence of the caller goes on, and has the whole answer in the end", async () => {
    const wanted = await model().greedy([9, 4], 24);
    for (const readEvery of [1, 8]) {
      for (const eosIds of [[], [wanted[20]!]]) {
        const lm = model();
        const from = lm.sequence();
        const first = idsOf(await run(lm, [9, 4], { from, maxTokens: 8, readEvery }));
        assertEquals(first, wanted.slice(0, 8));
        assertEquals(from.length, 10);
        // The next prompt is the token that would have come anyway.
        const ids = idsOf(await run(lm, [wanted[8]!], { from, maxTokens: 15, readEvery, eosIds }));
        const end = wanted.slice(9).indexOf(eosIds[0]!);
        assertEquals(ids, wanted.slice(9, end < 0 ? 24 : 9 + end));
        assertEquals(from.length, 11 + ids.length);
        assertEquals(lm.gone, 0);
        from.dispose();
      }
    }
  });

  test("a common prompt is read once and forked", async () => {
    const lm = model();
    const common = lm.sequence();
    (await lm.prefill(common, Int32Array.of(1, 2, 3))).dispose();
    const from = [common.fork(), common.fork()];
    const pieces = await collect(generateMany(lm, [[4], [5]], { from, maxTokens: 6 }));
    for (const [index, own] of [[0, 4], [1, 5]] as const) {
      assertEquals(
        idsOf(pieces.filter((piece) => piece.index === index)),
        await lm.greedy([1, 2, 3, own], 6),
      );
    }
    assertEquals(common.length, 3);
  });
});

describe("generateMany()", () => {
  test("every answer is what it would be alone, and those that ended leave the batch", async () => {
    using device = await openDevice({ prefer: "reference" });
    const prompts = [[1, 2], [3], [4, 5, 6, 7]];
    for (const readEvery of [1, 4]) {
      const options = { maxTokens: 25, temperature: 1.2, topK: 9, seed: 5, readEvery };
      const lm = new FakeModel(device, { eosIds: [2], contextLength: 27 });
      const pieces: IndexedPiece[] = await collect(generateMany(lm, prompts, options));
      const steps = [...lm.steps];
      for (const [index, prompt] of prompts.entries()) {
        const own = pieces.filter((piece) => piece.index === index);
        const alone = await collect(generate(lm, prompt, { ...options, seed: 5 + index }));
        assertEquals(idsOf(own), idsOf(alone));
        assertEquals(own.at(-1)!.finishReason, alone.at(-1)!.finishReason);
        assertEquals(own.slice(0, -1).some(({ finishReason }) => finishReason), false);
      }
      assertEquals(steps[0], 3);
      assertEquals(steps.at(-1)! < 3, true);
      assertEquals(lm.gone, lm.made);
    }
    assertEquals(await collect(generateMany(new FakeModel(device), [])), []);
  });
});

describe("generateMany() of a prompt given several times", () => {
  test("it is read once, and every answer is what it would be alone", async () => {
    using device = await openDevice({ prefer: "reference" });
    const lm = new FakeModel(device);
    const { tensors } = device.report;
    let prefills = 0;
    lm.before = (what) => void (prefills += what === "prefill" ? 1 : 0);
    const prompts = [[1, 2], [1, 2], [3], [1, 2]];
    const options = { maxTokens: 12, temperature: 1.2, seed: 5 };
    const pieces = await collect(generateMany(lm, prompts, options));
    assertEquals(prefills, 2);
    for (const [index, prompt] of prompts.entries()) {
      const alone = await collect(generate(lm, prompt, { ...options, seed: 5 + index }));
      const own = pieces.filter((piece) => piece.index === index);
      assertEquals(idsOf(own), idsOf(alone));
      assertEquals(own.at(-1)!.usage!.kvBytes, alone.at(-1)!.usage!.kvBytes);
    }
    assertEquals(device.report.tensors, tensors);
  });
});

describe("leaving a generation", () => {
  let device: Device;
  before(async () => {
    device = await openDevice({ prefer: "reference" });
  });
  after(() => device.dispose());

  /** Runs what must fail with the reason "enough", and checks that nothing is left behind. */
  async function leaves(lm: FakeModel, work: () => Promise<unknown>): Promise<void> {
    const { tensors } = device.report;
    const reason = await work().then(() => "it went on", (error: unknown) => error);
    assertEquals(reason, "enough");
    assertEquals([device.report.tensors, lm.gone], [tensors, lm.made]);
  }

  for (const readEvery of [1, 8]) {
    const options = { maxTokens: 60, readEvery, repetitionPenalty: 1.1 };
    test(`an abort before the start makes no sequence (${readEvery} at once)`, async () => {
      const lm = new FakeModel(device);
      await leaves(lm, () => collect(generate(lm, [1], { ...options, signal: AbortSignal.abort("enough") })));
      assertEquals(lm.made, 0);
    });

    test(`an abort in the prefill gives everything back (${readEvery} at once)`, async () => {
      const lm = new FakeModel(device);
      const controller = new AbortController();
      lm.before = () => controller.abort("enough");
      const { signal } = controller;
      await leaves(lm, () => collect(generateMany(lm, [[1], [2]], { ...options, signal })));
      assertEquals(lm.steps.length, 0);
    });

    test(`an abort in the decode gives everything back, twice as well (${readEvery} at once)`, async () => {
      const lm = new FakeModel(device);
      for (const after of [0, 1, 20]) {
        const controller = new AbortController();
        const { signal } = controller;
        lm.steps.length = 0;
        lm.before = () => {
          if (lm.steps.length === after) controller.abort("enough");
          if (lm.steps.length > after) controller.abort("more than enough");
        };
        if (after === 0) lm.before = () => {};
        await leaves(lm, async () => {
          for await (const _ of generate(lm, [1], { ...options, signal })) {
            if (after === 0) controller.abort("enough");
          }
        });
        assertEquals(lm.steps.length <= after + 2 * readEvery, true);
      }
    });

    test(`an early return and an error give everything back (${readEvery} at once)`, async () => {
      const lm = new FakeModel(device);
      const { tensors } = device.report;
      for (const count of [1, 2, 5]) {
        let left = count;
        for await (const _ of generate(lm, [1], options)) if (--left === 0) break;
        assertEquals([device.report.tensors, lm.gone], [tensors, lm.made]);
      }
      await generate(lm, [1], options).return();
      assertEquals(lm.made, 3);
      lm.before = (what) => {
        if (what === "step" && lm.steps.length > 10) throw "enough";
      };
      await leaves(lm, () => collect(generate(lm, [1], options)));
    });

    test(`a sequence of the caller keeps what was given out (${readEvery} at once)`, async () => {
      const lm = new FakeModel(device);
      const wanted = await lm.greedy([1], 40);
      const from = lm.sequence();
      const ids: number[] = [];
      for await (const piece of generate(lm, [1], { maxTokens: 60, readEvery, from })) {
        ids.push(...piece.ids);
        if (ids.length >= 9) break;
      }
      assertEquals(ids, wanted.slice(0, ids.length));
      assertEquals(from.length === ids.length + 1 || from.length === ids.length, true);
      lm.before = () => {
        throw "enough";
      };
      const { length } = from;
      await assertRejects(() => collect(generate(lm, [1], { from })));
      assertEquals(from.length, length);
      from.dispose();
    });
  }

  test("100 generations that were given up leave no memory behind", async () => {
    const lm = new FakeModel(device);
    const { bytes } = device.report;
    for (let i = 0; i < 100; i++) {
      const controller = new AbortController();
      const pieces = generate(lm, [i % 16, 3], { readEvery: 1 + i % 9, signal: controller.signal });
      await pieces.next();
      controller.abort("enough");
      await pieces.next().catch(() => {});
    }
    assertEquals([device.report.bytes, lm.gone], [bytes, 100]);
  });
});

describe("a long generation", () => {
  test("10,000 tokens take no memory beside their sequence", async () => {
    using device = await openDevice({ prefer: "wasm", threads: 1 });
    const lm = new FakeModel(device, { contextLength: 20_000 });
    const from = lm.sequence();
    const { bytes, tensors } = device.report;
    let count = 0;
    const options = {
      from,
      maxTokens: 10_000,
      readEvery: 8,
      temperature: 1,
      topK: 5,
      repetitionPenalty: 1.1,
    };
    for await (const { ids } of generate(lm, [1], options)) {
      count += ids.length;
      // The rest is what one step and those under way hold.
      assertEquals(device.report.tensors - tensors - from.length < 40, true);
    }
    assertEquals(count, 10_000);
    assertEquals([device.report.tensors, device.report.bytes], [tensors + 10_001, bytes + from.bytes]);
    from.dispose();
  });
});

describe("generation options", () => {
  test("what cannot be done is refused before anything is made", async () => {
    using device = await openDevice({ prefer: "reference" });
    const lm = new FakeModel(device);
    const talking = new FakeModel(device, { tokenizer: letters(ALPHABET) });
    const sequence = lm.sequence();
    const cases: [FakeModel, Prompt, GenerateOptions, new () => Error, string][] = [
      [lm, [], {}, RangeError, "empty prompt"],
      [talking, "", {}, RangeError, "empty prompt"],
      [lm, [1, 16], {}, RangeError, "token 1 of the prompt is 16, expected an id from 0 to 15"],
      [lm, [0.5], {}, RangeError, "token 0 of the prompt is 0.5"],
      [lm, "text", {}, TypeError, "from text: the model has no tokenizer; give token ids instead"],
      [lm, [{ role: "user", content: "a" }], {}, TypeError, "from messages: the model has no tokenizer"],
      [talking, [{ role: "user", content: "a" }], {}, TypeError, "no chat template"],
      [lm, [1], { stop: "a" }, TypeError, '"stop" needs a tokenizer'],
      [talking, [1], { stop: [""] }, RangeError, "empty string"],
      [lm, [1], { maxTokens: 0 }, RangeError, '"maxTokens" is 0'],
      [lm, [1], { readEvery: 1.5 }, RangeError, '"readEvery" is 1.5'],
      [lm, [1], { temperature: -1 }, RangeError, '"temperature" is -1'],
    ];
    for (const [model, prompt, options, kind, message] of cases) {
      await assertRejects(() => collect(generate(model, prompt, options)), kind, message);
    }
    await assertRejects(
      () => collect(generateMany(lm, [[1], [2]], { from: [sequence, sequence] })),
      RangeError,
      '"from" has 1 sequences, expected another one for each of 2 prompts',
    );
    assertEquals([lm.made, talking.made], [1, 0]);
  });
});
