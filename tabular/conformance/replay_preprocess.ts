/**
 * Replays a golden file of kind `preprocess`: encoder, filter and every normalisation method (SPEC 11).
 *
 * @module
 */
import type { SafetensorsFile } from "../../sdk/weights/safetensors.ts";
import { fitFrame, type FrameColumn, type FrameEncoder, type FrameValue } from "../preprocess/frame.ts";
import { columnOf, fromRowMajor, keepColumns, type Matrix } from "../preprocess/matrix.ts";
import { numpyNormals } from "../preprocess/numpy_random.ts";
import { fitTransform, type NormMethod } from "../preprocess/pipeline.ts";
import { uniqueFilter } from "../preprocess/unique_filter.ts";
import { type Check, compare } from "../../sdk/golden/check.ts";
import { compareExactly } from "./exact.ts";

const TOLERANCE = 1e-7;
const POWER_TOLERANCE = 1e-6;
const NOISE_TOLERANCE = 1e-12;
const METHODS: readonly NormMethod[] = ["none", "power", "quantile", "quantile_rtdl", "robust"];

/** The parameters of such a file. */
export interface PreprocessParams {
  /** Numeric files: training rows of each table. */
  readonly sizes?: readonly number[];
  /** Mixed files: the training frame. */
  readonly train?: readonly FrameColumn[];
  /** Mixed files: the test frame. */
  readonly test?: readonly FrameColumn[];
  /** The methods recorded. @default those that the file has tensors of */
  readonly methods?: readonly NormMethod[];
  /** @default 4 */
  readonly outlier_threshold?: number;
  /** @default 42 */
  readonly random_state?: number;
  readonly column_order?: readonly string[];
  readonly dropped?: readonly string[];
  readonly categories?: Readonly<Record<string, readonly FrameValue[]>>;
  readonly imputer_means?: readonly (number | null)[];
}

/**
 * Replays the file.
 *
 * @param file The tensors.
 * @param params The parsed metadata.
 * @returns One check per recorded result.
 * @throws {RangeError} A tensor that the parameters announce is missing.
 */
export function replayPreprocess(file: SafetensorsFile, params: PreprocessParams): Check[] {
  const checks: Check[] = [];
  if (params.train !== undefined && params.test !== undefined) {
    const encoder = fitFrame(params.train);
    const train = encoder.encode(params.train);
    const test = encoder.encode(params.test);
    checks.push(...checkEncoder(encoder, params));
    checks.push(...checkEncoded("encoded.train", train, matrixOf(file, "encoded.train"), encoder));
    checks.push(...checkEncoded("encoded.test", test, matrixOf(file, "encoded.test"), encoder));
    checks.push(...checkPipelines(file, params, "mixed", train, test));
  }
  for (const size of params.sizes ?? []) {
    const prefix = `n${size}`;
    const train = matrixOf(file, `${prefix}.raw_train`);
    const test = matrixOf(file, `${prefix}.raw_test`);
    checks.push(...checkPipelines(file, params, prefix, train, test));
  }
  if (checks.length === 0) {
    throw new RangeError(
      'Cannot replay the golden file: its params have neither "sizes" nor "train" and "test"',
    );
  }
  return checks;
}

function checkEncoder(encoder: FrameEncoder, params: PreprocessParams): Check[] {
  const checks: Check[] = [];
  const { column_order, dropped, categories, imputer_means } = params;
  if (column_order) checks.push(compareExactly("column_order", encoder.columnOrder, column_order));
  if (dropped) checks.push(compareExactly("dropped", [...encoder.dropped].sort(), [...dropped].sort()));
  for (const [name, values] of Object.entries(categories ?? {})) {
    // A nullable boolean is recorded as 0 and 1.
    const plain = (list: readonly FrameValue[]) =>
      list.map((value) => typeof value === "boolean" ? Number(value) : value);
    checks.push(compareExactly(`categories.${name}`, plain(encoder.categories[name] ?? []), plain(values)));
  }
  if (imputer_means) {
    const numbers = (list: readonly (number | null)[]) => list.filter((mean) => mean !== null);
    const missing = (list: readonly (number | null)[]) => list.map((mean) => mean === null);
    checks.push(
      compareExactly("imputer_means missing", missing(encoder.imputerMeans), missing(imputer_means)),
      compare("imputer_means", numbers(encoder.imputerMeans), numbers(imputer_means), TOLERANCE),
    );
  }
  return checks;
}

