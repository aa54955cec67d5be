/**
 * The filter of features that tell nothing (SPEC 7.2).
 *
 * @module
 */

import { columnOf, type Matrix } from "./matrix.ts";

/**
 * Finds the features with more than one distinct training value; a table of one row keeps all.
 *
 * @param train The encoded training table, without missing values.
 * @returns One byte per column: 1 = keep. Use it with `keepColumns`.
 */
export function uniqueFilter(train: Matrix): Uint8Array {
  const kept = new Uint8Array(train.columns);
  for (let j = 0; j < train.columns; j++) kept[j] = train.rows === 1 || varies(columnOf(train, j)) ? 1 : 0;
  return kept;
}

function varies(column: Float64Array): boolean {
  const first = column[0];
  for (let i = 1; i < column.length; i++) if (column[i] !== first) return true;
  return false;
}
