/**
 * From the outputs of an ensemble's members to class probabilities (SPEC 7.5).
 *
 * @module
 */

/** What one member answered. */
export interface MemberOutput {
  /** Logits or probabilities [rows, classes], row-major, in the member's shifted class order. */
  readonly values: ArrayLike<number>;
  /** The member's class shift. */
  readonly classShift: number;
  /** How many members this output stands for. @default 1 */
  readonly weight?: number;
}

/** How outputs are averaged. */
export interface AverageOptions {
  /** True: the outputs are logits and a softmax follows; false: they are probabilities. @default true */
  averageLogits?: boolean;
  /** Divides averaged logits. @default 0.9 */
  softmaxTemperature?: number;
}

/**
 * Averages members: undoes each one's class shift, takes the mean, applies the softmax if the outputs are logits and divides rows by
 * their sums.
 *
 * @param outputs At least one output; all of the same size.
 * @param classes The number of classes.
 * @param options See `AverageOptions`.
 * @returns Probabilities [rows, classes], row-major.
 * @throws {RangeError} No outputs, or sizes that do not fit.
 */
export function averageMembers(
  outputs: readonly MemberOutput[],
  classes: number,
  options: AverageOptions = {},
): Float64Array {
  const { averageLogits = true, softmaxTemperature = 0.9 } = options;
  const size = outputs[0]?.values.length ?? 0;
  if (outputs.length === 0 || size % classes !== 0) {
    throw new RangeError(
      `Cannot average ${outputs.length} outputs of ${size} values over ${classes} classes`,
    );
  }
  const result = new Float64Array(size);
  let total = 0;
  for (const { values, classShift, weight = 1 } of outputs) {
    if (values.length !== size) {
      throw new RangeError(`Cannot average outputs of ${size} and of ${values.length} values`);
    }
    total += weight;
    for (let start = 0; start < size; start += classes) {
      for (let c = 0; c < classes; c++) {
        result[start + c]! += weight * values[start + (c + classShift) % classes]!;
      }
    }
  }
  for (let start = 0; start < size; start += classes) {
    const row = result.subarray(start, start + classes);
    for (let c = 0; c < classes; c++) row[c]! /= total;
    if (averageLogits) softmax(row, softmaxTemperature);
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += row[c]!;
    for (let c = 0; c < classes; c++) row[c]! /= sum;
  }
  return result;
}

function softmax(row: Float64Array, temperature: number): void {
  let largest = -Infinity;
  for (let c = 0; c < row.length; c++) largest = Math.max(largest, row[c]!);
  for (let c = 0; c < row.length; c++) row[c] = Math.exp((row[c]! - largest) / temperature);
}
