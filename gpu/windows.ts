/**
 * Parts of tensors that fit into a binding.
 *
 * @module
 */
import { ALIGNMENT, type Caps, NOTHING, type Window } from "./kernel.ts";

/** A window, and the element of it at which the wanted part begins. */
export interface Span extends Window {
  readonly base: number;
}

/** Stands for a tensor that is not there. */
export const NOWHERE: Span = { ...NOTHING, base: 0 };

/**
 * The window that holds some elements of a buffer.
 *
 * @param start The first element.
 * @param count How many.
 * @param size Bytes of one.
 */
export function span(id: number, start: number, count: number, size = 4): Span {
  if (id === 0) return NOWHERE;
  const offset = Math.floor(start * size / ALIGNMENT) * ALIGNMENT;
  return { id, offset, bytes: (start + count) * size - offset, base: start - offset / size };
}

/** Whether a span can be bound. */
export function fits(caps: Caps, ...spans: readonly Window[]): boolean {
  return spans.every(({ bytes }) => bytes <= caps.maxBinding);
}

/**
 * Cuts rows into chunks whose windows can be bound and begin at aligned bytes.
 *
 * @param rows Number of rows.
 * @param widths Bytes of one row of each tensor.
 * @param multiple Chunks begin at multiples of this. @default 1
 * @returns Begin and end of each chunk.
 * @throws RangeError if a few rows are already too large.
 */
export function* chunksOf(
  caps: Caps,
  rows: number,
  widths: readonly number[],
  multiple = 1,
): Generator<[from: number, to: number]> {
  const widest = Math.max(...widths);
  if (rows * widest <= caps.maxBinding) return yield [0, rows];
  const unit = widths.reduce((all, width) => lcm(all, ALIGNMENT / gcd(ALIGNMENT, width)), multiple);
  const step = Math.floor(caps.maxBinding / (widest * unit)) * unit;
  if (step === 0) throw tooWide(caps, unit, widest);
  for (let from = 0; from < rows; from += step) yield [from, Math.min(rows, from + step)];
}

/**
 * Cuts rows into chunks for {@linkcode span}s, which may begin anywhere and so lose some bytes of the binding.
 *
 * @param widths Bytes of one row of each tensor.
 * @returns Begin and end of each chunk.
 * @throws RangeError if one row is already too large.
 */
export function* looseChunksOf(
  caps: Caps,
  rows: number,
  widths: readonly number[],
): Generator<[from: number, to: number]> {
  const widest = Math.max(...widths);
  const step = Math.floor((caps.maxBinding - ALIGNMENT) / widest);
  if (step === 0) throw tooWide(caps, 1, widest);
  for (let from = 0; from < rows; from += step) yield [from, Math.min(rows, from + step)];
}

/** The window of rows [from, to) of a tensor whose rows have `width` bytes. */
export function rowsOf(id: number, width: number, from: number, to: number): Window {
  return id === 0 ? NOTHING : { id, offset: from * width, bytes: (to - from) * width };
}

/** The error for rows that do not fit into a binding. */
export function tooWide(caps: Caps, rows: number, bytes: number): RangeError {
  return new RangeError(
    `Cannot run on this GPU: ${rows} rows of ${bytes} bytes are more than a binding of ${caps.maxBinding}; use narrower tensors`,
  );
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function lcm(a: number, b: number): number {
  return a / gcd(a, b) * b;
}
