/**
 * From queries and keys of a model to its orders and masks.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { tileMass } from "../attention/tile_mass.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import {
  chooseOrders,
  chooseTiles,
  halfShared,
  orderFigures,
  type ParoFigures,
} from "./paro_attention_choice.ts";
import { type MetricOptions, tileMetrics } from "./paro_attention_metrics.ts";
import {
  expectGrid,
  firstOfSame,
  type GridDims,
  gridLength,
  orderRows,
  PARO_ORDERS,
  permuteHeads,
} from "./paro_attention_orders.ts";
import { packMask, type ParoHeader, type ParoProfile } from "./paro_attention_profile.ts";
import { eachSample, type Samples } from "./samples.ts";

/** Queries and keys of one layer in one denoising step, after position encoding. */
export interface ParoSample {
  /** From 0. @default 0 */
  readonly layer?: number;
  /** From 0. */
  readonly step: number;
  /** [Hq, L, D]. */
  readonly q: Tensor;
  /** [Hkv, L, D]. */
  readonly k: Tensor;
}

/** Options of `paroAttention.calibrate`. */
export interface ParoCalibrateOptions {
  /** Frames, height and width of the picture in tokens. */
  readonly dims: GridDims;
  /** Denoising steps, T. */
  readonly steps: number;
  /** Tokens of text before the picture. @default 0 */
  readonly textLen?: number;
  /** Tokens per block. @default 64 */
  readonly blockSize?: number;
  /** Share of tiles of a mask; the paper has 0.2 to 0.5. @default 0.3 */
  readonly density?: number;
  /** Weight of empty tiles against even ones in the choice of an order, from 0 to 1. @default 0.5 */
  readonly alpha?: number;
  /** Attention weights below this count as nothing. @default 1e-3 */
  readonly eps?: number;
  /** A tile counts as empty if this share of its weights is nothing. @default 0.9 */
  readonly sigma?: number;
  /** Orders to choose from. @default all six */
  readonly orders?: readonly number[];
  /** [steps]: which mask each step has; consecutive numbers from 0. @default every step of the first half one of its own, then one for the rest */
  readonly maskOfStep?: readonly number[];
  /** Gets what the orders of a layer were chosen by, [Hq][6]; NaN for those that are not among `orders`. */
  readonly onOrders?: (layer: number, figures: ParoFigures) => void;
  /** Gets the tile sums of a mask, [Hq, n, n]: means over its samples. */
  readonly onMask?: (layer: number, mask: number, sums: Float64Array) => void;
  /** Ends the calibration between two samples. */
  readonly signal?: AbortSignal;
}

/** Sums over the samples of a layer. */
interface Sum {
  readonly heads: number;
  readonly kvHeads: number;
  readonly sparse: Float64Array;
  readonly quant: Float64Array;
  count: number;
}

/**
 * Chooses an order for every head and masks for every step. Samples are gone through twice: for the orders, then for the masks.
 *
 * Query heads that share keys get one order, by the sum of their scores. Tile sums of all masks, layers and heads are held at once.
 *
 * @param device Computes.
 * @param samples Of 1 or 2 prompts; the caller frees them.
 * @returns A profile for `paroAttention({ profile, layer, step })`; `writeParoProfile` makes a file of it.
 * @throws RangeError if samples do not fit the grid or each other, a number is not finite, or an option is out of range; the reason of the signal if it
 * is aborted.
 */
export async function calibrateParo(
  device: Device,
  samples: Samples<ParoSample>,
  options: ParoCalibrateOptions,
): Promise<ParoProfile> {
  const { dims, steps, textLen = 0, blockSize = 64, density = 0.3, alpha = 0.5, signal } = options;
  const { eps = 1e-3, sigma = 0.9, orders = [...PARO_ORDERS.keys()] } = options;
  const { maskOfStep = halfShared(steps) } = options;
  check({ dims, steps, textLen, blockSize, density, alpha, orders, maskOfStep });
  const metrics: MetricOptions = { textLen, blockSize, eps, sigma };
  const layers = new Map<number, Sum>();
  for await (const sample of eachSample(samples)) {
    await device.flush(signal);
    const sum = sumOf(layers, sample, { dims, textLen, steps });
    await addMetrics(device, sample, sum, dims, orders, metrics);
  }
  const count = layers.size;
  if (count === 0) fail("there are no samples, expected some of every layer and step");
  const order = Array.from({ length: count }, (_, layer) => {
    const sum = layers.get(layer);
    if (!sum) return fail(`layer ${layer} has no sample, expected samples of all ${count} layers`);
    const [sparse, quant] = [sum.sparse, sum.quant].map((values) => values.map((value) => value / sum.count));
    const figures = orderFigures(sparse!, quant!, orders, alpha);
    options.onOrders?.(layer, figures);
    return chooseOrders(figures.score, sum.kvHeads, orders);
  });

  const masks = Math.max(...maskOfStep) + 1;
  const n = Math.ceil(gridLength(dims, textLen) / blockSize);
  const textBlocks = Math.ceil(textLen / blockSize);
  const found = Array.from(
    { length: masks },
    () => order.map((own) => ({ sums: new Float64Array(own.length * n * n), count: 0 })),
  );
  for await (const sample of eachSample(samples)) {
    await device.flush(signal);
    const { layer = 0, step } = sample;
    const own = found[maskOfStep[step]!]![layer]!;
    const sums = await tileSums(device, sample, order[layer]!, { dims, textLen, blockSize });
    sums.forEach((sum, i) => own.sums[i]! += sum);
    own.count++;
  }
  const packed = found.flatMap((step, mask) =>
    step.flatMap(({ sums, count }, layer) => {
      if (count === 0) fail(`layer ${layer} has no sample of mask ${mask}, expected samples of every step`);
      const mean = sums.map((sum) => sum / count);
      options.onMask?.(layer, mask, mean);
      return order[layer]!.map((_, h) =>
        packMask(chooseTiles(mean.subarray(h * n * n, (h + 1) * n * n), n, density, textBlocks))
      );
    })
  );
  const header: ParoHeader = { version: 1, dims, textLen, blockSize, density, order, maskOfStep };
  return { ...header, masks: joined(packed) };
}

