/**
 * The share of predictions that are right.
 *
 * @param actual The true classes.
 * @param predicted The predicted classes, in the same order.
 * @returns A number from 0 to 1; NaN without rows.
 */
export function accuracy<T>(actual: readonly T[], predicted: readonly T[]): number {
  let right = 0;
  actual.forEach((label, i) => {
    if (label === predicted[i]) right++;
  });
  return right / actual.length;
}

// scikit-learn clips at the epsilon of the probabilities' type; this is that of 64-bit floats.
const EPSILON = 2 ** -52;

/**
 * The mean negative logarithm (nats) of the probability that was given to the true class.
 *
 * @param actual The true classes; one that is not among `classes` counts as probability 0.
 * @param probabilities One row of probabilities for each true class, in the order of `classes`.
 * @param classes The classes.
 * @returns The log-loss, with probabilities kept at least 2^-52 from 0; NaN without rows.
 */
export function logLoss<T>(
  actual: readonly T[],
  probabilities: readonly (readonly number[])[],
  classes: readonly T[],
): number {
  const index = new Map(classes.map((label, i) => [label, i]));
  let sum = 0;
  actual.forEach((label, row) => {
    const column = index.get(label);
    const p = column === undefined ? 0 : probabilities[row]?.[column] ?? 0;
    sum -= Math.log(Math.min(1, Math.max(EPSILON, p)));
  });
  return sum / actual.length;
}

/**
 * Counts how often each class was taken for each other.
 *
 * @param actual The true classes.
 * @param predicted The predicted classes, in the same order.
 * @param classes The order of rows (true class) and columns (predicted class); others are not counted.
 * @returns Counts, a row for each true class.
 */
export function confusionMatrix<T>(
  actual: readonly T[],
  predicted: readonly T[],
  classes: readonly T[],
): number[][] {
  const index = new Map(classes.map((label, i) => [label, i]));
  const counts = classes.map(() => classes.map(() => 0));
  actual.forEach((label, i) => {
    const row = counts[index.get(label) ?? -1];
    const column = index.get(predicted[i] as T);
    if (row && column !== undefined) row[column] = (row[column] ?? 0) + 1;
  });
  return counts;
}
