/**
 * Linear layers as files have them, before they are uploaded.
 *
 * @module
 */
import type { WeightData } from "../device/device.ts";
import type { StoredWeight, WeightStore } from "../weights/store.ts";

/** A matrix and, if the layer has one, its bias. */
export interface StoredLinear extends StoredWeight {
  /** [n]. */
  readonly bias?: Float32Array | undefined;
}

/**
 * Reads a layer, its matrix in the smallest form that loses nothing.
 *
 * @param store Where it is.
 * @param stem Its name without `.weight` and `.bias`.
 * @returns The layer.
 */
export async function readLinear(store: WeightStore, stem: string): Promise<StoredLinear> {
  const stored = await store.weight(`${stem}.weight`);
  return store.tensors.has(`${stem}.bias`) ? { ...stored, bias: await store.floats(`${stem}.bias`) } : stored;
}

/**
 * Undoes the order of rows for interleaved rotation: pair i of a head has its rows at 2 i and 2 i + 1 there, at i and i + headDim / 2 here.
 *
 * @param stored Heads one after the other.
 * @param headDim Rows of a head.
 * @returns The same layer with its outputs in the other order.
 */
export function halfSplit(stored: StoredLinear, headDim: number): StoredLinear {
  const { data, shape, scales, bias } = stored;
  const half = headDim / 2;
  const order = Int32Array.from({ length: shape[0] }, (_, row) => {
    const within = row % headDim;
    return row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
  });
  return {
    data: ordered(data, order),
    shape,
    ...(scales && { scales: ordered(scales, order) }),
    bias: bias && ordered(bias, order),
  };
}

/**
 * Joins layers that read the same input, so that one layer gives all their outputs side by side.
 *
 * @param layers Of the same number of inputs.
 * @returns One layer; the same list if their elements are of different types.
 */
export function joinOutputs(layers: readonly StoredLinear[]): readonly StoredLinear[] {
  const formOf = ({ data, scales }: StoredLinear): string =>
    `${data.constructor.name} ${scales && data.length / scales.length}`;
  if (new Set(layers.map(formOf)).size > 1) return layers;
  const scales = layers.flatMap((layer) => layer.scales ?? []);
  const biases = layers.flatMap((layer) => layer.bias ?? []);
  return [{
    data: joined(layers.map((layer) => layer.data)),
    shape: [layers.reduce((n, layer) => n + layer.shape[0], 0), layers[0]!.shape[1]],
    ...(scales.length > 0 && { scales: joined(scales) }),
    bias: biases.length > 0 ? joined(biases) : undefined,
  }];
}

function ordered<T extends WeightData>(data: T, order: Int32Array): T {
  const width = data.length / order.length;
  const out = emptyLike(data, data.length);
  order.forEach((from, to) => out.set(data.subarray(from * width, (from + 1) * width), to * width));
  return out;
}

function joined<T extends WeightData>(parts: readonly T[]): T {
  const out = emptyLike(parts[0]!, parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function emptyLike<T extends WeightData>(data: T, length: number): T {
  return new (data.constructor as new (length: number) => T)(length);
}
