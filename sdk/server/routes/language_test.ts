import { after, before, describe, test } from "node:test";
import type OpenAI from "openai";
import { calibrate, type CausalLM } from "../../lm/mod.ts";
import { recallText } from "../../lm/recall/tasks.ts";
import { assertAlmostEquals, assertEquals } from "../../testing/assert.ts";
import { endless, openRecall, QUESTION, serveFor, type Serving } from "../language/_recall_test_server.ts";
import { variants } from "../language/variants.ts";

const model = "recall";

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("the official client of OpenAI", () => {
  let lm: CausalLM;
  let recall: Serving;
  let talker: Serving;
  let client: OpenAI;
  before(async () => {
    lm = await openRecall();
    const texts = [recallText({ task: "records", tokens: 256, statements: 10, seed: 2 }).ids];
    recall = serveFor({ lm, variants: variants({ profile: await calibrate(lm, texts) }) });
    talker = serveFor({ lm: endless(lm) });
    client = recall.client;
  });
  after(async () => {
    await Promise.all([recall.close(), talker.close()]);
    lm.device.dispose();
  });

  test("lists the model, and gets it by its name", async () => {
    const [only, ...others] = await collect(client.models.list());
    assertEquals(others, []);
    assertEquals([only!.id, only!.object], [model, "model"]);
    assertEquals(await client.models.retrieve(model), only!);
  });

  test("completes a text", async () => {
    const answer = await client.completions.create({
      model,
      prompt: QUESTION,
      temperature: 0,
      max_tokens: 8,
    });
    assertEquals(answer.object, "text_completion");
    assertEquals(answer.choices, [{ index: 0, text: "217", logprobs: null, finish_reason: "stop" }]);
    // 19 words and the token that begins a text.
    assertEquals(answer.usage, { prompt_tokens: 20, completion_tokens: 1, total_tokens: 21 });
    const { filigree } = answer as unknown as { filigree: Record<string, number> };
    assertEquals(filigree["kv_bytes"]! > 0 && filigree["kv_bytes_per_token"]! > 0, true);
  });

  test("completes token ids, several texts, and several lists of ids", async () => {
    const ids = [...lm.tokenizer!.encode(QUESTION, { addSpecial: true })];
    const other = QUESTION.replace(/Mira$/, "Tomi");
    const create = (prompt: string[] | number[] | number[][]) =>
      client.completions.create({ model, prompt, temperature: 0, max_tokens: 8 });
    const texts = async (prompt: string[] | number[] | number[][]) =>
      (await create(prompt)).choices.map(({ index, text }) => [index, text]);
    assertEquals(await texts(ids), [[0, "217"]]);
    assertEquals(await texts([QUESTION, other]), [[0, "217"], [1, "305"]]);
    assertEquals(await texts([ids, [...lm.tokenizer!.encode(other, { addSpecial: true })]]), [[0, "217"], [
      1,
      "305",
    ]]);
    const { usage } = await create([QUESTION, other]);
    assertEquals(usage, { prompt_tokens: 40, completion_tokens: 2, total_tokens: 42 });
  });

  test("streams a completion with what it took", async () => {
    const events = await collect(
      await client.completions.create({
        model,
        prompt: QUESTION,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
      }),
    );
    assertEquals(events.map(({ choices }) => choices[0]?.text ?? "").join(""), "217");
    assertEquals(events.map(({ choices }) => choices[0]?.finish_reason).filter((end) => end), ["stop"]);
    assertEquals(new Set(events.map(({ id }) => id)).size, 1);
    const last = events.pop()!;
    assertEquals(last.choices, []);
    assertEquals(last.usage, { prompt_tokens: 20, completion_tokens: 1, total_tokens: 21 });
    assertEquals(events.map(({ usage }) => usage), events.map(() => null as never));
  });

  test("chats", async () => {
    const messages = [
      { role: "system", content: "note Mira 217 . the river ran by night" },
      {
        role: "user",
        content: [{ type: "text", text: "note Tomi 305 . and it was cold " }, {
          type: "text",
          text: "ask Tomi",
        }],
      },
    ] as const;
    const first = await client.chat.completions.create({
      model,
      messages: [...messages] as never,
      temperature: 0,
    });
    assertEquals(first.object, "chat.completion");
    assertEquals(first.choices, [{
      index: 0,
      message: { role: "assistant", content: "305", refusal: null },
      logprobs: null,
      finish_reason: "stop",
    }]);
    // What was answered goes into the next request as it came.
    const next = await client.chat.completions.create({
      model,
      messages: [...messages, first.choices[0]!.message, { role: "user", content: ". ask Mira" }] as never,
      temperature: 0,
      max_completion_tokens: 4,
    });
    assertEquals(next.choices[0]!.message.content, "217");
  });

  test("streams a chat, the role first", async () => {
    const events = await collect(
      await client.chat.completions.create({
        model,
        messages: [{ role: "user", content: QUESTION }],
        temperature: 0,
        stream: true,
      }),
    );
    assertEquals(events[0]!.choices[0]!.delta.role, "assistant");
    assertEquals(events.filter(({ choices }) => choices[0]!.delta.role).length, 1);
    assertEquals(events.map(({ choices }) => choices[0]!.delta.content ?? "").join(""), "217");
    assertEquals(events.at(-1)!.choices[0]!.finish_reason, "stop");
    assertEquals(
      events.every((event) => event.object === "chat.completion.chunk" && !("usage" in event)),
      true,
    );
  });

  test("its helper for streams puts the answer together", async () => {
    const stream = client.chat.completions.stream({
      model,
      messages: [{ role: "user", content: QUESTION }],
      temperature: 0,
      stream_options: { include_usage: true },
    });
    assertEquals(await stream.finalContent(), "217");
    assertEquals((await stream.totalUsage()).total_tokens, 21);
  });

  test("a stop string ends the answer before it, alone and in events", async () => {
    const ask = { model, prompt: QUESTION, temperature: 0, max_tokens: 12, seed: 1, logprobs: 0 } as const;
    const free = (await talker.client.completions.create(ask)).choices[0]!;
    assertEquals([free.finish_reason, free.logprobs!.tokens!.length], ["length", 12]);
    const words = free.text.split(" ");
    const stop = `${words[4]} ${words[5]}`;
    const wanted = free.text.slice(0, free.text.indexOf(stop));
    const whole = (await talker.client.completions.create({ ...ask, stop: ["never", stop] })).choices[0]!;
    assertEquals([whole.text, whole.finish_reason], [wanted, "stop"]);
    // Tokens of which nothing was given out are not told.
    assertEquals(whole.logprobs!.tokens, free.logprobs!.tokens!.slice(0, whole.logprobs!.tokens!.length));
    assertEquals(whole.logprobs!.text_offset!.every((offset) => offset < wanted.length), true);
    const events = await collect(await talker.client.completions.create({ ...ask, stop, stream: true }));
    assertEquals(events.map(({ choices }) => choices[0]!.text).join(""), wanted);
    assertEquals(
      events.flatMap(({ choices }) => choices[0]!.logprobs?.tokens ?? []),
      whole.logprobs!.tokens!,
    );
    assertEquals(events.at(-1)!.choices[0]!.finish_reason, "stop");
  });

  test("the same seed gives the same text, another seed or none another", async () => {
    const draw = async (seed?: number): Promise<string> => {
      const answer = await talker.client.completions.create({
        model,
        prompt: "the river",
        max_tokens: 24,
        temperature: 2,
        ...(seed !== undefined && { seed }),
      });
      return answer.choices[0]!.text;
    };
    const text = await draw(-5);
    assertEquals(await draw(-5), text);
    assertEquals(new Set([text, await draw(6), await draw(), await draw()]).size, 4);
  });

  test("n answers differ, the first is that of the seed alone, and the prompt counts once", async () => {
    const ask = { model, prompt: "the river", max_tokens: 12, temperature: 2, seed: 3 };
    const one = await talker.client.completions.create(ask);
    const two = await talker.client.completions.create({ ...ask, n: 2 });
    assertEquals(two.choices.map(({ index }) => index), [0, 1]);
    assertEquals(two.choices[0]!.text, one.choices[0]!.text);
    assertEquals(two.choices[0]!.text === two.choices[1]!.text, false);
    assertEquals(two.usage, { prompt_tokens: 3, completion_tokens: 24, total_tokens: 27 });
    const events = await collect(
      await talker.client.chat.completions.create({
        model,
        messages: [{ role: "user", content: "the river" }],
        max_tokens: 12,
        temperature: 2,
        seed: 3,
        n: 2,
        stream: true,
      }),
    );
    for (const { index, text } of two.choices) {
      const own = events.flatMap(({ choices }) => choices).filter((choice) => choice.index === index);
      assertEquals(own.map(({ delta }) => delta.content ?? "").join(""), text);
      assertEquals([own[0]!.delta.role, own.at(-1)!.finish_reason], ["assistant", "length"]);
    }
  });

  test("probabilities of completions never sum to more than 1, and offsets fit the text", async () => {
    const { choices: [choice] } = await talker.client.completions.create({
      model,
      prompt: QUESTION,
      max_tokens: 6,
      temperature: 0,
      logprobs: 5,
    });
    const { tokens, token_logprobs, top_logprobs, text_offset } = choice!.logprobs!;
    assertEquals(tokens!.join(""), choice!.text);
    text_offset!.forEach((offset, at) => assertEquals(choice!.text.startsWith(tokens![at]!, offset), true));
    tokens!.forEach((token, at) => {
      const top = top_logprobs![at]!;
      // The likeliest was taken.
      assertEquals(token_logprobs![at]!, Math.max(...Object.values(top)));
      assertEquals(top[token], token_logprobs![at]!);
      const sum = Object.values(top).reduce((total, logprob) => total + Math.exp(logprob), 0);
      assertEquals(Object.keys(top).length === 5 && sum <= 1.00001, true);
    });
    assertAlmostEquals(token_logprobs![0]!, 0, 0.05);
  });

  test("probabilities of chats are the same, whole and in events", async () => {
    const ask = {
      model,
      messages: [{ role: "user", content: QUESTION }],
      temperature: 0,
      max_tokens: 6,
      logprobs: true,
      top_logprobs: 20,
    } as const;
    const whole = await talker.client.chat.completions.create({ ...ask, messages: [...ask.messages] });
    const { content } = whole.choices[0]!.logprobs!;
    assertEquals(content!.map(({ token }) => token).join(""), whole.choices[0]!.message.content);
    for (const { token, logprob, bytes, top_logprobs: top } of content!) {
      assertEquals(new TextDecoder().decode(Uint8Array.from(bytes!)), token);
      assertEquals([top.length, top[0]!.token, top[0]!.logprob], [20, token, logprob]);
      assertEquals(top.every((other, at) => at === 0 || other.logprob <= top[at - 1]!.logprob), true);
    }
    const events = await collect(
      await talker.client.chat.completions.create({ ...ask, messages: [...ask.messages], stream: true }),
    );
    assertEquals(events.flatMap(({ choices }) => choices[0]!.logprobs?.content ?? []), content!);
  });

  test("leaving a stream in the middle stops the model, and the next request is answered", async () => {
    const { tensors } = lm.device.report;
    const stream = await talker.client.completions.create({
      model,
      prompt: "the river",
      max_tokens: 10_000,
      stream: true,
    });
    let count = 0;
    for await (const _ of stream) if (++count === 3) break;
    const start = performance.now();
    const next = await talker.client.completions.create({
      model,
      prompt: QUESTION,
      temperature: 0,
      max_tokens: 1,
    });
    assertEquals(next.choices[0]!.text, "217");
    assertEquals(performance.now() - start < 5000, true);
    assertEquals(lm.device.report.tensors, tensors);
  });

  test("a request chooses cache and selection, and learns what they hold", async () => {
    const { ids, questions } = recallText({
      task: "pairs",
      tokens: 512,
      statements: 8,
      questions: 1,
      seed: 5,
    });
    const { answerAt, answer } = questions[0]!;
    const bytes: Record<string, number> = {};
    for (const kv of ["dense", "f16", "int8", "int4", "bitmap"]) {
      for (const select of [undefined, "double-sparsity", "streaming"]) {
        const body = {
          model,
          prompt: [...ids.slice(0, answerAt)],
          temperature: 0,
          max_tokens: 4,
          filigree: { kv, ...(select && { select }) },
        };
        const got = await client.completions.create(body) as OpenAI.Completion & {
          filigree: { kv_bytes: number; kv_bytes_per_token: number };
        };
        assertEquals([kv, select, got.choices[0]!.text], [kv, select, lm.tokenizer!.decode([...answer])]);
        const { kv_bytes, kv_bytes_per_token } = got.filigree;
        const { prompt_tokens, completion_tokens } = got.usage!;
        assertEquals(kv_bytes_per_token, Math.round(kv_bytes / (prompt_tokens + completion_tokens)));
        bytes[`${kv} ${select ?? "all"}`] = kv_bytes_per_token;
      }
    }
    assertEquals(bytes["f16 all"]! < bytes["dense all"]! * 0.6, true);
    assertEquals(bytes["int8 all"]! < bytes["f16 all"]! * 0.6, true);
    assertEquals(bytes["int4 all"]! < bytes["int8 all"]! * 0.6, true);
    assertEquals(bytes["bitmap all"]! < bytes["f16 all"]!, true);
    assertEquals(bytes["dense double-sparsity"]! > bytes["dense all"]!, true);
  });
});
