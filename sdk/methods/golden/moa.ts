/**
 * Replays the golden file of MoA: profile, search, prefill and one step of decoding.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Device } from "../../device/device.ts";
import { decodeRows } from "../../device/ops/cached_rows.ts";
import { concat } from "../../device/ops/concat.ts";
import { reshape } from "../../device/ops/reshape.ts";
import type { Tensor } from "../../device/tensor.ts";
import {
  type Check,
  compare,
  compareScores,
  compareSelections,
  floats,
  shapeOf,
} from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { moa } from "../moa.ts";
import { leastAtLongest } from "../moa_calibrate.ts";
import { influenceRows, profileInfluence } from "../moa_influence.ts";
import { moaCaches, type MoaPlan, moaRingSlots } from "../moa_plan.ts";
import { type MoaRuleOptions, moaTables } from "../moa_rules.ts";
import { searchPlan } from "../moa_search.ts";
import { blockMask } from "./block_mask.ts";
import { denseRows } from "./dense_rows.ts";
import { checkPlan, integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Everything in the file. */
export const replayMoa: Replay = async (device, file, params) => {
  using scope = device.scope();
  const profile = await replayProfile(scope, file, params);
  const search = await replaySearch(file, params);
  const { checks, density } = await replayInference(scope, file, params, search.plan);
  return { checks: [...profile, ...search.checks, ...checks], density };
};

async function replayProfile(d: Device, file: SafetensorsFile, params: Params): Promise<Check[]> {
  const [q, k, v, grad] = ["prof_q", "prof_k", "prof_v", "prof_grad"].map((name) =>
    upload(d, file, name)
  ) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const length = q.shape[1]!;
  const signed = await influenceRows(d, q, k, v, grad, 0, length).read();
  const options = { blockSize: numberOf(params, "block_size") };
  const name = `influence_block_${length}`;
  const expected = floats(file, "influence");
  return [
    compareScores("influence", signed.subarray(0, expected.length), expected),
    compareScores(name, await (await profileInfluence(d, q, k, v, grad, options)).read(), floats(file, name)),
  ];
}

/** The search over the importances of the file. */
async function replaySearch(
  file: SafetensorsFile,
  params: Params,
): Promise<{ readonly checks: Check[]; readonly plan: MoaPlan }> {
  const [layers, heads] = [numberOf(params, "layers"), numberOf(params, "heads")];
  const lengths = params["profile_lengths"] as readonly number[];
  const importance = lengths.map((length) => ({
    length,
    layers,
    heads,
    data: floats(file, `influence_block_${length}`),
  }));
  const options: MoaRuleOptions = {
    extendLengths: [numberOf(params, "extend_length")],
    outputLengths: [],
    alphas: params["alphas"] as readonly number[],
    betas: params["betas"] as readonly number[],
    density: numberOf(params, "density_bound"),
    lowerRatio: numberOf(params, "latency_lower_bound_ratio"),
    blockSize: numberOf(params, "block_size"),
  };
  const { rules, loss, cost, upper } = moaTables(importance, options);
  const front = await searchPlan(importance, {
    ...options,
    rulesPerLayer: numberOf(params, "max_rules_per_layer"),
    exactLimit: 1e6,
  });
  const { candidates } = front;
  const chosen = leastAtLongest(front);
  const { plan } = candidates[chosen]!;
  const bags = Array.from({ length: layers * heads });
  return {
    plan,
    checks: [
      compareScores(
        "candidates",
        rules.flatMap(({ alpha, beta }) => [alpha, beta]),
        floats(file, "candidates"),
      ),
      compareScores("loss", loss.flatMap((own) => [...own]), floats(file, "loss")),
      compareScores("cost", cost.flatMap((own) => bags.flatMap(() => [...own])), floats(file, "cost")),
      compareScores("bounds", upper, floats(file, "bounds")),
      compareSelections(
        "pareto_assign",
        candidates.flatMap(({ assignment }) => [...assignment]),
        integers(file, "pareto_assign"),
      ),
      compareScores("pareto_loss", candidates.flatMap((one) => one.loss), floats(file, "pareto_loss")),
      compareSelections("chosen", [chosen], [numberOf(params, "chosen")]),
      compareSelections(
        "plan",
        plan.alphas.flatMap((row, l) => row.flatMap((alpha, h) => [alpha, plan.betas[l]![h]!])),
        floats(file, "plan"),
      ),
    ],
  };
}

