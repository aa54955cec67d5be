/**
 * Random heads and the devices that methods are tested on.
 *
 * @module
 */
import { openWasm } from "../../wasm/mod.ts";
import { attention } from "../attention/attention.ts";
import { createDevice } from "../device/core_device.ts";
import type { Device } from "../device/device.ts";
import { openReference } from "../device/reference/mod.ts";
import type { Tensor } from "../device/tensor.ts";
import { assertEquals } from "../testing/assert.ts";
import { type Random, random } from "../testing/random.ts";
import type { Planner } from "./planner.ts";

/** What computes in the tests. */
export const DEVICES: Readonly<Record<string, Device>> = {
  reference: createDevice(openReference()),
  wasm: createDevice((await openWasm({ threads: 1 })).backend),
};

/** Sizes of heads. */
export interface HeadSizes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly lq: number;
  readonly lk: number;
  readonly headDim: number;
}

/** Queries and keys. */
export interface Heads extends HeadSizes {
  readonly q: Float32Array<ArrayBuffer>;
  readonly k: Float32Array<ArrayBuffer>;
}

/** Normal queries and keys with some that stand out. */
export function randomHeads(random: Random, sizes: HeadSizes): Heads {
  const { heads, kvHeads, lq, lk, headDim } = sizes;
  const q = random.normals(heads * lq * headDim);
  const k = random.normals(kvHeads * lk * headDim);
  for (let row = 0; row < kvHeads * lk; row++) {
    const factor = random.int(0, 6) === 0 ? 2.5 : 1;
    for (let c = 0; c < headDim; c++) k[row * headDim + c]! *= factor;
  }
  return { ...sizes, q, k };
}

/** 512 keys for two heads, one in ten of which all queries like. */
export function heavyKeys(random: Random): Heads {
  const sizes = { heads: 2, kvHeads: 2, lq: 512, lk: 512, headDim: 16 };
  const direction = random.normals(16);
  const q = random.normals(2 * 512 * 16, 0.3).map((value, at) => value + direction[at % 16]!);
  const k = random.normals(2 * 512 * 16, 0.3);
  for (let row = 0; row < 2 * 512; row++) {
    const factor = random.int(0, 10) === 0 ? 3 : 0;
    for (let c = 0; c < 16; c++) k[row * 16 + c]! += factor * direction[c]!;
  }
  return { ...sizes, q, k };
}

/** Queries on a device. */
export function queries(d: Device, { q, heads, lq, headDim }: Heads): Tensor {
  return d.tensor(q, [heads, lq, headDim]);
}

/** Keys on a device. */
export function keys(d: Device, { k, kvHeads, lk, headDim }: Heads): Tensor {
  return d.tensor(k, [kvHeads, lk, headDim]);
}

/** The scaled score of a query and a key, in float64. */
export function scoreOf(
  { heads, kvHeads, lq, lk, headDim, q, k }: Heads,
  h: number,
  i: number,
  j: number,
): number {
  const key = (Math.floor(h / (heads / kvHeads)) * lk + j) * headDim;
  let sum = 0;
  for (let c = 0; c < headDim; c++) sum += q[(h * lq + i) * headDim + c]! * k[key + c]!;
  return sum / Math.sqrt(headDim);
}

/** A named case of a method's options. */
export interface Case<Options> {
  readonly title: string;
  readonly sizes: readonly [heads: number, kvHeads: number, lq: number, lk: number, headDim: number];
  readonly options: Partial<Options>;
}

/** The sizes of a case by name. */
export function sizesOf([heads, kvHeads, lq, lk, headDim]: Case<object>["sizes"]): HeadSizes {
  return { heads, kvHeads, lq, lk, headDim };
}

/** Asserts that a planner's output on random heads is that of dense attention. */
export async function assertDense(device: Device, planner: Planner): Promise<void> {
  using d = device.scope();
  const sample = randomHeads(random(4), { heads: 4, kvHeads: 2, lq: 60, lk: 60, headDim: 8 });
  const [q, k] = [queries(d, sample), keys(d, sample)];
  const sparse = await attention(d, q, k, k, { plan: planner.plan(d, q, k) }).out.read();
  const dense = await attention(d, q, k, k, { causal: true }).out.read();
  assertEquals(sparse.every((value, i) => Math.abs(value - dense[i]!) < 1e-5), true);
}

/** The mask of a plan that was checked, and that its output is finite. */
export async function maskOf(device: Device, planner: Planner, heads: Heads): Promise<Uint8Array> {
  using d = device.scope();
  const [q, k] = [queries(d, heads), keys(d, heads)];
  const plan = planner.plan(d, q, k);
  await plan.validate();
  const { out } = attention(d, q, k, k, { plan });
  if (heads.k.every(Number.isFinite)) assertEquals((await out.read()).every(Number.isFinite), true);
  return await plan.mask();
}

/**
 * Compares a mask with an expectation.
 *
 * @param expected For head, query and key: 1, 0, or NaN where rounding may decide.
 */
export function assertMask(
  mask: Uint8Array,
  { heads, lq, lk }: HeadSizes,
  expected: (h: number, i: number, j: number) => number,
): void {
  const wrong: string[] = [];
  for (let at = 0; at < heads * lq * lk; at++) {
    const [h, i, j] = [Math.floor(at / lq / lk), Math.floor(at / lk) % lq, at % lk];
    const want = expected(h, i, j);
    if (!Number.isNaN(want) && want !== mask[at]) wrong.push(`head ${h}, query ${i}, key ${j}: ${mask[at]}`);
  }
  assertEquals(wrong.slice(0, 5), []);
}
