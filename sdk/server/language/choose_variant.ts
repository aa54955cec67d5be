import type { Storage } from "../../cache/storage.ts";
import type { Planner } from "../../methods/planner.ts";
import type { Selector } from "../../methods/selector.ts";
import { ApiError } from "../api_error.ts";
import type { OtherWays, ServedLanguageModel } from "./served_language_model.ts";

/** What a request can choose by name, in its field `filigree`. */
export interface Variants {
  /** How keys and values are kept. */
  readonly kv: Readonly<Record<string, Storage>>;
  /** What a new token reads of them. */
  readonly select: Readonly<Record<string, Selector>>;
  /** How the prompt attends. */
  readonly prefill: Readonly<Record<string, Planner>>;
}

/** Nothing but what the model was loaded with. */
export const NO_CHOICE: Variants = { kv: {}, select: {}, prefill: {} };

/** Names out of {@linkcode Variants}; what is left out is as the model was loaded. */
export type VariantNames = { readonly [kind in keyof Variants]?: string | undefined };

/** Gives the model that a request chooses. */
export type ChooseVariant = (lm: ServedLanguageModel, names: VariantNames) => ServedLanguageModel;

/**
 * Keeps one model for each combination that was asked for: they share their weights.
 *
 * @param variants What there is.
 * @returns Gives the model for some names; throws an {@linkcode ApiError} 400 for those that there are not.
 */
export function chooseVariant(variants: Variants): ChooseVariant {
  const made = new WeakMap<ServedLanguageModel, Map<string, ServedLanguageModel>>();
  return (lm, { kv, select, prefill }) => {
    const ways: OtherWays = {};
    if (kv !== undefined) ways.cache = named("kv", variants.kv, kv);
    if (select !== undefined) ways.select = named("select", variants.select, select);
    if (prefill !== undefined) ways.prefill = named("prefill", variants.prefill, prefill);
    if (Object.keys(ways).length === 0 || !lm.with) return lm;
    const key = JSON.stringify([kv, select, prefill]);
    const own = made.get(lm) ?? new Map<string, ServedLanguageModel>();
    made.set(lm, own);
    const model = own.get(key) ?? lm.with(ways);
    own.set(key, model);
    return model;
  };
}

function named<T>(kind: string, choices: Readonly<Record<string, T>>, name: string): T {
  if (Object.hasOwn(choices, name)) return choices[name]!;
  const names = Object.keys(choices).map((choice) => JSON.stringify(choice)).join(", ");
  throw new ApiError(
    400,
    "invalid_value",
    names === ""
      ? `This server gives no choice of "filigree.${kind}"; leave it out`
      : `"filigree.${kind}" must be one of ${names}`,
    { param: `filigree.${kind}` },
  );
}
