/**
 * The likeliest token of a row of logits.
 *
 * @module
 */

/**
 * Finds the largest of a row.
 *
 * @param values Rows one after the other.
 * @param row Which of them.
 * @param columns Elements of a row.
 * @returns Its column; of several the first.
 */
export function argmax(values: ArrayLike<number>, row: number, columns: number): number {
  const begin = row * columns;
  let best = 0;
  for (let i = 1; i < columns; i++) if (values[begin + i]! > values[begin + best]!) best = i;
  return best;
}
