/**
 * Replays the golden file of Sparsifiner.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Device } from "../../device/device.ts";
import { softmax } from "../../device/ops/softmax.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareScores, compareSelections, floats } from "../../golden/check.ts";
import { sparsifinerLayer } from "../../train/sparsifiner_layer.ts";
import { sparsifinerLoss } from "../../train/sparsifiner_loss.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { headScores } from "../scores.ts";
import { sparsifiner } from "../sparsifiner.ts";
import { uploadPredictor } from "../sparsifiner_forward.ts";
import { SPARSIFINER_NAMES, SparsifinerPredictor } from "../sparsifiner_predictor.ts";
import { collector } from "./collect.ts";
import { integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Basis, coefficients, scores, masks and outputs by budget and by threshold, density, recall, teacher, loss and gradients. */
export const replaySparsifiner: Replay = async (device, file, params) => {
  using scope = device.scope();
  const predictor = SparsifinerPredictor.load(file);
  const [q, k, v] = ["q", "k", "v"].map((name) => upload(scope, file, name)) as [Tensor, Tensor, Tensor];
  const basisThreshold = numberOf(params, "basis_threshold");
  const options = {
    weights: predictor,
    attnKeepRate: numberOf(params, "attn_keep_rate"),
    coefUseTopk: params["coef_use_topk"] === true,
    coefTopk: numberOf(params, "coef_topk"),
    coefThreshold: numberOf(params, "coef_threshold"),
    scoreThreshold: numberOf(params, "score_threshold"),
    basisThreshold,
  };
  const { tokens, vectors, channels, headDim } = predictor.sizes;
  const sizes = ["num_tokens", "reduced_n", "reduced_c", "head_dim", "heads"].map((name) =>
    numberOf(params, name)
  );
  const basis = predictor.basis(basisThreshold);
  const across = Float32Array.from(basis, (_, i) => basis[i % tokens * vectors + Math.floor(i / tokens)]!);
  const budget = Math.ceil(options.attnKeepRate * tokens);
  const checks: Check[] = [
    compareSelections("sizes", [tokens, vectors, channels, headDim, q.shape[0]!], sizes),
    compare("basis", across, floats(file, "basis"), 0),
    compareSelections("attn_budget", [budget], [numberOf(params, "attn_budget")]),
  ];
  /** Mask, output and density of one way to choose by score. */
  const check = async (scoreUseTopk: boolean, suffix: string): Promise<number> => {
    const seen = collector();
    using plan = sparsifiner({ ...options, scoreUseTopk }).plan(scope, q, k, seen);
    await plan.validate();
    const density = await plan.density();
    const { out } = attention(scope, q, k, v, { plan });
    const read = await seen.read();
    checks.push(
      compareScores("coef", read("coef"), floats(file, "coef")),
      compareScores("coef_sparse", read("coef_sparse"), floats(file, "coef_sparse")),
      compareScores("score", read("score"), floats(file, "score")),
      compareSelections(`token_mask${suffix}`, await plan.mask(), integers(file, `token_mask${suffix}`)),
      compare(`out${suffix}`, await out.read(), floats(file, `out${suffix}`), 1e-5),
      compare(`density${suffix}`, [density], [numberOf(params, `density${suffix}`)], 1e-5),
    );
    if (scoreUseTopk) {
      // The CLS row, which is not counted, keeps everything.
      const recall = (await plan.recall(q, k) * tokens - 1) / (tokens - 1);
      checks.push(compare("recall", [recall], [numberOf(params, "recall")], 1.5e-5));
    }
    return density;
  };
  const density = await check(true, "");
  await check(false, "_threshold");
  checks.push(...await checkTraining(scope, file, params, predictor, q, k));
  return { checks, density };
};

async function checkTraining(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  predictor: SparsifinerPredictor,
  q: Tensor,
  k: Tensor,
): Promise<Check[]> {
  const teacher = softmax(d, headScores(d, q, k, 1 / Math.sqrt(q.shape[2]!)));
  const weight = numberOf(params, "recon_weight");
  const context = sparsifinerLayer.forward(d, uploadPredictor(d, predictor), q, k);
  const loss = sparsifinerLoss.forward(d, context.approx, teacher, weight);
  const grad = sparsifinerLayer.backward(
    d,
    context,
    sparsifinerLoss.backward(d, context.approx, teacher, weight),
  );
  const names = { ...SPARSIFINER_NAMES, q: "q", k: "k" };
  const checks = [
    compareScores("teacher", await teacher.read(), floats(file, "teacher")),
    compareScores("approx_train", await context.approx.read(), floats(file, "approx_train")),
    compareScores("loss", await loss.read(), floats(file, "loss")),
  ];
  for (const [key, name] of Object.entries(names)) {
    const found = grad[key as keyof typeof grad];
    checks.push(compareScores(`grad.${name}`, await found.read(), floats(file, `grad.${name}`), 1e-3));
  }
  return checks;
}
