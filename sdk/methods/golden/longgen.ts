/**
 * Replays the golden file of LongGen.
 *
 * @module
 */
import type { Device } from "../../device/device.ts";
import { decodeRows } from "../../device/ops/cached_rows.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareSelections } from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { longgen, type LonggenOptions } from "../longgen.ts";
import { blockDensity, blockMask } from "./block_mask.ts";
import { table } from "../scores.ts";
import { denseRows, queryRow } from "./dense_rows.ts";
import { checkPlan, integers, numberOf, type Replay, upload } from "./replay.ts";

/** Both variants, and the rules for the cache and for dense layers. */
export const replayLonggen: Replay = async (device, file, params) => {
  using scope = device.scope();
  const [q, k] = [upload(scope, file, "q"), upload(scope, file, "k")];
  const [heads, kvHeads, tokens] = [q.shape[0]!, k.shape[0]!, k.shape[1]!];
  const [blockSize, stride] = [numberOf(params, "block_size"), numberOf(params, "vert_stride")];
  const sizes = { blockSize, localBlocks: numberOf(params, "local_blocks") };
  const strided = {
    ...sizes,
    // The files write a stride of 0 for the variant without one.
    ...(stride === 0 ? { variant: "window" as const } : { variant: "strided" as const, stride }),
    sinkBlocks: numberOf(params, "sink_blocks"),
    headOffset: numberOf(params, "head_offset"),
  };
  const window = {
    ...sizes,
    variant: "window" as const,
    sinkBlocks: numberOf(params, "window_variant_sinks"),
  };
  const checks: Check[] = [];

  /** Mask, output and kept mass of one variant. */
  const check = async (
    options: Partial<LonggenOptions> & { readonly blockSize: number },
    names: { readonly mask: string; readonly out: string; readonly mass: string },
  ): Promise<{ mask: Uint8Array; density: number }> => {
    using plan = longgen(options).plan(scope, q, k);
    const mask = await blockMask(plan, blockSize);
    checks.push(compareSelections(names.mask, mask, integers(file, names.mask)));
    const replay = await checkPlan(scope, file, params, plan, { out: names.out });
    checks.push(...replay.checks);
    checks.push(compare(names.mass, [await plan.recall(q, k)], [numberOf(params, names.mass)], 1e-5));
    checks.push(...await replayStep(scope, file, options, names.out));
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

/** The last query again, by the lists of the selection and over the pages that a cache keeps. */
async function replayStep(
  d: Device,
  file: SafetensorsFile,
  options: Partial<LonggenOptions> & { readonly blockSize: number },
  name: string,
): Promise<Check[]> {
  const [q, k, v] = [upload(d, file, "q"), upload(d, file, "k"), upload(d, file, "v")];
  const [queryHeads, total, headDim] = q.shape as [number, number, number];
  const [heads, { blockSize: page }] = [k.shape[0]!, options];
  const last = (x: Tensor): Tensor => queryRow(d, x, total - 1);
  const [query, rows] = [last(q), denseRows(k, v)];

  using selection = longgen(options).start(d, { queryHeads, heads, headDim, layer: 0 });
  selection.append(k);
  const listed = decodeRows(d, query, rows, { total, ...selection.choose(d, query, total) });

  const blocks = Math.ceil(total / page);
  const retains = longgen.retains({ heads: queryHeads, kvHeads: heads }, options);
  const places = table(d, [heads, blocks], (i) => {
    return retains(Math.floor(i / blocks), i % blocks, blocks - 1) ? i % blocks : -1;
  });
  const retained = decodeRows(d, query, { ...rows, table: places, page }, { total });

  const expected = await last(upload(d, file, name)).read();
  return [
    compare(`${name}, last query decoded`, await listed.out.read(), expected, 1e-4),
    compare(`${name}, decoded over what is kept`, await retained.out.read(), expected, 1e-4),
  ];
}
