/**
 * Sizes of arrays.
 *
 * @module
 */

/**
 * The number of elements of a shape.
 *
 * @param shape Sizes of the axes; none for a single number.
 * @returns Their product.
 * @throws RangeError if a size is not a whole number from 0, or the product is not exact.
 */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const axis of shape) {
    if (!Number.isSafeInteger(axis) || axis < 0) {
      throw new RangeError(`Cannot use shape [${shape}]: every size must be a whole number from 0`);
    }
    size *= axis;
  }
  if (!Number.isSafeInteger(size)) {
    // A zero anywhere makes the true product 0, but Infinity * 0 is not a number.
    if (shape.includes(0)) return 0;
    throw new RangeError(`Cannot use shape [${shape}]: it has more than 2^53 elements`);
  }
  return size;
}
