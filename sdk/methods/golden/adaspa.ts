/**
 * Replays the golden file of AdaSpa.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Device } from "../../device/device.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareScores, compareSelections, floats } from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { adaSpa, type AdaSpaOptions } from "../ada_spa.ts";
import { adaSpaSchedule, type AdaSpaStep } from "../ada_spa_schedule.ts";
import { adaSpaSearch, videoBlocks } from "../ada_spa_search.ts";
import { blockMask } from "./block_mask.ts";
import { collector } from "./collect.ts";
import { relativeError } from "./relative_error.ts";
import { checkPlan, integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

const CODES: Readonly<Record<AdaSpaStep, number>> = {
  "dense": 0,
  "dense + search": 1,
  "sparse": 2,
  "search + sparse": 3,
};

/** Schedule, both searches, masks, outputs, what the second plan keeps, and a generation step by step. */
export const replayAdaSpa: Replay = async (device, file, params) => {
  using scope = device.scope();
  const load = (...names: string[]) =>
    names.map((name) => upload(scope, file, name)) as [Tensor, Tensor, Tensor];
  const [q, k, v] = load("q", "k", "v");
  const [q2, k2, v2] = load("q2", "k2", "v2");
  const options: AdaSpaOptions = {
    ...adaSpa.defaults,
    sparsity: numberOf(params, "sparsity"),
    blockSize: numberOf(params, "block_size"),
    searchSteps: params["search_steps"] as readonly number[],
    goodRecall: numberOf(params, "good_recall"),
    textLen: numberOf(params, "text_len"),
    textAt: params["text_at"] === "start" ? "start" : "end",
  };
  const kinds = adaSpaSchedule(numberOf(params, "steps"), options.searchSteps);
  const { blocks, first, video } = videoBlocks(k.shape[1]!, options);
  const text = Array.from({ length: blocks }, (_, b) => Number(b < first || b >= first + video));
  const { out, lse } = attention(scope, q, k, v, { lse: true });
  const one = await replaySearch(scope, file, params, options, lse, "");
  const two = await replaySearch(scope, file, params, options, lse, "2");
  const names = { q: "q2", k: "k2", v: "v2" };
  const { checks } = await checkPlan(scope, file, params, one.plan, names);
  const { checks: late, density } = await checkPlan(scope, file, params, two.plan, { ...names, out: "out2" });
  const mask = await blockMask(one.plan, options.blockSize);
  const sparse = await attention(scope, q2, k2, v2, { plan: two.plan }).out.read();
  const dense = await attention(scope, q2, k2, v2).out.read();
  const close = (name: string, value: number, tolerance: number): Check => ({
    ...compare(name, [value], [numberOf(params, name)], tolerance),
    kind: "score",
  });
  return {
    density,
    checks: [
      compareSelections("schedule", kinds.map((kind) => CODES[kind]), integers(file, "schedule")),
      compareSelections("text_block", text, integers(file, "text_block")),
      compare("out_dense", await out.read(), floats(file, "out_dense"), 1e-5),
      compare("lse", await lse.read(), floats(file, "lse"), 1e-4),
      ...one.checks,
      ...two.checks,
      close("density", mask.reduce((sum, seen) => sum + seen, 0) / mask.length, 1.5e-5),
      close("recall_after", await two.plan.recall(q2, k2), 1.5e-5),
      close("rel_err_vs_dense", relativeError(sparse, dense), 1.5e-5),
      ...checks,
      ...late,
      ...await replaySession(scope, file, options, kinds, [[q, k, v], [q2, k2, v2]]),
    ],
  };
};

/** One search: masses, base mask (of the first), recall, sparsity, counts and mask. */
async function replaySearch(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  options: AdaSpaOptions,
  lse: Tensor,
  suffix: "" | "2",
) {
  const { inspect, read } = collector();
  const [q, k] = [upload(d, file, `q${suffix}`), upload(d, file, `k${suffix}`)];
  const { plan } = adaSpaSearch(d, q, k, lse, options, inspect);
  const found = await read();
  const mass = suffix ? "wsum_cached" : "wsum";
  const [recall, sparsity, keep] = ["recall", "head_sparsity", "head_keep"].map((name) => name + suffix) as [
    string,
    string,
    string,
  ];
  const mask = integers(file, `block_mask${suffix}`);
  const adapted = `n_adapted${suffix}`;
  const checks = [
    compareScores(mass, found("mass"), floats(file, mass), 1e-4),
    compareScores(recall, found("recall"), floats(file, recall)),
    compareScores(sparsity, found("headSparsity"), floats(file, sparsity), 1e-6),
    compareSelections(keep, found("headKeep"), integers(file, keep)),
    compareSelections(`block_mask${suffix}`, found("blockMask"), mask),
    compareSelections(`blocks of plan ${suffix || 1}`, await blockMask(plan, options.blockSize), mask),
    compareSelections(adapted, [found("adapted")[0]!], [numberOf(params, adapted)]),
  ];
  if (!suffix) checks.push(compareSelections("base_mask", found("baseMask"), integers(file, "base_mask")));
  return { plan, checks };
}

/** A session through all steps: the first search's inputs up to it, the second's from then on. */
async function replaySession(
  d: Device,
  file: SafetensorsFile,
  options: AdaSpaOptions,
  kinds: readonly AdaSpaStep[],
  inputs: readonly (readonly [Tensor, Tensor, Tensor])[],
): Promise<Check[]> {
  const checks: Check[] = [];
  using session = adaSpa(options).session(d);
  let searches = 0;
  for (const [step, kind] of kinds.entries()) {
    if (kind.includes("search")) searches++;
    const [q, k, v] = inputs[kind.startsWith("dense") ? 0 : 1]!;
    const given = session.attend(d, q, k, v, { step });
    const name = kind.startsWith("dense") ? "out_dense" : searches === 1 ? "out" : "out2";
    checks.push(compareSelections(`step ${step}`, [CODES[given.kind]], [CODES[kind]]));
    checks.push(compare(`${name} at step ${step}`, await given.out.read(), floats(file, name), 1e-5));
  }
  return checks;
}
