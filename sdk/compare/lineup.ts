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
import { pbsAttn } from "../methods/pbs_attn.ts";
import type { Planner } from "../methods/planner.ts";
import { streaming } from "../methods/streaming.ts";
import { strided } from "../methods/strided.ts";

/**
 * Planners for heads of one layer. Methods with trained or searched settings get neutral ones: LServe streams in every second head.
 */
export function lineup(
  { kvHeads }: { readonly kvHeads: number },
): Record<string, Planner> {
  return {
    minference: minference(),
    flexPrefill: flexPrefill(),
    anchorAttention: anchorAttention(),
    pbsAttn: pbsAttn(),
    longgen: longgen(),
    strided: strided(),
    streaming: streaming(),
    lserve: lserve({ headFlags: [Array.from({ length: kvHeads }, (_, h) => h % 2)] }),
    auto: auto(),
  };
}
