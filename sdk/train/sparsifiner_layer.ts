/**
 * The predictor of Sparsifiner as a layer: while it learns it gives the whole map, without thresholds and choices.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary, mul } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { matmul } from "../device/ops/matmul.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { transpose } from "../device/ops/transpose.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { sparsifinerForward, type SparsifinerPass } from "../methods/sparsifiner_forward.ts";
import type { SparsifinerRecord } from "../methods/sparsifiner_predictor.ts";

/** What the backward pass needs of the forward pass. */
export interface SparsifinerContext extends SparsifinerPass {
  /** The weights that were used. */
  readonly weights: SparsifinerRecord<Tensor>;
  /** Queries [heads, N, headDim]. */
  readonly q: Tensor;
  /** Keys [kvHeads, N, headDim]. */
  readonly k: Tensor;
  /** The guessed map of all queries but that of the CLS token [heads, N - 1, N]; it may be negative. */
  readonly approx: Tensor;
}

/** Gradients of the weights, in their shapes, and of `q` and `k`, for backbones that learn too. */
export type SparsifinerGradients = SparsifinerRecord<Tensor> & { readonly q: Tensor; readonly k: Tensor };

/** Forward and backward pass of a predictor over one image. */
export const sparsifinerLayer: {
  /** Guesses the map: coefficients times basis vectors. */
  forward(d: Device, weights: SparsifinerRecord<Tensor>, q: Tensor, k: Tensor): SparsifinerContext;
  /** Gradients from that of `approx` [heads, N - 1, N]. */
  backward(d: Device, context: SparsifinerContext, dApprox: Tensor): SparsifinerGradients;
} = {
  forward(d, weights, q, k) {
    const pass = sparsifinerForward(d, weights, q, k);
    return { ...pass, weights, q, k, approx: matmul(d, pass.coef, weights.restore) };
  },

  backward(d, { weights, q, k, queries, keys, pseudoKeys, coef }, dApprox) {
    const [heads, , headDim] = q.shape as [number, number, number];
    const [kvHeads, tokens, channels] = keys.shape as [number, number, number];
    const vectors = coef.shape[2]!;
    return scoped(d, (s): { [Name in keyof SparsifinerGradients]: Tensor } => {
      const dCoef = matmul(s, dApprox, transpose(s, weights.restore));
      const along = reduce(s, "sum", mul(s, dCoef, coef));
      const dLogits = mul(s, coef, binary(s, "sub", dCoef, along, { axis: "rows" }));

      // The query heads of a key head in one matrix, so that products sum over them.
      const byKeyHead = (x: Tensor): Tensor => reshape(s, x, [kvHeads, -1, x.shape[2]!]);
      const alpha = 1 / Math.sqrt(heads);
      const dQueries = matmul(s, byKeyHead(dLogits), turned(s, pseudoKeys), { alpha });
      const dPseudo = matmul(s, turned(s, byKeyHead(dLogits)), turned(s, byKeyHead(queries)), { alpha });
      const dKeys = matmul(s, weights.project, turned(s, dPseudo));
      const project = matmul(
        s,
        reshape(s, transpose(s, keys, [1, 0, 2]), [tokens, kvHeads * channels]),
        reshape(s, transpose(s, dPseudo, [1, 0, 2]), [vectors, kvHeads * channels]),
      );

      const dRows = reshape(s, dQueries, [heads, tokens - 1, channels]);
      const dq = matmul(s, dRows, transpose(s, weights.queryWeight));
      return {
        queryWeight: weightGradient(s, slice(s, q, 1, 1), dRows),
        queryBias: biasGradient(s, dRows),
        keyWeight: weightGradient(s, k, dKeys),
        keyBias: biasGradient(s, dKeys),
        project,
        restore: weightGradient(s, coef, dApprox),
        q: concat(s, [full(s, [heads, 1, headDim], 0), dq], 1),
        k: matmul(s, dKeys, transpose(s, weights.keyWeight)),
      };
    });
  },
};

/** dy^T x over all heads: the gradient of w in y = x w^T. */
function weightGradient(d: Device, x: Tensor, dy: Tensor): Tensor {
  return matmul(d, transpose(d, flat(d, dy)), transpose(d, flat(d, x)));
}

/** The sum of all rows: the gradient of b in y = x w^T + b. */
function biasGradient(d: Device, dy: Tensor): Tensor {
  return reduce(d, "sum", transpose(d, flat(d, dy)));
}

function flat(d: Device, x: Tensor): Tensor {
  return reshape(d, x, [-1, x.shape[2]!]);
}

function turned(d: Device, x: Tensor): Tensor {
  return transpose(d, x, [0, 2, 1]);
}
