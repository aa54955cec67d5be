import { after, before, describe, test } from "node:test";
import type { CausalLM } from "../../lm/mod.ts";
import { assertEquals, assertRejects } from "../../testing/assert.ts";
import { eventually } from "../_raw_test_client.ts";
import type { ErrorBody } from "../api_error.ts";
import { endless, openRecall, QUESTION, serveFor, type Serving } from "../language/_recall_test_server.ts";
import type { ServedLanguageModel } from "../language/served_language_model.ts";
import { variants } from "../language/variants.ts";

const COMPLETIONS = "/v1/completions";
const CHAT = "/v1/chat/completions";

/** A model that tells how many generations are under way. */
function watched(lm: ServedLanguageModel): { lm: ServedLanguageModel; running(): number } {
  let running = 0;
  return {
    running: () => running,
    lm: {
      ...lm,
      async *generateMany(prompts, options) {
        running++;
        try {
          yield* lm.generateMany(prompts, options);
        } finally {
          running--;
        }
      },
    },
  };
}

describe("language routes refuse", () => {
  let lm: CausalLM;
  let server: Serving;
  before(async () => {
    lm = await openRecall();
    server = serveFor({ lm, variants: variants() });
  });
  after(async () => {
    await server.close();
    lm.device.dispose();
  });

  const post = (path: string, body: string): Promise<Response> =>
    fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body });
  /** Sends a request that is right but for these fields, and gives status, code and param of the answer. */
  const refusal = async (path: string, fields: object): Promise<unknown[]> => {
    const good = path === CHAT ? { messages: [{ role: "user", content: "the" }] } : { prompt: "the" };
    const response = await post(path, JSON.stringify({ model: "recall", ...good, ...fields }));
    const { error } = await response.json() as ErrorBody;
    assertEquals([typeof error.message, error.type], ["string", "invalid_request_error"]);
    return [response.status, error.code, error.param];
  };
  const cases: Record<string, [path: string, fields: object, status: number, code: string, param: string][]> =
    {
      "a negative, fractional or huge max_tokens": [COMPLETIONS, CHAT].flatMap((path) =>
        [
          [-1, "invalid_value"],
          [0, "invalid_value"],
          [1.5, "invalid_value"],
          ["16", "invalid_value"],
          [1e300, "invalid_value"],
          [1e9, "context_length_exceeded"],
          [16_384, "context_length_exceeded"],
        ].map((
          [max_tokens, code],
        ): [string, object, number, string, string] => [
          path,
          { max_tokens },
          400,
          String(code),
          "max_tokens",
        ])
      ),
      "two kinds of max_tokens, and a huge one of the newer kind": [
        [CHAT, { max_tokens: 4, max_completion_tokens: 4 }, 400, "invalid_value", "max_tokens"],
        [CHAT, { max_completion_tokens: 1e9 }, 400, "context_length_exceeded", "max_completion_tokens"],
      ],
      "messages that are empty or of the wrong kind": [
        [CHAT, { messages: [] }, 400, "invalid_value", "messages"],
        [CHAT, { messages: undefined }, 400, "missing_required_parameter", "messages"],
        [CHAT, { messages: "hello" }, 400, "invalid_value", "messages"],
        [CHAT, { messages: [null] }, 400, "invalid_value", "messages[0]"],
        [CHAT, { messages: [{ role: "user" }] }, 400, "invalid_value", "messages[0].content"],
        [CHAT, { messages: [{ role: "tool", content: "a" }] }, 400, "invalid_value", "messages[0].role"],
        [CHAT, { messages: [{ role: "__proto__", content: "a" }] }, 400, "invalid_value", "messages[0].role"],
        [
          CHAT,
          { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
          400,
          "unsupported_value",
          "messages[0].content[0].type",
        ],
        [
          CHAT,
          { messages: [{ role: "assistant", content: "", tool_calls: [{}] }] },
          400,
          "unsupported_parameter",
          "messages[0].tool_calls",
        ],
      ],
      "another model, and none": [
        [COMPLETIONS, { model: "gpt-4" }, 404, "model_not_found", "model"],
        [CHAT, { model: "__proto__" }, 404, "model_not_found", "model"],
        [CHAT, { model: undefined }, 400, "missing_required_parameter", "model"],
      ],
      "prompts of no kind, empty ones, unknown ids, and too long ones": [
        [COMPLETIONS, { prompt: undefined }, 400, "missing_required_parameter", "prompt"],
        [COMPLETIONS, { prompt: [] }, 400, "invalid_value", "prompt"],
        [COMPLETIONS, { prompt: [[]] }, 400, "invalid_value", "prompt"],
        [COMPLETIONS, { prompt: ["a", 1] }, 400, "invalid_value", "prompt"],
        [COMPLETIONS, { prompt: [1.5] }, 400, "invalid_value", "prompt"],
        [COMPLETIONS, { prompt: { text: "a" } }, 400, "invalid_value", "prompt"],
        [COMPLETIONS, { prompt: [3, 1024] }, 400, "invalid_prompt", "prompt"],
        [COMPLETIONS, { prompt: "x".repeat(70_000) }, 400, "invalid_prompt", "prompt"],
        [COMPLETIONS, { prompt: Array(16_384).fill(3) }, 400, "context_length_exceeded", "prompt"],
        [COMPLETIONS, { prompt: "a ".repeat(1e6) }, 400, "context_length_exceeded", "prompt"],
        [
          CHAT,
          { messages: [{ role: "user", content: "a ".repeat(20_000) }] },
          400,
          "context_length_exceeded",
          "messages",
        ],
      ],
      "fields that are unknown": [
        [COMPLETIONS, { max_token: 3 }, 400, "unknown_parameter", "max_token"],
        [COMPLETIONS, { messages: [] }, 400, "unknown_parameter", "messages"],
        [CHAT, JSON.parse('{"__proto__": {"model": "recall"}}'), 400, "unknown_parameter", "__proto__"],
        [CHAT, { constructor: 1 }, 400, "unknown_parameter", "constructor"],
      ],
      "what cannot be had": [
        [COMPLETIONS, { echo: true }, 400, "unsupported_parameter", "echo"],
        [COMPLETIONS, { suffix: "end" }, 400, "unsupported_parameter", "suffix"],
        [COMPLETIONS, { best_of: 3 }, 400, "unsupported_parameter", "best_of"],
        [CHAT, { frequency_penalty: 0.5 }, 400, "unsupported_parameter", "frequency_penalty"],
        [CHAT, { logit_bias: { "5": -100 } }, 400, "unsupported_parameter", "logit_bias"],
        [CHAT, { tools: [{ type: "function" }] }, 400, "unsupported_parameter", "tools"],
        [CHAT, { response_format: { type: "json_object" } }, 400, "unsupported_parameter", "response_format"],
      ],
      "values out of range": [
        [COMPLETIONS, { temperature: 2.1 }, 400, "invalid_value", "temperature"],
        [COMPLETIONS, { top_p: -0.1 }, 400, "invalid_value", "top_p"],
        [COMPLETIONS, { seed: 0.5 }, 400, "invalid_value", "seed"],
        [COMPLETIONS, { n: 0 }, 400, "invalid_value", "n"],
        [COMPLETIONS, { n: 17 }, 400, "invalid_value", "n"],
        [COMPLETIONS, { n: 2, prompt: Array(9).fill("a") }, 400, "invalid_value", "n"],
        [COMPLETIONS, { prompt: Array(17).fill("a") }, 400, "invalid_value", "prompt"],
        [COMPLETIONS, { stop: "" }, 400, "invalid_value", "stop"],
        [COMPLETIONS, { stop: ["a", "b", "c", "d", "e"] }, 400, "invalid_value", "stop"],
        [COMPLETIONS, { logprobs: 6 }, 400, "invalid_value", "logprobs"],
        [CHAT, { logprobs: 1 }, 400, "invalid_value", "logprobs"],
        [CHAT, { logprobs: true, top_logprobs: 21 }, 400, "invalid_value", "top_logprobs"],
        [CHAT, { top_logprobs: 2 }, 400, "invalid_value", "top_logprobs"],
        [CHAT, { stream: "yes" }, 400, "invalid_value", "stream"],
        [CHAT, { stream_options: { include_usage: true } }, 400, "invalid_value", "stream_options"],
      ],
      "caches and methods that there are not": [
        [COMPLETIONS, { filigree: { kv: "fp8" } }, 400, "invalid_value", "filigree.kv"],
        [COMPLETIONS, { filigree: { kv: "toString" } }, 400, "invalid_value", "filigree.kv"],
        // It needs a profile, which this server was not given.
        [COMPLETIONS, { filigree: { select: "double-sparsity" } }, 400, "invalid_value", "filigree.select"],
        [COMPLETIONS, { filigree: { prefill: 1 } }, 400, "invalid_value", "filigree.prefill"],
        [COMPLETIONS, { filigree: { cache: "f16" } }, 400, "invalid_value", "filigree.cache"],
        [COMPLETIONS, { filigree: "f16" }, 400, "invalid_value", "filigree"],
      ],
    };
  for (const [name, all] of Object.entries(cases)) {
    test(name, async () => {
      for (const [path, fields, ...wanted] of all) {
        assertEquals([fields, ...await refusal(path, fields)], [fields, ...wanted]);
      }
    });
  }

  test("bodies that are no objects", async () => {
    for (const body of ["null", "[]", '"text"', "3"]) {
      const response = await post(CHAT, body);
      assertEquals([response.status, (await response.json()).error.code], [400, "invalid_body"]);
    }
  });

  test("models that are not there, by their address", async () => {
    for (const name of ["gpt-4", "__proto__", encodeURIComponent("../recall"), "x".repeat(500)]) {
      const response = await fetch(`${server.url}/v1/models/${name}`);
      assertEquals([response.status, (await response.json()).error.code], [404, "model_not_found"]);
    }
  });

  test("nothing that asks for nothing: null, and fields without effect", async () => {
    const nothing = {
      best_of: 1,
      echo: false,
      frequency_penalty: 0,
      logit_bias: {},
      logprobs: null,
      presence_penalty: 0,
      seed: null,
      stop: null,
      stream_options: null,
      suffix: null,
      user: "someone",
    };
    const body = { model: "recall", prompt: QUESTION, temperature: 0, top_p: 0, ...nothing };
    const response = await post(COMPLETIONS, JSON.stringify(body));
    assertEquals([response.status, (await response.json()).choices[0].text], [200, "217"]);
  });
});

