/**
 * One pass of the model over whole tables: train rows with labels, test rows without.
 *
 * @module
 */
import { concat, type Device, gather, reshape, type Tensor, transpose } from "../../sdk/device/mod.ts";
import { torchRandom } from "../preprocess/torch_random.ts";
import type { NdArray } from "./arrays.ts";
import { embedColumns, replaceSkipped, SKIP } from "./column_embedder.ts";
import type { OrionConfig } from "./config.ts";
import { type ClassNode, classTree, combine, nodesOf, outputsOf } from "./hierarchy.ts";
import { fitLabels, predictJointly, predictLabels } from "./icl_predictor.ts";
import { EXACT } from "./label_cache.ts";
import type { Parameters } from "./parameters.ts";
import { drawMasks, encodeRows, type RowMasks, uploadMasks } from "./row_interactor.ts";

/** Options of one pass. */
export interface ForwardOptions {
  /** Feature order of every table of an ensemble; only the first table is embedded, as the official code does (SPEC 3). */
  readonly featureShuffles?: readonly ArrayLike<number>[];
  /** Features of every table where narrower ones are padded; used in training mode only. */
  readonly featureCounts?: ArrayLike<number>;
  /** Training forward: all classes come out, no tree of classes. @default false */
  readonly training?: boolean;
  /** Row masks by scale, instead of drawn ones. */
  readonly masks?: RowMasks;
  /** Seed of the random links. @default 0, or the config's `link_seed` in `filigree` mode */
  readonly seed?: number;
  /** Inducing points read test cells as well. @default false */
  readonly embedWithTest?: boolean;
  /** Logits, or probabilities at the temperature. @default true */
  readonly returnLogits?: boolean;
  /** Divides logits before a softmax. @default 0.9 */
  readonly softmaxTemperature?: number;
  /** Stops the pass between layers. */
  readonly signal?: AbortSignal;
  /** Gets intermediate results by their golden names, for tests; the tensor lives only during the call. */
  readonly onStage?: (name: string, tensor: Tensor) => Promise<void>;
}

/** A checked call: X [B, T, H], labels [B, n]. */
export interface ForwardInput {
  readonly x: NdArray;
  readonly labels: NdArray;
}

/**
 * Runs the pass.
 *
 * @param d A scope that the caller disposes.
 * @returns [B, m, k] for the m = T - n test rows.
 */
export async function forward(
  d: Device,
  config: OrionConfig,
  p: Parameters,
  input: ForwardInput,
  options: ForwardOptions,
): Promise<NdArray> {
  const { x, labels } = input;
  const { training = false, embedWithTest = false, featureShuffles, signal } = options;
  const [tables, rows, h] = x.shape as [number, number, number];
  const n = labels.shape[1]!;
  const m = rows - n;
  const classes = new Set(labels.data.subarray(0, n)).size;
  const stage = options.onStage ?? ((): void => {});

  const seed = config.mode === "filigree" ? config.link_seed : 0;
  const masks = uploadMasks(
    d,
    config,
    h,
    options.masks ?? drawMasks(config, h, torchRandom(options.seed ?? seed)),
  );
  const embedded = featureShuffles ? 1 : tables;
  const columns = toColumns(x, embedded);
  const skipped = config.mode === "official" ? skippedColumns(columns, rows) : [];
  const features = await embedRows(d, config, p, {
    columns,
    embedded,
    rows,
    h,
    n,
    skipped,
    embedWithTest,
    signal,
  });
  await stage("col.embeddings", features);
  const ordered = featureShuffles ? reorder(d, features, featureShuffles) : features;

  const counts = training && options.featureCounts ? paddedCounts(options.featureCounts, rows, h) : undefined;
  const flat = reshape(d, ordered, [tables * rows, h, config.embed_dim]);
  const encoded = await encodeRows(d, config, p.row, flat, { masks, signal, ...(counts && { counts }) });
  const r = reshape(d, encoded, [tables, rows, -1]);
  await stage("row.R", r);

  if (training || classes <= config.max_classes) {
    const codes = Int32Array.from(labels.data);
    const logits = await pass(d, config, p, r, rowsOf(tables, 0, n), codes, rowsOf(tables, n, rows), signal);
    const all = { data: await logits.read(), shape: [tables, m, config.max_classes] };
    return training ? all : finish(firstColumns(all, classes), options);
  }
  return await forwardTree(d, config, p, r, { tables, n, rows, classes, labels: labels.data }, options);
}

