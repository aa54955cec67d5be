/**
 * Puts a state dict on a device, shaped as the model uses it.
 *
 * @module
 */
import { type Device, type Tensor, type Weight, WeightsError } from "../../sdk/device/mod.ts";
import { type SafetensorsEntry, toFloat32 } from "../../sdk/weights/safetensors.ts";
import { blocksPerScale, type OrionConfig, rowWidth } from "./config.ts";
import { parameterShapes } from "./shapes.ts";

/** A linear layer: weight [n, k] and bias [n]. */
export interface Linear {
  readonly weight: Weight;
  readonly bias: Tensor;
}

/** A LayerNorm over the last axis. */
export interface Norm {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** One attention block (MAB): attention and feed-forward, each with its norm. Query and key/value projections are apart. */
export interface Block {
  readonly heads: number;
  readonly norm1: Norm;
  readonly q: Linear;
  readonly kv: Linear;
  readonly out: Linear;
  readonly norm2: Norm;
  readonly ff1: Linear;
  readonly ff2: Linear;
}

/** A memory layer: normalised cross-attention, then a full transformer layer. */
export interface MemoryLayer {
  readonly qNorm: Norm;
  readonly kvNorm: Norm;
  readonly attn: Block;
  readonly ffn: Block;
}

/** All parameters of a model on a device. */
export interface Parameters {
  readonly column: {
    /** Cell -> vector: weight [E] and bias [E]. */
    readonly inLinear: { readonly weight: Tensor; readonly bias: Tensor };
    readonly blocks: readonly { readonly inducing: Tensor; readonly induce: Block; readonly read: Block }[];
    readonly outW: Linear;
    readonly outB: Linear;
    readonly lnW: Norm;
    readonly lnB: Norm;
    /** What a column of skip values becomes: -100 * lnW.bias + lnB.bias, on the host. */
    readonly skipped: Float32Array;
  };
  readonly row: {
    /** CLS and global tokens, [S, E]. */
    readonly specials: Tensor;
    readonly scales: readonly { readonly freqs: Tensor; readonly blocks: readonly Block[] }[];
    readonly pma: { readonly seed: Float32Array; readonly q: Linear; readonly k: Linear; readonly v: Linear };
    readonly outNorm: Norm;
  };
  readonly icl: {
    readonly blocks: readonly Block[];
    readonly norm: Norm;
    /** Label embeddings [M, D], bias included. */
    readonly labels: Tensor;
    readonly decoder: readonly [Linear, Linear];
    readonly memory?: {
      readonly latents: Tensor;
      readonly write: readonly MemoryLayer[];
      readonly read: readonly MemoryLayer[];
    };
  };
}

/** A state dict on the host: entries of a safetensors file, by name. */
export type StateDict = ReadonlyMap<string, SafetensorsEntry>;

/**
 * Checks a state dict against its configuration and uploads it.
 *
 * @param device Receives the parameters; dispose it (a scope) to free them.
 * @param config A checked configuration.
 * @param tensors The state dict; float types of any width, or int8 matrices with `<name>.scale` [n].
 * @returns The parameters.
 * @throws WeightsError if a name is missing or unknown, or a shape differs from the configuration.
 */
export function uploadParameters(device: Device, config: OrionConfig, tensors: StateDict): Parameters {
  checkNames(config, tensors);
  const e = config.embed_dim;
  const d = rowWidth(config);
  const host = (name: string): Float32Array => toFloat32(tensors.get(name)!);
  const vector = (name: string, data = host(name), shape: readonly number[] = [data.length]): Tensor =>
    device.tensor(data, shape);
  const matrix = (name: string, from: number, to: number, k: number): Weight => {
    const entry = tensors.get(name)!;
    const scale = tensors.get(`${name}.scale`);
    const rows = (data: Float32Array | Uint16Array | Int8Array, width: number) =>
      data.subarray(from * width, to * width);
    if (entry.dtype === "F16") {
      return device.weight(rows(entry.data as Uint16Array, k) as Uint16Array, [to - from, k]);
    }
    if (entry.dtype === "I8" && scale !== undefined) {
      return device.weight(
        rows(entry.data as Int8Array, k) as Int8Array,
        [to - from, k],
        toFloat32(scale).subarray(from, to),
      );
    }
    return device.weight(rows(host(name), k) as Float32Array, [to - from, k]);
  };
  const linear = (name: string, n: number, k: number): Linear => ({
    weight: matrix(`${name}.weight`, 0, n, k),
    bias: vector(`${name}.bias`),
  });
  const norm = (name: string): Norm => ({ weight: vector(`${name}.weight`), bias: vector(`${name}.bias`) });
  const block = (name: string, width: number, heads: number, attention = "attn"): Block => {
    const projection = `${name}.${attention}.in_proj`;
    const bias = host(`${projection}_bias`);
    return {
      heads,
      norm1: norm(`${name}.norm1`),
      q: {
        weight: matrix(`${projection}_weight`, 0, width, width),
        bias: vector("", bias.subarray(0, width)),
      },
      kv: {
        weight: matrix(`${projection}_weight`, width, 3 * width, width),
        bias: vector("", bias.subarray(width)),
      },
      out: linear(`${name}.${attention}.out_proj`, width, width),
      norm2: norm(`${name}.norm2`),
      ff1: linear(`${name}.linear1`, config.ff_factor * width, width),
      ff2: linear(`${name}.linear2`, width, config.ff_factor * width),
    };
  };
  const memoryLayer = (name: string): MemoryLayer => ({
    qNorm: norm(`${name}.q_norm`),
    kvNorm: norm(`${name}.kv_norm`),
    attn: block(`${name}.attn`, d, config.icl_nhead),
    ffn: block(`${name}.ffn`, d, config.icl_nhead, "self_attn"),
  });
  const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

  const column = "col_embedder";
  const row = "row_interactor";
  const icl = "icl_predictor";
  const lnWBias = host(`${column}.ln_w.bias`);
  const lnBBias = host(`${column}.ln_b.bias`);
  const specials = new Float32Array((config.row_num_cls + config.row_num_global) * e);
  specials.set(host(`${row}.cls_tokens`));
  specials.set(host(`${row}.global_tokens`), config.row_num_cls * e);
  return {
    column: {
      inLinear: { weight: vector(`${column}.in_linear.weight`), bias: vector(`${column}.in_linear.bias`) },
      blocks: count(config.col_num_blocks).map((b) => {
        const name = `${column}.tf_col.blocks.${b}`;
        return {
          inducing: vector("", host(`${name}.ind_vectors`), [1, config.col_num_inds, e]),
          induce: block(`${name}.multihead_attn1`, e, config.col_nhead),
          read: block(`${name}.multihead_attn2`, e, config.col_nhead),
        };
      }),
      outW: linear(`${column}.out_w`, e, e),
      outB: linear(`${column}.out_b`, e, e),
      lnW: norm(`${column}.ln_w`),
      lnB: norm(`${column}.ln_b`),
      skipped: lnWBias.map((w, i) => -100 * w + lnBBias[i]!),
    },
    row: {
      specials: vector("", specials, [specials.length / e, e]),
      scales: config.row_scales.map((_, s) => ({
        freqs: vector(`${row}.scale_encoders.${s}.rope.freqs`),
        blocks: count(blocksPerScale(config)).map((b) =>
          block(`${row}.scale_encoders.${s}.blocks.${b}`, e, config.row_nhead)
        ),
      })),
      pma: {
        seed: host(`${row}.pma.seed`),
        q: linear(`${row}.pma.q_proj`, e, e),
        k: linear(`${row}.pma.k_proj`, e, e),
        v: linear(`${row}.pma.v_proj`, e, e),
      },
      outNorm: norm(`${row}.out_ln`),
    },
    icl: {
      blocks: count(config.icl_num_blocks).map((b) =>
        block(`${icl}.tf_icl.blocks.${b}`, d, config.icl_nhead)
      ),
      norm: norm(`${icl}.ln`),
      labels: vector("", labelTable(host(`${icl}.y_encoder.weight`), host(`${icl}.y_encoder.bias`)), [
        config.max_classes,
        d,
      ]),
      decoder: [linear(`${icl}.decoder.0`, 2 * d, d), linear(`${icl}.decoder.2`, config.max_classes, 2 * d)],
      ...(config.perc_num_latents > 0 && {
        memory: {
          latents: vector("", host(`${icl}.memory.latents`), [1, config.perc_num_latents, d]),
          write: count(config.perc_layers).map((l) => memoryLayer(`${icl}.memory.write_layers.${l}`)),
          read: count(config.perc_layers).map((l) => memoryLayer(`${icl}.memory.read_layers.${l}`)),
        },
      }),
    },
  };
}

/** Row c = column c of the weight [D, M] plus the bias: a label's embedding. */
function labelTable(weight: Float32Array, bias: Float32Array): Float32Array {
  const d = bias.length;
  const classes = weight.length / d;
  return Float32Array.from(
    { length: weight.length },
    (_, i) => weight[(i % d) * classes + Math.floor(i / d)]! + bias[i % d]!,
  );
}

function checkNames(config: OrionConfig, tensors: StateDict): void {
  const shapes = parameterShapes(config);
  for (const [name, shape] of shapes) {
    const entry = tensors.get(name);
    if (entry === undefined) throw new WeightsError(`Cannot load the weights: tensor "${name}" is missing`);
    if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i])) {
      throw new WeightsError(
        `Cannot load tensor "${name}": its shape is [${entry.shape}] but the config asks for [${shape}]`,
      );
    }
    const scale = tensors.get(`${name}.scale`);
    const quantised = entry.dtype === "I8" && shape.length === 2;
    if (
      quantised !== (scale !== undefined) || (scale !== undefined && scale.shape.join() !== String(shape[0]))
    ) {
      throw new WeightsError(
        `Cannot load tensor "${name}": an int8 matrix needs "${name}.scale" with one number per row, and only it`,
      );
    }
    if (!["F64", "F32", "F16", "BF16", "I8"].includes(entry.dtype) || (entry.dtype === "I8" && !quantised)) {
      throw new WeightsError(
        `Cannot load tensor "${name}": its type is ${entry.dtype}, expected F32, F16, BF16 or an int8 matrix with scales`,
      );
    }
  }
  for (const name of tensors.keys()) {
    if (!shapes.has(name) && !(name.endsWith(".scale") && shapes.has(name.slice(0, -".scale".length)))) {
      throw new WeightsError(
        `Cannot load the weights: tensor "${name}" is not part of a model with this config`,
      );
    }
  }
}