describe("language routes when the client goes away", () => {
  let lm: CausalLM;
  before(async () => void (lm = await openRecall()));
  after(() => lm.device.dispose());

  for (const stream of [true, false]) {
    test(`${stream ? "in the middle of a stream" : "before the answer"}: the model stops and memory returns`, async () => {
      const { lm: model, running } = watched(endless(lm));
      const { url, close } = serveFor({ lm: model });
      const { tensors } = lm.device.report;
      for (let round = 0; round < 3; round++) {
        const controller = new AbortController();
        const answer = fetch(url + COMPLETIONS, {
          method: "POST",
          signal: controller.signal,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: "recall", prompt: "the", max_tokens: 16_000, stream }),
        });
        if (stream) await (await answer).body!.getReader().read();
        else await eventually(() => running() === 1);
        controller.abort();
        await answer.catch(() => {});
        await eventually(() => running() === 0);
        await eventually(() => lm.device.report.tensors === tensors);
      }
      await close();
    });
  }

  test("a request that waits behind a stream is answered once that is left", async () => {
    const { lm: model, running } = watched(endless(lm));
    const { client, close } = serveFor({ lm: model });
    const stream = await client.completions.create({
      model: "recall",
      prompt: "the",
      max_tokens: 16_000,
      stream: true,
    });
    const next = client.completions.create({
      model: "recall",
      prompt: QUESTION,
      temperature: 0,
      max_tokens: 1,
    });
    let count = 0;
    for await (const _ of stream) if (++count === 5) break;
    assertEquals((await next).choices[0]!.text, "217");
    assertEquals(running(), 0);
    await close();
  });
});

