/**
 * Training: hand-written backward passes, one `{ forward, backward }` per layer.
 *
 * @module
 */
export { adamW, type AdamWOptions, cosineRate, type LearningRate, type Optimizer, sgd } from "./optimizers.ts";
export { distill, type Distilled, type DistillOptions, type SeerSample } from "./seer_distill.ts";
export { seerGateLayer, type SeerGateContext } from "./seer_gate_layer.ts";
export { seerLoss } from "./seer_loss.ts";
