/**
 * Refuses ids that a model does not have.
 *
 * @module
 */

/**
 * Checks token ids.
 *
 * @param ids Any list.
 * @param vocabSize Ids are below it.
 * @returns The same as integers.
 * @throws RangeError if there are none, or one is outside.
 */
export function checkIds(ids: ArrayLike<number>, vocabSize: number): Int32Array<ArrayBuffer> {
  if (ids.length === 0) throw new RangeError("Cannot run the model without tokens: expected at least one id");
  return Int32Array.from(ids, (id, i) => {
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    throw new RangeError(
      `Cannot run the model: id ${i} is ${id}, expected a whole number from 0 to ${vocabSize - 1}`,
    );
  });
}
