/**
 * The methods that comparisons run, at their official defaults.
 *
 * @module
 */
import { anchorAttention } from "../methods/anchor_attention.ts";
import { auto } from "../methods/auto.ts";
import { flexPrefill } from "../methods/flex_prefill.ts";
import { longgen } from "../methods/longgen.ts";
import { lserve } from "../methods/lserve.ts";
import { minference } from "../methods/minference.ts";
import { moa } from "../methods/moa.ts";
import { pbsAttn } from "../methods/pbs_attn.ts";
import type { Planner } from "../methods/planner.ts";
import { streaming } from "../methods/streaming.ts";
import { strided } from "../methods/strided.ts";

/**
 * Planners for heads of one layer. Methods with trained or searched settings get neutral ones: LServe streams in every second head, MoA's spans
 * reach from an eighth to half of the length.
 */
export function lineup(
  { heads, kvHeads }: { readonly heads: number; readonly kvHeads: number },
): Record<string, Planner> {
  const alphas = [new Array<number>(heads).fill(0)];
  // Heads that share keys share a span.
  const betas = [Array.from({ length: heads }, (_, h) => (1 + Math.floor(h * kvHeads / heads) % 4) / 8)];
  return {
    minference: minference(),
    flexPrefill: flexPrefill(),
    anchorAttention: anchorAttention(),
    pbsAttn: pbsAttn(),
    longgen: longgen(),
    strided: strided(),
    streaming: streaming(),
    lserve: lserve({ headFlags: [Array.from({ length: kvHeads }, (_, h) => h % 2)] }),
    moa: moa({ plan: { alphas, betas } }),
    auto: auto(),
  };
}
