/**
 * The offline search of MInference: which pattern every head of a model gets.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { unary } from "../device/ops/unary.ts";
import type { Tensor } from "../device/tensor.ts";
import type { LineSettings } from "./minference_lists.ts";
import { DEFAULTS, minferencePlanner } from "./minference_planner.ts";
import type { MInferenceCriterion, MInferencePattern, MInferenceProfile } from "./minference_profile.ts";

/** Queries, keys and values of one prompt in one layer. */
export interface MInferenceSample {
  /** [Hq, L, D]. */
  readonly q: Tensor;
  /** [Hkv, L, D]. */
  readonly k: Tensor;
  /** [Hkv, L, D]. */
  readonly v: Tensor;
}

/** Options of `minference.calibrate`. */
export interface MInferenceSearchOptions {
  /** Patterns to choose from; the first one wins among equals. @default the official ones */
  readonly candidates?: readonly MInferencePattern[];
  /** "error": fewest output elements that are off by more than `tol`; "recall": most attention mass kept. @default "error" */
  readonly criterion?: MInferenceCriterion;
  /** What an output element may be off by. @default 5e-3 */
  readonly tol?: number;
  /** First query whose mass counts. @default 2500, or half of a shorter prompt */
  readonly rowStart?: number;
  /** What differs from the defaults of `minference`. @default nothing */
  readonly settings?: Partial<LineSettings>;
  /** Name of the model, for the profile. @default none */
  readonly model?: string;
  /** Day of the search, for the profile. @default today */
  readonly date?: string;
  /** Ends the search between two candidates. */
  readonly signal?: AbortSignal;
  /** Gets the figures of every layer. */
  readonly onLayer?: (layer: number, figures: MInferenceFigures) => void;
}

/** What the search measured in a layer, by head and candidate. */
export interface MInferenceFigures {
  /** Output elements that are off by more than `tol`. */
  readonly errors: readonly (readonly number[])[];
  /** Attention mass kept by what the kernels compute, mean over the queries from `rowStart` on. */
  readonly recalls: readonly (readonly number[])[];
  /** Keys that are read, summed over query blocks. */
  readonly costs: readonly (readonly number[])[];
}

/** Candidates of the official search. */
export const CANDIDATES: readonly MInferencePattern[] = [
  ["stream_llm", 100, 800],
  ["vertical_and_slash", 30, 800],
  ["vertical_and_slash", 100, 750],
  ["vertical_and_slash", 500, 700],
  ["vertical_and_slash", 3500, 100],
  ["vertical_and_slash", 100, 800],
  ["vertical_and_slash", 1000, 4096],
  ["block_sparse", 100, 1],
];

/**
 * Finds a pattern for every head of a model from one prompt. The name of a winner is stored as found; the official code stores some as other patterns.
 *
 * @param device Computes.
 * @param samples One for every layer, in order; the caller frees them.
 * @returns A profile for `minference({ profile, layer })`; the fourth entry of a pattern is its score.
 * @throws RangeError if an option is out of range or layers differ in heads; the reason of the signal if it is aborted.
 */
export async function calibrate(
  device: Device,
  samples: Iterable<MInferenceSample> | AsyncIterable<MInferenceSample>,
  options: MInferenceSearchOptions = {},
): Promise<MInferenceProfile> {
  const { candidates = CANDIDATES, criterion = "error", model, onLayer } = options;
  const date = options.date ?? new Date().toISOString().slice(0, 10);
  if (candidates.length === 0) {
    throw new RangeError(`Cannot calibrate minference: "candidates" is empty, expected at least one pattern`);
  }
  const layers: Record<string, MInferencePattern>[] = [];
  let [heads, length] = [0, 0];
  for await (const sample of samples) {
    const [own, tokens] = sample.q.shape as [number, number];
    if (layers.length > 0 && own !== heads) {
      throw new RangeError(
        `Cannot calibrate minference: layer ${layers.length} has ${own} heads, those before have ${heads}`,
      );
    }
    [heads, length] = [own, Math.max(length, tokens)];
    const figures = await searchLayer(device, sample, candidates, options);
    onLayer?.(layers.length, figures);
    const winner = (h: number): MInferencePattern => {
      const scores = criterion === "error" ? figures.errors[h]!.map((count) => -count) : figures.recalls[h]!;
      const best = scores.reduce((most, score, i) => score > scores[most]! ? i : most, 0);
      const [name, a, b] = candidates[best]!;
      return [name, a, b, Math.abs(scores[best]!)];
    };
    layers.push(Object.fromEntries(Array.from({ length: heads }, (_, h) => [`${h}`, winner(h)])));
  }
  return { ...(model !== undefined && { model }), length, criterion, date, heads, layers };
}

