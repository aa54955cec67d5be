/**
 * Tables of float64 numbers, stored column by column.
 *
 * @module
 */

/** A table of numbers; `data[j * rows + i]` is row i of column j. */
export interface Matrix {
  /** The number of rows. */
  readonly rows: number;
  /** The number of columns. */
  readonly columns: number;
  /** The numbers, column after column. */
  readonly data: Float64Array;
}

/**
 * Makes a matrix of zeros.
 *
 * @param rows The number of rows.
 * @param columns The number of columns.
 * @returns The matrix.
 */
export function zeros(rows: number, columns: number): Matrix {
  return { rows, columns, data: new Float64Array(rows * columns) };
}

/**
 * Looks at one column without copying it.
 *
 * @param matrix The matrix.
 * @param index The column's index.
 * @returns A view of the column.
 */
export function columnOf(matrix: Matrix, index: number): Float64Array {
  return matrix.data.subarray(index * matrix.rows, (index + 1) * matrix.rows);
}

/**
 * Makes a matrix from numbers stored row by row.
 *
 * @param data rows * columns numbers, row-major.
 * @param rows The number of rows.
 * @param columns The number of columns.
 * @returns A new matrix.
 * @throws {RangeError} The number of values does not fit the shape.
 */
export function fromRowMajor(data: ArrayLike<number>, rows: number, columns: number): Matrix {
  if (data.length !== rows * columns) {
    throw new RangeError(`Cannot shape ${data.length} values as ${rows} rows of ${columns} columns`);
  }
  const matrix = zeros(rows, columns);
  for (let j = 0; j < columns; j++) {
    const column = columnOf(matrix, j);
    for (let i = 0; i < rows; i++) column[i] = data[i * columns + j]!;
  }
  return matrix;
}

/**
 * Writes a matrix row by row, rounded to float32, with its columns in any order.
 *
 * @param matrix The matrix.
 * @param pattern Column j of the result is column `pattern[j]` of the matrix; all in order by default.
 * @param target Where to write; a new array by default.
 * @param offset The first place in `target`; 0 by default.
 * @returns The target: rows * pattern.length numbers from `offset` on.
 * @throws {RangeError} The target is too short.
 */
export function toFloat32Rows(
  matrix: Matrix,
  pattern?: ArrayLike<number>,
  target?: Float32Array,
  offset = 0,
): Float32Array {
  const width = pattern?.length ?? matrix.columns;
  const result = target ?? new Float32Array(offset + matrix.rows * width);
  if (result.length < offset + matrix.rows * width) {
    throw new RangeError(
      `Cannot write ${matrix.rows} rows of ${width} columns at ${offset}: the target holds ${result.length} values`,
    );
  }
  for (let j = 0; j < width; j++) {
    const column = columnOf(matrix, pattern?.[j] ?? j);
    for (let i = 0; i < matrix.rows; i++) result[offset + i * width + j] = column[i]!;
  }
  return result;
}

/**
 * Keeps some columns.
 *
 * @param matrix The matrix.
 * @param kept One number per column; 0 drops the column.
 * @returns The matrix itself when nothing is dropped, else a copy of the kept columns.
 * @throws {RangeError} `kept` has another length than the matrix has columns.
 */
export function keepColumns(matrix: Matrix, kept: ArrayLike<number>): Matrix {
  if (kept.length !== matrix.columns) {
    throw new RangeError(`Cannot keep columns: the table has ${matrix.columns}, expected ${kept.length}`);
  }
  const indices: number[] = [];
  for (let j = 0; j < kept.length; j++) if (kept[j] !== 0) indices.push(j);
  if (indices.length === matrix.columns) return matrix;
  const result = zeros(matrix.rows, indices.length);
  indices.forEach((from, to) => result.data.set(columnOf(matrix, from), to * matrix.rows));
  return result;
}
