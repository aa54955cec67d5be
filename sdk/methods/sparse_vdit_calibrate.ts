/**
 * The offline search of Sparse-vDiT: which mode every head of a model gets.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { checkWhole } from "./_check_whole.ts";
import { eachSample, type Samples } from "./samples.ts";
import { chooseModes, epsilonFor } from "./sparse_vdit_choice.ts";
import { measureModes } from "./sparse_vdit_cost.ts";
import { columnMass, modeErrors, type SparseVditInputs } from "./sparse_vdit_errors.ts";
import {
  blocksOf,
  checkGeometry,
  modeSparsity,
  type SparseVditGeometry,
  textBlocksOf,
} from "./sparse_vdit_modes.ts";
import type { SparseVditLayer, SparseVditProfile } from "./sparse_vdit_profile.ts";
import { expectVideo } from "./video_layout.ts";

/** Queries, keys and values of one layer in one denoising step of one video. */
export interface SparseVditSample extends SparseVditInputs {
  /** From 0. @default 0 */
  readonly layer?: number;
  /** From 0. @default 0 */
  readonly step?: number;
}

/** Options of `sparseVdit.calibrate`. */
export interface SparseVditCalibrateOptions {
  /** Weight of a mode's cost in its loss. @default 0.5 */
  readonly lambda?: number;
  /** Loss above which no sparse mode is taken; in the scale of the mean squared error. @default 1 */
  readonly epsilon?: number;
  /** Share of tiles, mean over layers and heads, that the modes may compute: the smallest epsilon that keeps to it goes before `epsilon`. */
  readonly targetDensity?: number;
  /** Whether errors are divided by the mean square of the head's output, so that epsilon fits other models too. @default false */
  readonly normalise?: boolean;
  /** Whether every step has modes of its own beside those of all steps together. @default false */
  readonly perStep?: boolean;
  /**
   * What a mode costs, 1 for full attention: "tiles" its share of the tiles, "measured" its time on the device at hand with the first sample, or
   * five numbers.
   * @default "tiles"
   */
  readonly cost?: "tiles" | "measured" | readonly number[];
  /** Ends the search between two samples. */
  readonly signal?: AbortSignal;
}

/** Sums over the samples of a layer. */
interface Sum {
  readonly heads: number;
  readonly mass: Float64Array;
  readonly steps: Map<number, { readonly error: Float64Array; count: number }>;
}

/**
 * Finds the modes of a model from a few samples of every layer and step. Samples are gone through twice: for the stripes, then for the errors.
 *
 * @param device Computes.
 * @param samples The caller frees them.
 * @param geometry What the profile will be valid for.
 * @returns A profile for `sparseVdit({ profile, layer })` and for a JSON file.
 * @throws RangeError if samples do not fit the geometry or each other, a number is not finite, or an option is out of range; the reason of the
 * signal if it is aborted.
 */
export async function calibrateSparseVdit(
  device: Device,
  samples: Samples<SparseVditSample>,
  geometry: SparseVditGeometry,
  options: SparseVditCalibrateOptions = {},
): Promise<SparseVditProfile> {
  const { lambda = 0.5, targetDensity, normalise = false, perStep = false, signal } = options;
  check(geometry, options);
  const layers = new Map<number, Sum>();
  let cost = typeof options.cost === "object" ? options.cost : undefined;
  for await (const sample of eachSample(samples)) {
    await device.flush(signal);
    const sum = sumOf(layers, sample, geometry);
    add(sum.mass, await columnMass(device, sample, geometry.blockSize));
    if (options.cost === "measured") cost ??= await measureModes(device, sample, geometry);
  }
  const count = layers.size;
  if (count === 0) fail("there are no samples, expected at least one of every layer");
  const stripes = Array.from({ length: count }, (_, layer) => {
    const sum = layers.get(layer);
    if (!sum) return fail(`layer ${layer} has no sample, expected samples of all ${count} layers`);
    return stripesOf(sum, geometry);
  });
  for await (const sample of eachSample(samples)) {
    await device.flush(signal);
    const { layer = 0, step = 0 } = sample;
    const { steps, heads } = layers.get(layer)!;
    const own = steps.get(step) ?? { error: new Float64Array(5 * heads), count: 0 };
    add(own.error, await modeErrors(device, sample, geometry, stripes[layer]!, normalise));
    own.count++;
    steps.set(step, own);
  }

  const prices = cost ?? modeSparsity(geometry).map((share) => 1 - share);
  const lossOf = (errors: Float64Array, samples: number): number[][] =>
    Array.from(
      { length: errors.length / 5 },
      (_, h) => prices.map((price, mode) => errors[5 * h + mode]! / samples + lambda * price),
    );
  const losses = Array.from({ length: count }, (_, layer) => {
    const all = [...layers.get(layer)!.steps.values()];
    const total = new Float64Array(all[0]!.error.length);
    for (const { error } of all) add(total, error);
    return lossOf(total, all.reduce((sum, one) => sum + one.count, 0));
  });
  const epsilon = targetDensity === undefined
    ? options.epsilon ?? 1
    : epsilonFor(losses.flat(), geometry, targetDensity);
  const { frames: F, tokensPerFrame: S, text, blockSize, wDiagonal, wMulti, nStripe } = geometry;
  return {
    version: 1,
    ...{ F, S, text, blockSize, wDiagonal, wMulti, nStripe, lambda, epsilon },
    ...(cost && { cost: [...cost] }),
    layers: losses.map((loss, layer): SparseVditLayer => ({
      mode: chooseModes(loss, epsilon, geometry),
      stripeBlocks: stripes[layer]!,
      loss,
    })),
    ...(perStep && {
      steps: stepsOf(layers).map((step) =>
        losses.map((_, layer) => {
          const { error, count } = layers.get(layer)!.steps.get(step)!;
          return chooseModes(lossOf(error, count), epsilon, geometry);
        })
      ),
    }),
  };
}

