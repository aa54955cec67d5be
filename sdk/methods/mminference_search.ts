/**
 * The offline search of MMInference: which patterns every head of a model gets.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { slice } from "../device/ops/slice.ts";
import type { MmHead, MmPattern } from "./mminference_patterns.ts";
import type { MMInferenceProfile } from "./mminference_profile.ts";
import { searchSpace } from "./mminference_space.ts";
import { compareInter, INTERS, type MMInferenceSample, type MMInferenceTrial } from "./mminference_trial.ts";
import { searchCells } from "./mminference_winners.ts";

/** Options of `mminference.calibrate`. */
export interface MMInferenceSearchOptions extends MMInferenceTrial {
  /** Patterns to choose from; the first one wins among equals. @default those of the paper, without a frame stride */
  readonly space?: readonly MmPattern[];
  /**
   * An A-shape of the wanted cost: patterns that keep more pairs are only chosen where there is no other. Those of the paper keep about as many
   * as init 1024 and local 4096. @default no limit
   */
  readonly target?: { readonly init: number; readonly local: number };
  /** Name of the model, for the profile. @default none */
  readonly model?: string;
  /** Day of the search, for the profile. @default today */
  readonly date?: string;
  /** Gets the mean error of every head of a layer with its best patterns of inter "none", "q" and "2d". */
  readonly onLayer?: (layer: number, errors: readonly (readonly number[])[]) => void;
}

/**
 * Finds what every head of a model does from one prompt (Algorithm 4 of the paper): the best pattern for all tokens, for the queries of each modality, and
 * for each pair of modalities while the other pairs are dense; of these the inter-modality type whose output is nearest to dense attention.
 *
 * @param device Computes.
 * @param samples One for every layer, in order; the caller frees them.
 * @returns A profile; its layers hold the option `heads` of `mminference`.
 * @throws RangeError if an option is out of range or layers differ in heads; the reason of the signal if it is aborted.
 */
export async function calibrate(
  device: Device,
  samples: Iterable<MMInferenceSample> | AsyncIterable<MMInferenceSample>,
  options: MMInferenceSearchOptions = {},
): Promise<MMInferenceProfile> {
  const { model, onLayer, date = new Date().toISOString().slice(0, 10), space = searchSpace() } = options;
  if (space.length === 0) {
    throw new RangeError(`Cannot calibrate mminference: "space" is empty, expected at least one pattern`);
  }
  const layers: MmHead[][] = [];
  let length = 0;
  for await (const sample of samples) {
    const heads: MmHead[] = [];
    const errors: (readonly number[])[] = [];
    for (const [from, to] of headsTogether(sample)) {
      using scope = device.scope();
      const part = sliceHeads(scope, sample, from, to);
      const winners = await searchCells(scope, part, { ...options, space });
      const found = await compareInter(scope, part, winners, options);
      found.best.forEach((inter, h) => heads.push(winners[INTERS[inter]!]![h]!));
      errors.push(...found.errors);
    }
    if (layers.length > 0 && heads.length !== layers[0]!.length) {
      throw new RangeError(
        `Cannot calibrate mminference: layer ${layers.length} has ${heads.length} heads, those before have ${
          layers[0]!.length
        }`,
      );
    }
    onLayer?.(layers.length, errors);
    layers.push(heads);
    length = Math.max(length, sample.q.shape[1]!);
  }
  return { ...(model !== undefined && { model }), length, date, heads: layers[0]?.length ?? 0, layers };
}

/** Bytes of the bits of a plan that are held at once, where key heads can be parted. */
const TOGETHER = 2 ** 28;

/** Runs of key heads whose plans are searched together: first, end. */
function headsTogether({ q, k }: MMInferenceSample): [from: number, to: number][] {
  const [heads, length] = q.shape as [number, number];
  const kvHeads = k.shape[0]!;
  const bytes = length * length / 8 * heads / kvHeads;
  const step = Math.max(1, Math.floor(TOGETHER / bytes));
  return Array.from(
    { length: Math.ceil(kvHeads / step) },
    (_, i) => [i * step, Math.min(kvHeads, (i + 1) * step)],
  );
}

/** Some key heads and their query heads. */
function sliceHeads(d: Device, { q, k, v }: MMInferenceSample, from: number, to: number): MMInferenceSample {
  const group = q.shape[0]! / k.shape[0]!;
  return {
    q: slice(d, q, 0, from * group, to * group),
    k: slice(d, k, 0, from, to),
    v: slice(d, v, 0, from, to),
  };
}
