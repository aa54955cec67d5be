/**
 * Golden files of the methods, by slug.
 *
 * @module
 */
import { replayAdaSpa } from "./adaspa.ts";
import { replayAnchorAttention } from "./anchor_attention.ts";
import { replayDoubleSparsity } from "./double_sparsity.ts";
import { replayEfficientVdit } from "./efficient_vdit.ts";
import { replayFlexPrefill } from "./flex_prefill.ts";
import { replayLonggen } from "./longgen.ts";
import { replayLserve } from "./lserve.ts";
import { replayMinference } from "./minference.ts";
import { replayMminference } from "./mminference.ts";
import { replayMoa } from "./moa.ts";
import { replayMustafar } from "./mustafar.ts";
import { replayParoAttention } from "./paro_attention.ts";
import { replayPbsAttn } from "./pbs_attn.ts";
import type { Replay } from "./replay.ts";
import { replaySeerAttention } from "./seer_attention.ts";
import { replaySparseD } from "./sparsed.ts";
import { replaySparseVdit } from "./sparse_vdit.ts";
import { replaySparsifiner } from "./sparsifiner.ts";
import { replayVisionDigits } from "./vision_digits.ts";
import { replayVisionDlm } from "./vision_dlm.ts";

/** How the golden files of each method are replayed. */
export const REPLAYS: Readonly<Record<string, Replay>> = {
  "adaspa": replayAdaSpa,
  "anchor-attention": replayAnchorAttention,
  "double-sparsity": replayDoubleSparsity,
  "efficient-vdit": replayEfficientVdit,
  "flexprefill": replayFlexPrefill,
  "longgen": replayLonggen,
  "lserve": replayLserve,
  "minference": replayMinference,
  "mminference": replayMminference,
  "moa": replayMoa,
  "mustafar": replayMustafar,
  "paro-attention": replayParoAttention,
  "pbs-attn": replayPbsAttn,
  "seer-attention": replaySeerAttention,
  "sparse-vdit": replaySparseVdit,
  "sparsed": replaySparseD,
  "sparsifiner": replaySparsifiner,
  "vision-digits": replayVisionDigits,
  "vision-dlm": replayVisionDlm,
};
