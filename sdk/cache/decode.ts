/**
 * Attention over a cache.
 *
 * @module
 */
import { headMajor } from "../attention/head_major.ts";
import type { Device } from "../device/device.ts";
import { type Decoded, decodeRows } from "../device/ops/cached_rows.ts";
import { use } from "../device/ops/_check.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Selector } from "../methods/selector.ts";
import type { KVCache } from "./kv_cache.ts";

/** Options of {@linkcode attendCache}. */
export interface AttendCacheOptions extends DecodeOptions {
  /** False: every query sees the whole cache, as rows of a table do. Not with a selector. @default true */
  readonly causal?: boolean;
}

/** Options of {@linkcode decode}. */
export interface DecodeOptions {
  /** Chooses which tokens are read. @default all */
  readonly select?: Selector | undefined;
  /** Factor of every score. @default 1 / sqrt(headDim) */
  readonly scale?: number;
}

/**
 * Attention of the newest token, whose key and value are already appended, to itself and all tokens before it, or to those that are selected. Rows are read as they
 * are stored, in one pass; the storage compresses afterwards what has left its window.
 *
 * @param device Receives the result.
 * @param q [Hq, 1, D]; the cache's heads divide Hq.
 * @returns [Hq, 1, D].
 * @throws RangeError if shapes do not fit; Error if the cache is empty.
 */
export function decode(device: Device, q: Tensor, cache: KVCache, options: DecodeOptions = {}): Tensor {
  const [heads, n, headDim] = shapeOf(q, cache, "decode");
  if (n !== 1) {
    throw new RangeError(
      `Cannot decode: "q" has shape [${q.shape}], expected one token; use attendCache() for more`,
    );
  }
  using scope = device.scope();
  const query = scope.view(q, [heads, headDim]);
  const total = cache.length;
  const { select, scale = 1 / Math.sqrt(headDim) } = options;
  if (select && heads !== cache.queryHeads) {
    throw new RangeError(
      `Cannot decode: "q" has ${heads} heads but the cache was made for ${cache.queryHeads}, set its "queryHeads"`,
    );
  }
  const fetched = cache.store.chosen?.(scope);
  const sections = fetched ?? cache.sections().map((rows) => ({ rows }));
  const choice = select && !fetched ? cache.selection(select).choose(scope, query, total) : undefined;
  let into: Decoded | undefined;
  for (const { rows, ...own } of sections) {
    into = decodeRows(scope, query, rows, { total, scale, ...choice, ...own, ...(into && { into }) });
  }
  cache.compact();
  return scope.keep(scope.view(into!.out, [heads, 1, headDim]));
}

/**
 * Attention of `n` queries: causal, those of the newest `n` tokens, whose keys and values are already appended; or of any `n` queries that see all.
 *
 * One token is {@linkcode decode}. More read the whole cache as float32: a prompt that is the whole cache is better attended to before it is appended, since
 * then nothing is rounded or pruned.
 *
 * @param device Receives the result.
 * @param q [Hq, n, D].
 * @returns [Hq, n, D].
 * @throws RangeError if shapes do not fit; Error if the cache is empty.
 */
export function attendCache(
  device: Device,
  q: Tensor,
  cache: KVCache,
  options: AttendCacheOptions = {},
): Tensor {
  const { causal = true } = options;
  const [heads, n, headDim] = shapeOf(q, cache, "attend to the cache", causal ? cache.length : Infinity);
  if (n === 1) return decode(device, q, cache, options);
  using scope = device.scope();
  const [first, ...others] = cache.sections();
  const flat = others.length === 0 && !first!.table && (first!.form === "f32" || first!.form === "f16");
  const { k, v } = flat ? first! : cache.rows(scope);
  const lk = cache.length;
  const [kHead, vHead] = flat ? [first!.kHead, first!.vHead] : [lk * headDim, lk * headDim];
  const out = device.empty([heads, n, headDim]);
  device.submit({
    op: "attention",
    q: use(device, "attendCache", "q", q),
    k: k.id,
    v: v.id,
    mask: 0,
    lens: 0,
    out: out.id,
    lse: 0,
    ...headMajor({
      heads,
      kvHeads: cache.heads,
      headDim,
      lq: n,
      lk,
      kHead,
      vHead,
      kvtype: k.dtype as "f32" | "f16",
      causal,
      scale: options.scale ?? 1 / Math.sqrt(headDim),
    }),
  });
  cache.compact();
  return out;
}

/** The sizes of the queries. */
function shapeOf(q: Tensor, cache: KVCache, what: string, most = cache.length): [number, number, number] {
  const [heads = 0, n = 0, headDim = 0] = q.shape;
  if (q.shape.length !== 3 || headDim !== cache.headDim || heads === 0 || heads % cache.heads !== 0) {
    throw new RangeError(
      `Cannot ${what}: "q" has shape [${q.shape}], expected [Hq, n, ${cache.headDim}] with Hq a multiple of ${cache.heads}`,
    );
  }
  if (cache.length === 0) throw new Error(`Cannot ${what}: the cache is empty, append keys and values first`);
  if (n < 1 || n > most) {
    throw new RangeError(
      `Cannot ${what}: "q" has ${n} tokens but the cache ${cache.length}, append their keys and values first`,
    );
  }
  return [heads, n, headDim];
}
