/**
 * Rows that are appended to.
 *
 * @module
 */
import type { Device } from "./device.ts";
import type { DType } from "./ops.ts";
import { putRows } from "./ops/put_rows.ts";
import { slice } from "./ops/slice.ts";
import type { Tensor } from "./tensor.ts";

/** Memory is taken in multiples of so many rows. */
const CHUNK = 256;

/** A tensor [heads, capacity, width] whose first `length` rows are in use; it grows by a sixteenth, so that a token rarely moves anything. */
export class GrowingRows {
  readonly #device: Device;
  #tensor: Tensor;
  #length = 0;

  /** @param capacity Rows to take memory for at first. */
  constructor(device: Device, heads: number, width: number, dtype: DType, capacity: number = CHUNK) {
    this.#device = device;
    this.#tensor = device.empty([heads, capacity, width], dtype);
  }

  /** [heads, capacity, width]; another one after it has grown. */
  get tensor(): Tensor {
    return this.#tensor;
  }

  /** Rows in use. */
  get length(): number {
    return this.#length;
  }

  /** Rows that there is memory for. */
  get capacity(): number {
    return this.#tensor.shape[1]!;
  }

  /** Elements between heads. */
  get stride(): number {
    return this.capacity * this.#tensor.shape[2]!;
  }

  /** Appends [heads, n, width], given whole or as parts with fewer heads each. */
  append(...parts: readonly Tensor[]): void {
    const n = parts[0]!.shape[1]!;
    this.reserve(this.#length + n);
    let head = 0;
    for (const part of parts) {
      putRows(this.#device, this.#tensor, this.#length, part, head);
      head += part.shape[0]!;
    }
    this.#length += n;
  }

  /** Forgets the first `count` rows, and moves to memory for `capacity`. */
  dropFirst(count: number, capacity: number): void {
    const kept = slice(this.#device, this.#tensor, 1, count, this.#length);
    this.#length = 0;
    if (capacity !== this.capacity) this.resize(capacity);
    this.append(kept);
    kept.dispose();
  }

  /** Makes sure that there is memory for `rows` rows. */
  reserve(rows: number): void {
    if (rows <= this.capacity) return;
    const wanted = Math.max(rows, Math.ceil(this.capacity * 17 / 16));
    this.resize(Math.ceil(wanted / CHUNK) * CHUNK);
  }

  /** Moves to memory for exactly `capacity` rows. */
  resize(capacity: number): void {
    const old = this.#tensor;
    const [heads, , width] = old.shape as [number, number, number];
    const next = this.#device.empty([heads, capacity, width], old.dtype);
    this.#length = Math.min(this.#length, capacity);
    putRows(this.#device, next, 0, old, 0, this.#length);
    old.dispose();
    this.#tensor = next;
  }

  /** Sets how many rows are in use; rows that were written by others count. */
  setLength(length: number): void {
    this.#length = length;
  }

  /** A copy that goes on by itself. */
  fork(): GrowingRows {
    const [heads, capacity, width] = this.#tensor.shape as [number, number, number];
    const copy = new GrowingRows(this.#device, heads, width, this.#tensor.dtype, capacity);
    putRows(this.#device, copy.#tensor, 0, this.#tensor, 0, this.#length);
    copy.#length = this.#length;
    return copy;
  }

  /** The rows in use [heads, length, width], copied. */
  used(device: Device): Tensor {
    return slice(device, this.#tensor, 1, 0, this.#length);
  }

  dispose(): void {
    this.#tensor.dispose();
  }
}
