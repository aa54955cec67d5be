/**
 * How large a table may be.
 *
 * @module
 */
import { type OrionConfig, rowWidth } from "../model/config.ts";

/** Bytes that one device can address at most, with room for weights and temporaries. */
const BUDGET = 3 * 2 ** 30;

/** Every column of a row may read every other: beyond this the pairs of one row alone are a gigabyte. */
const MAX_COLUMNS = 8192;

/** Sizes of a table to fit or predict. */
export interface TableSize {
  readonly rows: number;
  /** Columns that the model sees. */
  readonly columns: number;
  readonly members: number;
  /** Versions of the table, one per normalisation method. */
  readonly tables: number;
  /** Bytes of a number of a kept key or value, at most. @default 2 */
  readonly keyBytes?: number;
}

/**
 * Refuses a table whose tensors cannot fit into memory.
 *
 * @throws RangeError with the estimate and what to do.
 */
export function checkRoom(config: OrionConfig, size: TableSize): void {
  if (size.columns > MAX_COLUMNS) {
    throw new RangeError(
      `Cannot use a table of ${size.columns} columns: expected at most ${MAX_COLUMNS} that vary; keep the most informative ones`,
    );
  }
  const width = rowWidth(config);
  // Embedded cells of every version, twice while they are put in order, and the vectors and keys of every member.
  const cells = 4 * size.rows * size.columns * config.embed_dim * (size.tables + 2);
  const members = size.members * size.rows * width *
    (4 * 4 + 2 * (size.keyBytes ?? 2) * config.icl_num_blocks);
  if (cells + members <= BUDGET) return;
  const gib = ((cells + members) / 2 ** 30).toFixed(1);
  const rows = Math.floor(size.rows * BUDGET / (cells + members));
  throw new RangeError(
    `Cannot use a table of ${size.rows} rows x ${size.columns} columns: it would take about ${gib} GiB and ${
      BUDGET / 2 ** 30
    } are available; ` +
      `use at most ${rows} rows (a random sample keeps most of the accuracy), fewer columns, or fewer members (nEstimators)`,
  );
}
