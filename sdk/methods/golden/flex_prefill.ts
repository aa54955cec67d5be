/**
 * Replays the golden file of FlexPrefill.
 *
 * @module
 */
import { compareScores, compareSelections, floats, shapeOf } from "../../golden/check.ts";
import { flexPrefill } from "../flex_prefill.ts";
import { collector } from "./collect.ts";
import { checkPlan, integers, numberOf, type Replay, upload } from "./replay.ts";

/** Distances, budgets, block scores, lines, pooled map, blocks, density, recall and output. */
export const replayFlexPrefill: Replay = async (device, file, params) => {
  using scope = device.scope();
  const { inspect, read } = collector();
  const planner = flexPrefill({
    blockSize: numberOf(params, "block_size"),
    gamma: numberOf(params, "gamma"),
    tau: numberOf(params, "tau"),
    minBudget: numberOf(params, "min_budget"),
    maxBudget: params["max_budget"] === null ? null : numberOf(params, "max_budget"),
    coverDiv: numberOf(params, "cover_div"),
  });
  const plan = planner.plan(scope, upload(scope, file, "q"), upload(scope, file, "k"), { inspect });
  const found = await read();
  const { checks, density } = await checkPlan(scope, file, params, plan);
  /** Lists are as long as the largest budget; a head has `counts` entries, then -1 up to the width of the file. */
  const lines = (label: string, name: string, counts: ArrayLike<number>): number[] => {
    const [heads, width] = shapeOf(file, name) as [number, number];
    const room = found(label).length / heads;
    return Array.from({ length: heads * width }, (_, i) => {
      const [h, at] = [Math.floor(i / width), i % width];
      return at < Math.min(room, counts[h]!) ? found(label)[h * room + at]! : -1;
    });
  };
  const [numVertical, numSlash] = [found("numVertical"), found("numSlash")];
  const tau = numberOf(params, "tau");
  return {
    density,
    checks: [
      compareScores("js_distance", found("jsDistance"), floats(file, "js_distance")),
      compareSelections("query_aware", found("queryAware"), integers(file, "query_aware")),
      compareSelections("num_vertical_blocks", numVertical, integers(file, "num_vertical_blocks")),
      compareSelections("num_slash_blocks", numSlash, integers(file, "num_slash_blocks")),
      compareScores(
        "vertical_block_score",
        found("verticalBlockScore"),
        floats(file, "vertical_block_score"),
      ),
      compareScores("slash_block_score", found("slashBlockScore"), floats(file, "slash_block_score")),
      compareScores("pooled_estimate", found("pooledEstimate"), floats(file, "pooled_estimate")),
      ...(tau > 0 ? [compareScores("pooled_map", found("pooledMap"), floats(file, "pooled_map"))] : []),
      compareSelections(
        "vertical_blocks",
        lines("verticalBlocks", "vertical_blocks", numVertical),
        integers(file, "vertical_blocks"),
      ),
      compareSelections(
        "slash_block_offsets",
        lines("slashBlockOffsets", "slash_block_offsets", numSlash),
        integers(file, "slash_block_offsets"),
      ),
      compareSelections("block_mask", found("blockMask"), integers(file, "block_mask")),
      ...checks,
    ],
  };
};
