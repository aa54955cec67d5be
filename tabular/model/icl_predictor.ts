/**
 * In-context predictor: train rows carry their labels, test rows read them (SPEC 6).
 *
 * @module
 */
import type { KVCache } from "../../sdk/cache/mod.ts";
import {
  add,
  cast,
  concat,
  type Device,
  gather,
  reshape,
  scoped,
  slice,
  type Tensor,
} from "../../sdk/device/mod.ts";
import type { DoubleSparsityProfile } from "../../sdk/methods/double_sparsity_profile.ts";
import { apply, finishBlock, normalise, projectKeys, projectQueries, runBlock } from "./block.ts";
import type { OrionConfig } from "./config.ts";
import {
  cacheKeys,
  type ContextForm,
  EXACT,
  type LabelSelection,
  rankChannels,
  readCache,
  selectRows,
} from "./label_cache.ts";
import { type MemoryContext, readJointly, readNew, readTrain, writeMemory } from "./memory.ts";
import type { Parameters } from "./parameters.ts";

/** All that new rows need of labelled train rows. */
export interface LabelContext {
  readonly memory?: MemoryContext;
  /** Their keys and values, a cache per layer: B * icl_nhead heads, those of a member side by side. */
  readonly icl: readonly KVCache[];
  /** Which of them a new row reads; all without. */
  readonly select?: LabelSelection;
}

/**
 * Reads labelled rows into a context (`filigree` mode, or any model without memory).
 *
 * @param d Receives the context's tensors.
 * @param train Row vectors [B, n, D].
 * @param labels B * n classes from 0 to M - 1.
 * @param form How the context is kept.
 */
export async function fitLabels(
  d: Device,
  config: OrionConfig,
  p: Parameters["icl"],
  train: Tensor,
  labels: Int32Array,
  form: ContextForm,
  signal?: AbortSignal,
): Promise<LabelContext> {
  const scope = d.scope();
  try {
    let rows = train;
    let memory: MemoryContext | undefined;
    if (p.memory) {
      const latents = writeMemory(scope, config, p.memory, train);
      await d.flush(signal);
      const read = readTrain(scope, config, p.memory, latents, train);
      rows = read.rows;
      memory = {
        latents: latents.map((keys) => stored(d, keys, form.memory)),
        train: read.keys.map((keys) => stored(d, keys, form.memory)),
      };
    }
    const read = await readLabels(d, scope, config, p, withLabels(scope, p, rows, labels), form, signal);
    return { ...read, ...(memory && { memory }) };
  } finally {
    scope.dispose();
  }
}

/**
 * Logits [B, m, M] of new rows [B, m, D], each on its own: no row of the call changes another's.
 */
export async function predictLabels(
  d: Device,
  config: OrionConfig,
  p: Parameters["icl"],
  context: LabelContext,
  rows: Tensor,
  signal?: AbortSignal,
): Promise<Tensor> {
  const scope = d.scope();
  try {
    // Rows that already read the memory come with a context of labels alone.
    let x = p.memory && context.memory ? readNew(scope, config, p.memory, context.memory, rows) : rows;
    for (const [b, block] of p.blocks.entries()) {
      await d.flush(signal);
      const { activation, norm_first: normFirst } = config;
      const q = projectQueries(scope, block, x, normFirst);
      const read = await readCache(scope, q, context.icl[b]!, context.select?.selector, signal);
      const next = finishBlock(scope, block, x, read, { activation, normFirst });
      for (const done of [q, read]) done.dispose();
      if (x !== rows) x.dispose();
      x = next;
    }
    return decode(d, p, x);
  } finally {
    scope.dispose();
  }
}

/**
 * Logits [B, m, M] of test rows [B, m, D] where the memory reads train and test rows jointly (official mode).
 */
export async function predictJointly(
  d: Device,
  config: OrionConfig,
  p: Parameters["icl"],
  train: Tensor,
  labels: Int32Array,
  test: Tensor,
  signal?: AbortSignal,
): Promise<Tensor> {
  const scope = d.scope();
  try {
    const n = train.shape[1]!;
    let [known, asked] = [train, test];
    if (p.memory) {
      const latents = writeMemory(scope, config, p.memory, train);
      const rows = readJointly(scope, config, p.memory, latents, concat(scope, [train, test], 1));
      [known, asked] = [slice(scope, rows, 1, 0, n), slice(scope, rows, 1, n)];
    }
    const context = await readLabels(
      scope,
      scope,
      config,
      p,
      withLabels(scope, p, known, labels),
      EXACT,
      signal,
    );
    return await predictLabels(d, config, p, context, asked, signal);
  } finally {
    scope.dispose();
  }
}

/** Keys of every layer from labelled rows; the last layer needs no more than its keys. */
async function readLabels(
  d: Device,
  scope: Device,
  config: OrionConfig,
  p: Parameters["icl"],
  labelled: Tensor,
  form: ContextForm,
  signal?: AbortSignal,
): Promise<LabelContext> {
  const { select } = form;
  const icl: KVCache[] = [];
  const profile: Record<string, DoubleSparsityProfile[string]> = {};
  let x = labelled;
  for (const [b, block] of p.blocks.entries()) {
    await d.flush(signal);
    const keys = scoped(
      scope,
      (s) => projectKeys(s, block, config.norm_first ? normalise(s, x, block.norm1) : x),
    );
    icl.push(await cacheKeys(d, block, keys, b, form));
    if (select) Object.assign(profile, await rankChannels(scope, config, block, x, b, select));
    if (b < p.blocks.length - 1) {
      const next = runBlock(scope, block, x, {
        keys,
        activation: config.activation,
        normFirst: config.norm_first,
      });
      x.dispose();
      x = next;
    }
    keys.dispose();
  }
  return { icl, ...(select && { select: selectRows(icl, select, profile) }) };
}

function withLabels(s: Device, p: Parameters["icl"], rows: Tensor, labels: Int32Array): Tensor {
  return scoped(
    s,
    (inner) => add(inner, rows, gather(inner, p.labels, inner.tensor(labels, rows.shape.slice(0, 2)))),
  );
}

/** Keys in the context's type, owned by `d`. */
function stored(d: Device, keys: Tensor, as: ContextForm["memory"]): Tensor {
  return as === "f16" ? cast(d, keys, "f16") : reshape(d, keys, keys.shape);
}

function decode(d: Device, p: Parameters["icl"], x: Tensor): Tensor {
  return scoped(d, (s) => {
    return apply(s, apply(s, normalise(s, x, p.norm), p.decoder[0], "gelu"), p.decoder[1]);
  });
}
