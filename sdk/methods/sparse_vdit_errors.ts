/**
 * What the search of Sparse-vDiT measures of a sample.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { planOf } from "../attention/plan.ts";
import { tileMass } from "../attention/tile_mass.ts";
import type { Device } from "../device/device.ts";
import { reduce } from "../device/ops/reduce.ts";
import { transpose } from "../device/ops/transpose.ts";
import type { Tensor } from "../device/tensor.ts";
import { headSquares } from "./head_error.ts";
import { draftModes, type SparseVditGeometry } from "./sparse_vdit_modes.ts";

/** One layer in one step. */
export interface SparseVditInputs {
  /** [Hq, L, D], after position encoding. */
  readonly q: Tensor;
  /** [Hkv, L, D], after position encoding. */
  readonly k: Tensor;
  /** [Hkv, L, D]. */
  readonly v: Tensor;
}

/** Attention mass of every key block, summed over queries: [Hq, n]. */
export async function columnMass(
  device: Device,
  { q, k, v }: SparseVditInputs,
  blockSize: number,
): Promise<Float32Array> {
  using d = device.scope();
  const { lse } = attention(d, q, k, v, { lse: true });
  const mass = tileMass(d, q, k, lse, { blockQ: blockSize, tileK: blockSize });
  return await reduce(d, "sum", transpose(d, mass, [0, 2, 1])).read();
}

/** Mean squared error of every head in every mode: [Hq, 5]. */
export async function modeErrors(
  device: Device,
  { q, k, v }: SparseVditInputs,
  geometry: SparseVditGeometry,
  stripes: readonly (readonly number[])[],
  normalise: boolean,
): Promise<Float64Array> {
  using scope = device.scope();
  const [heads, length] = q.shape as [number, number];
  const dense = attention(scope, q, k, v).out;
  const energy = await headSquares(scope, dense).read();
  const errors = new Float64Array(5 * heads);
  for (const mode of [1, 2, 3, 4]) {
    using d = scope.scope();
    let found = energy;
    if (mode > 1) {
      const draft = draftModes(d, geometry, new Array<number>(heads).fill(mode), stripes);
      if (draft === "dense") continue;
      const plan = planOf(d, { heads, lq: length, lk: length, ...draft, causal: false }, draft.parts);
      found = await headSquares(d, attention(d, q, k, v, { plan }).out, dense).read();
    }
    found.forEach((error, h) =>
      errors[5 * h + mode] = normalise && energy[h]! > 0 ? error / energy[h]! : error
    );
  }
  if (!errors.every(Number.isFinite)) {
    throw new RangeError("Cannot calibrate sparseVdit: a query, key or value is not a finite number");
  }
  return errors;
}
