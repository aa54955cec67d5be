/**
 * Cases of prefix sums, stream compaction and random draws.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { compact } from "../ops/compact.ts";
import { sample } from "../ops/sample.ts";
import { scan } from "../ops/scan.ts";
import type { Tensor } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

const SHAPES: readonly (readonly [number, number])[] = [
  [1, 1],
  [3, 7],
  [5, 4],
  [9, 257],
  [2, 1000],
  [1, 5000],
];

const sumCases: readonly ConformanceCase[] = SHAPES.map(([rows, cols]) => ({
  name: `scan() of [${rows}, ${cols}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const floats = d.tensor(random.normals(rows * cols), [rows, cols]);
    const whole = d.tensor(random.ints(rows * cols, -1000, 1000), [rows, cols]);
    const large = d.tensor(random.ints(rows * cols, -(2 ** 31), 2 ** 31), [rows, cols]);
    return {
      floats: scan(d, floats),
      floatsBefore: scan(d, floats, { exclusive: true }),
      whole: scan(d, whole),
      wholeBefore: scan(d, whole, { exclusive: true }),
      wrapped: scan(d, large),
    };
  },
}));

const compactCases: readonly ConformanceCase[] = SHAPES.map(([rows, cols]) => ({
  name: `compact() of [${rows}, ${cols}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const flags = {
      random: random.ints(rows * cols, -1, 2),
      rare: random.ints(rows * cols, 0, 30).map((x) => x === 0 ? 1 : 0),
      none: new Int32Array(rows * cols),
      all: random.ints(rows * cols, 1, 9),
    };
    const results: Record<string, Tensor> = {};
    for (const [name, data] of Object.entries(flags)) {
      const x = d.tensor(data, [rows, cols]);
      for (const capacity of [1, Math.ceil(cols / 3), cols, cols + 2]) {
        const { indices, counts } = compact(d, x, { capacity });
        results[`${name} ${capacity}`] = indices;
        results[`${name} ${capacity} counts`] = counts;
      }
    }
    return results;
  },
}));

const sampleCases: readonly ConformanceCase[] = SHAPES.map(([rows, cols]) => ({
  name: `sample() of [${rows}, ${cols}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const data = random.normals(rows * cols, 3);
    const masked = data.map((x) => random.uniform() < 0.7 ? -Infinity : x);
    const x = d.tensor(data, [rows, cols]);
    return {
      first: sample(d, x),
      second: sample(d, x, { draw: 1 }),
      other: sample(d, x, { seed: 0xffff_ffff, draw: 12345 }),
      cold: sample(d, x, { temperature: 0.1, seed: 3 }),
      hot: sample(d, x, { temperature: 50, seed: 4 }),
      masked: sample(d, d.tensor(masked, [rows, cols]), { seed: 5 }),
    };
  },
}));

/** All cases of this file. */
export const scanCases: readonly ConformanceCase[] = [
  ...sumCases,
  ...compactCases,
  ...sampleCases,
  {
    name: "sample() of rows with little to choose from",
    run: (d): Record<string, Tensor> => {
      const none = -Infinity;
      const x = d.tensor(Float32Array.of(none, none, none, none, none, 2, 1, 1e30, -1e30), [3, 3]);
      return { a: sample(d, x), b: sample(d, x, { seed: 9, temperature: 0.5 }) };
    },
  },
];
