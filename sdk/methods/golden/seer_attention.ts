/**
 * Replays the golden file of SeerAttention.
 *
 * @module
 */
import type { Device } from "../../device/device.ts";
import { concat } from "../../device/ops/concat.ts";
import { rope } from "../../device/ops/rope.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compareScores, compareSelections, floats } from "../../golden/check.ts";
import { sgd } from "../../train/optimizers.ts";
import { distill } from "../../train/seer_distill.ts";
import { seerGateLayer } from "../../train/seer_gate_layer.ts";
import { seerLoss } from "../../train/seer_loss.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { seerAttention } from "../seer_attention.ts";
import { poolInputs, uploadWeights } from "../seer_attention_forward.ts";
import { SeerGate, type SeerPool } from "../seer_attention_gate.ts";
import { seerTarget } from "../seer_attention_target.ts";
import { collector } from "./collect.ts";
import { checkPlan, integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Gate, masks by threshold and by ratio, density, recall, output, target, loss, gradients and a few steps of training. */
export const replaySeerAttention: Replay = async (device, file, params) => {
  using scope = device.scope();
  const gate = gateOf(file, params);
  const [qPre, kPre, q, k] = ["q_pre", "k_pre", "q", "k"].map((name) => upload(scope, file, name)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const lastBlockDense = params["last_block_dense"] === true;
  const byShare = collector();
  const byRatio = collector();
  const plan = seerAttention({ gate, lastBlockDense, threshold: numberOf(params, "threshold") })
    .plan(scope, qPre, kPre, byShare);
  const { density, checks } = await checkPlan(scope, file, params, plan);
  const ratioPlan = seerAttention({ gate, lastBlockDense, nzRatio: numberOf(params, "nz_ratio") })
    .plan(scope, qPre, kPre, byRatio);
  await ratioPlan.validate();
  const share = await byShare.read();
  const ratio = await byRatio.read();
  const theta = numberOf(params, "attn_rope_theta");
  return {
    density,
    checks: [
      compareScores("q", await rotated(scope, qPre, theta).read(), floats(file, "q")),
      compareScores("k", await rotated(scope, kPre, theta).read(), floats(file, "k")),
      compareScores("gate_logits", share("gate_logits"), floats(file, "gate_logits")),
      compareScores("gate_score", share("gate_score"), floats(file, "gate_score")),
      compareSelections("block_mask", share("block_mask"), integers(file, "block_mask")),
      compareSelections("block_mask_nz", ratio("block_mask"), integers(file, "block_mask_nz")),
      ...checks,
      ...await checkTraining(scope, file, params, gate, { qPre, kPre, q, k }),
    ],
  };
};

function gateOf(file: SafetensorsFile, params: Params): SeerGate {
  const config = {
    heads: numberOf(params, "Hq"),
    kvHeads: numberOf(params, "Hkv"),
    headDim: numberOf(params, "D"),
    hidden: numberOf(params, "gate_hidden"),
    blockSize: numberOf(params, "block_size"),
    qPool: params["q_pool"] as SeerPool[],
    kPool: params["k_pool"] as SeerPool[],
    ropeTheta: numberOf(params, "rope_theta"),
  };
  const wq = params["double_linear"] === true ? floats(file, "wq") : undefined;
  return new SeerGate(config, { wk: floats(file, "wk"), wq });
}

/** A copy of [heads, L, D] rotated as the model does it. */
function rotated(d: Device, x: Tensor, theta: number): Tensor {
  const headDim = x.shape[2]!;
  const freqs = Float32Array.from({ length: headDim / 2 }, (_, i) => theta ** (-2 * i / headDim));
  return rope(d, concat(d, [x], 0), d.tensor(freqs, [headDim / 2]), {
    heads: 1,
    headDim,
    interleaved: false,
  });
}

async function checkTraining(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  gate: SeerGate,
  sample: { readonly qPre: Tensor; readonly kPre: Tensor; readonly q: Tensor; readonly k: Tensor },
): Promise<Check[]> {
  const { config } = gate;
  const lossScale = numberOf(params, "loss_scale");
  const target = seerTarget(d, sample.q, sample.k, config.blockSize);
  const pooled = poolInputs(d, config, sample.qPre, sample.kPre);
  const context = seerGateLayer.forward(d, config, uploadWeights(d, gate), pooled);
  const loss = await seerLoss.forward(d, context.logits, target).read();
  const dLogits = seerLoss.backward(d, context.logits, target, lossScale);
  const { wk, wq } = seerGateLayer.backward(d, config, context, dLogits);
  const kl = floats(file, "sgd_kl");
  const optimizer = sgd(numberOf(params, "sgd_lr"));
  const trained = await distill(gate, [sample], { steps: kl.length, optimizer, lossScale });
  return [
    compareScores("ground_truth", await target.read(), floats(file, "ground_truth")),
    compareScores("loss", loss.map((value) => value * lossScale), floats(file, "loss")),
    compareScores("kl", loss, [numberOf(params, "kl")]),
    compareScores("grad_logits", await dLogits.read(), floats(file, "grad_logits"), 1e-4),
    compareScores("grad_wk", await wk.read(), floats(file, "grad_wk"), 1e-4),
    ...(wq ? [compareScores("grad_wq", await wq.read(), floats(file, "grad_wq"), 1e-4)] : []),
    compareScores("sgd_kl", trained.kl, kl),
  ];
}
