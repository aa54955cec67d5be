/**
 * Numbers of tensors for tests.
 *
 * @module
 */
import type { Tensor } from "../device/tensor.ts";
import { assertEquals } from "../testing/assert.ts";

/** Reads a tensor and gives it back. */
export async function take(tensor: Tensor): Promise<Float32Array> {
  const values = await tensor.read();
  tensor.dispose();
  return values;
}

/** The largest difference of as many numbers. */
export function largest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assertEquals(actual.length, expected.length);
  return Array.from(expected).reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
}

/** Checks that as many numbers differ by less than 1e-4. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  const error = largest(actual, expected);
  assertEquals(error < 1e-4, true, `differs by ${error}`);
}
