/**
 * Prompts and steps through a decoder.
 *
 * @module
 */
import type { Device, Scope } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import { slice } from "../device/ops/slice.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { beginLayer, type Decoder, endLayer, type Heads, logitsOf, normalise, runLayer } from "./decoder.ts";
import { type DecoderSequence, takeBack } from "./decoder_sequence.ts";
import { embed } from "./embedding.ts";

/** What else a prompt gives. Tensors are gone after the call that sees them, or after what it returns. */
export interface LogitsOptions {
  /**
   * Sees the residual stream f32 [n, hidden] of the prompt, chunk by chunk: the embeddings (0), what layer i - 1 gave (i) and, in place of what the last
   * layer gave, its normalised form.
   */
  readonly inspect?: (index: number, hidden: Tensor) => void | Promise<void>;
  /** Sees what every layer attends with, chunk by chunk: for calibrations. */
  readonly inspectHeads?: (layer: number, heads: Heads) => void | Promise<void>;
  /** Gives up between layers; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** What is wanted of a prompt. */
export interface PromptOptions extends LogitsOptions {
  /** Tokens that are computed at once. */
  readonly chunk: number;
  /** Logits of every token, or of the last one. */
  readonly rows: "all" | "last";
}

/**
 * Appends tokens to a sequence, chunk by chunk.
 *
 * @param device Receives the logits.
 * @param decoder The decoder.
 * @param sequence Grows by the tokens; after an error it is as it was.
 * @param ids At least one token, checked.
 * @param options What is wanted.
 * @returns [ids.length or 1, vocab].
 */
export async function runPrompt(
  device: Device,
  decoder: Decoder,
  sequence: DecoderSequence,
  ids: Int32Array,
  options: PromptOptions,
): Promise<Tensor> {
  const { length } = sequence;
  const scope = device.scope();
  try {
    const parts: Tensor[] = [];
    for (let begin = 0; begin < ids.length; begin += options.chunk) {
      const end = Math.min(begin + options.chunk, ids.length);
      const x = await runChunk(scope, decoder, sequence, ids.subarray(begin, end), options);
      if (options.rows === "all") parts.push(logitsOf(scope, decoder, x));
      else if (end === ids.length) parts.push(logitsOf(scope, decoder, slice(scope, x, 0, end - begin - 1)));
      x.dispose();
    }
    return scope.keep(parts.length === 1 ? parts[0]! : concat(scope, parts, 0));
  } catch (error) {
    takeBack([sequence], [length]);
    throw error;
  } finally {
    scope.dispose();
  }
}

/**
 * Appends one token to each of some sequences.
 *
 * @param device Receives the logits.
 * @param decoder The decoder.
 * @param sequences Each grows by one token; after an error they are as they were.
 * @param ids i32 [sequences].
 * @returns [sequences, vocab].
 */
export function runStep(
  device: Device,
  decoder: Decoder,
  sequences: readonly DecoderSequence[],
  ids: Tensor,
): Tensor {
  const lengths = sequences.map(({ length }) => length);
  const spans = sequences.map(({ caches }) => ({ count: 1, caches }));
  try {
    return scoped(device, (s) => {
      let x = embed(s, decoder.weights.embedding, ids);
      for (let layer = 0; layer < decoder.config.layers; layer++) x = runLayer(s, decoder, layer, x, spans);
      return logitsOf(s, decoder, normalise(s, decoder, x));
    });
  } catch (error) {
    takeBack(sequences, lengths);
    throw error;
  }
}

/** The normalised residual stream of some new tokens. */
async function runChunk(
  scope: Scope,
  decoder: Decoder,
  { caches }: DecoderSequence,
  ids: Int32Array,
  { inspect, inspectHeads, signal }: PromptOptions,
): Promise<Tensor> {
  const { layers } = decoder.config;
  let x = scoped(scope, (s) => embed(s, decoder.weights.embedding, s.tensor(ids, [ids.length])));
  const replace = (next: Tensor): void => {
    x.dispose();
    x = next;
  };
  const spans = [{ count: ids.length, caches }];
  for (let index = 0; index < layers; index++) {
    await inspect?.(index, x);
    using own = scope.scope();
    const heads = beginLayer(own, decoder, index, x, spans);
    await inspectHeads?.(index, heads[0]!);
    replace(own.keep(endLayer(own, decoder, index, x, spans, heads)));
    await scope.flush(signal);
    // Storage packs the prompt now, layer by layer, so that two forms of all layers never exist at once.
    await caches[index]!.settle();
  }
  replace(normalise(scope, decoder, x));
  await inspect?.(layers, x);
  return x;
}
