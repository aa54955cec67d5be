/**
 * A plan: what attention computes, as data.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { NO_PART } from "../device/ops.ts";
import { use } from "../device/ops/_check.ts";
import { binary } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { reduce } from "../device/ops/reduce.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { unary } from "../device/ops/unary.ts";
import type { Tensor } from "../device/tensor.ts";
import { attention } from "./attention.ts";
import { checkLists } from "./check_lists.ts";
import { countVisible } from "./count_visible.ts";
import { coverage } from "./coverage.ts";
import { keysOfQueries } from "./keys_of_queries.ts";
import { type DrawOptions, drawSvg, drawText } from "./draw.ts";
import { expandMask } from "./expand_mask.ts";

/** Sizes of a plan. */
export interface PlanShape {
  /** Query heads. */
  readonly heads: number;
  /** Queries. */
  readonly lq: number;
  /** Keys. */
  readonly lk: number;
  /** Whether the query at position i + lk - lq sees no later key. */
  readonly causal: boolean;
  /** Rows per query block. */
  readonly blockQ: number;
  /** Slots per key tile. */
  readonly tileK: number;
}

/**
 * The parts of a plan, i32 on the device, each with a leading axis of `heads` or of 1 (shared by all heads); nQ = ceil(lq / blockQ).
 *
 * Row r of the plan is query `qOrder[r]`, slot s is key `kOrder[s]`. A row block sees the slots of its tiles and of its column list, cut by
 * causality and band. Each slot must be listed at most once per row block: attention adds, it does not deduplicate.
 */
export interface PlanParts {
  /** [*, nQ, T]: first slot of every key tile, from any start, ascending, then -1. */
  readonly tiles?: Tensor | undefined;
  /** [*, nQ, T, blockQ, ceil(tileK / 32)]: which slots of a listed tile a row sees, low bit first. @default all */
  readonly bits?: Tensor | undefined;
  /** [*, lists, C]: single slots, ascending, then -1. */
  readonly columns?: Tensor | undefined;
  /** [*, nQ]: the list of every row block, -1 for none. @default block n uses list n, or all the only one */
  readonly columnOf?: Tensor | undefined;
  /** [*, lq]: the query of every row; a permutation. */
  readonly qOrder?: Tensor | undefined;
  /** [*, lk]: the key of every slot; a permutation. */
  readonly kOrder?: Tensor | undefined;
  /** [*, 2]: sink and window; key j is visible to position p if j < sink or p - j < window. */
  readonly band?: Tensor | undefined;
}

/** Where the parts lie in a row of the plan's matrix, in elements; NO_PART where there is none. */
export interface PlanLayout {
  /** Of `tiles`. */
  readonly tilesAt: number;
  /** Room for tiles in every row block. */
  readonly tileCap: number;
  /** Of `bits`. */
  readonly bitsAt: number;
  /** Of `columnOf`. */
  readonly columnOfAt: number;
  /** Of `columns`. */
  readonly columnsAt: number;
  /** Room for slots in every column list. */
  readonly columnCap: number;
  /** Column lists. */
  readonly lists: number;
  /** Of `qOrder`. */
  readonly qOrderAt: number;
  /** Of `kOrder`. */
  readonly kOrderAt: number;
  /** Of `band`. */
  readonly bandAt: number;
}

/** Lists and rules that say which keys every query sees; {@linkcode attention} executes it in one online softmax. */
export class Plan implements Disposable {
  /** "dense": everything (below the diagonal); there are no lists then. */
  readonly kind: "dense" | "sparse";
  /** Query heads. */
  readonly heads: number;
  /** Queries. */
  readonly lq: number;
  /** Keys. */
  readonly lk: number;
  /** Whether a query sees no later key. */
  readonly causal: boolean;
  /** Rows per query block. */
  readonly blockQ: number;
  /** Slots per key tile. */
  readonly tileK: number;
  /** i32 [heads or 1, words]: all parts side by side. */
  readonly matrix: Tensor | undefined;
  /** Where the parts lie in the matrix. */
  readonly layout: PlanLayout;
  /** [Hkv, lk]: added to the scaled scores of every key. */
  readonly keyBias: Tensor | undefined;

