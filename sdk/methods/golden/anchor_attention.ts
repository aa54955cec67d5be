/**
 * Replays the golden file of AnchorAttention.
 *
 * @module
 */
import { compareScores, compareSelections, floats, shapeOf } from "../../golden/check.ts";
import { anchorAttention } from "../anchor_attention.ts";
import { collector } from "./collect.ts";
import { checkPlan, integers, numberOf, type Replay, upload } from "./replay.ts";

/** Anchors, stripes, density, recall and output. */
export const replayAnchorAttention: Replay = async (device, file, params) => {
  using scope = device.scope();
  const { inspect, read } = collector();
  const method = anchorAttention({
    blockSize: numberOf(params, "block_size"),
    step: numberOf(params, "step"),
    theta: numberOf(params, "theta"),
  });
  const plan = method.plan(scope, upload(scope, file, "q"), upload(scope, file, "k"), { inspect });
  const found = await read();
  const { checks, density } = await checkPlan(scope, file, params, plan);
  const counts = found("stripe_count");
  const stripes = found("stripes");
  // Lists have more room than the file, whose width is the longest one.
  const [capacity, width] = [stripes.length / counts.length, shapeOf(file, "stripes")[2]!];
  return {
    density,
    checks: [
      compareScores("anchor", found("anchor"), floats(file, "anchor")),
      compareScores("anchor_pool", found("anchor_pool"), floats(file, "anchor_pool")),
      compareSelections("stripe_count", counts, integers(file, "stripe_count")),
      compareSelections("stripes", stripes.filter((_, i) => i % capacity < width), integers(file, "stripes")),
      ...checks,
    ],
  };
};
