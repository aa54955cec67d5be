/**
 * Replays the golden file of PBS-Attn.
 *
 * @module
 */
import { compareScores, compareSelections, floats } from "../../golden/check.ts";
import { pbsAttn } from "../pbs_attn.ts";
import { collector } from "./collect.ts";
import { checkPlan, integers, numberOf, type Replay, upload } from "./replay.ts";

/** Order of keys, scores and masks of blocks, density, recall and output. */
export const replayPbsAttn: Replay = async (device, file, params) => {
  using scope = device.scope();
  const { inspect, read } = collector();
  const method = pbsAttn({
    blockSize: numberOf(params, "block_size"),
    segmentSize: numberOf(params, "segment_size"),
    threshold: numberOf(params, "threshold"),
    forceFirstBlock: params["force_first_block"] === true,
  });
  const plan = method.plan(scope, upload(scope, file, "q"), upload(scope, file, "k"), { inspect });
  const found = await read();
  const { checks, density } = await checkPlan(scope, file, params, plan);
  return {
    density,
    checks: [
      compareScores("importance", found("importance"), floats(file, "importance")),
      compareSelections("key_perm", found("key_perm"), integers(file, "key_perm")),
      compareScores("block_score", found("block_score"), floats(file, "block_score")),
      compareSelections("selected", found("selected"), integers(file, "selected")),
      compareSelections("block_mask", found("block_mask"), integers(file, "block_mask")),
      ...checks,
    ],
  };
};
