/**
 * Caches, selectors and planners that requests to a language model can choose: `createHandler({ lm, variants: variants({ profile }) })`.
 *
 * @module
 */
import { bitmap } from "../../cache/bitmap.ts";
import { dense } from "../../cache/dense.ts";
import { quantized } from "../../cache/quantized.ts";
import { anchorAttention } from "../../methods/anchor_attention.ts";
import { doubleSparsity } from "../../methods/double_sparsity.ts";
import type { DoubleSparsityProfile } from "../../methods/double_sparsity_profile.ts";
import { flexPrefill } from "../../methods/flex_prefill.ts";
import { streaming } from "../../methods/streaming.ts";
import type { Variants } from "./choose_variant.ts";

export type { Variants } from "./choose_variant.ts";

/** Options of {@linkcode variants}. */
export interface VariantsOptions {
  /** Label channels of the model: what `calibrate` makes. @default "double-sparsity" is not on offer */
  readonly profile?: DoubleSparsityProfile;
}

/**
 * The usual choices: `kv` "dense", "f16", "int8", "int4" or "bitmap"; `select` "streaming", and "double-sparsity" with a profile; `prefill` "streaming",
 * "flex-prefill" or "anchor-attention". Each has the defaults of its paper; for others add to what this returns.
 *
 * @param options What the choices need.
 * @returns The choices by name.
 * @example
 * ```ts
 * import { openDevice } from "../../device/mod.ts";
 * import { calibrate, CausalLM } from "../../lm/mod.ts";
 * import { createHandler } from "../mod.ts";
 * import { variants } from "./variants.ts";
 *
 * const lm = await CausalLM.load("models/llama", { device: await openDevice() });
 * const profile = await calibrate(lm, [lm.tokenizer!.encode("A text like those to come.")]);
 * const app = createHandler({ lm, variants: variants({ profile }) });
 * ```
 */
export function variants({ profile }: VariantsOptions = {}): Variants {
  return {
    kv: {
      dense: dense(),
      f16: dense({ type: "f16" }),
      int8: quantized({ bits: 8 }),
      int4: quantized({ bits: 4 }),
      bitmap: bitmap(),
    },
    select: {
      streaming: streaming(),
      ...(profile && { "double-sparsity": doubleSparsity({ profile }) }),
    },
    prefill: {
      streaming: streaming(),
      "flex-prefill": flexPrefill(),
      "anchor-attention": anchorAttention(),
    },
  };
}
