/**
 * Replays the golden file of PAROAttention: calibration, plan, and attention in integers.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Device } from "../../device/device.ts";
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
import { paroAttention } from "../paro_attention.ts";
import type { ParoCalibrateOptions, ParoSample } from "../paro_attention_calibrate.ts";
import type { ParoFigures } from "../paro_attention_choice.ts";
import { paroIntegerAttention, quantiseHeads } from "../paro_attention_integer.ts";
import { type GridDims, orderTokens } from "../paro_attention_orders.ts";
import {
  paroMasks,
  type ParoProfile,
  parseParoProfile,
  writeParoProfile,
} from "../paro_attention_profile.ts";
import { relativeError } from "./relative_error.ts";
import { checkPlan, integers, numberOf, type Params, type Replay, upload, uploadPart } from "./replay.ts";

/** Metrics, orders, sums, masks, output, recall, quantised heads and their outputs. */
export const replayParoAttention: Replay = async (device, file, params) => {
  using d = device.scope();
  const number = (name: string): number => numberOf(params, name);
  const dims: GridDims = [number("F"), number("H"), number("W")];
  const [steps, step, textLen] = [number("steps"), number("step"), number("text_len")];
  const samples = Array.from({ length: steps }, (_, t): ParoSample => {
    return { step: t, q: uploadPart(d, file, "cal_q", t), k: uploadPart(d, file, "cal_k", t) };
  });
  let figures: ParoFigures | undefined;
  const sums: Float64Array[] = [];
  const options: ParoCalibrateOptions = {
    ...{ dims, steps, textLen, blockSize: number("block_size"), density: number("density") },
    ...{ alpha: number("alpha"), eps: number("eps"), sigma: number("sigma") },
  };
  const found = await paroAttention.calibrate(d, samples, {
    ...options,
    onOrders: (_, own) => figures = own,
    onMask: (_, mask, own) => sums[mask] = own,
  });
  // Through the bytes of a file, as a user would.
  const profile = parseParoProfile(writeParoProfile(found));
  const orders = profile.order[0]!;
  const masks = sums.flatMap((_, mask) => {
    const at = profile.maskOfStep.indexOf(mask);
    return paroMasks(profile, 0, at, orders.length).flatMap((tiles) => [...tiles]);
  });
  const mask = paroMasks(profile, 0, step, orders.length).flatMap((tiles) => [...tiles]);
  const checks: Check[] = [
    compareScores("m_sparse", figures!.sparse.flat(), floats(file, "m_sparse")),
    compareScores("m_quant", figures!.quant.flat(), floats(file, "m_quant")),
    compareScores("order_score", figures!.score.flat(), floats(file, "order_score")),
    compareSelections("order", orders, integers(file, "order")),
    compareSelections(
      "gather",
      orders.flatMap((order) => [...orderTokens(dims, textLen, order)]),
      integers(file, "gather"),
    ),
    compareScores("tile_sum", sums.flatMap((own) => [...own]), floats(file, "tile_sum")),
    compareSelections("masks", masks, integers(file, "masks")),
    compareSelections("mask_of_step", profile.maskOfStep, integers(file, "mask_of_step")),
    compareSelections("block_mask", mask, integers(file, "block_mask")),
    compare("kept", [mask.reduce((all, one) => all + one, 0) / mask.length], [number("kept")], 1.5e-5),
  ];

  const [q, k, v] = ["q", "k", "v"].map((name) => upload(d, file, name)) as [Tensor, Tensor, Tensor];
  using plan = paroAttention({ profile, step }).plan(d, q, k);
  const replay = await checkPlan(d, file, { ...params, density: undefined, recall: undefined }, plan);
  const natural = await paroAttention.calibrate(d, samples, { ...options, orders: [0] });
  using straight = paroAttention({ profile: natural, step }).plan(d, q, k);
  const out = await attention(d, q, k, v, { plan }).out.read();
  const dense = await attention(d, q, k, v).out.read();
  checks.push(
    ...replay.checks,
    compare("recall", [await plan.recall(q, k)], [number("recall")], 1.5e-5),
    compare("recall_without_order", [await straight.recall(q, k)], [number("recall_without_order")], 1.5e-5),
    compare("out_dense", dense, floats(file, "out_dense"), 1e-4),
    compare("rel_err_vs_dense", [relativeError(out, dense)], [number("rel_err_vs_dense")], 1e-4),
    ...await replayIntegers(d, file, params, profile, { q, k, v }, out),
  );
  return { checks, density: replay.density };
};

async function replayIntegers(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  profile: ParoProfile,
  heads: { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor },
  float: Float32Array,
): Promise<Check[]> {
  const step = numberOf(params, "step");
  const own = quantiseHeads(d, heads, profile, profile.order[0]!, 8);
  /** The file repeats key heads for the query heads that share them. */
  const repeated = (name: string, values: Float32Array): number[] => {
    const [rows, kvHeads] = [shapeOf(file, name)[0]!, heads.k.shape[0]!];
    const size = values.length / kvHeads;
    return Array.from({ length: rows }, (_, h) => Math.floor(h * kvHeads / rows))
      .flatMap((head) => [...values.subarray(head * size, (head + 1) * size)]);
  };
  const checks: Check[] = [
    compareScores("q_scale", await own.q.scales.read(), floats(file, "q_scale")),
    compareScores("k_scale", repeated("k_scale", await own.k.scales.read()), floats(file, "k_scale")),
    compareCodes("q_int8", await own.q.codes.read(), integers(file, "q_int8")),
    compareCodes("k_int8", repeated("k_int8", await own.k.codes.read()), integers(file, "k_int8")),
  ];
  for (const [bits, tolerance] of [[8, 2e-2], [4, 0.1]] as const) {
    const name = `out_int${bits}`;
    const out = await paroIntegerAttention(d, heads.q, heads.k, heads.v, { profile, step, bits }).read();
    const error = `rel_err_int${bits}`;
    checks.push(
      compare(name, [relativeError(out, floats(file, name))], [0], tolerance),
      compare(error, [relativeError(out, float)], [numberOf(params, error)], tolerance),
    );
  }
  return checks;
}

/** Whole numbers may differ by one, at most one in a thousand. */
function compareCodes(name: string, actual: ArrayLike<number>, expected: Int32Array): Check {
  const check = compare(name, actual, expected, 1);
  const off = expected.reduce((count, value, i) => count + (value === actual[i] ? 0 : 1), 0);
  return { ...check, kind: "selection", ok: check.ok && off <= expected.length / 1000 };
}
