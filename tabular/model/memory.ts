/**
 * Memory: latents write down the train rows, then every row reads the latents (SPEC 5).
 *
 * In the official code the self-attention of a read layer runs over all rows, so test rows see each other. In `filigree`
 * mode it sees train rows only, and its keys and values are part of the fitted context.
 *
 * @module
 */
import { add, type Device, repeat, scoped, type Tensor } from "../../sdk/device/mod.ts";
import { normalise, projectKeys, runBlock } from "./block.ts";
import type { OrionConfig } from "./config.ts";
import type { MemoryLayer, Parameters } from "./parameters.ts";

type MemoryParameters = NonNullable<Parameters["icl"]["memory"]>;

/** What reading needs, per layer: keys and values of the latents [B, latents, 2D] and, in `filigree` mode, of the train rows [B, n, 2D]. */
export interface MemoryContext {
  readonly latents: readonly Tensor[];
  readonly train: readonly Tensor[];
}

/** Writes train rows [B, n, D] to the latents; returns the keys of the latents for every read layer. */
export function writeMemory(d: Device, config: OrionConfig, p: MemoryParameters, train: Tensor): Tensor[] {
  return scoped(d, (s) => {
    let latents = repeat(s, p.latents, 0, train.shape[0]!);
    for (const layer of p.write) {
      latents = memoryLayer(s, config, layer, latents, (inner) => {
        const context = normalise(inner, train, layer.kvNorm);
        return projectKeys(
          inner,
          layer.attn,
          config.norm_first ? normalise(inner, context, layer.attn.norm1) : context,
        );
      });
    }
    return p.read.map((layer) => {
      const context = normalise(s, latents, layer.kvNorm);
      return projectKeys(
        s,
        layer.attn,
        config.norm_first ? normalise(s, context, layer.attn.norm1) : context,
      );
    });
  });
}

/** Rows [B, T, D] read the latents; all rows of the call see each other (official mode). */
export function readJointly(
  d: Device,
  config: OrionConfig,
  p: MemoryParameters,
  latents: readonly Tensor[],
  rows: Tensor,
): Tensor {
  return scoped(
    d,
    (s) => p.read.reduce((x, layer, l) => memoryLayer(s, config, layer, x, () => latents[l]!), rows),
  );
}

/** Train rows read the latents and leave their own keys for rows to come (`filigree` mode). */
export function readTrain(
  d: Device,
  config: OrionConfig,
  p: MemoryParameters,
  latents: readonly Tensor[],
  train: Tensor,
): { rows: Tensor; keys: Tensor[] } {
  const keys: Tensor[] = [];
  const rows = p.read.reduce((x, layer, l) => {
    const next = memoryLayer(d, config, layer, x, () => latents[l]!, (s, mixed) => {
      const own = projectKeys(d, layer.ffn, normalise(s, mixed, layer.ffn.norm1));
      keys.push(own);
      return own;
    });
    if (x !== train) x.dispose();
    return next;
  }, train);
  return { rows, keys };
}

/** New rows [B, m, D] read the latents and the train rows (`filigree` mode). */
export function readNew(
  d: Device,
  config: OrionConfig,
  p: MemoryParameters,
  context: MemoryContext,
  rows: Tensor,
): Tensor {
  return scoped(
    d,
    (s) =>
      p.read.reduce(
        (x, layer, l) => memoryLayer(s, config, layer, x, () => context.latents[l]!, () => context.train[l]!),
        rows,
      ),
  );
}

/** One CrossBlock: the block's residual is the normalised query, and the raw query is added once more. */
function memoryLayer(
  d: Device,
  config: OrionConfig,
  layer: MemoryLayer,
  x: Tensor,
  crossKeys: (s: Device) => Tensor,
  selfKeys?: (s: Device, mixed: Tensor) => Tensor,
): Tensor {
  const { activation, norm_first: normFirst } = config;
  return scoped(d, (s) => {
    const read = runBlock(s, layer.attn, normalise(s, x, layer.qNorm), {
      keys: crossKeys(s),
      activation,
      normFirst,
    });
    const mixed = add(s, read, x);
    return runBlock(s, layer.ffn, mixed, { activation, ...(selfKeys && { keys: selfKeys(s, mixed) }) });
  });
}
