/**
 * Queries and keys whose attention looks like that of trained models: sinks, local bands, vertical and slash lines, needles, grids, segments.
 *
 * Every structure is a part of the head's columns. Its scores stand out of noise by ln(L) plus a margin, so that it holds about the same share of
 * the mass at any length, as in trained models.
 *
 * @module
 */
import { type Random, random } from "../testing/random.ts";

/** What a head looks at; most heads of trained models look at the sink and near themselves as well. */
export type HeadShape = "local" | "vertical" | "slash" | "needles" | "grid" | "segments";

/** All shapes, in the order in which heads get them. */
export const HEAD_SHAPES: readonly HeadShape[] = [
  "local",
  "vertical",
  "slash",
  "needles",
  "grid",
  "segments",
];

/** Sizes and seed of {@linkcode structured}. */
export interface StructuredOptions {
  /** Tokens. */
  readonly length: number;
  /** Query heads. @default 8 */
  readonly heads?: number;
  /** Key heads, a divisor of `heads`. @default as many */
  readonly kvHeads?: number;
  /** Columns of a head, at least 32. @default 64 */
  readonly headDim?: number;
  /** The same seed gives the same numbers. @default 1 */
  readonly seed?: number;
  /** What the heads look at; repeated as often as needed. @default all shapes in turn */
  readonly shapes?: readonly HeadShape[];
}

/** What {@linkcode structured} returns: row-major, [heads, length, headDim] and [kvHeads, length, headDim]. */
export interface Sample {
  readonly heads: number;
  readonly kvHeads: number;
  readonly length: number;
  readonly headDim: number;
  /** Whether queries see no later key. @default true */
  readonly causal?: boolean;
  readonly q: Float32Array<ArrayBuffer>;
  readonly k: Float32Array<ArrayBuffer>;
  readonly v: Float32Array<ArrayBuffer>;
}

/** Columns of the parts of a head: what all queries look for, position, what few look for; noise fills the rest. */
const SHARED = 0;
const PLACE = 2;
const PLACES = 16;
const CONTENT = PLACE + PLACES;
const CONTENTS = 12;
const LEAST = 32;
const SINKS = 4;
const SEGMENT = 128;

/**
 * Makes a sample; query heads of one key head look for the same things with different strength.
 *
 * @throws RangeError if the head is too narrow for the structures.
 */
export function structured(options: StructuredOptions): Sample {
  const { length, heads = 8, kvHeads = heads, headDim = 64, seed = 1, shapes = HEAD_SHAPES } = options;
  if (headDim < LEAST) {
    throw new RangeError(`Cannot make heads of ${headDim} columns: expected at least ${LEAST}`);
  }
  if (kvHeads < 1 || heads % kvHeads > 0) {
    throw new RangeError(`Cannot make ${heads} query heads of ${kvHeads} key heads: expected a divisor`);
  }
  const r = random(seed);
  const q = new Float32Array(heads * length * headDim);
  const k = new Float32Array(kvHeads * length * headDim);
  for (let g = 0; g < kvHeads; g++) {
    const shape = shapes[g % shapes.length]!;
    const keys = { data: k, base: g * length * headDim };
    const rows = Array.from({ length: heads / kvHeads }, (_, n) => ({
      data: q,
      base: (g * (heads / kvHeads) + n) * length * headDim,
      strength: 1 - 0.05 * n,
    }));
    drawHead(r, { length, headDim, shape, rows, keys });
  }
  return { heads, kvHeads, length, headDim, q, k, v: r.normals(kvHeads * length * headDim) };
}

interface Rows {
  readonly data: Float32Array;
  readonly base: number;
}

interface Head {
  readonly length: number;
  readonly headDim: number;
  readonly shape: HeadShape;
  readonly rows: readonly (Rows & { readonly strength: number })[];
  readonly keys: Rows;
}

