/**
 * Whether two devices say the same of the same rows.
 *
 * @module
 */
import type { PredictedRow } from "../../sdk/cli/outcome.ts";

/** How far two predictions are apart. */
export interface Agreement {
  /** The largest difference of two probabilities. */
  readonly largest: number;
  /** Rows whose most probable class differs. */
  readonly differing: number;
}

/** Largest difference of probabilities that 32-bit arithmetic in another order explains. */
export const TOLERANCE = 1e-3;

/**
 * Compares the predictions of two devices.
 *
 * @param a Rows of one.
 * @param b The same rows of the other.
 * @returns How far they are apart; NaN where a probability is.
 */
export function agreementOf(a: readonly PredictedRow[], b: readonly PredictedRow[]): Agreement {
  let largest = 0;
  let differing = 0;
  a.forEach(({ label, probabilities }, row) => {
    const other = b[row];
    if (label !== other?.label) differing++;
    probabilities.forEach((p, i) =>
      largest = Math.max(largest, Math.abs(p - (other?.probabilities[i] ?? NaN)))
    );
  });
  return { largest, differing };
}
