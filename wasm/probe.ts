/**
 * Finds out what the runtime's WebAssembly can do, by validating tiny modules.
 *
 * @module
 */
import { hostEnv, type WasmEnv } from "./env.ts";

/** What the runtime's WebAssembly can do. */
export interface WasmFeatures {
  /** 128-bit vectors. */
  readonly simd: boolean;
  /** Relaxed vector instructions, among them a fused multiply-add. */
  readonly relaxed: boolean;
  /** Shared memory, atomics and workers to use them. */
  readonly threads: boolean;
}

const found = new WeakMap<WasmEnv, WasmFeatures>();

/**
 * Finds out what the runtime's WebAssembly can do; the answer is remembered.
 *
 * @param env Where to look. @default this runtime
 * @returns The features; all false where WebAssembly is missing.
 */
export function probeFeatures(env: WasmEnv = hostEnv): WasmFeatures {
  const known = found.get(env);
  if (known) return known;
  const simd = valid(env, SIMD);
  const relaxed = simd && valid(env, RELAXED);
  const threads = relaxed && valid(env, THREADS) && env.canShare() && env.canSpawn();
  const features = { simd, relaxed, threads };
  found.set(env, features);
  return features;
}

function valid(env: WasmEnv, code: readonly number[]): boolean {
  try {
    return env.validate(new Uint8Array([...HEADER, ...code]));
  } catch {
    return false;
  }
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** `(func (result v128) (i32x4.splat (i32.const 0)))` */
// deno-fmt-ignore
const SIMD = [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 8, 1, 6, 0, 0x41, 0, 0xfd, 17, 0x0b];

/** `(func (param v128 v128 v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))` */
// deno-fmt-ignore
const RELAXED = [
  1, 8, 1, 0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b, 3, 2, 1, 0,
  10, 13, 1, 11, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfd, 0x85, 0x02, 0x0b,
];

/** `(memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0))))` */
// deno-fmt-ignore
const THREADS = [
  1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1,
  10, 11, 1, 9, 0, 0x41, 0, 0xfe, 0x10, 2, 0, 0x1a, 0x0b,
];
