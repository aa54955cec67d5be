/**
 * Cases of weights, linear layers and matrix products.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { floatsToHalves } from "../half.ts";
import type { Activation } from "../ops.ts";
import { linear } from "../ops/linear.ts";
import { matmul } from "../ops/matmul.ts";
import type { Tensor, Weight } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

const SHAPES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 9, 64],
  [7, 8, 16],
  [8, 7, 15],
  [9, 17, 33],
  [31, 32, 1],
  [33, 65, 127],
  [64, 64, 64],
  [65, 31, 300],
  [130, 100, 520],
];
const ACTIVATIONS: readonly Activation[] = ["none", "gelu", "silu", "relu"];
const TYPES = ["f32", "f16", "i8"] as const;

/** A random weight of one of the three types. */
function weightOf(d: Device, random: Random, dtype: (typeof TYPES)[number], n: number, k: number): Weight {
  if (dtype === "i8") {
    return d.weight(Int8Array.from(random.ints(n * k, -127, 128)), [n, k], random.uniforms(n, 0.001, 0.02));
  }
  const data = random.normals(n * k);
  return d.weight(dtype === "f16" ? floatsToHalves(data) : data, [n, k]);
}

/** Linear layers of every type and shape; options alternate. */
export const linearCases: readonly ConformanceCase[] = TYPES.flatMap((dtype) =>
  SHAPES.map(([m, n, k], i) => ({
    name: `linear() of ${dtype} weights, [${m}, ${k}] by [${n}, ${k}]`,
    run: (d: Device, random: Random): Record<string, Tensor> => {
      const x = d.tensor(random.normals(m * k), [m, k]);
      const w = weightOf(d, random, dtype, n, k);
      const bias = d.tensor(random.normals(n), [n]);
      const residual = d.tensor(random.normals(m * n), [m, n]);
      const plain = linear(d, x, w);
      const full = linear(d, x, w, { bias, activation: ACTIVATIONS[i % 4]!, residual });
      const biased = linear(d, x, w, { bias, activation: ACTIVATIONS[(i + 1) % 4]! });
      const inPlace = linear(d, x, w, { residual, out: residual });
      return { plain, full, biased, inPlace };
    },
  }))
);

/** Products with shared and separate batches. */
export const matmulCases: readonly ConformanceCase[] = SHAPES.map(([m, n, k], i) => {
  const batch = i % 3 + 1;
  return {
    name: `matmul() of [${batch}, ${m}, ${k}] by [${n}, ${k}]`,
    run: (d: Device, random: Random): Record<string, Tensor> => {
      const a = d.tensor(random.normals(batch * m * k), [batch, m, k]);
      const b = d.tensor(random.normals(batch * n * k), [batch, n, k]);
      const one = d.tensor(random.normals(n * k), [n, k]);
      const first = d.tensor(random.normals(m * k), [1, m, k]);
      return {
        both: matmul(d, a, b, { alpha: 0.25 }),
        sharedB: matmul(d, a, one),
        sharedA: matmul(d, first, b, { alpha: -2 }),
      };
    },
  };
});