/** The key blocks of video with the most mass, ascending; the lower first among equals. */
function stripesOf({ mass, heads }: Sum, geometry: SparseVditGeometry): number[][] {
  const [n, first] = [blocksOf(geometry), textBlocksOf(geometry)];
  return Array.from({ length: heads }, (_, h) =>
    Array.from({ length: n - first }, (_, i) => first + i)
      .sort((a, b) => mass[h * n + b]! - mass[h * n + a]! || a - b)
      .slice(0, geometry.nStripe)
      .sort((a, b) => a - b));
}

function sumOf(
  layers: Map<number, Sum>,
  { layer = 0, step = 0, q, k, v }: SparseVditSample,
  geometry: SparseVditGeometry,
): Sum {
  checkWhole("sparseVdit.calibrate", { layer, step }, { layer: 0, step: 0 });
  const [heads = 0, lq = 0] = q.shape;
  expectVideo("sparseVdit", geometry, { lq, lk: k.shape[1] ?? 0 });
  if (`${v.shape}` !== `${k.shape}`) fail(`"v" has shape [${v.shape}], expected [${k.shape}] as "k"`);
  const sum = layers.get(layer) ??
    { heads, mass: new Float64Array(heads * blocksOf(geometry)), steps: new Map() };
  if (sum.heads !== heads) fail(`layer ${layer} has samples with ${sum.heads} and with ${heads} query heads`);
  layers.set(layer, sum);
  return sum;
}

/** The steps of all layers. */
function stepsOf(layers: ReadonlyMap<number, Sum>): number[] {
  const counts = [...layers.values()].map(({ steps }) => steps.size);
  const all = Array.from({ length: Math.max(...counts) }, (_, step) => step);
  for (const [layer, { steps }] of layers) {
    const missing = all.find((step) => !steps.has(step));
    if (missing !== undefined) fail(`layer ${layer} has no sample of step ${missing}, "perStep" needs all`);
  }
  return all;
}

function add(to: Float64Array, from: ArrayLike<number>): void {
  for (let i = 0; i < to.length; i++) to[i]! += from[i]!;
}

function check(geometry: SparseVditGeometry, options: SparseVditCalibrateOptions): void {
  checkGeometry("sparseVdit.calibrate", geometry);
  const { lambda = 0.5, epsilon = 1, targetDensity, cost } = options;
  if (!(lambda >= 0 && lambda < Infinity)) fail(`"lambda" is ${lambda}, expected a number of at least 0`);
  if (!Number.isFinite(epsilon)) fail(`"epsilon" is ${epsilon}, expected a finite number`);
  if (targetDensity !== undefined && !(targetDensity >= 0 && targetDensity <= 1)) {
    fail(`"targetDensity" is ${targetDensity}, expected a number from 0 to 1`);
  }
  if (typeof cost === "object" && (cost.length !== 5 || !cost.every((one) => one >= 0 && one < Infinity))) {
    fail(`"cost" is [${cost}], expected five numbers of at least 0`);
  }
}

function fail(what: string): never {
  throw new RangeError(`Cannot calibrate sparseVdit: ${what}`);
}
