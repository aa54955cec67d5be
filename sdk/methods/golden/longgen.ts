/**
 * Replays the golden file of LongGen.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Plan } from "../../attention/plan.ts";
import type { Device } from "../../device/device.ts";
import { type Check, compare, compareSelections, floats } from "../../golden/check.ts";
import { longgen, type LonggenOptions } from "../longgen.ts";
import { checkPlan, integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Replays both variants, the rule for the cache and the rule for dense layers. */
export const replayLonggen: Replay = async (device, file, params) => {
  using scope = device.scope();
  const [q, k] = [upload(scope, file, "q"), upload(scope, file, "k")];
  const sizes = { heads: q.shape[0]!, kvHeads: k.shape[0]! };
  const [blockSize, stride] = [numberOf(params, "block_size"), numberOf(params, "vert_stride")];
  const shared = { blockSize, localBlocks: numberOf(params, "local_blocks") };
  const window: Partial<LonggenOptions> = {
    ...shared,
    variant: "window",
    sinkBlocks: numberOf(params, "window_variant_sinks"),
  };
  const strided: Partial<LonggenOptions> = {
    ...shared,
    // The files write a stride of 0 for the variant without one.
    ...(stride === 0 ? { variant: "window" } : { stride }),
    sinkBlocks: numberOf(params, "sink_blocks"),
    headOffset: numberOf(params, "head_offset"),
  };
  const checks: Check[] = [];
  let density = 0;
  for (const [suffix, options] of [["", strided], ["_window", window]] as const) {
    using plan = longgen(options).plan(scope, q, k);
    const mask = blockMask(await plan.mask(), plan, blockSize);
    checks.push(compareSelections(`block_mask${suffix}`, mask, integers(file, `block_mask${suffix}`)));
    const replay = await checkPlan(scope, file, params, plan, { out: `out${suffix}` });
    checks.push(...replay.checks);
    if (suffix === "") {
      density = replay.density;
      checks.push(compare("density", [blockDensity(mask, plan, blockSize)], [numberOf(params, "density")], 1e-5));
    }
    checks.push(...await massChecks(plan, scope, params, suffix, q, k));
  }
  const kept = integers(file, "kv_retained");
  checks.push(compareSelections("kv_retained", longgen.kvRetained(kept.length / sizes.kvHeads, sizes, strided), kept));
  const full = params["full_layers"] as readonly number[];
  checks.push(compareSelections("full_layers", longgen.middleThird(numberOf(params, "num_layers")), full));
  return { checks, density };
};
