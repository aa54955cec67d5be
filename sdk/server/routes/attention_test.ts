import { after, before, describe, test } from "node:test";
import type { Device } from "../../device/mod.ts";
import type { CausalLM } from "../../lm/mod.ts";
import { doubleSparsity } from "../../methods/double_sparsity.ts";
import { streaming } from "../../methods/streaming.ts";
import { calibrate } from "../../lm/calibrate.ts";
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "../../testing/assert.ts";
import { openRecall, QUESTION } from "../language/_recall_test_server.ts";
import { createHandler, type ErrorBody } from "../mod.ts";
import { page } from "../page/mod.ts";
import type { AttentionResponse } from "./attention.ts";

const CHAT = { model: "recall", messages: [{ role: "user", content: QUESTION }] };
/** Where the value of the name that is asked for stands. */
const VALUE = 3;

describe("POST /v1/filigree/attention", () => {
  let device: Device;
  let lm: CausalLM;
  let app: ReturnType<typeof createHandler>;
  before(async () => {
    lm = await openRecall();
    device = lm.device;
    const profile = await calibrate(lm, [lm.tokenizer!.encode(QUESTION, { addSpecial: true })]);
    const narrow = streaming({ sink: 1, window: 4 });
    const select = { streaming: narrow, sparse: doubleSparsity({ profile, tokens: 5, denseLayers: [0] }) };
    const variants = { kv: {}, prefill: { streaming: narrow }, select };
    app = createHandler({ lm, lmModel: "recall", variants, page: page() });
  });
  after(() => device.dispose());

  const ask = async (body: unknown): Promise<Response> =>
    await app.request("/v1/filigree/attention", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const read = async (body: unknown): Promise<AttentionResponse> => {
    const response = await ask(body);
    assertEquals(response.status, 200, await response.clone().text());
    return await response.json() as AttentionResponse;
  };

  test("attention shows that a head reads the value which is the answer", async () => {
    const { tokens, prompt_tokens, at, layers } = await read({ ...CHAT, answer: "217" });
    assertEquals([tokens[0], tokens[VALUE]?.trim(), tokens.at(-1)?.trim()], ["<bos>", "217", "217"]);
    assertEquals([prompt_tokens, at, tokens.length], [20, 19, 21]);
    assertEquals(layers.map(({ heads }) => heads.length), [4, 4, 4, 4]);
    for (const { weights, read } of layers.flatMap(({ heads }) => heads)) {
      assertEquals([weights.length, read], [20, null]);
      assertAlmostEquals(weights.reduce((sum, weight) => sum + weight, 0), 1, 2e-3);
    }
    assert(layers.some(({ heads }) => heads.some(({ weights }) => weights[VALUE]! > 0.99)));
  });

  test("attention of a prompt is the same as that of the message which has it", async () => {
    const chat = await read(CHAT);
    assertEquals(await read({ model: "recall", prompt: QUESTION }), chat);
  });

  test("attention weights are those of the softmax over the keys", async () => {
    const ids = lm.tokenizer!.encode(QUESTION, { addSpecial: true });
    const { layers } = await read({ ...CHAT, at: 9 });
    const scores: number[][] = [];
    const inspectHeads = async (
      layer: number,
      { q, k }: { q: { read(): Promise<Float32Array> }; k: { read(): Promise<Float32Array> } },
    ): Promise<void> => {
      if (layer !== 2) return;
      const [query, keys] = [await q.read(), await k.read()];
      // The last of four query heads shares the second of two key heads.
      scores.push(Array.from({ length: 10 }, (_, t) => {
        let sum = 0;
        for (let c = 0; c < 64; c++) sum += query[(3 * 10 + 9) * 64 + c]! * keys[(1 * 10 + t) * 64 + c]!;
        return Math.exp(sum / 8);
      }));
    };
    (await lm.logits(ids.subarray(0, 10), { inspectHeads })).dispose();
    const own = scores[0]!;
    const total = own.reduce((sum, score) => sum + score, 0);
    layers[2]!.heads[3]!.weights.forEach((weight, t) => assertAlmostEquals(weight, own[t]! / total, 1e-3));
  });

  test("attention of a chosen selector names the tokens that were read, behind the prompt", async () => {
    const body = { ...CHAT, answer: "217 .", filigree: { select: "streaming" } };
    const [first, later] = [await read(body), await read({ ...body, at: 20 })];
    assertEquals(first.layers[0]?.heads[0]?.read, null);
    for (const { read, weights } of later.layers.flatMap(({ heads }) => heads)) {
      assertEquals(read, [0, 17, 18, 19, 20]);
      assert(weights.every((weight, t) => weight === 0 || read!.includes(t)));
      assertAlmostEquals(weights.reduce((sum, weight) => sum + weight, 0), 1, 2e-3);
    }
  });

  test("attention of lists of tokens has one list for every head, and all tokens in a dense layer", async () => {
    const { layers } = await read({ ...CHAT, answer: "217 .", at: 20, filigree: { select: "sparse" } });
    assertEquals(layers[0]?.heads.map(({ read }) => read), [null, null, null, null]);
    for (const { read } of layers.slice(1).flatMap(({ heads }) => heads)) {
      assertEquals(read?.length, 5);
      assertEquals(read, [...new Set(read)].sort((a, b) => a - b));
      assert(read?.includes(20));
    }
  });

  test("attention of a chosen plan names the tokens that the plan lists, in the prompt", async () => {
    const { layers } = await read({ ...CHAT, filigree: { prefill: "streaming" } });
    for (const { read } of layers.flatMap(({ heads }) => heads)) assertEquals(read, [0, 16, 17, 18, 19]);
  });

  const bad: [name: string, body: object, status: number, param: string | null, text: string][] = [
    ["the place is behind the text", { ...CHAT, at: 20 }, 400, "at", "from 0 to 19"],
    ["the place is before the text", { ...CHAT, at: -1 }, 400, "at", "from 0 to 19"],
    ["the place is no whole number", { ...CHAT, at: 0.5 }, 400, "at", "whole number"],
    ["the answer is a number", { ...CHAT, answer: 217 }, 400, "answer", "a text"],
    ["there are two prompts", { model: "recall", prompt: ["the", "of"] }, 400, "prompt", "expected one"],
    ["there is neither prompt nor messages", { model: "recall" }, 400, "prompt", "missing"],
    ["the model is another", { ...CHAT, model: "other" }, 404, "model", "other"],
    [
      "the selector is not there",
      { ...CHAT, filigree: { select: "x" } },
      400,
      "filigree.select",
      "streaming",
    ],
    ["the prompt is too long", { model: "recall", prompt: "the ".repeat(1024) }, 413, null, "at most 1024"],
    ["the answer is too long", { ...CHAT, answer: "the ".repeat(1100) }, 413, null, "at most 1024"],
    ["the answer is very long", { ...CHAT, answer: "the ".repeat(100_000) }, 413, null, "at most 1024"],
    ["a field is unknown", { ...CHAT, nope: 1 }, 400, "nope", "nope"],
  ];
  for (const [name, body, status, param, text] of bad) {
    test(`attention answers ${status} when ${name}`, async () => {
      const response = await ask(body);
      const { error } = await response.json() as ErrorBody;
      assertEquals([response.status, error.param], [status, param], error.message);
      assertStringIncludes(error.message, text);
    });
  }

  test("attention answers 400 for a model that does not show its heads", async () => {
    const { config, tokenizer } = lm;
    const closed = {
      config,
      device,
      tokenizer,
      sequence: () => lm.sequence(),
      prefill: lm.prefill.bind(lm),
      step: lm.step.bind(lm),
      generateMany: lm.generateMany.bind(lm),
    };
    app = createHandler({ lm: closed, lmModel: "recall", page: page() });
    const response = await ask(CHAT);
    const { error } = await response.json() as ErrorBody;
    assertEquals([response.status, error.code], [400, "unsupported_model"]);
  });

  test("attention leaves no memory behind", async () => {
    app = createHandler({ lm, lmModel: "recall", page: page() });
    await read(CHAT);
    const { bytes } = device.report;
    for (let i = 0; i < 3; i++) await read(CHAT);
    assertEquals(device.report.bytes, bytes);
  });
});
