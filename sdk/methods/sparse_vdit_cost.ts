/**
 * What the modes of Sparse-vDiT cost on the device at hand.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { planOf } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import { slice } from "../device/ops/slice.ts";
import type { SparseVditInputs } from "./sparse_vdit_errors.ts";
import {
  blocksOf,
  draftModes,
  SPARSE_VDIT_MODES,
  type SparseVditGeometry,
  textBlocksOf,
} from "./sparse_vdit_modes.ts";

/** Runs of every mode; the median counts. */
const RUNS = 5;

/**
 * Times attention in every mode, all heads in it.
 *
 * @param sample Tensors of the shapes of the model.
 * @returns [5]: time as a share of that of full attention; 0 for skipped heads, which nothing is computed for.
 */
export async function measureModes(
  device: Device,
  { q, k, v }: SparseVditInputs,
  geometry: SparseVditGeometry,
): Promise<number[]> {
  const [heads, length] = q.shape as [number, number];
  // Which blocks make the stripe does not matter for its time.
  const [first, n] = [textBlocksOf(geometry), blocksOf(geometry)];
  const stripe = Array.from({ length: Math.min(geometry.nStripe, n - first) }, (_, i) => first + i);
  const times: number[] = [];
  for (const mode of SPARSE_VDIT_MODES.keys()) {
    if (mode === 1) {
      times.push(0);
      continue;
    }
    using scope = device.scope();
    const stripes = Array.from({ length: heads }, () => stripe);
    const draft = draftModes(scope, geometry, new Array<number>(heads).fill(mode), stripes);
    const plan = draft === "dense"
      ? undefined
      : planOf(scope, { heads, lq: length, lk: length, ...draft, causal: false }, draft.parts);
    const runs: number[] = [];
    // The first run compiles and warms up.
    for (let run = 0; run <= RUNS; run++) {
      using d = scope.scope();
      const start = performance.now();
      await slice(d, attention(d, q, k, v, { plan }).out, 1, 0, 1).read();
      if (run > 0) runs.push(performance.now() - start);
    }
    times.push(runs.sort((a, b) => a - b)[RUNS >> 1]!);
  }
  const full = Math.max(times[0]!, 1e-3);
  return times.map((time) => time / full);
}
