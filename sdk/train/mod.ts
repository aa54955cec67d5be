/**
 * Training: hand-written backward passes, one `{ forward, backward }` per layer.
 *
 * @module
 */
export {
  type ConsistencyBatch,
  type ConsistencyGradients,
  consistencyStep,
  type Denoiser,
  type Student,
} from "./consistency_step.ts";
export {
  adamW,
  type AdamWOptions,
  cosineRate,
  type LearningRate,
  type Optimizer,
  sgd,
} from "./optimizers.ts";
export { distill, type Distilled, type DistillOptions, type SeerSample } from "./seer_distill.ts";
export { type SeerGateContext, seerGateLayer } from "./seer_gate_layer.ts";
export { initSeerGate, type SeerInitOptions } from "./seer_init.ts";
export { seerLoss } from "./seer_loss.ts";
export { type SparsifinerContext, type SparsifinerGradients, sparsifinerLayer } from "./sparsifiner_layer.ts";
export { sparsifinerLoss } from "./sparsifiner_loss.ts";
