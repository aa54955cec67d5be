import * as v from "valibot";
import { ApiError } from "../api_error.ts";
import { pathOf } from "../check_shape.ts";
import { quote } from "../tables.ts";
import type { VariantNames } from "./choose_variant.ts";

/** Fields of OpenAI's requests that change nothing here: they are taken and not looked at. */
const WITHOUT_EFFECT = new Set([
  "metadata",
  "prompt_cache_key",
  "prompt_cache_retention",
  "safety_identifier",
  "service_tier",
  "store",
  "user",
]);

/** Fields of OpenAI's requests that cannot be had here, with the values (as JSON) that ask for nothing. */
const NOT_HERE: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  audio: [],
  best_of: ["1"],
  echo: ["false"],
  frequency_penalty: ["0"],
  function_call: ['"none"', '"auto"'],
  functions: ["[]"],
  logit_bias: ["{}"],
  modalities: ['["text"]'],
  parallel_tool_calls: ["true", "false"],
  prediction: [],
  presence_penalty: ["0"],
  reasoning_effort: ['"none"'],
  response_format: ['{"type":"text"}'],
  suffix: ['""'],
  tool_choice: ['"none"', '"auto"'],
  tools: ["[]"],
  verbosity: ['"medium"'],
  web_search_options: [],
}));

/** A whole number within bounds. */
export const whole = (least: number, most: number) => {
  const message = `must be a whole number from ${least} to ${most}`;
  return v.pipe(
    v.number(message),
    v.safeInteger(message),
    v.minValue(least, message),
    v.maxValue(most, message),
  );
};

const within = (least: number, most: number) => {
  const message = `must be a number from ${least} to ${most}`;
  return v.pipe(v.number(message), v.minValue(least, message), v.maxValue(most, message));
};

/** True or false. */
export const flag = v.boolean("must be true or false");

const text = v.string("must be a text");

const isStop = (value: unknown): boolean => {
  const texts: unknown[] = [value].flat();
  return texts.length <= 4 && texts.every((one) => typeof one === "string" && one !== "");
};

const OBJECT = "must be an object of fields that are known";

/** The most that can be asked for in tokens, before anything is known of the model. */
const ANY = Number.MAX_SAFE_INTEGER;

/** Fields that completions and chat completions share. */
export const SHARED = {
  model: text,
  max_tokens: v.optional(whole(1, ANY)),
  temperature: v.optional(within(0, 2), 1),
  top_p: v.optional(within(0, 1), 1),
  n: v.optional(whole(1, 128), 1),
  seed: v.optional(whole(-ANY, ANY)),
  stop: v.optional(
    v.custom<string | string[]>(isStop, "must be a text or up to 4 texts, none of them empty"),
    [],
  ),
  stream: v.optional(flag, false),
  stream_options: v.optional(
    v.strictObject({ include_usage: v.optional(flag), include_obfuscation: v.optional(flag) }, OBJECT),
  ),
  filigree: v.optional(
    v.strictObject({ kv: v.optional(text), select: v.optional(text), prefill: v.optional(text) }, OBJECT),
    {},
  ),
};

/** What {@linkcode SHARED} reads. */
export interface SharedFields {
  readonly model: string;
  readonly max_tokens?: number | undefined;
  readonly temperature: number;
  readonly top_p: number;
  readonly n: number;
  readonly seed?: number | undefined;
  readonly stop: string | string[];
  readonly stream: boolean;
  readonly stream_options?: { readonly include_usage?: boolean | undefined } | undefined;
  readonly filigree: VariantNames;
}

/**
 * Checks the body of a request. A field that is `null` counts as left out, as with OpenAI.
 *
 * @param body The body, parsed.
 * @param schema The fields that there are.
 * @returns The fields.
 * @throws {ApiError} 400 that names the field: for wrong values, for what cannot be had, and for unknown fields.
 */
export function readFields<S extends v.ObjectEntries>(
  body: unknown,
  schema: v.StrictObjectSchema<S, undefined>,
): v.InferOutput<v.StrictObjectSchema<S, undefined>> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new ApiError(400, "invalid_body", "The body must be a JSON object");
  }
  const isKnown = (name: string): boolean => Object.hasOwn(schema.entries, name);
  const given = Object.entries(body).filter(([, value]) => value !== null);
  for (const [name, value] of given) {
    if (isKnown(name) || WITHOUT_EFFECT.has(name)) continue;
    const neutral = NOT_HERE.get(name);
    if (neutral?.includes(JSON.stringify(value))) continue;
    throw neutral
      ? new ApiError(
        400,
        "unsupported_parameter",
        `This server cannot do what ${quote(name)} asks for; leave it out`,
        {
          param: name,
        },
      )
      : new ApiError(400, "unknown_parameter", `There is no parameter ${quote(name)}`, {
        param: name.slice(0, 80),
      });
  }
  const result = v.safeParse(schema, Object.fromEntries(given.filter(([name]) => isKnown(name))));
  if (result.success) return result.output;
  const [issue] = result.issues;
  const param = pathOf(issue);
  const missing = issue.received === "undefined";
  throw new ApiError(
    400,
    missing ? "missing_required_parameter" : "invalid_value",
    `"${param}" ${missing ? "is missing" : issue.message}`,
    { param },
  );
}
