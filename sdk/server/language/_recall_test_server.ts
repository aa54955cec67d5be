import OpenAI from "openai";
import { openDevice } from "../../device/mod.ts";
import { CausalLM } from "../../lm/mod.ts";
import { listen, type Listening } from "../_listen_test_server.ts";
import { createHandler, type HandlerOptions } from "../mod.ts";
import type { ServedLanguageModel } from "./served_language_model.ts";

/** Something that the recall model can answer: 217. */
export const QUESTION = "note Mira 217 . the river ran by night note Tomi 305 . and it was cold ask Mira";

/** The recall model on a device for tests. */
export async function openRecall(): Promise<CausalLM> {
  const device = await openDevice({ prefer: "wasm", threads: 1 });
  return await CausalLM.load(new URL("../../lm/recall", import.meta.url), { device });
}

/** The model without an end: its answers go on up to the limit. */
export function endless(lm: CausalLM): ServedLanguageModel {
  return Object.assign(Object.create(null), {
    config: lm.config,
    device: lm.device,
    tokenizer: lm.tokenizer,
    generateMany: (...[prompts, options]: Parameters<CausalLM["generateMany"]>) =>
      lm.generateMany(prompts, { ...options, eosIds: [] }),
  });
}

/** A server with a client. */
export interface Serving extends Listening {
  readonly client: OpenAI;
}

/** Serves on a free port. */
export function serveFor(options: HandlerOptions): Serving {
  const app = createHandler({ lmModel: "recall", ...options });
  const server = listen((request) => app.fetch(request));
  return { ...server, client: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 }) };
}
