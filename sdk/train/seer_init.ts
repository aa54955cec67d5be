/**
 * Gates of SeerAttention that have learned nothing yet.
 *
 * @module
 */
import { SeerGate, type SeerGateConfig } from "../methods/seer_attention_gate.ts";

/** Options of {@linkcode initSeerGate}. */
export interface SeerInitOptions {
  /** Whether queries get weights of their own although one pool and `hidden` equal to `headDim` do not need them. @default false */
  readonly double?: boolean;
  /** Standard deviation of the weights; official: the initializer range of the model. @default 0.02 */
  readonly std?: number;
  /** The same seed gives the same weights. @default 0 */
  readonly seed?: number;
}

/**
 * Makes a gate with normal random weights.
 *
 * @throws RangeError if a size is out of range.
 */
export function initSeerGate(config: SeerGateConfig, options: SeerInitOptions = {}): SeerGate {
  const { double = false, std = 0.02, seed = 0 } = options;
  const { heads, kvHeads, headDim, hidden, qPool, kPool } = config;
  const separate = double || qPool.length > 1 || hidden !== headDim;
  const next = normals(seed);
  const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => std * next());
  return new SeerGate(config, {
    wk: draw((separate ? kvHeads : heads) * kPool.length * headDim * hidden),
    wq: separate ? draw(heads * qPool.length * headDim * hidden) : undefined,
  });
}

/** Standard normal numbers (Box-Muller over the mixed counter of MurmurHash3's finaliser). */
function normals(seed: number): () => number {
  let counter = Math.imul(seed | 0, 0x2545f491);
  const uniform = (): number => {
    counter = (counter + 0x9e3779b9) | 0;
    let bits = Math.imul(counter ^ (counter >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
