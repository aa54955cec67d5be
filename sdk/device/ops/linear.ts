/**
 * The linear layer.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { type Activation, ACTIVATION_CODE, WEIGHT_CODE } from "../ops.ts";
import type { Tensor, Weight } from "../tensor.ts";
import { expectRank, expectShape, expectSize, live, use, useOptional } from "./_check.ts";

/** Options of {@linkcode linear}. */
export interface LinearOptions {
  /** Added to every row: [n]. */
  readonly bias?: Tensor;
  /** Applied after the bias. @default "none" */
  readonly activation?: Activation;
  /** Added after the activation: as many elements as the result. */
  readonly residual?: Tensor;
  /** Receives the result instead of a new tensor; may be `residual`, not `x`. */
  readonly out?: Tensor;
}

/**
 * Computes activation(x W^T + bias) + residual.
 *
 * @param d Receives the result.
 * @param x Rows [..., k].
 * @param w A weight [n, k].
 * @returns [..., n].
 * @example
 * ```ts
 * import { linear, openDevice } from "../mod.ts";
 *
 * const device = await openDevice();
 * const w = device.weight(Float32Array.of(1, 0, 0, 2, 1, 1), [3, 2]);
 * const x = device.tensor(Float32Array.of(10, 20), [1, 2]);
 * console.log(await linear(device, x, w, { activation: "relu" }).read()); // 10, 40, 30
 * device.dispose();
 * ```
 * @throws RangeError if shapes do not fit.
 */
export function linear(d: Device, x: Tensor, w: Weight, options: LinearOptions = {}): Tensor {
  const { bias, activation = "none", residual } = options;
  const record = {
    op: "linear",
    x: use(d, "linear", "x", x),
    w: live(d, "linear", "w", w),
    scales: w.scales,
    bias: useOptional(d, "linear", "bias", bias),
    residual: useOptional(d, "linear", "residual", residual),
    wtype: WEIGHT_CODE[w.dtype],
    group: w.group,
    activation: ACTIVATION_CODE[activation],
  } as const;
  if (record.activation === undefined) {
    throw new TypeError(
      `Cannot run linear: "activation" is "${activation}", expected none, gelu, silu or relu`,
    );
  }
  expectRank("linear", "x", x, 1);
  const [n, k] = w.shape;
  if (x.shape.at(-1) !== k) {
    throw new RangeError(
      `Cannot run linear: "x" has shape [${x.shape}] but "w" has shape [${w.shape}], expected rows of ${k}`,
    );
  }
  const m = x.size / k;
  if (bias) expectShape("linear", "bias", bias, [n], `for "w" [${w.shape}]`);
  if (residual) {
    expectSize("linear", "residual", residual, m * n, `for "x" [${x.shape}] and "w" [${w.shape}]`);
  }
  const { out } = options;
  if (out) {
    expectSize("linear", "out", out, m * n, `for "x" [${x.shape}] and "w" [${w.shape}]`);
    if (use(d, "linear", "out", out) === x.id) throw new Error(`Cannot run linear: "out" is "x"`);
  }
  const result = out ?? d.empty([...x.shape.slice(0, -1), n]);
  if (m * n > 0) d.submit({ ...record, out: result.id, m, n, k });
  return result;
}
