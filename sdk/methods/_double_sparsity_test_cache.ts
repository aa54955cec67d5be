/**
 * Random caches for the tests of Double Sparsity.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Random } from "../testing/random.ts";
import type { OracleSample } from "./_double_sparsity_test_oracle.ts";
import { doubleSparsity, type DoubleSparsityOptions } from "./double_sparsity.ts";
import { type DoubleSparsityProfile, profileKey } from "./double_sparsity_profile.ts";
import type { Selection } from "./selector.ts";

/** Sizes of a cache. */
export type Sizes = readonly [queryHeads: number, heads: number, headDim: number, length: number];

/** Normal keys and queries. */
export function sampleOf(r: Random, [queryHeads, heads, headDim, length]: Sizes): OracleSample {
  const [q, k] = [r.normals(queryHeads * headDim), r.normals(heads * length * headDim)];
  return { queryHeads, heads, headDim, length, q, k };
}

/** Random rankings of layer 0. */
export function profileOf(
  r: Random,
  { queryHeads, heads, headDim }: Omit<OracleSample, "q" | "k" | "length">,
): DoubleSparsityProfile {
  const lists = (count: number): number[][] =>
    Array.from({ length: count }, () => r.shuffle(Array.from({ length: headDim }, (_, c) => c)));
  return {
    [profileKey(0, "q")]: lists(queryHeads),
    [profileKey(0, "k")]: lists(heads),
    [profileKey(0, "qk")]: lists(queryHeads),
    [profileKey(0, "qk_group")]: lists(heads),
  };
}

/** Begins to follow a cache of the sample. */
export function start(d: Device, sample: OracleSample, options: Partial<DoubleSparsityOptions>): Selection {
  return doubleSparsity(options).start(d, { ...sample, layer: 0 });
}

/** Appends the keys of tokens `first` to `end - 1`. */
export function append(
  d: Device,
  selection: Selection,
  sample: OracleSample,
  first = 0,
  end = sample.length,
): void {
  const { heads, headDim, length, k } = sample;
  const rows = new Float32Array(heads * (end - first) * headDim);
  for (let g = 0; g < heads; g++) {
    rows.set(
      k.subarray((g * length + first) * headDim, (g * length + end) * headDim),
      g * (end - first) * headDim,
    );
  }
  using scope = d.scope();
  selection.append(scope.tensor(rows, [heads, end - first, headDim]));
}

/** The lists for the query of the sample, or nothing where all is read. */
export async function choose(
  d: Device,
  selection: Selection,
  { q, queryHeads, headDim }: OracleSample,
  length: number,
): Promise<Int32Array | undefined> {
  using scope = d.scope();
  return await selection.choose(scope, scope.tensor(q, [queryHeads, headDim]), length)?.list?.read("i32");
}
