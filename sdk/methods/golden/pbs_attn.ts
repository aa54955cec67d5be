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
  const blockSize = numberOf(params, "block_size");
  const method = pbsAttn({
    blockSize,
    segmentSize: numberOf(params, "segment_size"),
    threshold: numberOf(params, "threshold"),
    forceFirstBlock: params["force_first_block"] === true,
  });
  const plan = method.plan(scope, upload(scope, file, "q"), upload(scope, file, "k"), { inspect });
  const found = await read();
  const { checks, density } = await checkPlan(scope, file, params, plan);
  const sets = (order: ArrayLike<number>) => blockSets(order, numberOf(params, "L"), blockSize);
  return {
    density,
    checks: [
      compareScores("importance", found("importance"), floats(file, "importance")),
      compareSelections("key_perm", sets(found("key_perm")), sets(integers(file, "key_perm"))),
      compareScores("block_score", found("block_score"), floats(file, "block_score")),
      compareSelections("selected", found("selected"), integers(file, "selected")),
      compareSelections("block_mask", found("block_mask"), integers(file, "block_mask")),
      ...checks,
    ],
  };
};

/** The keys of every block in ascending order: inside a block float32 may exchange keys of nearly equal importance, which changes nothing. */
function blockSets(order: ArrayLike<number>, length: number, blockSize: number): number[] {
  const keys = Array.from(order);
  const sets: number[] = [];
  for (let head = 0; head < keys.length; head += length) {
    for (let begin = head; begin < head + length; begin += blockSize) {
      sets.push(...keys.slice(begin, Math.min(begin + blockSize, head + length)).sort((a, b) => a - b));
    }
  }
  return sets;
}
