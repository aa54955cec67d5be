/**
 * LongGen: dense attention in the middle third of the layers, static sparse attention in the others.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";
import { fixedSelection } from "./fixed_selection.ts";
import { type Method, method, type Planner, planner } from "./planner.ts";
import { listTable } from "./scores.ts";
import type { Selector } from "./selector.ts";
import { type BlockPattern, checkStrided, draftBlocks, type Heads, seesBlock, shifts } from "./strided.ts";

/** Options of {@linkcode longgen}; the sizes of the paper are not published. */
export interface LonggenOptions {
  /** Layers of the model. @default unknown */
  readonly layers?: number | undefined;
  /** The layer that is planned, from 0. @default a sparse one */
  readonly layer?: number | undefined;
  /** Layers with dense attention. @default the middle third of `layers` */
  readonly fullLayers?: readonly number[] | undefined;
  /** What sparse layers see beside their window: strided blocks, or sink blocks only. @default "strided" */
  readonly variant: "strided" | "window";
  /** Tokens per block. @default 64 */
  readonly blockSize: number;
  /** Last blocks that a query sees, its own included. @default 16 */
  readonly localBlocks: number;
  /** Of farther blocks a head sees one in so many; 1 is dense. @default 16 */
  readonly stride: number;
  /** First blocks that every query sees. @default 1 for "window", 0 for "strided" */
  readonly sinkBlocks?: number | undefined;
  /** Added to the shift of every head: where heads are fewer than the stride, let it differ from layer to layer. @default 0 */
  readonly headOffset: number;
}

/** Which far blocks the heads of a layer see together. */
export interface Coverage {
  /** Whether every block is seen by some head. If not, dense layers or another `headOffset` in other layers must make up for it. */
  readonly complete: boolean;
  /** Of blocks behind the window, the share that some head sees. */
  readonly share: number;
  /** Blocks j with j mod stride in this list are seen by no head once they are behind the window. */
  readonly missing: readonly number[];
}

/** What can be told of the method without running it. */
export interface LonggenTools {
  /** The layers with dense attention by the rule of this library: ceil(L / 3) of them, from floor((L - ceil(L / 3)) / 2) on. */
  middleThird(layers: number): number[];
  /** Which blocks the heads of a sparse layer see together. */
  coverage(heads: Heads, options?: Partial<LonggenOptions>): Coverage;
  /**
   * Tells a paged cache of a layer which pages to keep, for pages of `blockSize` tokens: whether the queries of block `last` and of all later ones may see
   * block `block` of a key head.
   */
  retains(
    heads: Heads,
    options?: Partial<LonggenOptions>,
  ): (kvHead: number, block: number, last: number) => boolean;
  /** Which of `n` tokens the cache of a sparse layer still holds when the next one comes: Uint8Array [kvHeads, n]. The others may be freed for good. */
  kvRetained(n: number, heads: Heads, options?: Partial<LonggenOptions>): Uint8Array<ArrayBuffer>;
  /** Bytes of the caches of all layers after `n` tokens; needs `layers`. */
  kvBytes(
    n: number,
    model: Heads & {
      readonly headDim: number;
      /** @default 2 */
      readonly bytesPerElement?: number;
    },
    options?: Partial<LonggenOptions>,
  ): number;
}

const DEFAULTS: LonggenOptions = {
  variant: "strided",
  blockSize: 64,
  localBlocks: 16,
  stride: 16,
  headOffset: 0,
};

/**
 * For checkpoints that were trained with it: a stock model does worse, in its sparse layers it cannot see most of the context.
 *
 * Sparse layers see a window of blocks and, in the variant "strided", every `stride`-th block, shifted from head to head; blocks have absolute
 * positions, so what leaves the window and is not strided can leave the cache. Decoding reads the same blocks. A planner is of one layer: give `layer` and
 * `layers`, or nothing for a sparse one; a cache of a layer asks by itself.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { longgen } from "./longgen.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(4 * 640 * 8), [4, 640, 8]);
 * using full = longgen({ layers: 32, layer: 15 }).plan(device, q, q);
 * using sparse = longgen({ layers: 32, layer: 3, localBlocks: 2 }).plan(device, q, q);
 * console.log(full.kind, sparse.kind); // dense sparse
 * console.log(longgen.coverage({ heads: 4, kvHeads: 4 }).share); // 0.25: a stride of 16 wants 16 heads
 * device.dispose();
 * ```
 * @throws RangeError if an option is out of range.
 */
export const longgen: Method<LonggenOptions, Planner & Selector> & LonggenTools = method({
  defaults: DEFAULTS,
  citation: {
    title: "A Little Goes a Long Way: Efficient Long Context Training and Inference with Partial Contexts",
    url: "https://arxiv.org/abs/2410.01485",
  },
  planner: (options: LonggenOptions) => {
    const { blockSize } = options;
    const { pattern, full } = read(options);
    const prefill = planner("longgen", (d, _q, _k, sizes, _note, layer = options.layer) => {
      if (full(layer)) return "dense";
      return draftBlocks(d, sizes, blockSize, pattern, shifts(sizes, options));
    });
    return {
      ...prefill,
      start: (device, { queryHeads, heads, layer = options.layer }) => {
        const shiftOf = shifts({ heads: queryHeads, kvHeads: heads }, options);
        return fixedSelection(device, {
          key: (length) => full(layer) ? undefined : Math.floor((length - 1) / blockSize),
          table: (d, block) => {
            const blocks = Array.from({ length: block + 1 }, (_, j) => j);
            const lists = shiftOf.map((shift) => blocks.filter((j) => seesBlock(pattern, shift, block, j)));
            if (lists.every(({ length }) => length > block)) return undefined;
            return { list: listTable(d, [heads], lists), step: blockSize };
          },
        });
      },
    };
  },
}, { middleThird, coverage, retains, kvRetained, kvBytes });

