/**
 * Golden files of the methods, by slug.
 *
 * @module
 */
import { replayAnchorAttention } from "./anchor_attention.ts";
import { replayDoubleSparsity } from "./double_sparsity.ts";
import { replayFlexPrefill } from "./flex_prefill.ts";
import { replayLonggen } from "./longgen.ts";
import { replayLserve } from "./lserve.ts";
import { replayMinference } from "./minference.ts";
import { replayMminference } from "./mminference.ts";
import { replayMoa } from "./moa.ts";
import { replayMustafar } from "./mustafar.ts";
import { replayPbsAttn } from "./pbs_attn.ts";
import type { Replay } from "./replay.ts";
import { replaySeerAttention } from "./seer_attention.ts";

/** How the golden files of each method are replayed. */
export const REPLAYS: Readonly<Record<string, Replay>> = {
  "anchor-attention": replayAnchorAttention,
  "double-sparsity": replayDoubleSparsity,
  "flexprefill": replayFlexPrefill,
  "longgen": replayLonggen,
  "lserve": replayLserve,
  "minference": replayMinference,
  "mminference": replayMminference,
  "moa": replayMoa,
  "mustafar": replayMustafar,
  "pbs-attn": replayPbsAttn,
  "seer-attention": replaySeerAttention,
};