describe("language routes when something fails", () => {
  test("the time is up in a stream: the client gets the error, and memory returns", async () => {
    const lm = await openRecall();
    const { tensors } = lm.device.report;
    const { client, close } = serveFor({ lm: endless(lm), limits: { timeoutMs: 400 } });
    const stream = await client.completions.create({
      model: "recall",
      prompt: "the",
      max_tokens: 16_000,
      stream: true,
    });
    await assertRejects(
      async () => {
        for await (const _ of stream);
      },
      Error,
      "took longer than 400 ms",
    );
    assertEquals(lm.device.report.tensors, tensors);
    await close();
    lm.device.dispose();
  });

  test("what a model throws is not told, and the next request is answered", async () => {
    const lm = await openRecall();
    const seen: unknown[] = [];
    let left = 1;
    const broken: ServedLanguageModel = {
      ...endless(lm),
      generateMany(prompts, options) {
        if (left-- > 0) throw new Error("a secret of the server");
        return lm.generateMany(prompts, options);
      },
    };
    const { client, close } = serveFor({ lm: broken, onError: (error) => seen.push(error) });
    const ask = { model: "recall", prompt: QUESTION, temperature: 0 };
    const error = await client.completions.create(ask).then(() => undefined, (error) => error);
    assertEquals([error.status, error.code, error.message.includes("secret")], [
      500,
      "internal_error",
      false,
    ]);
    assertEquals(seen.length, 1);
    assertEquals((await client.completions.create(ask)).choices[0]!.text, "217");
    await close();
    lm.device.dispose();
  });

  test("the model is still being loaded: 503 and when to come back, then it answers", async () => {
    const lm = await openRecall();
    const loading = Promise.withResolvers<CausalLM>();
    const { url, client, close } = serveFor({ lm: loading.promise });
    const response = await fetch(`${url}/v1/models`);
    assertEquals([response.status, (await response.json()).error.code], [503, "loading"]);
    assertEquals(Number(response.headers.get("retry-after")) > 0, true);
    loading.resolve(lm);
    await loading.promise;
    await new Promise((resolve) => setTimeout(resolve));
    const answer = await client.completions.create({ model: "recall", prompt: QUESTION, temperature: 0 });
    assertEquals(answer.choices[0]!.text, "217");
    await close();
    lm.device.dispose();
  });
});
