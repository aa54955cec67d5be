/**
 * Replays the golden file of Double Sparsity.
 *
 * @module
 */
import type { Device } from "../../device/device.ts";
import { type Decoded, decodeRows } from "../../device/ops/cached_rows.ts";
import { concat } from "../../device/ops/concat.ts";
import { matmul } from "../../device/ops/matmul.ts";
import { reshape } from "../../device/ops/reshape.ts";
import { rope } from "../../device/ops/rope.ts";
import { slice } from "../../device/ops/slice.ts";
import { transpose } from "../../device/ops/transpose.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareScores, compareSelections, floats } from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { doubleSparsity } from "../double_sparsity.ts";
import { channelScores } from "../double_sparsity_calibrate.ts";
import { type LabelBits, LabelCache } from "../double_sparsity_labels.ts";
import { type DoubleSparsityProfile, labelChannels, profileKey } from "../double_sparsity_profile.ts";
import { denseRows, queryRow } from "./dense_rows.ts";
import { integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Scores below this are of tokens that a query does not see. */
const MASKED = -1e29;

/** Calibration, labels, scores, lists and outputs, with the true queries and with those that the layer before foresees. */
export const replayDoubleSparsity: Replay = async (device, file, params) => {
  using scope = device.scope();
  const [calibQ, calibK] = ["calib_q", "calib_k"].map((name) =>
    transpose(scope, upload(scope, file, name), [1, 0, 2])
  ) as [Tensor, Tensor];
  const [layer] = await channelScores(scope, { q: calibQ, k: calibK });
  const profile = await doubleSparsity.calibrate(scope, { q: calibQ, k: calibK });
  const order = profile[profileKey(0, "qk")]!;
  const labels = await replayLabels(scope, file, params, profile);
  const steps = await replaySteps(scope, file, params, profile);
  return {
    density: steps.density,
    checks: [
      compareScores("channel_score", layer!.qk, floats(file, "channel_score")),
      compareSelections("channel_order", order.flat(), integers(file, "channel_order")),
      ...labels,
      ...steps.checks,
    ],
  };
};

/** Codes, steps, smallest values, and the scores of all queries. */
async function replayLabels(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  profile: DoubleSparsityProfile,
): Promise<Check[]> {
  const { k, shape, positions, labelOptions: { bits, count, quantiseQuery } } = open(d, file, params);
  const choice = { layer: 0, source: "qk", shared: false, count } as const;
  const channels = labelChannels(profile, choice, shape);
  using labels = new LabelCache(d, shape, { channels, bits, quantiseQuery });
  labels.append(k);
  const tokens = labels.length;
  const { k: data, meta } = labels.rows(tokens);
  const packed = await slice(d, data, 1, 0, tokens).read("u8");
  const codes = bits === 8 ? packed : Uint8Array.from(
    { length: 2 * packed.length },
    (_, i) => packed[i >> 1]! >> 4 * (i & 1) & 15,
  );
  const pairs = await slice(d, meta!, 1, 0, tokens).read();
  const part = (at: number): Float32Array => pairs.filter((_, i) => i % 2 === at);
  const wanted = integers(file, "label_codes");
  const differing = wanted.filter((code, i) => code !== codes[i]).length;

  const expected = floats(file, "approx_scores");
  const [actual, known]: [number[], number[]] = [[], []];
  const visible = new Uint8Array(expected.length);
  for (const [row, p] of positions.entries()) {
    const scores = await labels.scores(d, queryRow(d, upload(d, file, "q"), row), p + 1).read();
    scores.forEach((score, i) => {
      const [h, t] = [Math.floor(i / (p + 1)), i % (p + 1)];
      const at = (h * positions.length + row) * tokens + t;
      visible[at] = 1;
      const first = (h * tokens + t) * count;
      for (let c = first; c < first + count; c++) if (codes[c] !== wanted[c]) return;
      actual.push(score);
      known.push(expected[at]!);
    });
  }
  return [
    { ...compare("label_codes", codes, wanted, 1), kind: "selection" },
    { ...compare("label_codes that differ", [differing / wanted.length], [0], 1e-3), kind: "selection" },
    compareScores("label_step", part(0), floats(file, "label_step")),
    compareScores("label_min", part(1), floats(file, "label_min")),
    compareSelections("visible", visible, expected.map((score) => Number(score > MASKED))),
    compareScores("approx_scores", actual, known),
  ];
}

/** Lists and outputs of all queries. */
async function replaySteps(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  profile: DoubleSparsityProfile,
): Promise<{ readonly checks: Check[]; readonly density: number }> {
  const { k, v, shape, positions, tokens, labelOptions } = open(d, file, params);
  const { queryHeads, headDim } = shape;
  const q = upload(d, file, "q");
  const [own, foreseen] = ["x_cur", "x_prev"].map((name) =>
    projected(d, upload(d, file, name), upload(d, file, "wq"), positions, {
      base: numberOf(params, "rope_base"),
      headDim,
    })
  ) as [Tensor, Tensor];
  using selection = doubleSparsity({
    profile,
    labelChannels: labelOptions.count,
    labelBits: labelOptions.bits,
    quantiseQuery: labelOptions.quantiseQuery,
    tokens,
    forceLast: false,
  }).start(d, { ...shape, layer: 0 });
  selection.append(k);

  const attend = (query: Tensor, p: number, lists?: readonly (readonly number[])[]): Decoded =>
    decodeRows(d, query, denseRows(k, v, p + 1), {
      total: p + 1,
      ...(lists && { list: d.tensor(Int32Array.from(padded(lists, tokens + 1)), [queryHeads, tokens + 1]) }),
    });
  /** The tokens of every head, ascending. */
  const choose = async (query: Tensor, p: number): Promise<number[][]> => {
    const all = Array.from({ length: p + 1 }, (_, t) => t);
    const list = await selection.choose(d, query, p + 1)?.list?.read("i32");
    return Array.from(
      { length: queryHeads },
      (_, h) => list ? [...list.subarray(h * tokens, (h + 1) * tokens)].sort((a, b) => a - b) : all,
    );
  };
  const [lists, predicted]: [number[][][], number[][][]] = [[], []];
  const outs: Record<"out" | "out_dense" | "out_offload", Tensor[]> = {
    out: [],
    out_dense: [],
    out_offload: [],
  };
  let recall = 0;
  for (const [row, p] of positions.entries()) {
    const query = queryRow(d, q, row);
    const chosen = await choose(query, p);
    const guessed = await choose(queryRow(d, foreseen, row), p);
    const [sparse, dense] = [attend(query, p, chosen), attend(query, p)];
    const ahead = attend(query, p, guessed.map((list) => list.includes(p) ? list : [...list, p]));
    outs.out.push(sparse.out);
    outs.out_dense.push(dense.out);
    outs.out_offload.push(ahead.out);
    const [kept, all] = [await sparse.lse.read(), await dense.lse.read()];
    kept.forEach((lse, h) => recall += Math.exp(lse - all[h]!) / (kept.length * positions.length));
    lists.push(chosen);
    predicted.push(guessed);
  }
  const entries = (rows: readonly number[][][]): number[] =>
    Array.from({ length: queryHeads }, (_, h) => padded(rows.map((own) => own[h]!), tokens)).flat();
  const checks = [
    compareScores("q", await own.read(), floats(file, "q")),
    compareScores("q_pred", await foreseen.read(), floats(file, "q_pred")),
    compareSelections("token_idx", entries(lists), integers(file, "token_idx")),
    compareSelections("token_idx_pred", entries(predicted), integers(file, "token_idx_pred")),
  ];
  if (params["mass_recall"] !== undefined) {
    checks.push(compare("mass_recall", [recall], [numberOf(params, "mass_recall")], 1e-5));
  }
  for (const [name, rows] of Object.entries(outs)) {
    const stacked = concat(d, rows.map((x) => reshape(d, x, [queryHeads, 1, headDim])), 1);
    checks.push(compare(name, await stacked.read(), floats(file, name), 1e-4));
  }
  const density = positions.reduce((sum, p) => sum + Math.min(1, tokens / (p + 1)), 0) / positions.length;
  return { checks, density };
}

/** Keys and values of the file, and its settings. */
function open(d: Device, file: SafetensorsFile, params: Params) {
  const [k, v] = [upload(d, file, "k"), upload(d, file, "v")];
  const shape = { queryHeads: numberOf(params, "Hq"), heads: k.shape[0]!, headDim: k.shape[2]! };
  const labelOptions = {
    bits: numberOf(params, "label_bits") as LabelBits,
    count: numberOf(params, "label_channels"),
    quantiseQuery: params["quantise_query"] === true,
  };
  const positions = params["q_positions"] as readonly number[];
  return { k, v, shape, positions, tokens: numberOf(params, "n_heavy"), labelOptions };
}

/** Queries [Hq, n, D] of inputs [n, M], rotated at their positions in the half-split layout. */
function projected(
  d: Device,
  x: Tensor,
  wq: Tensor,
  positions: readonly number[],
  { base, headDim }: { readonly base: number; readonly headDim: number },
): Tensor {
  const heads = wq.shape[0]! / headDim;
  const freqs = d.tensor(
    Float32Array.from({ length: headDim / 2 }, (_, i) => base ** (-2 * i / headDim)),
    [headDim / 2],
  );
  const flat = matmul(d, x, wq);
  const rows = positions.map((start, row) => {
    const own = rope(d, slice(d, flat, 0, row, row + 1), freqs, {
      heads,
      headDim,
      start,
      interleaved: false,
    });
    return reshape(d, own, [heads, 1, headDim]);
  });
  return concat(d, rows, 1);
}

/** Lists side by side, each filled up with -1. */
function padded(lists: readonly (readonly number[])[], room: number): number[] {
  return lists.flatMap((list) => [...list, ...new Array<number>(room - list.length).fill(-1)]);
}
