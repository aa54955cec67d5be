/**
 * The mask predictor of Sparsifiner: a few learned weights that guess an attention map of low rank.
 *
 * Wei et al., 2023, https://arxiv.org/abs/2303.13755.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import type { Tensor } from "../device/tensor.ts";
import {
  readSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  toFloat32,
  writeSafetensors,
} from "../weights/safetensors.ts";

/** What a predictor is made for. */
export interface SparsifinerSizes {
  /** Tokens of an image, the CLS token included; the weights fit no other number. */
  readonly tokens: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Channels that queries and keys are reduced to. Official: half of `headDim`. */
  readonly channels: number;
  /** Basis vectors: rank of the guess. Official: a sixth of `tokens`. */
  readonly vectors: number;
}

/** A value for every weight of a predictor; all heads share them. */
export interface SparsifinerRecord<T> {
  /** [channels, headDim], in files `proj_c_q.weight`. */
  readonly queryWeight: T;
  /** [channels], in files `proj_c_q.bias`. */
  readonly queryBias: T;
  /** [channels, headDim], in files `proj_c_k.weight`. */
  readonly keyWeight: T;
  /** [channels], in files `proj_c_k.bias`. */
  readonly keyBias: T;
  /** [tokens, vectors]: how keys are mixed to pseudo keys; in files `proj_n`. */
  readonly project: T;
  /** [tokens, vectors]: which keys every basis vector stands for; in files `proj_back_n`. */
  readonly restore: T;
}

/** Name of every weight in files. */
export const SPARSIFINER_NAMES: SparsifinerRecord<string> = {
  queryWeight: "proj_c_q.weight",
  queryBias: "proj_c_q.bias",
  keyWeight: "proj_c_k.weight",
  keyBias: "proj_c_k.bias",
  project: "proj_n",
  restore: "proj_back_n",
};

/** Where weights lie in a file. */
export interface SparsifinerFile {
  /** Layer of a checkpoint: tensors are called `blocks.{layer}.attn.mask_predictor.proj_n` and so on. */
  readonly layer?: number;
  /** What stands before the names instead. @default "" without `layer` */
  readonly prefix?: string;
}

/** The predictor of one layer; it never changes, and holds nothing on a device. */
export class SparsifinerPredictor {
  /** What it is made for. */
  readonly sizes: SparsifinerSizes;
  /** The weights, row-major. */
  readonly weights: SparsifinerRecord<Float32Array>;

