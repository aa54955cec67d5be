/**
 * Which pattern every head of a model has: MInference's configuration files.
 *
 * @module
 */

/** Patterns that a head can have: A-shape, lines, blocks. */
export type MInferencePatternName = "stream_llm" | "vertical_and_slash" | "block_sparse";

/**
 * Pattern of a head, its two sizes and the score that the search gave it: initial and local keys, vertical and slash lines, or blocks per query
 * block and a number that is not used.
 */
export type MInferencePattern = readonly [name: MInferencePatternName, a: number, b: number, score?: number];

/** How a search judges candidates: the fewest wrong output elements, or the most attention mass kept. */
export type MInferenceCriterion = "error" | "recall";

/** Patterns of all heads of a model; plain data for `JSON.stringify`. `layers` alone is the official file. */
export interface MInferenceProfile {
  /** Name of the model. */
  readonly model?: string;
  /** Tokens of the prompt that was searched with. */
  readonly length?: number;
  /** How candidates were judged. */
  readonly criterion?: MInferenceCriterion;
  /** Day of the search, ISO 8601. */
  readonly date?: string;
  /** Query heads of a layer. */
  readonly heads: number;
  /** Of every layer the heads by number; {@linkcode DEFAULT_PATTERN} where one is missing. */
  readonly layers: readonly Readonly<Record<string, MInferencePattern>>[];
}

/** What a profile must fit. */
export interface MInferenceLoadOptions {
  /** Query heads of a layer. */
  readonly heads: number;
  /** Layers of the model. */
  readonly layers: number;
  /** Name of the model; a profile that names another one is refused. @default any */
  readonly model?: string;
}

/** Pattern of a head that a configuration leaves out. */
export const DEFAULT_PATTERN: MInferencePattern = ["vertical_and_slash", 1000, 6096, 1];

const NAMES: readonly unknown[] = ["stream_llm", "vertical_and_slash", "block_sparse"];

/**
 * Reads a configuration: an official file (a list over layers of `{"0": ["vertical_and_slash", 1000, 6096, 1], ...}`) or a profile of
 * `calibrate`.
 *
 * @param json The text of the file, or what `JSON.parse` made of it.
 * @throws SyntaxError if the text is not JSON, TypeError if something has the wrong kind, RangeError if the profile is for another model.
 */
export function loadProfile(json: unknown, options: MInferenceLoadOptions): MInferenceProfile {
  const parsed = typeof json === "string" ? parse(json) : json;
  const file = Array.isArray(parsed) ? { layers: parsed } : parsed;
  if (!isRecord(file) || !Array.isArray(file["layers"])) {
    throw new TypeError(
      `Cannot load a MInference profile: it is ${
        kindOf(parsed)
      }, expected a list of layers or an object with "layers"`,
    );
  }
  const { model, length, criterion, date, heads = options.heads } = file;
  const layers: readonly unknown[] = file["layers"];
  expectKind("model", model, "string");
  expectKind("date", date, "string");
  expectKind("length", length, "number");
  if (criterion !== undefined && criterion !== "error" && criterion !== "recall") {
    throw new TypeError(
      `Cannot load a MInference profile: "criterion" is ${
        JSON.stringify(criterion)
      }, expected "error" or "recall"`,
    );
  }
  if (options.model !== undefined && model !== undefined && model !== options.model) {
    throw new RangeError(
      `Cannot load a MInference profile: it is for the model "${model}", expected one for "${options.model}"`,
    );
  }
  if (heads !== options.heads || layers.length !== options.layers) {
    throw new RangeError(
      `Cannot load a MInference profile: it has ${layers.length} layers of ${heads} heads, the model has ${options.layers} of ${options.heads}`,
    );
  }
  return {
    ...(typeof model === "string" && { model }),
    ...(typeof length === "number" && { length }),
    ...(criterion !== undefined && { criterion }),
    ...(typeof date === "string" && { date }),
    heads: options.heads,
    layers: layers.map((layer, l) => readLayer(layer, l, options.heads)),
  };
}

/** Refuses what is not a pattern. */
export function expectPattern(where: string, value: unknown): MInferencePattern {
  const [name, a, b, score]: readonly unknown[] = Array.isArray(value) ? value : [];
  if (!NAMES.includes(name)) {
    throw new TypeError(
      `Cannot use ${where} as a MInference pattern: it is ${JSON.stringify(value)}, expected a list of ${
        NAMES.join(", ")
      } and two sizes`,
    );
  }
  const least = name === "block_sparse" ? 1 : 0;
  if (!isSize(a) || a < least || !isSize(b)) {
    throw new RangeError(
      `Cannot use ${where} as a MInference pattern: its sizes are ${a} and ${b}, expected whole numbers of at least ${least}`,
    );
  }
  if (score !== undefined && typeof score !== "number") {
    throw new TypeError(
      `Cannot use ${where} as a MInference pattern: its score is ${kindOf(score)}, expected a number`,
    );
  }
  return score === undefined
    ? [name as MInferencePatternName, a, b]
    : [name as MInferencePatternName, a, b, score];
}

function readLayer(layer: unknown, l: number, heads: number): Record<string, MInferencePattern> {
  if (!isRecord(layer) && !Array.isArray(layer)) {
    throw new TypeError(
      `Cannot load a MInference profile: layer ${l} is ${kindOf(layer)}, expected patterns by head`,
    );
  }
  return Object.fromEntries(
    Object.entries(layer).map(([head, pattern]) => {
      if (!/^\d+$/.test(head) || Number(head) >= heads) {
        throw new RangeError(
          `Cannot load a MInference profile: layer ${l} has a head "${head}", the model has heads 0 to ${
            heads - 1
          }`,
        );
      }
      return [head, expectPattern(`head ${head} of layer ${l}`, pattern)];
    }),
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError("Cannot load a MInference profile: its text is not JSON", { cause });
  }
}

function expectKind(name: string, value: unknown, kind: "string" | "number"): void {
  if (value === undefined || typeof value === kind) return;
  throw new TypeError(
    `Cannot load a MInference profile: "${name}" is ${kindOf(value)}, expected a ${kind}`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : `of type ${typeof value}`;
}
