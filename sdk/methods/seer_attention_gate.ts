/**
 * The gate of SeerAttention: a few learned weights that predict which blocks of an attention map matter.
 *
 * Gao et al., 2024, https://arxiv.org/abs/2410.13276.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { WeightsError } from "../device/errors.ts";
import { mul } from "../device/ops/binary.ts";
import { softmax } from "../device/ops/softmax.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkJson } from "../weights/_check_json.ts";
import {
  readSafetensors,
  type SafetensorsEntry,
  toFloat32,
  writeSafetensors,
} from "../weights/safetensors.ts";
import {
  causalLens,
  causalMask,
  gateForward,
  poolInputs,
  uploadWeights,
  weightShapes,
} from "./seer_attention_forward.ts";

/** How a block of rows becomes one: largest, smallest or mean of every column. */
export type SeerPool = "max" | "min" | "avg";

/** What a gate is made for. */
export interface SeerGateConfig {
  /** Query heads. */
  readonly heads: number;
  /** Key heads; divides `heads`. */
  readonly kvHeads: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Width of the gate's own queries and keys per head; even. Official: 128. */
  readonly hidden: number;
  /** Queries and keys per block. Official: 64. */
  readonly blockSize: number;
  /** How queries are pooled, in the order max, min, avg. Official: avg. */
  readonly qPool: readonly SeerPool[];
  /** How keys are pooled, in the order max, min, avg. Official: all three. */
  readonly kPool: readonly SeerPool[];
  /** Base of the gate's rotary embedding: that of the model. */
  readonly ropeTheta: number;
  /** Radians per token of every rotated pair [hidden / 2], for models that scale them. @default ropeTheta^(-2i / hidden) */
  readonly ropeFrequencies?: readonly number[];
}

/** Weights of a gate, row-major. */
export interface SeerGateWeights {
  /** [heads, qPool.length * headDim, hidden]; left out, pooled queries are used as they are, which needs one pool and `hidden` equal to `headDim`. */
  readonly wq?: Float32Array | undefined;
  /** [kvHeads, kPool.length * headDim, hidden], or [heads, ...] without `wq`. */
  readonly wk: Float32Array;
}

/** Where weights lie in a file, and what they are for. */
export interface SeerGateFile {
  /** What stands before the names of tensors, such as `model.layers.3.self_attn.attn_gate.`. @default "" */
  readonly prefix?: string;
  /** What the gate is made for, for files that do not say it. @default the metadata key `seer_gate` */
  readonly config?: SeerGateConfig;
}

const ORDER: readonly SeerPool[] = ["max", "min", "avg"];

/** A gate of one attention layer; it never changes, and holds nothing on a device. */
export class SeerGate {
  /** What the gate is made for. */
  readonly config: SeerGateConfig;
  /** [heads, qPool.length * headDim, hidden], or none. */
  readonly wq: Float32Array | undefined;
  /** [kvHeads or heads, kPool.length * headDim, hidden]. */
  readonly wk: Float32Array;

  /**
   * Makes a gate of its weights.
   *
   * @throws RangeError if a size is out of range, or weights do not fit or are not finite.
   */
  constructor(config: SeerGateConfig, { wq, wk }: SeerGateWeights) {
    checkConfig(config, wq !== undefined);
    const shapes = weightShapes(config, wq !== undefined);
    if (wq) checkWeights("wq", wq, shapes.wq);
    checkWeights("wk", wk, shapes.wk);
    this.config = config;
    this.wq = wq;
    this.wk = wk;
  }

  /**
   * Reads a gate: tensors `mask_linear_k.weight` and, if the gate has it, `mask_linear_q.weight`.
   *
   * @param bytes A safetensors file; it is not trusted.
   * @throws WeightsError if the file is broken or does not fit its configuration.
   */
  static load(bytes: Uint8Array, { prefix = "", config }: SeerGateFile = {}): SeerGate {
    const { tensors, metadata } = readSafetensors(bytes);
    const [wq, wk] = ["q", "k"].map((name) => tensors.get(`${prefix}mask_linear_${name}.weight`));
    if (!wk) {
      throw new WeightsError(`Cannot load the gate: there is no tensor "${prefix}mask_linear_k.weight"`);
    }
    try {
      const gate = new SeerGate(config ?? parseConfig(metadata["seer_gate"]), {
        wq: wq && toFloat32(wq),
        wk: toFloat32(wk),
      });
      const shapes = weightShapes(gate.config, wq !== undefined);
      for (const [name, entry, shape] of [["q", wq, shapes.wq], ["k", wk, shapes.wk]] as const) {
        if (entry && entry.shape.join() !== shape.join()) {
          throw new RangeError(
            `"mask_linear_${name}.weight" has shape [${entry.shape}], expected [${shape}]`,
          );
        }
      }
      return gate;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new WeightsError(`Cannot load the gate: ${reason}`, { cause: error });
    }
  }

  /** A safetensors file that {@linkcode SeerGate.load} reads without being told more. */
  save(): Uint8Array<ArrayBuffer> {
    const { config, wq, wk } = this;
    const tensors = new Map<string, SafetensorsEntry>();
    const shapes = weightShapes(config, wq !== undefined);
    for (const [name, data, shape] of [["q", wq, shapes.wq], ["k", wk, shapes.wk]] as const) {
      if (data) tensors.set(`mask_linear_${name}.weight`, { dtype: "F32", shape, data });
    }
    return writeSafetensors(tensors, { seer_gate: JSON.stringify(config) });
  }

