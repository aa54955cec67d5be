/**
 * Replays the prefill part of the golden file of LServe: the head split and the chunk before decoding.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import { slice } from "../../device/ops/slice.ts";
import { compare, compareSelections, floats, shapeOf } from "../../golden/check.ts";
import { lserve } from "../lserve.ts";
import { retrievalHeads } from "../lserve_heads.ts";
import { integers, numberOf, type Replay, upload } from "./replay.ts";

/** Flags of all layers, and the output of the last queries of the prompt. */
export const replayLserve: Replay = async (device, file, params) => {
  using scope = device.scope();
  const [layer, history] = [numberOf(params, "layer"), numberOf(params, "history")];
  const staticSparsity = numberOf(params, "static_sparsity");
  const kvHeads = shapeOf(file, "head_alpha")[1]!;
  const alpha = floats(file, "head_alpha");
  const headScores = Array.from(
    { length: alpha.length / kvHeads },
    (_, row) => Array.from(alpha.subarray(row * kvHeads, (row + 1) * kvHeads)),
  );
  const flags = retrievalHeads(headScores, staticSparsity);
  const prefill = { sink: numberOf(params, "ctx_sink"), local: numberOf(params, "ctx_local") };
  const [q, k, v] = [
    upload(scope, file, "q_prefill"),
    slice(scope, upload(scope, file, "k"), 1, 0, history),
    slice(scope, upload(scope, file, "v"), 1, 0, history),
  ];
  using plan = lserve({
    headScores,
    staticSparsity,
    layer,
    prefill,
    blockSize: numberOf(params, "page_size"),
  }).plan(scope, q, k);
  await plan.validate();
  const { out } = attention(scope, q, k, v, { plan });
  return {
    density: await plan.density(),
    checks: [
      compareSelections("head_flags_all", flags.flat(), integers(file, "head_flags_all")),
      compareSelections("head_flags", flags[layer]!, integers(file, "head_flags")),
      compare("out_prefill", await out.read(), floats(file, "out_prefill"), 1e-4),
    ],
  };
};