function drawHead(r: Random, { length, headDim, shape, rows, keys }: Head): void {
  // Scores are divided by sqrt(D), so this is what a full match adds to one.
  const peak = Math.log(length + 1) + 2;
  const gain = Math.sqrt(peak * Math.sqrt(headDim));
  const tensors = [...rows, keys];
  for (const { data, base } of tensors) {
    for (let i = 0; i < length * headDim; i++) data[base + i] = 0.6 * r.normal();
  }
  const put = (own: Rows, token: number, column: number, value: number): void => {
    own.data[own.base + token * headDim + column]! += value;
  };
  const vertical = new Set(
    shape === "vertical" ? Array.from({ length: Math.ceil(length / 160) }, () => r.int(0, length)) : [],
  );
  const place = placeOf(shape, r, length);
  const contents = contentOf(shape, r, length);
  for (let i = 0; i < length; i++) {
    for (const own of rows) {
      put(own, i, SHARED, gain * own.strength);
      place(i).query.forEach((value, c) => put(own, i, PLACE + c, gain * own.strength * value));
      contents(i).query.forEach((value, c) => put(own, i, CONTENT + c, gain * own.strength * value));
    }
    // The first tokens draw what nothing else draws, a little less than a full match.
    const shared = i < SINKS ? 0.9 : vertical.has(i) ? 0.85 + 0.1 * r.uniform() : 0;
    put(keys, i, SHARED, gain * shared);
    place(i).key.forEach((value, c) => put(keys, i, PLACE + c, gain * value));
    contents(i).key.forEach((value, c) => put(keys, i, CONTENT + c, gain * value));
  }
}

interface Match {
  readonly query: readonly number[];
  readonly key: readonly number[];
}

const NOTHING: Match = { query: [], key: [] };

/** Cosines of the distance between query and key: high where it is near 0, near one of some distances, or a multiple of a stride. */
function placeOf(shape: HeadShape, r: Random, length: number): (i: number) => Match {
  const half = PLACES / 2;
  const stride = r.pick([64, 96, 128]);
  const shift = shape === "slash"
    ? r.int(Math.floor(length / 8), Math.max(Math.floor(length / 8) + 1, Math.floor(length / 2)))
    : 0;
  // Random frequencies leave one peak; harmonics of a stride one per stride.
  const waves = Array.from(
    { length: half },
    (_, n) => shape === "grid" ? 2 * Math.PI * (n + 1) / stride : 0.02 + 0.16 * r.uniform() * (n + 1) / half,
  );
  const at = (position: number): number[] =>
    waves.flatMap((wave) => [Math.cos(wave * position), Math.sin(wave * position)]).map((x) =>
      x / Math.sqrt(half)
    );
  return (i) => ({ query: at(i - shift), key: at(i) });
}

/** Random directions that few queries and keys share: of some pairs far apart, or of segments about the same thing. */
function contentOf(shape: HeadShape, r: Random, length: number): (i: number) => Match {
  if (shape !== "needles" && shape !== "segments") return () => NOTHING;
  const direction = (): number[] => {
    const draw = Array.from({ length: CONTENTS }, () => r.normal());
    const norm = Math.hypot(...draw);
    return draw.map((x) => x / norm);
  };
  if (shape === "segments") {
    const topics = Array.from({ length: Math.max(2, Math.ceil(length / SEGMENT / 6)) }, direction);
    const topicOf = Array.from({ length: Math.ceil(length / SEGMENT) }, () => r.pick(topics));
    return (i) => ({ query: topicOf[Math.floor(i / SEGMENT)]!, key: topicOf[Math.floor(i / SEGMENT)]! });
  }
  const queries = new Map<number, number[]>();
  const keys = new Map<number, number[]>();
  for (let n = 0; n < Math.ceil(length / 64); n++) {
    const topic = direction().map((x) => 1.1 * x);
    const key = r.int(0, length);
    keys.set(key, topic);
    queries.set(r.int(key, length), topic);
  }
  return (i) => ({ query: queries.get(i) ?? [], key: keys.get(i) ?? [] });
}