  /**
   * Makes a predictor of its weights.
   *
   * @throws RangeError if a size is out of range, or weights do not fit or are not finite.
   */
  constructor(sizes: SparsifinerSizes, weights: SparsifinerRecord<Float32Array>) {
    for (const [name, value] of Object.entries(sizes)) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new RangeError(
        `Cannot make a predictor: "${name}" is ${value}, expected a whole number of at least 1`,
      );
    }
    for (const [key, shape] of Object.entries(weightShapes(sizes))) {
      const data = weights[key as keyof SparsifinerRecord<unknown>];
      const size = shape.reduce((all: number, n: number) => all * n, 1);
      if (data.length !== size) {
        throw new RangeError(
          `Cannot make a predictor: "${key}" has ${data.length} elements, expected ${size} for [${shape}]`,
        );
      }
      if (!data.every((value) => Number.isFinite(value))) {
        throw new RangeError(`Cannot make a predictor: "${key}" has elements that are not finite`);
      }
    }
    this.sizes = sizes;
    this.weights = weights;
  }

  /**
   * Reads the predictor of one layer; its sizes are those of the tensors.
   *
   * @param source A safetensors file, or what was read of one; it is not trusted.
   * @throws WeightsError if the file is broken, or a tensor is missing or has another shape.
   */
  static load(source: Uint8Array | SafetensorsFile, options: SparsifinerFile = {}): SparsifinerPredictor {
    const { tensors } = source instanceof Uint8Array ? readSafetensors(source) : source;
    const prefix = prefixOf(options);
    const entries = mapRecord(SPARSIFINER_NAMES, (name): SafetensorsEntry => {
      const entry = tensors.get(prefix + name);
      if (entry) return entry;
      throw new WeightsError(`Cannot load the predictor: there is no tensor "${prefix}${name}"`);
    });
    const [channels = 0, headDim = 0] = entries.queryWeight.shape;
    const [tokens = 0, vectors = 0] = entries.project.shape;
    const sizes = { tokens, headDim, channels, vectors };
    const shapes = weightShapes(sizes);
    mapRecord(SPARSIFINER_NAMES, (name, key) => {
      if (entries[key].shape.join() === shapes[key].join()) return;
      throw new WeightsError(
        `Cannot load the predictor: "${prefix}${name}" has shape [${entries[key].shape}], expected [${
          shapes[key]
        }] beside the others`,
      );
    });
    try {
      return new SparsifinerPredictor(sizes, mapRecord(entries, (entry) => toFloat32(entry)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new WeightsError(`Cannot load the predictor: ${reason}`, { cause: error });
    }
  }

  /** A safetensors file that {@linkcode SparsifinerPredictor.load} reads with the same options. */
  save(options: SparsifinerFile = {}): Uint8Array<ArrayBuffer> {
    const prefix = prefixOf(options);
    const shapes = weightShapes(this.sizes);
    const tensors = new Map<string, SafetensorsEntry>();
    mapRecord(SPARSIFINER_NAMES, (name, key) => {
      tensors.set(prefix + name, { dtype: "F32", shape: shapes[key], data: this.weights[key] });
    });
    return writeSafetensors(tensors);
  }

  /**
   * What every basis vector stands for, without small entries: the same for all images.
   *
   * @param threshold Entries up to it become 0.
   * @returns [tokens, vectors]: a vector in every column.
   */
  basis(threshold: number): Float32Array<ArrayBuffer> {
    return Float32Array.from(this.weights.restore, (value) => {
      return Math.abs(value) > Math.fround(threshold) ? Math.abs(value) : 0;
    });
  }

  /**
   * Refuses queries and keys that the predictor is not made for.
   *
   * @throws RangeError if their number or width is another.
   */
  check(q: Tensor, k: Tensor): void {
    const { tokens, headDim } = this.sizes;
    if ([q, k].every(({ shape }) => shape.length === 3 && shape[1] === tokens && shape[2] === headDim)) {
      return;
    }
    throw new RangeError(
      `Cannot use the predictor: it is made for ${tokens} tokens and heads of ${headDim} columns, got "q" [${q.shape}] and "k" [${k.shape}]; images of another size need weights that are trained for it`,
    );
  }
}

function prefixOf(
  { layer, prefix = layer === undefined ? "" : `blocks.${layer}.attn.mask_predictor.` }: SparsifinerFile,
): string {
  return prefix;
}

/** Shapes of the weights. */
export function weightShapes(
  { tokens, headDim, channels, vectors }: SparsifinerSizes,
): SparsifinerRecord<readonly number[]> {
  return {
    queryWeight: [channels, headDim],
    queryBias: [channels],
    keyWeight: [channels, headDim],
    keyBias: [channels],
    project: [tokens, vectors],
    restore: [tokens, vectors],
  };
}

/** The same for every weight. */
export function mapRecord<A, B>(
  record: SparsifinerRecord<A>,
  turn: (value: A, key: keyof SparsifinerRecord<A>) => B,
): SparsifinerRecord<B> {
  const { queryWeight, queryBias, keyWeight, keyBias, project, restore } = record;
  return {
    queryWeight: turn(queryWeight, "queryWeight"),
    queryBias: turn(queryBias, "queryBias"),
    keyWeight: turn(keyWeight, "keyWeight"),
    keyBias: turn(keyBias, "keyBias"),
    project: turn(project, "project"),
    restore: turn(restore, "restore"),
  };
}
