/**
 * Column embedder: every cell becomes a vector that knows the distribution of its column (SPEC 3).
 *
 * A column is a set of cells. Inducing points read the train cells, then every cell reads the inducing points; so what a
 * new row needs of the train rows is one small tensor per block.
 *
 * @module
 */
import {
  concat,
  type Device,
  embedCells,
  gather,
  repeat,
  scaleAdd,
  scoped,
  slice,
  type Tensor,
} from "../../sdk/device/mod.ts";
import { apply, type BlockOptions, normalise, projectKeys, runBlock } from "./block.ts";
import type { OrionConfig } from "./config.ts";
import type { Parameters } from "./parameters.ts";

/** The value that the official code takes for "no cell". */
export const SKIP = -100;

/** Keys and values [C, inducing points, 2E] of every block: all that new cells need of the train cells. */
export type ColumnContext = readonly Tensor[];

/** Elements of a chunk's widest tensor; keeps temporaries in the tens of megabytes. */
const CHUNK = 1 << 21;

/**
 * Embeds cells.
 *
 * @param d Receives the results.
 * @param cells [C, T], column by column.
 * @param context What earlier train cells left; without it these cells are the train cells and make it.
 * @param signal Stops between chunks of columns.
 * @returns Embeddings [C, T, E] and the context, kept in `d`.
 */
export async function embedColumns(
  d: Device,
  config: OrionConfig,
  p: Parameters["column"],
  cells: Tensor,
  context?: ColumnContext,
  signal?: AbortSignal,
): Promise<{ embeddings: Tensor; context: ColumnContext }> {
  const [columns, rows] = cells.shape as [number, number];
  const widest = Math.max(rows, config.col_num_inds) * config.embed_dim * config.ff_factor;
  const step = Math.max(1, Math.floor(CHUNK / widest));
  const parts: Tensor[][] = [];
  for (let from = 0; from < columns; from += step) {
    await d.flush(signal);
    const to = Math.min(columns, from + step);
    parts.push(scoped(d, (s) => {
      const own = context?.map((keys) => slice(s, keys, 0, from, to));
      return embedChunk(s, config, p, slice(s, cells, 0, from, to), own);
    }));
  }
  const join = (i: number): Tensor => {
    if (parts.length === 1) return parts[0]![i]!;
    const whole = concat(d, parts.map((part) => part[i]!), 0);
    for (const part of parts) part[i]!.dispose();
    return whole;
  };
  const made = context ?? blockIndices(config).map((b) => join(b + 1));
  return { embeddings: join(0), context: made };
}

/**
 * Puts the constant embedding of an absent column in place of columns that hold nothing but {@linkcode SKIP}.
 *
 * @param embeddings [C, T, E].
 * @param skipped Indices of such columns.
 * @returns `embeddings` where there are none.
 */
export function replaceSkipped(
  d: Device,
  p: Parameters["column"],
  embeddings: Tensor,
  skipped: readonly number[],
): Tensor {
  if (skipped.length === 0) return embeddings;
  const [columns, rows, e] = embeddings.shape as [number, number, number];
  return scoped(d, (s) => {
    const absent = repeat(s, s.tensor(p.skipped, [1, 1, e]), 1, rows);
    const source = Int32Array.from({ length: columns }, (_, i) => skipped.includes(i) ? columns : i);
    return gather(s, concat(s, [embeddings, absent], 0), s.tensor(source, [columns]));
  });
}

/** Embeddings of some columns and, where they were made here, the keys of every block. */
function embedChunk(
  s: Device,
  config: OrionConfig,
  p: Parameters["column"],
  cells: Tensor,
  context?: ColumnContext,
): Tensor[] {
  const options: BlockOptions = { activation: config.activation, normFirst: config.norm_first };
  const skip = config.mode === "official" ? { skip: SKIP } : {};
  let x = embedCells(s, cells, p.inLinear.weight, p.inLinear.bias, skip);
  const keys = p.blocks.map((block, b) => {
    const read = context?.[b] ?? scoped(s, (inner) => {
      const inducing = repeat(inner, block.inducing, 0, cells.shape[0]!);
      const hidden = runBlock(inner, block.induce, inducing, { ...options, context: x });
      return projectKeys(
        inner,
        block.read,
        config.norm_first ? normalise(inner, hidden, block.read.norm1) : hidden,
      );
    });
    const next = runBlock(s, block.read, x, { ...options, keys: read });
    x.dispose();
    x = next;
    return read;
  });
  const weights = normalise(s, apply(s, x, p.outW), p.lnW);
  const biases = normalise(s, apply(s, x, p.outB), p.lnB);
  return [scaleAdd(s, cells, weights, biases), ...(context ? [] : keys)];
}

function blockIndices(config: OrionConfig): number[] {
  return Array.from({ length: config.col_num_blocks }, (_, b) => b);
}