interface Cells {
  readonly columns: Float32Array;
  readonly embedded: number;
  readonly rows: number;
  readonly h: number;
  readonly n: number;
  readonly skipped: readonly number[];
  readonly embedWithTest: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Embeds the cells of every table: [B, T, H, E]. */
async function embedRows(d: Device, config: OrionConfig, p: Parameters, cells: Cells): Promise<Tensor> {
  const { columns, embedded, rows, h, n, signal } = cells;
  const count = embedded * h;
  const part = (from: number, to: number): Tensor => {
    const data = new Float32Array(count * (to - from));
    for (let c = 0; c < count; c++) {
      data.set(columns.subarray(c * rows + from, c * rows + to), c * (to - from));
    }
    return d.tensor(data, [count, to - from]);
  };
  const known = cells.embedWithTest ? rows : n;
  const train = await embedColumns(d, config, p.column, part(0, known), undefined, signal);
  let { embeddings } = train;
  if (known < rows) {
    const test = await embedColumns(d, config, p.column, part(known, rows), train.context, signal);
    embeddings = concat(d, [embeddings, test.embeddings], 1);
  }
  const whole = replaceSkipped(d, p.column, embeddings, cells.skipped);
  return transpose(d, reshape(d, whole, [embedded, h, rows, config.embed_dim]), [0, 2, 1, 3]);
}

/** Member i gets column j of the first table at the place where its own order has it: the official rule, an inverse permutation. */
function reorder(d: Device, features: Tensor, shuffles: readonly ArrayLike<number>[]): Tensor {
  const [, rows, h, e] = features.shape as [number, number, number, number];
  const first = Array.from(shuffles[0]!);
  const index = new Int32Array(shuffles.length * rows * h);
  shuffles.forEach((shuffle, i) => {
    const own = Array.from(shuffle);
    const place = first.map((feature, j) => i === 0 ? j : own.indexOf(feature));
    orderCells(index, i * rows, 0, rows, place);
  });
  return gather(d, reshape(d, features, [rows * h, e]), d.tensor(index, [shuffles.length, rows, h]));
}

/**
 * Fills a gather index with the cells of `rows` rows in a feature order.
 *
 * @param index Cell numbers of rows of `order.length` cells; written from row `to` on.
 * @param from The first row to read.
 */
export function orderCells(
  index: Int32Array,
  to: number,
  from: number,
  rows: number,
  order: ArrayLike<number>,
): void {
  const h = order.length;
  for (let t = 0; t < rows; t++) {
    for (let j = 0; j < h; j++) index[(to + t) * h + j] = (from + t) * h + order[j]!;
  }
}

/** One pass over chosen rows: `known` and `asked` are row numbers in [B * T] of equal count per table. */
async function pass(
  d: Device,
  config: OrionConfig,
  p: Parameters,
  r: Tensor,
  known: Int32Array[],
  labels: Int32Array,
  asked: Int32Array[],
  signal?: AbortSignal,
): Promise<Tensor> {
  const [, rows, width] = r.shape as [number, number, number];
  const flat = reshape(d, r, [r.shape[0]! * rows, width]);
  const pick = (lists: Int32Array[]): Tensor => {
    const index = Int32Array.from(lists.flatMap((list, b) => Array.from(list, (i) => b * rows + i)));
    return gather(d, flat, d.tensor(index, [lists.length, lists[0]!.length]));
  };
  const [train, test] = [pick(known), pick(asked)];
  if (config.mode === "official") return await predictJointly(d, config, p.icl, train, labels, test, signal);
  const context = await fitLabels(d, config, p.icl, train, labels, EXACT, signal);
  return await predictLabels(d, config, p.icl, context, test, signal);
}

interface TreeCall {
  readonly tables: number;
  readonly n: number;
  readonly rows: number;
  readonly classes: number;
  readonly labels: Float32Array;
}

/** The tree of classes, table by table. */
async function forwardTree(
  d: Device,
  config: OrionConfig,
  p: Parameters,
  r: Tensor,
  call: TreeCall,
  options: ForwardOptions,
): Promise<NdArray> {
  const { tables, n, rows, classes } = call;
  const { returnLogits = true, softmaxTemperature: temperature = 0.9 } = options;
  const m = rows - n;
  const result = new Float32Array(tables * m * classes);
  for (let b = 0; b < tables; b++) {
    const tree = classTree(Int32Array.from(call.labels.subarray(b * n, (b + 1) * n)), config.max_classes);
    const probabilities = new Map<ClassNode, Float32Array>();
    for (const node of nodesOf(tree)) {
      const scope = d.scope();
      try {
        const table = gather(scope, r, scope.tensor(Int32Array.of(b), [1]));
        const logits = await pass(
          scope,
          config,
          p,
          table,
          [node.rows],
          node.labels,
          rowsOf(1, n, rows),
          options.signal,
        );
        const own = firstColumns(
          { data: await logits.read(), shape: [1, m, config.max_classes] },
          outputsOf(node),
        );
        probabilities.set(node, softmaxRows(own, temperature).data);
      } finally {
        scope.dispose();
      }
    }
    result.set(combine(tree, probabilities, m, classes), b * m * classes);
  }
  const data = returnLogits ? result.map((value) => temperature * Math.log(value + 1e-6)) : result;
  return { data, shape: [tables, m, classes] };
}

function finish(logits: NdArray, options: ForwardOptions): NdArray {
  const { returnLogits = true, softmaxTemperature = 0.9 } = options;
  return returnLogits ? logits : softmaxRows(logits, softmaxTemperature);
}

/** softmax(x / temperature) over the last axis. */
export function softmaxRows(x: NdArray, temperature: number): NdArray {
  const width = x.shape.at(-1)!;
  const data = new Float32Array(x.data.length);
  for (let start = 0; start < data.length; start += width) {
    let largest = -Infinity;
    for (let c = 0; c < width; c++) largest = Math.max(largest, x.data[start + c]!);
    let sum = 0;
    for (let c = 0; c < width; c++) {
      sum += data[start + c] = Math.exp((x.data[start + c]! - largest) / temperature);
    }
    for (let c = 0; c < width; c++) data[start + c]! /= sum;
  }
  return { data, shape: x.shape };
}

/** The first k entries of the last axis. */
export function firstColumns(x: NdArray, k: number): NdArray {
  const width = x.shape.at(-1)!;
  const rows = width === 0 ? 0 : x.data.length / width;
  const data = new Float32Array(rows * k);
  for (let i = 0; i < rows; i++) data.set(x.data.subarray(i * width, i * width + k), i * k);
  return { data, shape: [...x.shape.slice(0, -1), k] };
}

function toColumns(x: NdArray, tables: number): Float32Array {
  const [, rows, h] = x.shape as [number, number, number];
  const columns = new Float32Array(tables * rows * h);
  for (let b = 0; b < tables; b++) {
    for (let t = 0; t < rows; t++) {
      for (let j = 0; j < h; j++) columns[(b * h + j) * rows + t] = x.data[(b * rows + t) * h + j]!;
    }
  }
  return columns;
}

function skippedColumns(columns: Float32Array, rows: number): number[] {
  const skipped: number[] = [];
  for (let c = 0; c * rows < columns.length; c++) {
    if (columns.subarray(c * rows, (c + 1) * rows).every((value) => value === SKIP)) skipped.push(c);
  }
  return skipped;
}

/** Feature counts row by row; none where every table is as wide as the batch. */
function paddedCounts(counts: ArrayLike<number>, rows: number, h: number): Int32Array | undefined {
  const list = Array.from(counts);
  if (list.length === 1 || list.every((count) => count === h)) return undefined;
  return Int32Array.from(list.flatMap((count) => new Array<number>(rows).fill(count)));
}

function rowsOf(tables: number, from: number, to: number): Int32Array[] {
  return Array.from({ length: tables }, () => Int32Array.from({ length: to - from }, (_, i) => from + i));
}