/** Codes are exact, numbers are not. */
function checkEncoded(name: string, actual: Matrix, expected: Matrix, encoder: FrameEncoder): Check[] {
  const codes = Object.keys(encoder.categories).length;
  const [a, e] = [actual, expected].map((matrix) => matrix.data.subarray(0, codes * matrix.rows)) as [
    Float64Array,
    Float64Array,
  ];
  return [compare(`${name} codes`, a, e, 0), compare(name, actual.data, expected.data, TOLERANCE)];
}

function checkPipelines(
  file: SafetensorsFile,
  params: PreprocessParams,
  prefix: string,
  train: Matrix,
  test: Matrix,
): Check[] {
  const checks: Check[] = [];
  const { outlier_threshold: outlierThreshold = 4, random_state: randomState = 42 } = params;
  const check = (name: string, actual: ArrayLike<number>, tolerance: number): void => {
    const full = `${prefix}.${name}`;
    const expected = file.tensors.get(full);
    if (expected !== undefined) checks.push(compare(full, actual, expected.data as Float64Array, tolerance));
  };
  const kept = uniqueFilter(train);
  check("kept", kept, 0);
  const trainKept = keepColumns(train, kept);
  const testKept = keepColumns(test, kept);
  for (const method of params.methods ?? METHODS) {
    if (params.methods === undefined && !file.tensors.has(`${prefix}.${method}.train`)) continue;
    const { pipeline, values } = fitTransform(method, trainKept, { outlierThreshold, randomState });
    const tolerance = method === "power" ? POWER_TOLERANCE : TOLERANCE;
    const { arrays } = pipeline.state;
    if (method === (params.methods ?? METHODS)[0]) {
      check("scale_mean", arrays["mean"]!, TOLERANCE);
      check("scale_std", arrays["divisor"]!, TOLERANCE);
    }
    check(`${method}.train`, rowMajor(values), tolerance);
    check(`${method}.test`, rowMajor(pipeline.transform(testKept, "table")), tolerance);
    check(`${method}.outlier_lower`, arrays["lower"]!, tolerance);
    check(`${method}.outlier_upper`, arrays["upper"]!, tolerance);
    if (method === "quantile" || method === "quantile_rtdl") {
      const { columns } = trainKept;
      const data = arrays["quantiles"]!;
      check(`${method}.quantiles`, rowMajor({ rows: data.length / columns, columns, data }), TOLERANCE);
    }
    if (method === "quantile_rtdl") {
      const noise = numpyNormals(randomState).fill(new Float64Array(trainKept.rows * trainKept.columns));
      check("quantile_rtdl.noise", noise, NOISE_TOLERANCE);
    }
    if (method === "robust") {
      check("robust.center", arrays["center"]!, TOLERANCE);
      check("robust.scale", arrays["scale"]!, TOLERANCE);
    }
  }
  return checks;
}

function matrixOf(file: SafetensorsFile, name: string): Matrix {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw new RangeError(`Cannot replay the golden file: it has no tensor "${name}"`);
  return fromRowMajor(entry.data as ArrayLike<number>, entry.shape[0]!, entry.shape[1]!);
}

function rowMajor(matrix: Matrix): Float64Array {
  const result = new Float64Array(matrix.rows * matrix.columns);
  for (let j = 0; j < matrix.columns; j++) {
    const column = columnOf(matrix, j);
    for (let i = 0; i < matrix.rows; i++) result[i * matrix.columns + j] = column[i]!;
  }
  return result;
}
