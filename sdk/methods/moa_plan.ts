/**
 * The elastic rules of a model: how far every head looks, as a function of the length.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";

/** Spans of a model, in the official JSON format: head h of layer l spans alphas[l][h] + betas[l][h] * N tokens. */
export interface MoaPlan {
  /** Tokens, [layers][query heads]; may be negative. */
  readonly alphas: readonly (readonly number[])[];
  /** Share of the length, [layers][query heads]. */
  readonly betas: readonly (readonly number[])[];
}

/** How spans become cache sizes; the official numbers are the defaults. */
export interface MoaCacheOptions {
  /** Tokens that may follow the prompt; they lengthen the spans from the start. @default 1024 */
  readonly maxNewTokens: number;
  /** First tokens that stay. @default 64 */
  readonly sinkTokens: number;
  /** Least tokens of a cache. @default 128 */
  readonly minimumCache: number;
  /** Caches have a multiple of so many tokens. @default 64 */
  readonly split: number;
}

/** What the cache of one head holds. */
export interface MoaCache {
  /** Tokens in all. */
  readonly size: number;
  /** Of those, the first of the sequence; the others are a ring of the last ones. */
  readonly sink: number;
}

/** The official cache sizes. */
export const MOA_CACHE: MoaCacheOptions = {
  maxNewTokens: 1024,
  sinkTokens: 64,
  minimumCache: 128,
  split: 64,
};

/**
 * Reads a plan and checks it.
 *
 * @param json The text of a file, or what it holds.
 * @param model Refuses the plan of another model, where given.
 * @returns A copy.
 * @throws SyntaxError if the text is not JSON, TypeError if it holds something else, RangeError if it is the plan of another model.
 */
export function parseMoaPlan(
  json: unknown,
  model: { readonly layers?: number; readonly heads?: number } = {},
): MoaPlan {
  const value: unknown = typeof json === "string" ? parseJson(json) : json;
  const alphas = rows(value, "alphas");
  const betas = rows(value, "betas");
  const [layers, heads] = [alphas.length, alphas[0]?.length ?? 0];
  for (const row of [...alphas, ...betas]) {
    if (row.length !== heads || betas.length !== layers) {
      throw new RangeError(
        `Cannot use this MoA plan: its rows differ, expected ${heads} heads in each of ${layers} layers for alphas and betas`,
      );
    }
  }
  if (layers !== (model.layers ?? layers) || heads !== (model.heads ?? heads)) {
    throw new RangeError(
      `Cannot use this MoA plan: it is of another model, with ${layers} layers of ${heads} query heads, expected ${
        model.layers ?? layers
      } of ${model.heads ?? heads}`,
    );
  }
  return { alphas, betas };
}

/** The mean span of all heads at a length, as a share of it; spans are not cut to the length. */
export function densityOf(plan: MoaPlan, length: number): number {
  checkWhole("densityOf", { length }, { length: 1 });
  const shares = plan.alphas.flatMap((row, l) => row.map((alpha, h) => alpha / length + plan.betas[l]![h]!));
  return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
}

/**
 * What the caches of a layer hold; query heads that share keys share the longest span of theirs.
 *
 * @param promptLength Tokens of the prompt, N; sizes stay as they are while tokens follow it.
 * @returns One per key head.
 * @throws RangeError if the plan has no such layer or other heads.
 */
export function moaCaches(
  plan: MoaPlan,
  layer: number,
  { heads, kvHeads }: { readonly heads: number; readonly kvHeads: number },
  promptLength: number,
  options: Partial<MoaCacheOptions> = {},
): MoaCache[] {
  const { maxNewTokens, sinkTokens, minimumCache, split } = { ...MOA_CACHE, ...options };
  const [alphas, betas] = [plan.alphas[layer], plan.betas[layer]];
  if (!alphas || !betas || alphas.length !== heads) {
    throw new RangeError(
      `Cannot plan moa: the plan is of another model, it has ${
        alphas ? `${alphas.length} query heads in layer ${layer}, expected ${heads}` : `no layer ${layer}`
      }`,
    );
  }
  const total = promptLength + maxNewTokens;
  const sizes = alphas.map((alpha, h) => {
    const span = Math.min(Math.trunc(alpha + total * betas[h]!), total);
    return Math.ceil(Math.max(span, minimumCache) / split) * split;
  });
  const group = heads / kvHeads;
  return Array.from({ length: kvHeads }, (_, g) => {
    const size = Math.max(...sizes.slice(g * group, (g + 1) * group));
    return { size, sink: Math.min(size, sinkTokens) };
  });
}

/**
 * Which token lies in every slot of a cache: token t in slot t if it is one of the sink, else in slot sink + (t - sink) mod (size - sink).
 *
 * @param tokens Tokens so far, the newest included.
 * @returns [size] positions, -1 in slots that are still empty.
 */
export function moaRingSlots({ size, sink }: MoaCache, tokens: number): Int32Array<ArrayBuffer> {
  const ring = size - sink;
  return Int32Array.from({ length: size }, (_, slot) => {
    if (slot < sink || tokens <= size) return slot < tokens ? slot : -1;
    const newest = tokens - 1 - sink;
    return sink + newest - (newest - (slot - sink)) % ring;
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError("Cannot use this MoA plan: it is not JSON", { cause });
  }
}

function rows(value: unknown, name: "alphas" | "betas"): number[][] {
  const table: unknown = value !== null && typeof value === "object" && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
  if (
    Array.isArray(table) &&
    table.every((row) =>
      Array.isArray(row) && row.every((one) => typeof one === "number" && Number.isFinite(one))
    )
  ) {
    return table.map((row: readonly number[]) => [...row]);
  }
  throw new TypeError(
    `Cannot use this MoA plan: "${name}" is not a list of lists of finite numbers, one per layer and head`,
  );
}
