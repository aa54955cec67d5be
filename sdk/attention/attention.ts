/**
 * Attention over head-major tensors, dense or by a plan.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { DTYPE_CODE } from "../device/ops.ts";
import { expectFinite, expectRank, expectShape, live, use, useOptional } from "../device/ops/_check.ts";
import { fill } from "../device/ops/fill.ts";
import type { Tensor } from "../device/tensor.ts";
import { headMajor } from "./head_major.ts";
import type { Plan } from "./plan.ts";
import { plannedFields } from "./planned_fields.ts";

/** Largest head width that plans are executed for. */
export const MAX_PLANNED_HEAD_DIM = 256;

/** Options of {@linkcode attention}. */
export interface AttentionOptions {
  /** Which keys every query sees. @default all */
  readonly plan?: Plan | undefined;
  /** Query i sees keys up to i + Lk - Lq; a causal plan is so anyway. @default false */
  readonly causal?: boolean;
  /** Factor of every score. @default 1 / sqrt(D) */
  readonly scale?: number;
  /** Also return the log-sum-exp of the scores. @default false */
  readonly lse?: boolean;
}

/** What {@linkcode attention} returns. */
export interface AttentionResult {
  /** [Hq, Lq, D]; zeros for a query that sees no key. */
  readonly out: Tensor;
  /** [Hq, Lq] if asked; -Infinity for a query that sees no key. */
  readonly lse?: Tensor;
}

/**
 * Computes softmax(scale * q k^T) v for every head, over the keys that a plan lists or over all.
 *
 * @param device Receives the result.
 * @param q Queries [Hq, Lq, D], float32.
 * @param k Keys [Hkv, Lk, D], float32 or float16; Hkv divides Hq (grouped-query attention: neighbours share).
 * @param v Values, of the shape and type of `k`.
 * @returns The mixed values and, if asked, the log-sum-exp.
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { attention } from "./attention.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(8 * 1 * 64), [8, 1, 64]);
 * const k = device.tensor(new Float32Array(2 * 100 * 64), [2, 100, 64]);
 * const { out } = attention(device, q, k, k, { causal: true });
 * console.log(out.shape); // 8, 1, 64
 * device.dispose();
 * ```
 * @throws RangeError if shapes do not fit.
 */
export function attention(
  device: Device,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions & { readonly lse: true },
): Required<AttentionResult>;
/** The same, with the log-sum-exp only if asked. */
export function attention(
  device: Device,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options?: AttentionOptions,
): AttentionResult;
export function attention(
  device: Device,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): AttentionResult {
  const kvtype = k.dtype;
  if (kvtype !== "f32" && kvtype !== "f16") {
    throw new TypeError(`Cannot run attention: "k" has type "${kvtype}", expected "f32" or "f16"`);
  }
  const ids = {
    q: use(device, "attention", "q", q),
    k: live(device, "attention", "k", k),
    v: use(device, "attention", "v", v, kvtype),
  };
  expectRank("attention", "q", q, 3, 3);
  expectRank("attention", "k", k, 3, 3);
  expectShape("attention", "v", v, k.shape, `as "k"`);
  const [heads, lq, headDim] = q.shape as [number, number, number];
  const [kvHeads, lk, kDim] = k.shape as [number, number, number];
  if (headDim !== kDim || heads % kvHeads > 0 || (kvHeads === 0 && heads > 0)) {
    throw new RangeError(
      `Cannot run attention: "q" [${q.shape}] and "k" [${k.shape}] do not fit, expected [Hq, Lq, D] and [Hkv, Lk, D] with Hkv a divisor of Hq`,
    );
  }
  const { plan, causal = plan?.causal ?? false, scale = headDim > 0 ? 1 / Math.sqrt(headDim) : 1 } = options;
  expectFinite("attention", "scale", scale);
  if (plan) checkPlan(plan, { heads, kvHeads, lq, lk, headDim });
  const out = device.empty([heads, lq, headDim]);
  const lse = options.lse ? device.empty([heads, lq]) : undefined;
  if (lk === 0) {
    fill(device, out, 0);
    if (lse) fill(device, lse, -Infinity);
  } else if (out.size > 0 && plan?.matrix) {
    device.submit({
      op: "planned",
      ...ids,
      plan: use(device, "attention", "plan", plan.matrix, "i32"),
      bias: useOptional(device, "attention", "keyBias", plan.keyBias),
      out: out.id,
      stat: lse?.id ?? 0,
      ...plannedFields(plan),
      kvHeads,
      headDim,
      kvtype: DTYPE_CODE[kvtype],
      causal: causal || plan.causal ? 1 : 0,
      statKind: 0,
      scale,
    });
  } else if (out.size > 0) {
    device.submit({
      op: "attention",
      ...ids,
      mask: 0,
      lens: 0,
      out: out.id,
      lse: lse?.id ?? 0,
      ...headMajor({
        heads,
        kvHeads,
        headDim,
        lq,
        lk,
        kHead: lk * headDim,
        vHead: lk * headDim,
        kvtype,
        causal: causal || (plan?.causal ?? false),
        scale,
      }),
    });
  }
  return lse ? { out, lse } : { out };
}

function checkPlan(
  plan: Plan,
  { heads, kvHeads, lq, lk, headDim }: Readonly<
    Record<"heads" | "kvHeads" | "lq" | "lk" | "headDim", number>
  >,
): void {
  if (plan.heads !== heads || plan.lq !== lq || plan.lk !== lk) {
    throw new RangeError(
      `Cannot run attention: the plan is for ${plan.heads} heads, ${plan.lq} queries and ${plan.lk} keys, got ${heads}, ${lq} and ${lk}`,
    );
  }
  if (plan.kind === "sparse" && headDim > MAX_PLANNED_HEAD_DIM) {
    throw new RangeError(
      `Cannot run attention: heads of ${headDim} columns, expected at most ${MAX_PLANNED_HEAD_DIM} with a sparse plan`,
    );
  }
  if (plan.keyBias) {
    expectShape("attention", "keyBias", plan.keyBias, [kvHeads, lk], "one per key head and key");
  }
}
