/**
 * What a conformance case is, and how results are compared.
 *
 * @module
 */
import { assert, assertEquals } from "../../testing/assert.ts";
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";

/** Something that every device must compute like the reference device. */
export interface ConformanceCase {
  readonly name: string;
  /** Makes inputs from `random` (the same on every device) and returns results by name. */
  readonly run: (device: Device, random: Random) => Readonly<Record<string, Tensor>>;
}

/** Largest normalised mean squared error of float32 results. */
const MAX_NMSE = 1e-10;
/** Largest single difference, relative to the largest magnitude of the result. */
const MAX_DIFFERENCE = 1e-4;

/** Asserts that numbers agree: integers and infinities exactly, the rest within the bounds above. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assertEquals(actual.length, expected.length, `${what}: length`);
  if (expected instanceof Int32Array || expected instanceof Uint8Array) {
    return assertEquals(actual, expected, what);
  }
  let error = 0;
  let power = 0;
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (!Number.isFinite(e)) {
      assert(Object.is(a, e), `${what}: element ${i} is ${a}, expected ${e}`);
      continue;
    }
    assert(Number.isFinite(a), `${what}: element ${i} is ${a}, expected ${e}`);
    error += (a - e) ** 2;
    power += e ** 2;
    worst = Math.max(worst, Math.abs(a - e));
    largest = Math.max(largest, Math.abs(e));
  }
  assert(
    error <= MAX_NMSE * power,
    `${what}: normalised mean squared error is ${error / power}, at most ${MAX_NMSE}`,
  );
  assert(
    worst <= MAX_DIFFERENCE * largest,
    `${what}: largest difference is ${worst} beside values up to ${largest}`,
  );
}