async function addMetrics(
  device: Device,
  { q, k }: ParoSample,
  sum: Sum,
  dims: GridDims,
  orders: readonly number[],
  options: MetricOptions,
): Promise<void> {
  // Orders coincide where an axis has one token.
  for (const order of new Set(orders.map((own) => firstOfSame(dims, own)))) {
    using d = device.scope();
    const [queries, keys] = [q, k].map((x) =>
      permuteHeads(d, x, orderRows(d, dims, options.textLen, new Array<number>(x.shape[0]!).fill(order)))
    ) as [Tensor, Tensor];
    const { lse } = attention(d, queries, keys, keys, { lse: true });
    const { sparse, quant } = await tileMetrics(d, queries, keys, lse, options);
    if (!(await lse.read()).every(Number.isFinite)) fail("a query or key is not a finite number");
    for (const same of orders) {
      if (firstOfSame(dims, same) !== order) continue;
      sparse.forEach((value, h) => sum.sparse[6 * h + same]! += value);
      quant.forEach((value, h) => sum.quant[6 * h + same]! += value);
    }
  }
  sum.count++;
}

/** Attention mass of every tile of the map in the orders of the heads: [Hq, n, n]. */
async function tileSums(
  device: Device,
  { q, k }: ParoSample,
  order: readonly number[],
  { dims, textLen, blockSize }: Pick<ParoHeader, "dims" | "textLen" | "blockSize">,
): Promise<Float32Array> {
  using d = device.scope();
  const group = order.length / k.shape[0]!;
  const queries = permuteHeads(d, q, orderRows(d, dims, textLen, order));
  const keys = permuteHeads(d, k, orderRows(d, dims, textLen, order.filter((_, h) => h % group === 0)));
  const { lse } = attention(d, queries, keys, keys, { lse: true });
  return await tileMass(d, queries, keys, lse, { blockQ: blockSize, tileK: blockSize }).read();
}

function sumOf(
  layers: Map<number, Sum>,
  { layer = 0, step, q, k }: ParoSample,
  { dims, textLen, steps }: { readonly dims: GridDims; readonly textLen: number; readonly steps: number },
): Sum {
  checkWhole("paroAttention.calibrate", { layer, step }, { layer: 0, step: 0 });
  if (step >= steps) fail(`a sample is of step ${step}, expected 0 to ${steps - 1}`);
  const [heads = 0, lq = 0] = q.shape;
  const [kvHeads = 0, lk = 0] = k.shape;
  expectGrid(dims, textLen, { lq, lk });
  const sum = layers.get(layer) ??
    { heads, kvHeads, sparse: new Float64Array(6 * heads), quant: new Float64Array(6 * heads), count: 0 };
  if (sum.heads !== heads || sum.kvHeads !== kvHeads || heads % kvHeads !== 0) {
    fail(`layer ${layer} has samples of other heads, got ${heads} query and ${kvHeads} key heads`);
  }
  layers.set(layer, sum);
  return sum;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function check(
  { dims, steps, textLen, blockSize, density, alpha, orders, maskOfStep }:
    & Required<
      Pick<ParoCalibrateOptions, "dims" | "steps" | "textLen" | "blockSize" | "density" | "alpha">
    >
    & { readonly orders: readonly number[]; readonly maskOfStep: readonly number[] },
): void {
  const [frames, height, width] = dims;
  checkWhole("paroAttention.calibrate", { frames, height, width, steps, textLen, blockSize }, {
    ...{ frames: 1, height: 1, width: 1, steps: 1, textLen: 0, blockSize: 1 },
  });
  for (const [name, value] of Object.entries({ density, alpha })) {
    if (!(value >= 0 && value <= 1)) fail(`"${name}" is ${value}, expected a number from 0 to 1`);
  }
  if (orders.length === 0 || orders.some((order) => PARO_ORDERS[order] === undefined)) {
    fail(`"orders" is [${orders}], expected some of 0 to 5`);
  }
  const masks = new Set(maskOfStep).size;
  if (
    maskOfStep.length !== steps ||
    maskOfStep.some((mask) => !Number.isInteger(mask) || mask < 0 || mask >= masks)
  ) {
    fail(`"maskOfStep" is [${maskOfStep}], expected for each of ${steps} steps a mask, numbered from 0`);
  }
}

function fail(what: string): never {
  throw new RangeError(`Cannot calibrate paroAttention: ${what}`);
}
