import type { Device } from "../../device/device.ts";
import { slice } from "../../device/ops/slice.ts";
import type { Tensor } from "../../device/tensor.ts";
import type { LogitsOptions } from "../../lm/forward.ts";
import type { Planner } from "../../methods/planner.ts";
import { headScores } from "../../methods/scores.ts";
import type { Choice, Selector } from "../../methods/selector.ts";
import { streaming } from "../../methods/streaming.ts";
import type { OtherWays, ServedLanguageModel } from "./served_language_model.ts";

/** A model that shows what its heads attend with: `CausalLM` is one. */
export interface InspectedModel extends ServedLanguageModel {
  /** Its figures. */
  readonly config: ServedLanguageModel["config"] & {
    readonly layers: number;
    readonly heads: number;
    readonly windows: readonly (number | undefined)[];
  };
  /** Logits of every token, layer by layer. */
  logits(ids: ArrayLike<number>, options: LogitsOptions): Promise<Tensor>;
  /** The same weights with other settings. */
  with(options: OtherWays & { readonly chunk?: number }): InspectedModel;
  /** Gives its memory back. */
  dispose(): void;
}

/** What one head read for one token. */
export interface HeadReading {
  /** The share of its attention that each token got; all together 1. */
  readonly weights: number[];
  /** Places of the tokens that it read, ascending; `null` if it read all. */
  readonly read: number[] | null;
}

/** How the last token of a text attends. */
export interface ReadingOptions {
  /** Plans its attention, if it is the last of a prompt. */
  readonly planner?: Planner | undefined;
  /** Chooses what it reads, if it came later. */
  readonly select?: Selector | undefined;
  /** Gives up between layers. */
  readonly signal: AbortSignal;
}

/**
 * Whether a model shows what its heads attend with.
 *
 * @param lm The model.
 * @returns True if {@linkcode readAttention} takes it.
 */
export function canInspect(lm: ServedLanguageModel): lm is InspectedModel {
  return "logits" in lm && typeof lm.with === "function" && "windows" in lm.config;
}

/**
 * Finds what every head of a model reads for the last token of a text.
 *
 * @param lm The model.
 * @param ids The text.
 * @param options How its last token attends.
 * @returns The heads of every layer.
 */
export async function readAttention(
  lm: InspectedModel,
  ids: ArrayLike<number>,
  { planner, select, signal }: ReadingOptions,
): Promise<HeadReading[][]> {
  const layers: HeadReading[][] = [];
  // All tokens at once, so that a layer shows all of its keys.
  const whole = lm.with({ chunk: Infinity });
  try {
    const inspectHeads: LogitsOptions["inspectHeads"] = async (layer, { q, k }) => {
      using scope = lm.device.scope();
      const last = slice(scope, q, 1, ids.length - 1);
      const scores = headScores(scope, last, k, 1 / Math.sqrt(q.shape[2]!));
      const window = lm.config.windows[layer];
      const band = window === undefined ? undefined : streaming({ sink: 0, window });
      const lists = planner && !band
        ? await plannedKeys(scope, planner, q, k, layer)
        : await chosenKeys(scope, band ?? select, last, k, layer);
      layers[layer] = readings(await scores.read("f32"), lists, q.shape[0]!);
    };
    (await whole.logits(ids, { inspectHeads, signal })).dispose();
  } finally {
    whole.dispose();
  }
  return layers;
}

/** What a plan lets the last query see: a list for every head. */
async function plannedKeys(
  d: Device,
  planner: Planner,
  q: Tensor,
  k: Tensor,
  layer: number,
): Promise<number[][]> {
  using plan = planner.plan(d, q, k, { layer });
  const keys = await plan.keysOf([plan.lq - 1]);
  return keys.map(([list]) => [...list!].sort((a, b) => a - b));
}

/** What a selector lets a query read: a list for every head, or `undefined` for all. */
async function chosenKeys(
  d: Device,
  select: Selector | undefined,
  q: Tensor,
  k: Tensor,
  layer: number,
): Promise<number[][] | undefined> {
  if (!select) return undefined;
  const [queryHeads, , headDim] = q.shape as [number, number, number];
  const [heads, length] = k.shape as [number, number, number];
  using selection = select.start(d, { queryHeads, heads, headDim, layer });
  selection.append(k);
  const choice = selection.choose(d, d.view(q, [queryHeads, headDim]), length);
  return choice && await keysOfChoice(choice, queryHeads, heads, length);
}

async function keysOfChoice(
  { list, step = 1, band }: Choice,
  queryHeads: number,
  heads: number,
  length: number,
): Promise<number[][]> {
  const entries = await list?.read("i32");
  const bands = await band?.read("i32");
  const lists = list?.shape[0] ?? 1;
  const cap = list?.shape[1] ?? 0;
  return Array.from({ length: queryHeads }, (_, head) => {
    const named = new Set<number>();
    const begin = Math.floor((head * lists) / queryHeads) * cap;
    for (const entry of entries?.subarray(begin, begin + cap) ?? []) {
      if (entry < 0) break;
      for (let t = entry * step; t < entry * step + step; t++) named.add(t);
    }
    const of = 2 * Math.floor((head * heads) / queryHeads);
    const [sink, window] = bands ? [bands[of]!, bands[of + 1]!] : [length, length];
    return Array.from({ length }, (_, t) => t)
      .filter((t) => (!list || named.has(t)) && (t < sink || t >= length - window));
  });
}

/** The softmax of every head over what it read. */
function readings(scores: Float32Array, lists: number[][] | undefined, heads: number): HeadReading[] {
  const length = scores.length / heads;
  return Array.from({ length: heads }, (_, head) => {
    const own = scores.subarray(head * length, (head + 1) * length);
    const list = lists?.[head];
    const keys = list ?? Array.from(own.keys());
    const most = keys.reduce((most, t) => Math.max(most, own[t]!), -Infinity);
    const weights = Array.from(own, () => 0);
    let sum = 0;
    for (const t of keys) sum += weights[t] = Math.exp(own[t]! - most);
    return {
      weights: weights.map((weight) => Number((weight / (sum || 1)).toFixed(4))),
      read: list && list.length < length ? list : null,
    };
  });
}
