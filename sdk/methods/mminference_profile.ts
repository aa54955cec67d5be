/**
 * What the heads of a model do, found by the search of MMInference.
 *
 * @module
 */
import { type MmHead, objectOf, parseHead } from "./mminference_patterns.ts";

/** Patterns of all heads of a model; plain data for `JSON.stringify`. */
export interface MMInferenceProfile {
  /** Name of the model. */
  readonly model?: string;
  /** Tokens of the prompt that was searched with. */
  readonly length?: number;
  /** Day of the search, ISO 8601. */
  readonly date?: string;
  /** Query heads of a layer. */
  readonly heads: number;
  /** What each head of each layer does. */
  readonly layers: readonly (readonly MmHead[])[];
}

/** What a profile must fit. */
export interface MMInferenceLoadOptions {
  /** Query heads of a layer. */
  readonly heads: number;
  /** Layers of the model. */
  readonly layers: number;
  /** Name of the model; a profile that names another one is refused. @default any */
  readonly model?: string;
}

/**
 * Reads a profile of `mminference.calibrate`.
 *
 * @param json Its text, or what `JSON.parse` made of it.
 * @returns The profile; the heads of a layer are an option of `mminference`.
 * @throws SyntaxError if the text is not JSON, TypeError if something has the wrong kind, RangeError if a value is out of range or the
 * profile is for another model.
 */
export function loadProfile(json: unknown, options: MMInferenceLoadOptions): MMInferenceProfile {
  const { heads, layers, model, length, date } = objectOf(
    typeof json === "string" ? parse(json) : json,
    WHAT,
  );
  if (!Array.isArray(layers) || !layers.every(Array.isArray)) {
    throw new TypeError(`Cannot use ${WHAT}: it has no lists of heads by layer under "layers"`);
  }
  for (
    const [name, value, kind] of [["model", model, "string"], ["date", date, "string"], [
      "length",
      length,
      "number",
    ]]
  ) {
    if (value !== undefined && typeof value !== kind) {
      throw new TypeError(`Cannot use ${WHAT}: "${name}" is ${JSON.stringify(value)}, expected a ${kind}`);
    }
  }
  if (model !== undefined && options.model !== undefined && model !== options.model) {
    throw new RangeError(`Cannot use ${WHAT}: it is for the model "${model}", expected "${options.model}"`);
  }
  if (heads !== options.heads || layers.length !== options.layers) {
    throw new RangeError(
      `Cannot use ${WHAT}: it has ${layers.length} layers of ${heads} heads, the model has ${options.layers} of ${options.heads}`,
    );
  }
  return {
    ...(typeof model === "string" && { model }),
    ...(typeof length === "number" && { length }),
    ...(typeof date === "string" && { date }),
    heads: options.heads,
    layers: layers.map((own: readonly unknown[], l) => {
      if (own.length !== options.heads) {
        throw new RangeError(
          `Cannot use ${WHAT}: layer ${l} has ${own.length} heads, expected ${options.heads}`,
        );
      }
      return own.map((head, h) => parseHead(head, `head ${h} of layer ${l} of ${WHAT}`));
    }),
  };
}

const WHAT = "a profile of mminference";

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot use ${WHAT}: its text is not JSON`, { cause });
  }
}
