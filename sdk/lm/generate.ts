/**
 * Text from a language model, piece by piece.
 *
 * @module
 */
import { Batch, type Drawn } from "./_batch.ts";
import { Row } from "./_row.ts";
import {
  checkOptions,
  type GenerateManyOptions,
  type GenerateOptions,
  type GenerateSettings,
} from "./generate_options.ts";
import type { LanguageModel } from "./language_model.ts";
import { type TokenLogprob, tokenLogprob } from "./logprobs.ts";
import { type Prompt, promptIds } from "./prompt.ts";

/** What an answer took. */
export interface Usage {
  /** Tokens of the prompt, without those that its sequence had. */
  readonly promptTokens: number;
  /** Tokens of the answer that were given out. */
  readonly completionTokens: number;
  /** Milliseconds up to the first token, all prompts together. */
  readonly prefillMs: number;
  /** Milliseconds from then to the end of this answer; the caller's own between pieces do not count. */
  readonly decodeMs: number;
  /** Bytes of the sequence's keys and values at the end. */
  readonly kvBytes: number;
}

/** A part of an answer. */
export interface Piece {
  /** Text that is complete by now; may be behind the ids, and is always empty without a tokenizer. */
  readonly text: string;
  /** Tokens since the last piece. */
  readonly ids: readonly number[];
  /** For each of the ids; only with the option `logprobs`. */
  readonly logprobs?: readonly TokenLogprob[];
  /** With the last piece: "stop" at an id or string that ends answers, "length" at a limit. */
  readonly finishReason?: "stop" | "length";
  /** With the last piece. */
  readonly usage?: Usage;
}

/** A part of one of several answers. */
export interface IndexedPiece extends Piece {
  /** Number of the prompt. */
  readonly index: number;
}

/**
 * Answers a prompt.
 *
 * @param lm The model.
 * @param prompt Text, token ids, or messages.
 * @param options Limits and how to choose tokens; the likeliest by default.
 * @returns The pieces of the answer. Leaving the loop early gives everything back.
 * @example
 * ```ts
 * import { generate } from "./generate.ts";
 * import type { LanguageModel } from "./language_model.ts";
 *
 * async function tell(lm: LanguageModel): Promise<void> {
 *   for await (const { text, usage } of generate(lm, "Once", { maxTokens: 64, temperature: 0.8, topP: 0.95 })) {
 *     console.log(text, usage?.decodeMs);
 *   }
 * }
 * ```
 * @throws TypeError if the model lacks the tokenizer or template that the prompt or `stop` needs.
 * @throws RangeError if an option is out of range, or the prompt is empty or fills the context.
 */
export async function* generate(
  lm: LanguageModel,
  prompt: Prompt,
  options: GenerateOptions = {},
): AsyncGenerator<Piece, void, undefined> {
  const { from, ...rest } = options;
  for await (
    const { index: _, ...piece } of generateMany(lm, [prompt], from ? { ...rest, from: [from] } : rest)
  ) {
    yield piece;
  }
}

/**
 * Answers several prompts at once: every step reads the weights once for all of them. A prompt that is given several times is read once.
 *
 * @param lm The model.
 * @param prompts A prompt for each answer.
 * @param options Limits and how to choose tokens; an answer draws what it would draw alone with `seed` plus its number.
 * @returns The pieces of all answers as they come; those of one answer are in order.
 * @throws TypeError if the model lacks the tokenizer or template that a prompt or `stop` needs.
 * @throws RangeError if an option is out of range, or a prompt is empty or fills the context.
 */
export async function* generateMany(
  lm: LanguageModel,
  prompts: readonly Prompt[],
  options: GenerateManyOptions = {},
): AsyncGenerator<IndexedPiece, void, undefined> {
  const { signal } = options;
  const settings = checkOptions(lm, prompts, options);
  signal?.throwIfAborted();
  const rows: Row[] = [];
  let batch: Batch | undefined;
  try {
    for (const [index, prompt] of prompts.entries()) rows.push(rowOf(lm, index, prompt, settings));
    if (rows.length === 0) return;
    batch = new Batch(lm, rows, settings);
    yield* decode(lm, batch, settings, signal);
  } finally {
    batch?.dispose();
    for (const row of rows) row.close();
  }
}

async function* decode(
  lm: LanguageModel,
  batch: Batch,
  { readEvery, logprobs: likeliest = 0 }: GenerateSettings,
  signal: AbortSignal | undefined,
): AsyncGenerator<IndexedPiece, void, undefined> {
  const clock = new Stopwatch();
  await batch.prefill(signal);
  let prefillMs = 0;
  let drawn: Drawn | undefined = await batch.draw(1, signal);
  while (drawn) {
    // Not yet behind the first token: its time is that of the prompt.
    const ahead: Drawn | undefined = readEvery > 1 && prefillMs > 0 && batch.size > 0
      ? await batch.draw(readEvery, signal)
      : undefined;
    const ids = await drawn.ids;
    const figures = await drawn.logprobs;
    prefillMs ||= clock.ms;
    const { rows } = drawn;
    for (const [at, row] of rows.entries()) {
      signal?.throwIfAborted();
      if (row.finish !== undefined) continue;
      const taken = row.take(ids.filter((_, i) => i % rows.length === at));
      const logprobs = figures &&
        taken.ids.map((_, i) => tokenLogprob(figures, i * rows.length + at, likeliest));
      const piece = { index: row.parts.index, ...taken, ...(logprobs && { logprobs }) };
      const end = row.finish === undefined ? {} : {
        finishReason: row.finish,
        usage: await usageOf(row, lm, { prefillMs, decodeMs: clock.ms - prefillMs }),
      };
      clock.stop();
      yield { ...piece, ...end };
      clock.start();
    }
    drawn = ahead ?? (batch.size > 0 ? await batch.draw(readEvery, signal) : undefined);
  }
}

/** Ends a row and tells what it took. */
async function usageOf(
  row: Row,
  lm: LanguageModel,
  times: Pick<Usage, "prefillMs" | "decodeMs">,
): Promise<Usage> {
  const { prompt, sequence } = row.parts;
  await row.settle(lm);
  const usage = {
    promptTokens: prompt.length,
    completionTokens: row.kept,
    ...times,
    kvBytes: sequence.bytes,
  };
  row.close();
  return usage;
}

function rowOf(lm: LanguageModel, index: number, prompt: Prompt, settings: GenerateSettings): Row {
  const { maxTokens, stops, eosIds, from } = settings;
  const given = from?.[index];
  const begin = given?.length ?? 0;
  const ids = promptIds(lm, prompt, begin === 0);
  const room = lm.config.contextLength - begin - ids.length;
  if (room < 1) {
    throw new RangeError(
      `Cannot generate: the prompt ends at ${
        begin + ids.length
      } tokens, expected fewer than the ${lm.config.contextLength} of the context`,
    );
  }
  return new Row({
    index,
    sequence: given ?? lm.sequence(),
    borrowed: given !== undefined,
    prompt: ids,
    budget: Math.min(maxTokens, room),
    eosIds,
    stops,
    stream: lm.tokenizer?.stream(),
  });
}

/** Adds up the time between `start` and `stop`; runs from the beginning. */
class Stopwatch {
  #before = 0;
  #since: number | undefined = performance.now();

  get ms(): number {
    return this.#before + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  start(): void {
    this.#since ??= performance.now();
  }

  stop(): void {
    this.#before = this.ms;
    this.#since = undefined;
  }
}
