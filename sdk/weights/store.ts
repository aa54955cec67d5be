/**
 * What every kind of weights file offers a model: tensors by name, each read when it is asked for.
 *
 * @module
 */
import type { WeightData } from "../device/device.ts";
import { WeightsError } from "../device/errors.ts";
import { sizeOf } from "../device/shape.ts";
import { floatsToHalves } from "./half.ts";
import { type ByteSource, readExactly } from "./source.ts";

/** A tensor of a file. */
export interface StoredTensor {
  /** Its name. */
  readonly name: string;
  /** Sizes of its axes, row-major: [out, in] for the matrix of a linear layer. */
  readonly shape: readonly number[];
  /** How its elements are stored. */
  readonly dtype: string;
  /** Where its data begins in its file, in bytes. */
  readonly offset: number;
  /** Size of its data, in bytes. */
  readonly bytes: number;
}

/** A matrix as `device.weight(data, shape, scales)` takes it. */
export interface StoredWeight {
  /** The elements: `Float32Array`, `Uint16Array` (float16 bits), `Int8Array` or `Uint8Array` (int4). */
  readonly data: WeightData;
  /** [n, k]: outputs and inputs. */
  readonly shape: readonly [number, number];
  /** One number for each group of consecutive inputs, for int8 and int4. */
  readonly scales?: Float32Array;
}

/** Rows from the first (included) to the last (excluded); a row is one run of the last axis. */
export type RowRange = readonly [begin: number, end: number];

/** How {@linkcode WeightStore.weight} gives a matrix. */
export interface WeightForm {
  /** float32, or float16 rounded to the nearest. Default: the smallest form without loss, as the store documents. */
  readonly as?: "f32" | "f16";
  /** Default: all rows. */
  readonly rows?: RowRange;
}

/** Tensors by name. Nothing but the header is in memory until a tensor is read. */
export interface WeightStore {
  /** All tensors, by name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The elements of a tensor as float32, by default of all rows. */
  floats(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>>;
  /** A matrix for a linear layer. */
  weight(name: string, form?: WeightForm): Promise<StoredWeight>;
  /** Closes the files; what was read stays usable. */
  close(): Promise<void>;
}

/** At most so many bytes of a file are held beside what is made of them. */
const PIECE = 2 ** 24;
const INFINITE_HALF = 0x7c00;

/**
 * The tensor of a name.
 *
 * @param tensors Tensors by name.
 * @param name The name.
 * @returns The tensor.
 * @throws WeightsError if there is none.
 */
export function tensorOf<T extends StoredTensor>(tensors: ReadonlyMap<string, T>, name: string): T {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new WeightsError(
    `Cannot read tensor ${
      JSON.stringify(name)
    }: the weights have ${tensors.size} tensors but none of this name`,
  );
}

/**
 * The shape of a tensor that must be a matrix.
 *
 * @param tensor Any tensor.
 * @returns [n, k].
 * @throws WeightsError if it is no matrix.
 */
export function matrixOf({ name, shape }: StoredTensor): readonly [number, number] {
  const [n, k] = shape;
  if (shape.length === 2) return [n!, k!];
  throw new WeightsError(
    `Cannot read tensor ${
      JSON.stringify(name)
    } as a weight: its shape is [${shape}], expected a matrix [out, in]`,
  );
}

/** Rows to read of a tensor. */
export interface Rows {
  /** The first row. */
  readonly begin: number;
  /** How many. */
  readonly count: number;
  /** Elements of a row. */
  readonly cols: number;
}

/**
 * The rows of a tensor that were asked for.
 *
 * @param tensor Any tensor.
 * @param range All rows if left out.
 * @returns What to read.
 * @throws RangeError if the tensor does not have these rows.
 */
export function rowsOf({ name, shape }: StoredTensor, range?: RowRange): Rows {
  const total = sizeOf(shape.slice(0, -1));
  const [begin, end] = range ?? [0, total];
  if (!(Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin <= end && end <= total)) {
    throw new RangeError(
      `Cannot read rows ${begin} to ${end} of tensor ${JSON.stringify(name)}: it has ${total} rows`,
    );
  }
  return { begin, count: end - begin, cols: shape.at(-1) ?? 1 };
}

/**
 * Reads rows in pieces, so that memory holds little beside what is made of them.
 *
 * @param source The file.
 * @param tensor The tensor.
 * @param rows Which rows.
 * @param put Takes the bytes of whole rows and the index of their first element, counted from the first row read.
 */
export async function readPieces(
  source: ByteSource,
  tensor: StoredTensor,
  { begin, count, cols }: Rows,
  put: (bytes: Uint8Array, at: number) => void,
): Promise<void> {
  if (tensor.bytes === 0) return;
  const rowBytes = tensor.bytes / sizeOf(tensor.shape.slice(0, -1));
  const step = Math.max(1, Math.floor(PIECE / rowBytes));
  for (let row = 0; row < count; row += step) {
    const length = Math.min(step, count - row) * rowBytes;
    put(await readExactly(source, tensor.offset + (begin + row) * rowBytes, length), row * cols);
  }
}

/**
 * Narrows weights to float16, to the nearest.
 *
 * @param name The tensor, for the error.
 * @param floats The numbers.
 * @returns Bits of each.
 * @throws WeightsError if a finite number is beyond float16.
 */
export function narrow(name: string, floats: Float32Array): Uint16Array<ArrayBuffer> {
  const halves = floatsToHalves(floats);
  for (let i = 0; i < halves.length; i++) {
    if ((halves[i]! & 0x7fff) === INFINITE_HALF && Number.isFinite(floats[i])) {
      throw new WeightsError(
        `Cannot narrow tensor ${JSON.stringify(name)} to float16: it has the value ${floats[i]}, ` +
          `expected at most 65504; read it as "f32"`,
      );
    }
  }
  return halves;
}