/** Runs every candidate on one layer. */
async function searchLayer(
  device: Device,
  { q, k, v }: MInferenceSample,
  candidates: readonly MInferencePattern[],
  options: MInferenceSearchOptions,
): Promise<MInferenceFigures> {
  const { tol = 5e-3, signal } = options;
  const [heads, length] = q.shape as [number, number];
  const { rowStart = Math.min(2500, Math.floor(length / 2)) } = options;
  if (!(tol >= 0)) {
    throw new RangeError(`Cannot calibrate minference: "tol" is ${tol}, expected a number of at least 0`);
  }
  if (!Number.isInteger(rowStart) || rowStart < 0 || rowStart >= length) {
    throw new RangeError(
      `Cannot calibrate minference: "rowStart" is ${rowStart}, expected a row of the prompt, 0 to ${
        length - 1
      }`,
    );
  }
  using scope = device.scope();
  const dense = attention(scope, q, k, v, { causal: true, lse: true });
  const perHead = (): number[][] => Array.from({ length: heads }, () => []);
  const figures = { errors: perHead(), recalls: perHead(), costs: perHead() };
  for (const candidate of candidates) {
    await device.flush(signal);
    using d = scope.scope();
    const lists = new Map<string, Tensor>();
    const patterns = new Array<MInferencePattern>(heads).fill(candidate);
    const plan = minferencePlanner({ ...DEFAULTS, ...options.settings, patterns }).plan(d, q, k, {
      inspect: (name, tensor) => lists.set(name, tensor),
    });
    const { out, lse } = attention(d, q, k, v, { plan, lse: true });
    const difference = binary(d, "sub", out, dense.out);
    const size = binary(d, "max", difference, unary(d, "neg", difference));
    const wrong = binary(d, "greater", size, full(d, [1], tol));
    const errors = await reduce(d, "sum", reshape(d, wrong, [heads, -1])).read();
    const kept = unary(d, "exp", binary(d, "sub", lse, dense.lse));
    const recalls = await reduce(d, "mean", slice(d, kept, 1, rowStart)).read();
    const costs = await costsOf(plan, lists.get("tiles"), lists.get("columns"));
    for (let h = 0; h < heads; h++) {
      figures.errors[h]!.push(errors[h]!);
      figures.recalls[h]!.push(recalls[h]!);
      figures.costs[h]!.push(costs[h]!);
    }
  }
  return figures;
}

/** Keys that every head reads: whole tiles, and columns in bunches as long as a tile. */
async function costsOf(plan: Plan, tiles?: Tensor, columns?: Tensor): Promise<number[]> {
  const { heads, lq, blockQ } = plan;
  const blocks = Math.ceil(lq / blockQ);
  if (!tiles) return new Array<number>(heads).fill(blockQ * blocks * (blocks + 1) / 2);
  const lengths = async (lists: Tensor | undefined): Promise<number[]> => {
    if (!lists) return new Array<number>(heads * blocks).fill(0);
    const [entries, width] = [await lists.read("i32"), lists.shape[2]!];
    return Array.from(
      { length: heads * blocks },
      (_, i) => entries.subarray(i * width, (i + 1) * width).filter((entry) => entry >= 0).length,
    );
  };
  const [tileCounts, columnCounts] = [await lengths(tiles), await lengths(columns)];
  const bunches = tileCounts.map((count, i) => count + Math.ceil(columnCounts[i]! / blockQ));
  return Array.from(
    { length: heads },
    (_, h) => blockQ * bunches.slice(h * blocks, (h + 1) * blocks).reduce((sum, n) => sum + n, 0),
  );
}
