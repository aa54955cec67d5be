/**
 * Checks that every operation makes on its arguments.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { DType } from "../ops.ts";
import type { Tensor, Weight } from "../tensor.ts";

/** Refuses a tensor that is disposed or of another device; returns its number. */
export function live(d: Device, op: string, name: string, x: Tensor | Weight): number {
  if (typeof x !== "object" || x === null || x.device === undefined) {
    throw new TypeError(`Cannot run ${op}: "${name}" is not a tensor`);
  }
  if (x.device !== d.root) throw new Error(`Cannot run ${op}: "${name}" belongs to another device`);
  // Read first: it tells of a loss, which explains more than a disposal that followed.
  const { id } = x;
  if (x.disposed) throw new Error(`Cannot run ${op}: "${name}" is disposed`);
  return id;
}

/** Refuses a tensor that is disposed, of another device or of another type; returns its number. */
export function use(d: Device, op: string, name: string, x: Tensor, dtype: DType = "f32"): number {
  const id = live(d, op, name, x);
  if (x.dtype !== dtype) {
    throw new TypeError(`Cannot run ${op}: "${name}" has type "${x.dtype}", expected "${dtype}"`);
  }
  return id;
}

/** The same for a tensor that may be missing: 0 then. */
export function useOptional(
  d: Device,
  op: string,
  name: string,
  x: Tensor | undefined,
  dtype: DType = "f32",
): number {
  return x === undefined ? 0 : use(d, op, name, x, dtype);
}

/** Refuses a tensor that does not have exactly this shape. */
export function expectShape(
  op: string,
  name: string,
  x: Tensor,
  shape: readonly number[],
  why: string,
): void {
  if (x.shape.length === shape.length && x.shape.every((size, i) => size === shape[i])) return;
  throw new RangeError(`Cannot run ${op}: "${name}" has shape [${x.shape}], expected [${shape}] ${why}`);
}

/** Refuses a tensor with another number of elements. */
export function expectSize(op: string, name: string, x: Tensor, size: number, why: string): void {
  if (x.size === size) return;
  throw new RangeError(
    `Cannot run ${op}: "${name}" has shape [${x.shape}], expected ${size} elements ${why}`,
  );
}

/** Refuses a tensor with fewer elements. */
export function expectRoom(op: string, name: string, x: Tensor, size: number): void {
  if (x.size >= size) return;
  throw new RangeError(
    `Cannot run ${op}: "${name}" has shape [${x.shape}], expected at least ${size} elements`,
  );
}

/** Refuses a tensor with fewer axes. */
export function expectRank(op: string, name: string, x: Tensor, least: number, most = Infinity): void {
  if (x.shape.length >= least && x.shape.length <= most) return;
  const wanted = least === most
    ? `${least}`
    : most === Infinity
    ? `at least ${least}`
    : `${least} to ${most}`;
  throw new RangeError(`Cannot run ${op}: "${name}" has shape [${x.shape}], expected ${wanted} axes`);
}

/** Refuses a number that is not whole or not in [low, high]. */
export function expectInt(
  op: string,
  name: string,
  value: number,
  low: number,
  high: number = 0xffff_ffff,
): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new RangeError(
    `Cannot run ${op}: "${name}" is ${value}, expected a whole number from ${low} to ${high}`,
  );
}

/** Refuses a number that is not finite. */
export function expectFinite(op: string, name: string, value: number): void {
  if (!Number.isFinite(value)) {
    throw new RangeError(`Cannot run ${op}: "${name}" is ${value}, expected a finite number`);
  }
}

/** An axis counted from 0, or from the end if below 0. */
export function axisOf(op: string, x: Tensor, axis: number): number {
  const rank = x.shape.length;
  expectInt(op, "axis", axis, -rank, rank - 1);
  return axis < 0 ? axis + rank : axis;
}

/** The product of some sizes. */
export function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
