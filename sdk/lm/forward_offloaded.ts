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

/** When what a layer reads is brought to the device: while the layer before computes, or while the token before is finished. */
export type FetchAhead = "layer" | "step";

/** A readback that takes longer is worth a worse prediction. */
const SLOW_READBACK_MS = 2;

/** What suits a device: where a readback takes long, each layer would wait for one. */
export function fetchAheadOf(device: Device): FetchAhead {
  return (device.report.measured?.readbackMs ?? 0) > SLOW_READBACK_MS ? "step" : "layer";
}

/**
 * Appends one token to each of some sequences.
 *
 * A layer ahead: what a layer reads is predicted from the input of the layer before and fetched while that computes; the first two layers and the last choose by
 * their own input, as the offloading of Double Sparsity does. A step ahead: it is predicted by the layer's query of the token before, and the first
 * time by its own. A window needs no prediction, but the token itself.
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
  const { layers } = decoder.config;
  const byStep = decoder.fetchAhead === "step";
  const byOwn = (layer: number): boolean => layer < 2 || layer === layers - 1;
  const scope = device.scope();
  let coming: Promise<void> = Promise.resolve();
  try {
    let x = embed(scope, decoder.weights.embedding, ids);
    for (let layer = 0; layer < layers; layer++) {
      if (byStep) await arrived(scope, decoder, layer, x, sequences);
      else if (byOwn(layer)) await foresee(scope, decoder, layer, x, sequences, layer);
      else await coming;
      signal?.throwIfAborted();
      if (!byStep && !byOwn(layer + 1)) {
        coming = foresee(scope, decoder, layer + 1, x, sequences, layer);
        // It is told by whoever awaits it.
        coming.catch(() => {});
      }
      using own = scope.scope();
      const heads = beginLayer(own, decoder, layer, x, spans);
      const queries = heads.map(({ q }) => q);
      const windowed = decoder.attention[layer]!.window !== undefined;
      if (windowed) await fetchLayer(own, decoder, layer, queries, sequences, 0);
      x = own.keep(endLayer(own, decoder, layer, x, spans, heads));
      if (byStep && !windowed) begin(device, decoder, layer, queries, sequences);
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

/** Waits for what the token before began to fetch; where it began nothing, fetches by the layer's own query. */
async function arrived(
  d: Scope,
  decoder: Decoder,
  layer: number,
  x: Tensor,
  sequences: readonly DecoderSequence[],
): Promise<void> {
  const pending = sequences.map(({ coming }) => coming[layer]);
  for (const { coming } of sequences) coming[layer] = undefined;
  if (pending.some((one) => one === undefined)) {
    await Promise.allSettled(pending);
    await foresee(d, decoder, layer, x, sequences, layer);
  } else await Promise.all(pending);
}

/** Begins to fetch for the token that follows. */
function begin(
  device: Device,
  decoder: Decoder,
  layer: number,
  queries: readonly Tensor[],
  sequences: readonly DecoderSequence[],
): void {
  const { select } = decoder.attention[layer]!;
  sequences.forEach(({ caches, coming }, i) => {
    const fetched = caches[layer]!.fetch(device.root, queries[i]!, { select, ahead: 1 });
    fetched.catch(() => {});
    coming[layer] = fetched;
  });
}

/** Fetches what a layer will read, by the input of layer `from`. */
async function foresee(
  d: Scope,
  decoder: Decoder,
  layer: number,
  x: Tensor,
  sequences: readonly DecoderSequence[],
  from: number,
): Promise<void> {
  const attention = decoder.attention[layer];
  if (attention === undefined || attention.window !== undefined) return;
  using scope = d.scope();
  const positions = sequences.map(({ caches }) => caches[layer]!.length);
  const queries = queriesOf(scope, decoder, layer, x, positions, from);
  await fetchLayer(scope, decoder, layer, queries, sequences, 1);
}

async function fetchLayer(
  d: Scope,
  decoder: Decoder,
  layer: number,
  queries: readonly Tensor[],
  sequences: readonly DecoderSequence[],
  ahead: number,
): Promise<void> {
  const { select } = decoder.attention[layer]!;
  await Promise.all(sequences.map(async ({ caches }, i) => {
    const cache = caches[layer]!;
    if (cache.length > 0) await cache.fetch(d, queries[i]!, { select, ahead });
  }));
}
