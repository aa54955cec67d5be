/**
 * Talks to a language model with OpenAI's own client: a chat as it comes, another cache, and how sure the model is.
 *
 *     deno run -A examples/openai_client.ts http://localhost:8000/v1        (or: bun examples/openai_client.ts ...)
 *
 * Without an address it asks a handler with the recall model, in this process.
 *
 * @module
 */
import process from "node:process";
import OpenAI from "openai";

const [baseURL] = process.argv.slice(2);
const client = new OpenAI({
  apiKey: process.env["OPENAI_API_KEY"] ?? "none",
  ...(baseURL ? { baseURL } : { baseURL: "http://localhost/v1", fetch: await ownHandler() }),
});

const { data: [card] } = await client.models.list();
const model = card!.id;
// All that this model can: to find what it read long before.
const question = `note Mira 217 . ${"the river ran by night ".repeat(400)} ask Mira`;
console.log(`${model}: ${question.slice(0, 40)} ... ${question.slice(-8)}`);

const stream = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: question }],
  temperature: 0,
  max_tokens: 8,
  stream: true,
});
for await (const { choices } of stream) console.log("->", choices[0]?.delta.content ?? "");

// Fields that are this server's own go into the request as they are, and come back beside OpenAI's.
for (const kv of ["dense", "bitmap"]) {
  const answer = await client.completions.create({
    model,
    prompt: question,
    temperature: 0,
    max_tokens: 8,
    logprobs: 3,
    ...{ filigree: { kv } },
  });
  const { text, logprobs } = answer.choices[0]!;
  const { filigree } = answer as typeof answer & { filigree: { kv_bytes_per_token: number } };
  console.log(`${kv}: ${text}, ${filigree.kv_bytes_per_token} bytes for each token of the context`);
  console.log("   log probabilities:", logprobs?.top_logprobs?.[0]);
}

async function ownHandler(): Promise<typeof fetch> {
  const { openDevice } = await import("../sdk/device/mod.ts");
  const { CausalLM } = await import("../sdk/lm/mod.ts");
  const { createHandler } = await import("../sdk/server/mod.ts");
  const { variants } = await import("../sdk/server/language/variants.ts");
  const lm = await CausalLM.load(new URL("../sdk/lm/recall", import.meta.url), {
    device: await openDevice(),
  });
  const app = createHandler({ lm, variants: variants() });
  return async (input, init) => await app.fetch(new Request(input, init));
}
