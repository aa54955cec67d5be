/**
 * From losses to modes.
 *
 * @module
 */
import { blocksOf, modeSparsity, type SparseVditGeometry } from "./sparse_vdit_modes.ts";

/**
 * Chooses a mode for every head: the sparse one with the smallest loss, the first among equals; full where all of them exceed epsilon. The loss of
 * full attention does not compete.
 *
 * A band that reaches over the whole sequence is full attention too: there is nothing to gain from it.
 *
 * @param losses [heads][5].
 */
export function chooseModes(
  losses: readonly (readonly number[])[],
  epsilon: number,
  geometry: SparseVditGeometry,
): number[] {
  const n = blocksOf(geometry);
  const widths = [n, 0, geometry.wDiagonal, geometry.wMulti, 0];
  return losses.map((loss) => {
    const best = bestOf(loss);
    if (loss[best]! > epsilon) return 0;
    return n <= 2 * widths[best]! + 1 && best !== 1 && best !== 4 ? 0 : best;
  });
}

/**
 * The smallest epsilon with which heads keep to a density, by bisection.
 *
 * @param losses [layers * heads][5].
 * @param density Mean share of tiles.
 * @throws RangeError if even the sparsest choice has more.
 */
export function epsilonFor(
  losses: readonly (readonly number[])[],
  geometry: SparseVditGeometry,
  density: number,
): number {
  const sparsity = modeSparsity(geometry);
  const densityAt = (epsilon: number): number =>
    chooseModes(losses, epsilon, geometry).reduce((sum, mode) => sum + 1 - sparsity[mode]!, 0) /
    losses.length;
  // Only these values change a choice, and the larger epsilon is, the more heads are sparse.
  const steps = losses.map((loss) => loss[bestOf(loss)]!).sort((a, b) => a - b);
  let [low, high] = [0, steps.length - 1];
  if (densityAt(steps[high]!) > density) {
    throw new RangeError(
      `Cannot calibrate sparseVdit: no epsilon gives a density of ${density}, the least is ${
        densityAt(steps[high]!)
      }; choose narrower modes`,
    );
  }
  if (densityAt(steps[0]! - 1) <= density) return steps[0]! - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (densityAt(steps[middle]!) <= density) high = middle;
    else low = middle + 1;
  }
  return steps[low]!;
}

function bestOf(loss: readonly number[]): number {
  return [2, 3, 4].reduce((best, mode) => loss[mode]! < loss[best]! ? mode : best, 1);
}
