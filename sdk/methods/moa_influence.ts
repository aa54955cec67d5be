/**
 * How much the loss of a model changes, to first order, if a query no longer sees a key.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { groupMax, groupSum } from "../device/ops/group_mean.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { softmax } from "../device/ops/softmax.ts";
import { unary } from "../device/ops/unary.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { headScores } from "./scores.ts";

/** Options of {@linkcode profileInfluence}. */
export interface InfluenceOptions {
  /** Tokens per block. @default 64 */
  readonly blockSize?: number;
  /** Factor of the scores. @default 1 / sqrt(D) */
  readonly scale?: number;
  /** Ends the computation between two chunks. */
  readonly signal?: AbortSignal | undefined;
}

/** Elements of a chunk of the map; a few tensors of this size live at a time. */
const CHUNK = 1 << 20;
/** Below every mass that a float32 softmax leaves beside 1, so that it only replaces 0. */
const TINY = 1e-37;

/**
 * The influence of every pair of blocks on the loss: the sum of |E| over its pairs, where to first order the loss changes by E_ij if query i no longer sees
 * key j (and its row is normalised anew).
 *
 * @param device Receives the result.
 * @param q Queries [Hq, N, D].
 * @param k Keys [Hkv, N, D].
 * @param v Values, of the shape of `k`.
 * @param gradOut Gradient of the loss by the attention output, of the shape of `q`.
 * @returns [Hkv, n, n] with n = ceil(N / blockSize), 0 above the diagonal: of query heads that share keys the largest.
 * @throws RangeError if shapes do not fit; the reason of the signal if it is aborted.
 */
export async function profileInfluence(
  device: Device,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  gradOut: Tensor,
  options: InfluenceOptions = {},
): Promise<Tensor> {
  const { blockSize = 64, signal } = options;
  checkWhole("profileInfluence", { blockSize }, { blockSize: 1 });
  const { kvHeads, group, length } = sizesOf(q, k, v, gradOut);
  const blocks = Math.ceil(length / blockSize);
  const rows = blockSize * Math.max(1, Math.floor(CHUNK / (group * length * blockSize)));
  using scope = device.scope();
  const parts: Tensor[] = [];
  for (let g = 0; g < kvHeads; g++) {
    using own = scope.scope();
    const of = (x: Tensor, size: number): Tensor => slice(own, x, 0, g * size, (g + 1) * size);
    const [qs, ks, vs, gs] = [of(q, group), of(k, 1), of(v, 1), of(gradOut, group)];
    for (let from = 0; from < length; from += rows) {
      const to = Math.min(length, from + rows);
      parts.push(scoped(scope, (d) => {
        const sums = blockSums(d, influenceRows(d, qs, ks, vs, gs, from, to, options), blockSize);
        const [high, wide] = sums.shape.slice(1) as [number, number];
        const most = reshape(d, groupMax(d, reshape(d, sums, [1, group, high * wide]), group), [high, wide]);
        return wide === blocks ? most : concat(d, [most, full(d, [high, blocks - wide], 0)], 1);
      }));
      await device.flush(signal);
    }
  }
  const all = parts.length === 0 ? full(scope, [0], 0) : concat(scope, parts, 0);
  return scope.keep(reshape(scope, all, [kvHeads, blocks, blocks]));
}

/**
 * The influence of single keys on the loss, for some queries: E_ij = -A_ij (dA_ij - sum_n A_in dA_in) / (1 - A_ij) with A the attention matrix and
 * dA = gradOut v^T; E_00 = -A_00 dA_00.
 *
 * @param d Receives the result.
 * @param from First query.
 * @param to Query after the last.
 * @param options The factor of the scores.
 * @returns [Hq, to - from, to]; later keys have no influence.
 */
export function influenceRows(
  d: Device,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  gradOut: Tensor,
  from: number,
  to: number,
  options: Pick<InfluenceOptions, "scale"> = {},
): Tensor {
  return scoped(d, (s) => {
    const scale = options.scale ?? 1 / Math.sqrt(q.shape[2]!);
    const [keys, values] = [k, v].map((x) => slice(s, x, 1, 0, to)) as [Tensor, Tensor];
    const lens = s.tensor(Int32Array.from({ length: to - from }, (_, r) => from + r + 1), [to - from]);
    const a = softmax(s, headScores(s, slice(s, q, 1, from, to), keys, scale), { lens });
    const da = headScores(s, slice(s, gradOut, 1, from, to), values, 1);
    // Near A = 1 both terms of the quotient are small differences. Only one key of a row can be so: all gradients are taken relative to that of the key with
    // A > 1/2, and its 1 - A is the sum of the others.
    const top = binary(s, "greater", a, full(s, [1], 0.5));
    const rest = binary(s, "sub", a, mul(s, a, top));
    const relative = binary(s, "sub", da, reduce(s, "sum", mul(s, da, top)), { axis: "rows" });
    const mean = reduce(s, "sum", mul(s, a, relative));
    const beside = add(
      s,
      mul(s, top, reduce(s, "sum", rest), { axis: "rows" }),
      binary(
        s,
        "mul",
        binary(s, "sub", full(s, top.shape, 1), top),
        binary(s, "sub", full(s, a.shape, 1), a),
      ),
    );
    const factor = binary(
      s,
      "div",
      binary(s, "sub", relative, mean, { axis: "rows" }),
      binary(s, "max", beside, full(s, [1], TINY)),
    );
    const influence = unary(s, "neg", mul(s, a, factor));
    if (from > 0) return influence;
    // The first query has one key, and nothing beside it.
    const first = new Float32Array(to * to);
    first[0] = 1;
    return binary(s, "sub", influence, mul(s, da, s.tensor(first, [to, to])));
  });
}

/** Sums of magnitudes over blocks: [heads, rows, cols] to [heads, ceil(rows / size), ceil(cols / size)]. */
function blockSums(d: Device, x: Tensor, size: number): Tensor {
  const rows = groupSum(d, binary(d, "max", x, unary(d, "neg", x)), size);
  const [heads, high, cols] = rows.shape as [number, number, number];
  return reshape(d, groupSum(d, reshape(d, rows, [heads, high, cols, 1]), size), [heads, high, -1]);
}

function sizesOf(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  gradOut: Tensor,
): { readonly kvHeads: number; readonly group: number; readonly length: number } {
  const [heads = 0, length = 0, width = 0] = q.shape;
  const kvHeads = k.shape[0] ?? 0;
  const same = (x: Tensor, shape: readonly number[]): boolean => `${x.shape}` === `${shape}`;
  const fits = q.shape.length === 3 && same(gradOut, q.shape) && same(k, [kvHeads, length, width]) &&
    same(v, k.shape) && kvHeads > 0 && heads % kvHeads === 0;
  if (fits) return { kvHeads, group: heads / kvHeads, length };
  throw new RangeError(
    `Cannot run profileInfluence: "q" [${q.shape}], "k" [${k.shape}], "v" [${v.shape}] and "gradOut" [${gradOut.shape}] do not fit, expected [Hq, N, D] for "q" and "gradOut" and [Hkv, N, D] for the others, with Hkv a divisor of Hq`,
  );
}
