/**
 * Steps of sequences whose caches are not on the device.
 *
 * @module
 */
import type { Device, Scope } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { beginLayer, type Decoder, endLayer, logitsOf, normalise, queriesOf } from "./decoder.ts";
import { type DecoderSequence, takeBack } from "./decoder_sequence.ts";
import { embed } from "./embedding.ts";

/**
 * Appends tokens to a sequence one by one: several at once would need the whole cache on the device.
 *
 * @param device Receives the logits.
 * @param decoder The decoder.
 * @param sequence Grows by the tokens; after an error it is as it was.
 * @param ids At least one token, checked.
 * @param signal Gives up between layers; its reason is thrown.
 * @returns [1, vocab]: of the last token.
 */
export async function runOffloadedTokens(
  device: Device,
  decoder: Decoder,
  sequence: DecoderSequence,
  ids: Int32Array,
  signal?: AbortSignal,
): Promise<Tensor> {
  const { length } = sequence;
  using scope = device.scope();
  try {
    let logits: Tensor | undefined;
    for (const id of ids) {
      logits?.dispose();
      const one = scope.tensor(Int32Array.of(id), [1]);
      logits = await runOffloadedStep(scope, decoder, [sequence], one, signal);
      one.dispose();
    }
    return scope.keep(logits!);
  } catch (error) {
    takeBack([sequence], [length]);
    throw error;
  }
}

/**
 * Appends one token to each of some sequences.
 *
 * What a layer reads is brought to the device while the layer before computes, as predicted from the input of that; a window needs no prediction, but
 * the token itself.
 *
 * @param device Receives the logits.
 * @param decoder The decoder.
 * @param sequences Each grows by one token; after an error they are as they were.
 * @param ids i32 [sequences].
 * @param signal Gives up between layers; its reason is thrown.
 * @returns [sequences, vocab].
 */
export async function runOffloadedStep(
  device: Device,
  decoder: Decoder,
  sequences: readonly DecoderSequence[],
  ids: Tensor,
  signal?: AbortSignal,
): Promise<Tensor> {
  const lengths = sequences.map(({ length }) => length);
  const spans = sequences.map(({ caches }) => ({ count: 1, caches }));
  const scope = device.scope();
  let coming: Promise<void> = Promise.resolve();
  try {
    let x = embed(scope, decoder.weights.embedding, ids);
    coming = foresee(scope, decoder, 0, x, sequences);
    for (let layer = 0; layer < decoder.config.layers; layer++) {
      await coming;
      signal?.throwIfAborted();
      coming = foresee(scope, decoder, layer + 1, x, sequences);
      // It is told by whoever awaits it.
      coming.catch(() => {});
      using own = scope.scope();
      const heads = beginLayer(own, decoder, layer, x, spans);
      if (decoder.attention[layer]!.window !== undefined) {
        await fetchLayer(own, decoder, layer, heads.map(({ q }) => q), sequences);
      }
      x = own.keep(endLayer(own, decoder, layer, x, spans, heads));
    }
    return scope.keep(logitsOf(scope, decoder, normalise(scope, decoder, x)));
  } catch (error) {
    await coming.catch(() => {});
    takeBack(sequences, lengths);
    throw error;
  } finally {
    scope.dispose();
  }
}

/** Fetches what a layer will read, by the input of the layer before or its own. */
async function foresee(
  d: Scope,
  decoder: Decoder,
  layer: number,
  x: Tensor,
  sequences: readonly DecoderSequence[],
): Promise<void> {
  const attention = decoder.attention[layer];
  if (attention === undefined || attention.window !== undefined) return;
  using scope = d.scope();
  const positions = sequences.map(({ caches }) => caches[layer]!.length);
  await fetchLayer(scope, decoder, layer, queriesOf(scope, decoder, layer, x, positions), sequences);
}

async function fetchLayer(
  d: Scope,
  decoder: Decoder,
  layer: number,
  queries: readonly Tensor[],
  sequences: readonly DecoderSequence[],
): Promise<void> {
  const { select } = decoder.attention[layer]!;
  await Promise.all(sequences.map(async ({ caches }, i) => {
    const cache = caches[layer]!;
    if (cache.length > 0) await cache.fetch(d, queries[i]!, { select });
  }));
}