/** Prefill of the prompt and one step after it, with layer 0 of the plan. */
async function replayInference(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  spans: MoaPlan,
): Promise<{ readonly checks: Check[]; readonly density: number }> {
  const [q, k, v] = [upload(d, file, "q"), upload(d, file, "k"), upload(d, file, "v")];
  const [heads, tokens, width] = q.shape as [number, number, number];
  const kvHeads = k.shape[0]!;
  const blockSize = numberOf(params, "block_size");
  const options = {
    plan: spans,
    promptLength: tokens,
    blockSize,
    maxNewTokens: numberOf(params, "max_new"),
    sinkTokens: numberOf(params, "sink_tokens"),
    minimumCache: numberOf(params, "minimum_cache"),
    split: numberOf(params, "split"),
  };
  const shared = moaCaches(spans, 0, { heads, kvHeads }, tokens, options);
  const caches = Array.from({ length: heads }, (_, h) => shared[Math.floor(h * kvHeads / heads)]!);
  const checks = [
    compareSelections(
      "cache_size",
      caches.flatMap(({ size, sink }) => [size, sink]),
      integers(file, "cache_size"),
    ),
  ];

  using prefill = moa(options).plan(d, q, k);
  checks.push(
    compareSelections("block_mask", await blockMask(prefill, blockSize), integers(file, "block_mask")),
  );
  const replay = await checkPlan(d, file, params, prefill);
  checks.push(...replay.checks);
  checks.push(compare("mass_recall", [await prefill.recall(q, k)], [numberOf(params, "mass_recall")], 1e-5));
  const { out: dense } = attention(d, q, k, v, { causal: true });
  checks.push(compare("out_dense", await dense.read(), floats(file, "out_dense"), 1e-4));

  const one = (name: string, count: number): Tensor => reshape(d, upload(d, file, name), [count, 1, width]);
  const keys = concat(d, [k, one("k_dec", kvHeads)], 1);
  const values = concat(d, [v, one("v_dec", kvHeads)], 1);
  const query = one("q_dec", heads);
  using step = moa(options).plan(d, query, keys);
  await step.validate();
  const { out } = attention(d, query, keys, values, { plan: step });
  checks.push(compare("out_dec by the plan", await out.read(), floats(file, "out_dec"), 1e-4));
  using selection = moa({ ...options, promptLength: undefined })
    .start(d, { queryHeads: heads, heads: kvHeads, headDim: width, layer: 0 });
  selection.append(k);
  selection.append(one("k_dec", kvHeads));
  const row = reshape(d, query, [heads, width]);
  const cached = decodeRows(d, row, denseRows(keys, values), {
    total: tokens + 1,
    ...selection.choose(d, row, tokens + 1),
  });
  checks.push(compare("out_dec", await cached.out.read(), floats(file, "out_dec"), 1e-4));
  const room = shapeOf(file, "ring_slots")[1]!;
  const slots = caches.map((cache) => moaRingSlots(cache, tokens + 1));
  const padded = slots.flatMap((own) => [...own, ...new Array<number>(room - own.length).fill(-1)]);
  checks.push(compareSelections("ring_slots", padded, integers(file, "ring_slots")));
  const held = slots.flatMap((own) => {
    const inside = new Set(own);
    return Array.from({ length: tokens + 1 }, (_, token) => inside.has(token) ? 1 : 0);
  });
  checks.push(compareSelections("decode sees what the ring holds", await step.mask(), held));
  return { checks, density: replay.density };
}
