/**
 * Cases of weights, linear layers and matrix products.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { floatsToHalves } from "../half.ts";
import type { Activation, WeightType } from "../ops.ts";
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
const TYPES: readonly WeightType[] = ["f32", "f16", "i8", "i4"];

/** Rows, outputs, inputs and inputs per scale, where an output has several scales. */
const GROUPED: readonly (readonly [number, number, number, number])[] = [
  [1, 9, 64, 32],
  [1, 40, 96, 32],
  [2, 17, 128, 32],
  [3, 8, 12, 2],
  [7, 33, 64, 32],
  [45, 31, 300, 20],
  [65, 65, 256, 128],
];

/** A random weight; int8 and int4 ones with a scale for every `group` inputs. */
function weightOf(d: Device, random: Random, dtype: WeightType, n: number, k: number, group: number): Weight {
  switch (dtype) {
    case "f32":
      return d.weight(random.normals(n * k), [n, k]);
    case "f16":
      return d.weight(floatsToHalves(random.normals(n * k)), [n, k]);
    case "i8": {
      const data = Int8Array.from(random.ints(n * k, -127, 128));
      return d.weight(data, [n, k], random.uniforms(n * k / group, 0.001, 0.02));
    }
    case "i4": {
      const data = Uint8Array.from(random.ints(n * k / 2, 0, 256));
      return d.weight(data, [n, k], random.uniforms(n * k / group, 0.02, 0.3));
    }
  }
}

function linearCase(
  dtype: WeightType,
  m: number,
  n: number,
  k: number,
  group: number,
  i: number,
): ConformanceCase {
  const grouped = group === k ? "" : ` in groups of ${group}`;
  return {
    name: `linear() of ${dtype} weights${grouped}, [${m}, ${k}] by [${n}, ${k}]`,
    run: (d: Device, random: Random): Record<string, Tensor> => {
      const x = d.tensor(random.normals(m * k), [m, k]);
      const w = weightOf(d, random, dtype, n, k, group);
      const bias = d.tensor(random.normals(n), [n]);
      const residual = d.tensor(random.normals(m * n), [m, n]);
      const plain = linear(d, x, w);
      const full = linear(d, x, w, { bias, activation: ACTIVATIONS[i % 4]!, residual });
      const biased = linear(d, x, w, { bias, activation: ACTIVATIONS[(i + 1) % 4]! });
      const inPlace = linear(d, x, w, { residual, out: residual });
      return { plain, full, biased, inPlace };
    },
  };
}

/** Linear layers of every type, shape and grouping; options alternate. */
export const linearCases: readonly ConformanceCase[] = [
  ...TYPES.flatMap((dtype) =>
    SHAPES.filter(([, , k]) => dtype !== "i4" || k % 2 === 0)
      .map(([m, n, k], i) => linearCase(dtype, m, n, k, k, i))
  ),
  ...(["i8", "i4"] as const).flatMap((dtype) =>
    GROUPED.map(([m, n, k, group], i) => linearCase(dtype, m, n, k, group, i))
  ),
];

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
