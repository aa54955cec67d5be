/**
 * Stream compaction.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, product, use } from "./_check.ts";

/** Options of {@linkcode compact}. */
export interface CompactOptions {
  /** Room for columns in every row of the result. @default as many as a row has */
  readonly capacity?: number;
  /** What is listed is the column times this: with the size of a block, where it begins. @default 1 */
  readonly step?: number;
}

/** What {@linkcode compact} returns. */
export interface Compacted {
  /** i32 [..., capacity]: columns, ascending, then -1 (which {@linkcode gather} and {@linkcode scatter} skip). */
  readonly indices: Tensor;
  /** i32 [...]: how many columns there are, at most `capacity`. */
  readonly counts: Tensor;
}

/**
 * Lists the columns of every row whose flag is not 0; columns beyond `capacity` are dropped.
 *
 * @param d Receives the result.
 * @param flags i32 [..., cols].
 * @returns Columns and their numbers.
 * @example
 * ```ts
 * import { compact, openDevice } from "../mod.ts";
 *
 * const device = await openDevice();
 * const flags = device.tensor(Int32Array.of(0, 1, 1, 0), [4]);
 * console.log(await compact(device, flags).indices.read("i32")); // 1, 2, -1, -1
 * device.dispose();
 * ```
 */
export function compact(d: Device, flags: Tensor, options: CompactOptions = {}): Compacted {
  const id = use(d, "compact", "flags", flags, "i32");
  expectRank("compact", "flags", flags, 1);
  const cols = flags.shape.at(-1)!;
  const { capacity = cols, step = 1 } = options;
  expectInt("compact", "capacity", capacity, 0);
  expectInt("compact", "step", step, 1);
  const leading = flags.shape.slice(0, -1);
  const rows = product(leading);
  if (rows * cols * capacity === 0) {
    return {
      indices: d.tensor(new Int32Array(rows * capacity).fill(-1), [...leading, capacity]),
      counts: d.tensor(new Int32Array(rows), leading),
    };
  }
  const indices = d.empty([...leading, capacity], "i32");
  const counts = d.empty(leading, "i32");
  d.submit({ op: "compact", x: id, out: indices.id, counts: counts.id, rows, cols, capacity, step });
  return { indices, counts };
}