  /** Use {@linkcode planOf} or {@linkcode densePlan}. */
  constructor(shape: PlanShape, layout: PlanLayout, matrix?: Tensor, keyBias?: Tensor) {
    this.kind = matrix ? "sparse" : "dense";
    this.heads = shape.heads;
    this.lq = shape.lq;
    this.lk = shape.lk;
    this.causal = shape.causal;
    this.blockQ = shape.blockQ;
    this.tileK = shape.tileK;
    this.layout = layout;
    this.matrix = matrix;
    this.keyBias = keyBias;
  }

  /** Which keys every query sees: Uint8Array [heads, lq, lk] of 0 and 1, for tests and pictures. */
  async mask(): Promise<Uint8Array<ArrayBuffer>> {
    return expandMask(this, await this.#lists());
  }

  /** The keys that some queries see: for every head and query a list, in the order in which the plan lists them. */
  async keysOf(queries: readonly number[]): Promise<Int32Array[][]> {
    return keysOfQueries(this, await this.#lists(), queries);
  }

  /** Visible pairs of every head, as a fraction of the visible area of dense attention. */
  async densities(): Promise<Float64Array> {
    return countVisible(this, await this.#lists());
  }

  /** Kept fraction of the visible area of dense attention, mean over heads. */
  async density(): Promise<number> {
    return mean(await this.densities());
  }

  /**
   * How much of the mass of dense attention the plan keeps: of every head the mean over queries.
   *
   * @param q [heads, lq, D].
   * @param k [Hkv, lk, D].
   */
  async recalls(
    q: Tensor,
    k: Tensor,
    options: { readonly scale?: number | undefined } = {},
  ): Promise<Float32Array> {
    const device = q.device;
    using scope = device.scope();
    const { causal } = this;
    const bare = new Plan(this, this.layout, this.matrix);
    const scale = options.scale === undefined ? {} : { scale: options.scale };
    const kept = attention(scope, q, k, k, { plan: bare, lse: true, ...scale }).lse;
    const all = attention(scope, q, k, k, { causal, lse: true, ...scale }).lse;
    return await reduce(scope, "mean", unary(scope, "exp", binary(scope, "sub", kept, all))).read();
  }

  /** The mean of {@linkcode recalls} over heads. */
  async recall(q: Tensor, k: Tensor, options: { readonly scale?: number } = {}): Promise<number> {
    return mean(await this.recalls(q, k, options));
  }

  /** A picture of one head as SVG: queries down, keys across, the darker the more is computed. */
  async svg(options: DrawOptions = {}): Promise<string> {
    const { head = 0, size = 64 } = options;
    const lists = await this.#lists();
    return drawSvg(coverage(this, lists, head, size), options.title ?? this.#title(lists, head));
  }

  /** The same picture as lines of text for a terminal. */
  async text(options: DrawOptions = {}): Promise<string> {
    const { head = 0, size = 48 } = options;
    const lists = await this.#lists();
    return drawText(coverage(this, lists, head, size), options.title ?? this.#title(lists, head));
  }

  /**
   * Checks the lists: in range, ascending, each slot once per row block, orders that are permutations, no tile after the diagonal.
   *
   * @throws RangeError that says which head, row block and entry is wrong.
   */
  async validate(): Promise<void> {
    checkLists(this, await this.#lists());
  }

  /** Frees the matrix and the bias. */
  dispose(): void {
    this.matrix?.dispose();
    this.keyBias?.dispose();
  }

  /** The same as {@linkcode dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #title(lists: Int32Array, head: number): string {
    const density = 100 * countVisible(this, lists)[head]!;
    return `head ${head}, ${this.lq} queries, ${this.lk} keys, ${density.toPrecision(3)} % computed`;
  }

  #lists(): Promise<Int32Array> {
    return this.matrix ? this.matrix.read("i32") : Promise.resolve(new Int32Array(0));
  }
}

/** A plan of everything that causality allows. */
export function densePlan(shape: Pick<PlanShape, "heads" | "lq" | "lk" | "causal">): Plan {
  return new Plan({ ...shape, blockQ: 64, tileK: 64 }, NO_LAYOUT);
}

/**
 * Packs parts into a plan. Nothing is read back, so the contents are not checked here: {@linkcode Plan.validate} does, and attention never reads
 * out of range.
 *
 * @param d Receives the matrix.
 * @param keyBias [Hkv, lk], f32, added to the scaled scores; the plan owns it.
 * @throws TypeError, RangeError if parts have another type or shape.
 */
export function planOf(d: Device, shape: PlanShape, parts: PlanParts, keyBias?: Tensor): Plan {
  checkSizes(shape);
  using scope = d.scope();
  const { heads, lq, lk, blockQ, tileK } = shape;
  const blocks = Math.ceil(lq / blockQ);
  const tileCap = parts.tiles?.shape.at(-1) ?? 0;
  const [lists = 0, columnCap = 0] = parts.columns?.shape.slice(-2) ?? [];
  const columnOf = parts.columns && (parts.columnOf ?? defaultLists(scope, blocks, lists));
  const wanted = {
    tiles: [parts.tiles, [blocks, tileCap]],
    bits: [parts.bits, [blocks, tileCap, blockQ, Math.ceil(tileK / 32)]],
    columnOf: [columnOf, [blocks]],
    columns: [parts.columns, [lists, columnCap]],
    qOrder: [parts.qOrder, [lq]],
    kOrder: [parts.kOrder, [lk]],
    band: [parts.band, [2]],
  } as const;
  const given: [string, Tensor][] = [];
  for (const [name, [part, rest]] of Object.entries(wanted)) {
    if (!part) continue;
    use(scope, "planOf", name, part, "i32");
    const [own, ...others] = part.shape;
    const fits = (own === heads || own === 1) && others.length === rest.length &&
      others.every((n, i) => n === rest[i]);
    if (!fits) {
      throw new RangeError(
        `Cannot make a plan: "${name}" has shape [${part.shape}], expected [${heads} or 1, ${
          rest.join(", ")
        }]`,
      );
    }
    if (part.size > 0) given.push([name, part]);
  }
  const rows = given.some(([, part]) => part.shape[0] === heads) ? heads : 1;
  const at: Record<string, number> = {};
  let words = 0;
  const flat = given.map(([name, part]) => {
    const own = part.shape[0]!;
    at[name] = words;
    words += part.size / own;
    const view = reshape(scope, part, [own, part.size / own]);
    return own < rows ? repeat(scope, view, 0, rows) : view;
  });
  const matrix = flat.length === 0 ? d.tensor(new Int32Array(1), [1, 1]) : concat(d, flat, 1);
  const where = (name: string): number => at[name] ?? NO_PART;
  const layout: PlanLayout = {
    tilesAt: where("tiles"),
    tileCap,
    bitsAt: where("bits"),
    columnOfAt: where("columnOf"),
    columnsAt: where("columns"),
    columnCap,
    lists,
    qOrderAt: where("qOrder"),
    kOrderAt: where("kOrder"),
    bandAt: where("band"),
  };
  // Without room in the lists there are none to read.
  if (layout.columnsAt === NO_PART) {
    return new Plan(shape, { ...layout, columnOfAt: NO_PART }, matrix, keyBias);
  }
  return new Plan(shape, layout, matrix, keyBias);
}

const NO_LAYOUT: PlanLayout = {
  tilesAt: NO_PART,
  tileCap: 0,
  bitsAt: NO_PART,
  columnOfAt: NO_PART,
  columnsAt: NO_PART,
  columnCap: 0,
  lists: 0,
  qOrderAt: NO_PART,
  kOrderAt: NO_PART,
  bandAt: NO_PART,
};

function checkSizes(shape: PlanShape): void {
  for (const [name, low] of [["heads", 0], ["lq", 0], ["lk", 0], ["blockQ", 1], ["tileK", 1]] as const) {
    const value = shape[name];
    if (!Number.isInteger(value) || value < low) {
      throw new RangeError(
        `Cannot make a plan: "${name}" is ${value}, expected a whole number of at least ${low}`,
      );
    }
  }
}

function defaultLists(d: Device, blocks: number, lists: number): Tensor {
  if (lists !== blocks && lists !== 1) {
    throw new RangeError(
      `Cannot make a plan: ${lists} column lists for ${blocks} query blocks, give "columnOf" or one list per block`,
    );
  }
  return d.tensor(Int32Array.from({ length: blocks }, (_, n) => lists === 1 ? 0 : n), [1, blocks]);
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
}
