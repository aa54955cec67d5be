/**
 * Replays the golden file of LongGen.
 *
 * @module
 */
import { type Check, compare, compareSelections } from "../../golden/check.ts";
import { longgen, type LonggenOptions } from "../longgen.ts";
import { blockDensity, blockMask } from "./block_mask.ts";
import { checkPlan, integers, numberOf, type Replay, upload } from "./replay.ts";

/** Both variants, and the rules for the cache and for dense layers. */
export const replayLonggen: Replay = async (device, file, params) => {
  using scope = device.scope();
  const [q, k] = [upload(scope, file, "q"), upload(scope, file, "k")];
  const [heads, kvHeads, tokens] = [q.shape[0]!, k.shape[0]!, k.shape[1]!];
  const [blockSize, stride] = [numberOf(params, "block_size"), numberOf(params, "vert_stride")];
  const sizes = { blockSize, localBlocks: numberOf(params, "local_blocks") };
  const strided: Partial<LonggenOptions> = {
    ...sizes,
    // The files write a stride of 0 for the variant without one.
    ...(stride === 0 ? { variant: "window" } : { variant: "strided", stride }),
    sinkBlocks: numberOf(params, "sink_blocks"),
    headOffset: numberOf(params, "head_offset"),
  };
  const window: Partial<LonggenOptions> = {
    ...sizes,
    variant: "window",
    sinkBlocks: numberOf(params, "window_variant_sinks"),
  };
  const checks: Check[] = [];

  /** Mask, output and kept mass of one variant. */
  const check = async (
    options: Partial<LonggenOptions>,
    names: { readonly mask: string; readonly out: string; readonly mass: string },
  ): Promise<{ mask: Uint8Array; density: number }> => {
    using plan = longgen(options).plan(scope, q, k);
    const mask = await blockMask(plan, blockSize);
    checks.push(compareSelections(names.mask, mask, integers(file, names.mask)));
    const replay = await checkPlan(scope, file, params, plan, { out: names.out });
    checks.push(...replay.checks);
    checks.push(compare(names.mass, [await plan.recall(q, k)], [numberOf(params, names.mass)], 1e-5));
    return { mask, density: replay.density };
  };
  const { mask, density } = await check(strided, {
    mask: "block_mask",
    out: "out",
    mass: "mass_recall_strided",
  });
  await check(window, { mask: "block_mask_window", out: "out_window", mass: "mass_recall_window" });

  const pairs = blockDensity(mask, Math.ceil(tokens / blockSize));
  checks.push(compare("density", [pairs], [numberOf(params, "density")], 1e-5));
  const kept = longgen.kvRetained(tokens - 1, { heads, kvHeads }, strided);
  checks.push(compareSelections("kv_retained", kept, integers(file, "kv_retained")));
  const full = params["full_layers"] as readonly number[];
  checks.push(compareSelections("full_layers", longgen.middleThird(numberOf(params, "num_layers")), full));
  return { checks, density };
};
