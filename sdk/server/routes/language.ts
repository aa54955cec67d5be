import type { Context } from "hono";
import type { Usage } from "../../lm/generate.ts";
import { type AnswerFormat, CHAT, COMPLETION } from "../language/answer_format.ts";
import { chatRequest } from "../language/chat_request.ts";
import { chooseVariant, NO_CHOICE, type Variants } from "../language/choose_variant.ts";
import { completionRequest } from "../language/completion_request.ts";
import { expectModel, type GenerationRequest, type Serving } from "../language/generation_request.ts";
import { generateParts, type Part, totalsOf } from "../language/parts.ts";
import type { ServedLanguageModel } from "../language/served_language_model.ts";
import type { Served } from "../served.ts";
import type { Routes } from "../service.ts";

/**
 * Generates text as OpenAI's clients expect: `/v1/completions`, `/v1/chat/completions`, `/v1/models`.
 *
 * Requests are computed one after the other; the prompts and answers of one request are computed together.
 *
 * @param lm The model.
 * @param variants What requests can choose in their field `filigree`. Default: nothing.
 * @returns The routes.
 */
export function languageRoutes(lm: Served<ServedLanguageModel>, variants: Variants = NO_CHOICE): Routes {
  return (app, service): void => {
    const choose = chooseVariant(variants);
    const created = seconds();
    const card = (): object => ({
      id: service.model,
      object: "model",
      created,
      owned_by: "filigree",
      filigree: {
        context_length: lm.get().config.contextLength,
        kv: Object.keys(variants.kv),
        select: Object.keys(variants.select),
        prefill: Object.keys(variants.prefill),
      },
    });
    const answer = (
      read: (body: unknown, lm: ServedLanguageModel, serving: Serving) => GenerationRequest,
      format: AnswerFormat,
    ) =>
    async (c: Context): Promise<Response> => {
      const model = lm.get();
      const body = await service.readJson(c);
      const request = read(body, model, service);
      const chosen = choose(model, request.filigree);
      const generate = (signal: AbortSignal) => generateParts(chosen, request, signal, service.metrics);
      const head = {
        id: `${format.prefix}-${crypto.randomUUID()}`,
        created: seconds(),
        model: service.model,
      };
      return request.stream
        ? await service.events(c, (signal) => events(generate(signal), request, format, head))
        : c.json(await service.compute(c, (signal) => whole(generate(signal), request, format, head)));
    };

    app.get("/v1/models", (c) => c.json({ object: "list", data: [card()] }));
    app.get("/v1/models/:id", (c) => {
      expectModel(service.model, c.req.param("id"));
      return c.json(card());
    });
    app.post("/v1/completions", answer(completionRequest, COMPLETION));
    app.post("/v1/chat/completions", answer(chatRequest, CHAT));
  };
}

/** What all events of an answer have. */
interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** The answer as one object. */
async function whole(
  parts: AsyncIterable<Part>,
  request: GenerationRequest,
  format: AnswerFormat,
  head: Head,
): Promise<object> {
  const answers: Part[] = [];
  const ends: Usage[] = [];
  for await (const part of parts) {
    const before = answers[part.index];
    before?.tokens?.push(...part.tokens ?? []);
    answers[part.index] = before ? { ...part, text: before.text + part.text, tokens: before.tokens } : part;
    if (part.usage) ends.push(part.usage);
  }
  return { ...head, object: format.object, choices: answers.map(format.choice), ...totalsOf(request, ends) };
}

/** The answer as the data of events. */
async function* events(
  parts: AsyncIterable<Part>,
  request: GenerationRequest,
  format: AnswerFormat,
  head: Head,
): AsyncGenerator<string, void, undefined> {
  const event = (rest: object): string =>
    JSON.stringify({ ...head, object: format.chunk, ...(request.includeUsage && { usage: null }), ...rest });
  const begun = new Set<number>();
  const ends: Usage[] = [];
  for await (const part of parts) {
    yield event({ choices: [format.delta(part, !begun.has(part.index))] });
    begun.add(part.index);
    if (part.usage) ends.push(part.usage);
  }
  if (request.includeUsage) yield event({ choices: [], ...totalsOf(request, ends) });
  yield "[DONE]";
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
