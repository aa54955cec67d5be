/**
 * Replays the golden file of Sparse-vDiT: the search, then the plan that it leads to.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import {
  type Check,
  compare,
  compareScores,
  compareSelections,
  floats,
  shapeOf,
} from "../../golden/check.ts";
import { sparseVdit } from "../sparse_vdit.ts";
import type { SparseVditSample } from "../sparse_vdit_calibrate.ts";
import { keepsTile, modeSparsity, placeMajor } from "../sparse_vdit_modes.ts";
import { headGroups } from "../sparse_vdit_profile.ts";
import { relativeError } from "./relative_error.ts";
import { checkPlan, integers, numberOf, type Replay, upload, uploadPart } from "./replay.ts";

/** Stripes, losses, modes, groups, orders, masks and outputs. */
export const replaySparseVdit: Replay = async (device, file, params) => {
  using d = device.scope();
  const number = (name: string): number => numberOf(params, name);
  const geometry = {
    ...{ frames: number("F"), tokensPerFrame: number("S"), text: number("text"), blockSize: number("B") },
    ...{ wDiagonal: number("w_diag"), wMulti: number("w_multi"), nStripe: number("n_stripe") },
  };
  const [lambda, epsilon] = [number("lambda"), number("epsilon")];
  const samples = Array.from({ length: shapeOf(file, "cal_q")[0]! }, (_, n): SparseVditSample => {
    const [q, k, v] = ["cal_q", "cal_k", "cal_v"].map((name) => uploadPart(d, file, name, n));
    return { q: q!, k: k!, v: v! };
  });
  const profile = await sparseVdit.calibrate(d, samples, geometry, { lambda, epsilon });
  const { mode, stripeBlocks, loss } = profile.layers[0]!;
  const sparsity = modeSparsity(geometry);
  const mse = loss.flatMap((own) => own.map((value, i) => value - lambda * (1 - sparsity[i]!)));
  const n = Math.ceil(shapeOf(file, "q")[1]! / geometry.blockSize);
  const tiles = (own: number, stripe: readonly number[]): number[] =>
    Array.from(
      { length: n * n },
      (_, i) => keepsTile(geometry, own, stripe, Math.floor(i / n), i % n) ? 1 : 0,
    );
  const mask = mode.flatMap((own, h) => tiles(own, stripeBlocks[h]!));
  const checks: Check[] = [
    compareSelections("stripe_blocks", stripeBlocks.flat(), integers(file, "stripe_blocks")),
    compareScores("sparsity", mode.flatMap(() => sparsity), floats(file, "sparsity")),
    compareScores("mse", mse, floats(file, "mse")),
    compareScores("loss", loss.flat(), floats(file, "loss")),
    compareSelections("mode", mode, integers(file, "mode")),
    compareSelections("order", placeMajor(geometry), integers(file, "order")),
    compareSelections("band_diagonal", tiles(2, []), integers(file, "band_diagonal")),
    compareSelections("band_multi", tiles(3, []), integers(file, "band_multi")),
    compareSelections("block_mask", mask, integers(file, "block_mask")),
    compare(
      "density of tiles",
      [mask.reduce((sum, kept) => sum + kept, 0) / mask.length],
      [number("density")],
      1.5e-5,
    ),
    sameGroups(headGroups(mode), params["groups"] as Readonly<Record<string, readonly number[]>>),
  ];

  using plan = sparseVdit({ profile }).plan(d, upload(d, file, "q"), upload(d, file, "k"));
  const replay = await checkPlan(d, file, { ...params, density: undefined }, plan);
  checks.push(...replay.checks);
  const [q, k, v] = [upload(d, file, "q"), upload(d, file, "k"), upload(d, file, "v")];
  const dense = await attention(d, q, k, v).out.read();
  checks.push(compare("out_dense", dense, floats(file, "out_dense"), 1e-4));
  const out = await attention(d, q, k, v, { plan }).out.read();
  checks.push(compare("rel_err_vs_dense", [relativeError(out, dense)], [number("rel_err_vs_dense")], 1e-4));
  return { checks, density: replay.density };
};

function sameGroups(
  actual: Readonly<Record<string, readonly number[]>>,
  expected: Readonly<Record<string, readonly number[]>>,
): Check {
  const flat = (groups: typeof actual): number[] =>
    Object.keys(groups).sort().flatMap((mode) => [-1, Number(mode), ...groups[mode]!]);
  return compareSelections("groups", flat(actual), flat(expected));
}
