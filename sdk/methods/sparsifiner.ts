/**
 * Sparsifiner: a learned predictor says for every token of an image which others it looks at.
 *
 * Wei et al., 2023, https://arxiv.org/abs/2303.13755; parameters and steps as in the official code.
 *
 * @module
 */
import type { PlanParts } from "../attention/plan.ts";
import type { Scope } from "../device/device.ts";
import { binary, mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { compact } from "../device/ops/compact.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { mark } from "../device/ops/mark.ts";
import { matmul } from "../device/ops/matmul.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { topk } from "../device/ops/topk.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { maskBits } from "./mask_bits.ts";
import { type Draft, type Method, method, type Note, planner, type Sizes } from "./planner.ts";
import { table } from "./scores.ts";
import { sparsifinerForward, uploadPredictor } from "./sparsifiner_forward.ts";
import { SparsifinerPredictor } from "./sparsifiner_predictor.ts";

/** Options of {@linkcode sparsifiner}; the defaults are those of the published configuration. */
export interface SparsifinerOptions {
  /** The trained predictor of the layer, or those of all layers; needed. */
  readonly weights: SparsifinerPredictor | readonly SparsifinerPredictor[] | undefined;
  /** Keys per query, as a share of the tokens, rounded up; above 0, at most 1. @default 0.25 */
  readonly attnKeepRate: number;
  /** Whether a query keeps its `coefTopk` largest coefficients, else those above `coefThreshold`. @default true */
  readonly coefUseTopk: boolean;
  /** Coefficients per query; all, if there are fewer. @default 8 */
  readonly coefTopk: number;
  /** Coefficients up to it are dropped without `coefUseTopk`. @default 0.05 */
  readonly coefThreshold: number;
  /** Whether a query sees the keys of the highest scores, else those of a score above `scoreThreshold`. @default true */
  readonly scoreUseTopk: boolean;
  /** Keys with a score up to it are not seen without `scoreUseTopk`. @default 1e-4 */
  readonly scoreThreshold: number;
  /** Entries of basis vectors up to it are dropped. @default 0.02 */
  readonly basisThreshold: number;
}

/**
 * Plans Sparsifiner. Plans are not causal; token 0 is the CLS token, which sees everything. A query need not see itself or the CLS token.
 *
 * Equal scores: the lower key first. Without `scoreUseTopk` a query may see nothing; attention gives zeros then. A planner is called with `layer` if it has
 * the predictors of several layers. It names `coef`, `coef_sparse` and, of maps up to 2^23 entries, `score`.
 *
 * @throws TypeError without a predictor.
 * @throws RangeError if an option is out of range; at planning, if q and k are not what the predictor is made for.
 */
export const sparsifiner: Method<SparsifinerOptions> = method({
  defaults: {
    weights: undefined,
    attnKeepRate: 0.25,
    coefUseTopk: true,
    coefTopk: 8,
    coefThreshold: 0.05,
    scoreUseTopk: true,
    scoreThreshold: 1e-4,
    basisThreshold: 0.02,
  },
  citation: {
    title: "Sparsifiner: Learning Sparse Instance-Dependent Attention for Efficient Vision Transformers",
    url: "https://arxiv.org/abs/2303.13755",
  },
  planner(options) {
    const layers = check(options).map((predictor) => ({
      predictor,
      basis: predictor.basis(options.basisThreshold),
    }));
    return planner("sparsifiner", (d, q, k, sizes, note, layer) => {
      const own = layers.length === 1 ? layers[0] : layers[layer ?? -1];
      if (own) return draft(d, q, k, sizes, note, own.predictor, own.basis, options);
      throw new RangeError(
        `Cannot plan sparsifiner: "layer" is ${layer}, expected a number below ${layers.length}, that of the predictors`,
      );
    }, { causal: false });
  },
});

/** Scores that are held at once. */
const CHUNK = 1 << 23;
/** Rows of a block whose queries share a tile. */
const ROWS = 64;

function draft(
  d: Scope,
  q: Tensor,
  k: Tensor,
  { heads }: Sizes,
  note: Note,
  predictor: SparsifinerPredictor,
  basisValues: Float32Array,
  options: SparsifinerOptions,
): Draft | "dense" {
  predictor.check(q, k);
  const { tokens, vectors } = predictor.sizes;
  const budget = Math.ceil(options.attnKeepRate * tokens);
  if (options.scoreUseTopk && budget >= tokens) return "dense";

  const coef = note("coef", sparsifinerForward(d, uploadPredictor(d, predictor), q, k).coef);
  const wanted = options.coefUseTopk
    ? mark(d, topk(d, coef, Math.min(options.coefTopk, vectors)).indices, vectors)
    : binary(d, "greater", coef, full(d, [1], options.coefThreshold));
  const sparse = reshape(d, note("coef_sparse", mul(d, coef, wanted)), [heads * (tokens - 1), vectors]);
  const basis = d.tensor(basisValues, [tokens, vectors]);

  // Lists of one query each leave most of a GPU's workgroup idle; without a budget they would be as large as the map.
  const lists = options.scoreUseTopk && d.kind !== "webgpu";
  const rows = Math.max(1, Math.floor(CHUNK / tokens));
  const chunks = Array.from(
    { length: Math.max(1, Math.ceil(sparse.shape[0]! / rows)) },
    (_, n) =>
      scoped(d, (s) => {
        const some = slice(s, sparse, 0, n * rows, Math.min(sparse.shape[0]!, (n + 1) * rows));
        const score = matmul(s, some, basis);
        if (some.size === sparse.size) note("score", d.view(score, [heads, tokens - 1, tokens]));
        const seen = options.scoreUseTopk
          ? mark(s, topk(s, score, budget).indices, tokens)
          : binary(s, "greater", score, full(s, [1], options.scoreThreshold));
        return lists ? compact(s, cast(s, seen, "i32"), { capacity: budget }).indices : maskBits(s, seen);
      }),
  );
  const width = lists ? budget : Math.ceil(tokens / 32);
  const chosen = reshape(d, concat(d, chunks, 0), [heads, tokens - 1, width]);
  return lists
    ? { blockQ: 1, tileK: tokens, parts: listParts(d, chosen, tokens) }
    : { blockQ: ROWS, tileK: tokens, parts: bitParts(d, chosen, tokens) };
}

/** A list of keys [heads, N - 1, budget] for every query but the first, which sees one tile of all keys. */
function listParts(d: Scope, columns: Tensor, tokens: number): PlanParts {
  return {
    tiles: table(d, [1, tokens, 1], (i) => i === 0 ? 0 : -1),
    columns,
    columnOf: table(d, [1, tokens], (i) => i - 1),
  };
}

/** One tile of all keys for every row block, and the bits [heads, N - 1, words] of every query but the first, which sees all. */
function bitParts(d: Scope, bits: Tensor, tokens: number): PlanParts {
  const [heads, , words] = bits.shape as [number, number, number];
  const blocks = Math.ceil(tokens / ROWS);
  const all = table(d, [heads, 1, words], () => -1);
  const none = table(d, [heads, blocks * ROWS - tokens, words], () => 0);
  return {
    tiles: table(d, [1, blocks, 1], () => 0),
    bits: reshape(d, concat(d, [all, bits, none], 1), [heads, blocks, 1, ROWS, words]),
  };
}

function check(options: SparsifinerOptions): readonly SparsifinerPredictor[] {
  const { weights, attnKeepRate } = options;
  const layers = weights instanceof SparsifinerPredictor ? [weights] : weights ?? [];
  if (layers.length === 0 || !layers.every((one) => one instanceof SparsifinerPredictor)) {
    throw new TypeError(
      `Cannot use sparsifiner: there are no "weights", give a SparsifinerPredictor or one for every layer`,
    );
  }
  if (!(attnKeepRate > 0 && attnKeepRate <= 1)) {
    throw new RangeError(
      `Cannot use sparsifiner: "attnKeepRate" is ${attnKeepRate}, expected a number above 0, at most 1`,
    );
  }
  checkWhole("sparsifiner", options, { coefTopk: 1 });
  for (const name of ["coefThreshold", "scoreThreshold", "basisThreshold"] as const) {
    if (Number.isFinite(options[name]) && options[name] >= 0) continue;
    throw new RangeError(
      `Cannot use sparsifiner: "${name}" is ${options[name]}, expected a finite number of at least 0`,
    );
  }
  return layers;
}
