/**
 * Log probabilities of tokens, on the device.
 *
 * @module
 */
import {
  binary,
  cast,
  concat,
  mark,
  reduce,
  reshape,
  type Scope,
  type Tensor,
  topk,
  unary,
} from "../device/mod.ts";
import { only } from "./sampler.ts";

/** How likely a token was. */
export interface TokenLogprob {
  /** Natural logarithm of its probability: as the model has it, before temperature and everything else. */
  readonly logprob: number;
  /** The likeliest tokens at its place, the likeliest first. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/**
 * The log-softmax of some logits, at the tokens that were drawn and at the likeliest.
 *
 * @param s Receives the result.
 * @param logits f32 [B, vocab].
 * @param ids i32 [B]: what was drawn.
 * @param k How many of the likeliest.
 * @returns f32 [B, 1 + 2k]: that of the token, those of the likeliest, their ids.
 */
export function logprobsOf(s: Scope, logits: Tensor, ids: Tensor, k: number): Tensor {
  const [rows, vocab] = logits.shape as readonly [number, number];
  const below = binary(s, "sub", logits, reduce(s, "max", logits), { axis: "rows" });
  const total = unary(s, "log", reduce(s, "sum", unary(s, "exp", below)));
  const all = binary(s, "sub", below, total, { axis: "rows" });
  const own = reduce(s, "max", only(s, all, mark(s, reshape(s, ids, [rows, 1]), vocab)));
  const top = topk(s, all, k);
  return concat(s, [reshape(s, own, [rows, 1]), top.values, cast(s, top.indices, "f32")], 1);
}

/**
 * Takes the row of one token apart.
 *
 * @param figures Rows of {@linkcode logprobsOf}.
 * @param row Which of them.
 * @param k How many of the likeliest they have.
 */
export function tokenLogprob(figures: Float32Array, row: number, k: number): TokenLogprob {
  const [logprob, ...rest] = figures.subarray(row * (1 + 2 * k), (row + 1) * (1 + 2 * k));
  return {
    logprob: logprob!,
    top: Array.from({ length: k }, (_, i) => ({ id: rest[k + i]!, logprob: rest[i]! })),
  };
}