function middleThird(layers: number): number[] {
  checkWhole("longgen", { layers }, { layers: 0 });
  const count = Math.ceil(layers / 3);
  const first = Math.floor((layers - count) / 2);
  return Array.from({ length: count }, (_, i) => first + i);
}

function coverage(heads: Heads, options: Partial<LonggenOptions> = {}): Coverage {
  const all = { ...DEFAULTS, ...options };
  const { pattern } = read(all);
  const seen = new Set(
    pattern.stride > 0 ? shifts(heads, all).map((shift) => (all.stride - shift) % all.stride) : [],
  );
  const missing = Array.from({ length: all.stride }, (_, r) => r).filter((r) => !seen.has(r));
  return { complete: missing.length === 0, share: seen.size / all.stride, missing };
}

function retains(
  heads: Heads,
  options: Partial<LonggenOptions> = {},
): (kvHead: number, block: number, last: number) => boolean {
  const all = { ...DEFAULTS, ...options };
  const { pattern, full } = read(all);
  const shiftOf = shifts(heads, all);
  return (kvHead, block, last) => full(all.layer) || seesBlock(pattern, shiftOf[kvHead]!, last, block);
}

function kvRetained(
  n: number,
  heads: Heads,
  options: Partial<LonggenOptions> = {},
): Uint8Array<ArrayBuffer> {
  checkWhole("longgen", { n }, { n: 0 });
  return retained(n, Math.floor(n / (options.blockSize ?? DEFAULTS.blockSize)), heads, options);
}

function kvBytes(
  n: number,
  model: Heads & { readonly headDim: number; readonly bytesPerElement?: number },
  options: Partial<LonggenOptions> = {},
): number {
  checkWhole("longgen", { ...options, n }, { n: 0, layers: 0 });
  const { layers = 0, blockSize = DEFAULTS.blockSize } = options;
  const { full } = read({ ...DEFAULTS, ...options });
  const dense = Array.from({ length: layers }, (_, layer) => layer).filter(full).length;
  // Blocks leave when a token opens a new one, so after n tokens the cache holds what the last of them saw.
  const kept = retained(n, Math.floor((n - 1) / blockSize), model, options).reduce(
    (sum, one) => sum + one,
    0,
  );
  const tokens = dense * model.kvHeads * n + (layers - dense) * kept;
  return tokens * 2 * model.headDim * (model.bytesPerElement ?? 2);
}

/** Which of n tokens a query in block i sees. */
function retained(
  n: number,
  i: number,
  heads: Heads,
  options: Partial<LonggenOptions>,
): Uint8Array<ArrayBuffer> {
  const keeps = retains(heads, { ...options, layer: undefined });
  const { blockSize = DEFAULTS.blockSize } = options;
  const kept = new Uint8Array(heads.kvHeads * n);
  for (let at = 0; at < kept.length; at++) {
    if (keeps(Math.floor(at / n), Math.floor(at % n / blockSize), i)) kept[at] = 1;
  }
  return kept;
}

/** Checks options; returns the pattern of sparse layers and which layers are dense. */
function read(options: LonggenOptions): { pattern: BlockPattern; full: (layer?: number) => boolean } {
  const { variant, layers, layer, fullLayers, localBlocks } = options;
  if (variant !== "strided" && variant !== "window") {
    throw new RangeError(`Cannot use longgen: "variant" is "${variant}", expected "strided" or "window"`);
  }
  const { sinkBlocks = variant === "window" ? 1 : 0 } = options;
  checkStrided("longgen", { ...options, sinkBlocks });
  if (layers !== undefined) checkWhole("longgen", { layers }, { layers: 0 });
  for (const one of [...(fullLayers ?? []), ...(layer === undefined ? [] : [layer])]) {
    if (!Number.isSafeInteger(one) || one < 0 || one >= (layers ?? Infinity)) {
      throw new RangeError(
        `Cannot use longgen: there is no layer ${one} in a model of ${layers ?? "some"} layers`,
      );
    }
  }
  const list = fullLayers ?? (layers === undefined ? undefined : middleThird(layers));
  if (layer !== undefined && list === undefined) {
    throw new RangeError(
      `Cannot use longgen: "layer" is ${layer} but neither "layers" nor "fullLayers" is given, so whether it is dense is unknown`,
    );
  }
  const dense = new Set(list);
  const pattern = {
    local: localBlocks,
    sinks: sinkBlocks,
    stride: variant === "strided" ? options.stride : 0,
  };
  return { pattern, full: (layer) => layer !== undefined && dense.has(layer) };
}