  /**
   * Scores of blocks before the softmax.
   *
   * @param d Receives the result.
   * @param qPre Queries before rotary embedding [heads, Lq, headDim].
   * @param kPre Keys before rotary embedding [kvHeads, Lk, headDim]; Lk - Lq is a multiple of the block size.
   * @returns [heads, ceil(Lq / blockSize), ceil(Lk / blockSize)]; 0 for key blocks after the query block.
   * @throws RangeError if q and k are not what the gate is made for.
   */
  logits(d: Device, qPre: Tensor, kPre: Tensor): Tensor {
    const { config } = this;
    const first = firstKeyBlock(config, qPre, kPre);
    return scoped(d, (s) => {
      const { logits } = gateForward(
        s,
        config,
        uploadWeights(s, this),
        poolInputs(s, config, qPre, kPre),
        first,
      );
      return mul(s, logits, causalMask(s, logits.shape.slice(1), first));
    });
  }

  /** Softmax of {@linkcode logits} over the key blocks up to that of the query: shares of every row, 0 for later blocks. */
  scores(d: Device, qPre: Tensor, kPre: Tensor): Tensor {
    const first = firstKeyBlock(this.config, qPre, kPre);
    return scoped(d, (s) => {
      const logits = this.logits(s, qPre, kPre);
      return softmax(s, logits, { lens: causalLens(s, logits.shape.slice(1), first) });
    });
  }
}

/**
 * The key block of the first query block.
 *
 * @throws RangeError if q and k are not what the gate is made for.
 */
export function firstKeyBlock(config: SeerGateConfig, q: Tensor, k: Tensor): number {
  const { heads, kvHeads, headDim, blockSize } = config;
  const [qHeads, lq, qDim] = q.shape;
  const [kHeads, lk, kDim] = k.shape;
  if (
    q.shape.length !== 3 || k.shape.length !== 3 || qHeads !== heads || kHeads !== kvHeads ||
    qDim !== headDim ||
    kDim !== headDim
  ) {
    throw new RangeError(
      `Cannot use the gate: it is made for ${heads} query heads and ${kvHeads} key heads of ${headDim} columns, got "q" [${q.shape}] and "k" [${k.shape}]`,
    );
  }
  const first = (lk! - lq!) / blockSize;
  if (first >= 0 && Number.isInteger(first)) return first;
  throw new RangeError(
    `Cannot use the gate: ${lq} queries for ${lk} keys, expected a difference that is a multiple of the block size ${blockSize}`,
  );
}

function parseConfig(text: string | undefined): SeerGateConfig {
  if (text === undefined) {
    throw new RangeError(`the file has no metadata "seer_gate" that says what it is for, give "config"`);
  }
  const problem = checkJson(text, 2);
  if (problem !== undefined) throw new SyntaxError(`its metadata "seer_gate" is not usable: ${problem}`);
  const config: unknown = JSON.parse(text);
  if (typeof config !== "object" || config === null) {
    throw new TypeError(`its metadata "seer_gate" is ${text.slice(0, 40)}, expected an object`);
  }
  // The constructor checks every field.
  return config as SeerGateConfig;
}

function checkConfig(config: SeerGateConfig, double: boolean): void {
  const { heads, kvHeads, headDim, hidden, blockSize, qPool, kPool, ropeTheta, ropeFrequencies } = config;
  const fail = (name: string, value: unknown, expected: string): never => {
    throw new RangeError(`Cannot make a gate: "${name}" is ${JSON.stringify(value)}, expected ${expected}`);
  };
  for (const [name, value] of Object.entries({ heads, kvHeads, headDim, hidden, blockSize })) {
    if (!Number.isSafeInteger(value) || value < 1) fail(name, value, "a whole number of at least 1");
  }
  if (heads % kvHeads !== 0) fail("kvHeads", kvHeads, `a divisor of the ${heads} query heads`);
  if (hidden % 2 !== 0) fail("hidden", hidden, "an even number");
  for (const [name, pools] of Object.entries({ qPool, kPool })) {
    const known = Array.isArray(pools) && pools.length > 0 &&
      ORDER.filter((pool) => pools.includes(pool)).join() === pools.join();
    if (!known) fail(name, pools, `some of ${ORDER.join(", ")}, in this order`);
  }
  if (!(Number.isFinite(ropeTheta) && ropeTheta > 0)) fail("ropeTheta", ropeTheta, "a number above 0");
  const frequencies: unknown = ropeFrequencies ?? new Array(hidden / 2).fill(0);
  const usable = Array.isArray(frequencies) && frequencies.length === hidden / 2 &&
    frequencies.every((value) => Number.isFinite(value));
  if (!usable) fail("ropeFrequencies", ropeFrequencies, `${hidden / 2} finite numbers`);
  if (!double && qPool.length > 1) fail("qPool", qPool, `one pool for a gate without "wq"`);
  if (!double && hidden !== headDim) {
    fail("hidden", hidden, `${headDim} as "headDim" for a gate without "wq"`);
  }
}

function checkWeights(name: string, data: Float32Array, shape: readonly [number, number, number]): void {
  const size = shape[0] * shape[1] * shape[2];
  if (data.length !== size) {
    throw new RangeError(
      `Cannot make a gate: "${name}" has ${data.length} elements, expected ${size} for [${shape}]`,
    );
  }
  if (!data.every((value) => Number.isFinite(value))) {
    throw new RangeError(`Cannot make a gate: "${name}" has elements that are not finite`);
  }
}
