/**
 * A small vision transformer that reads 8 x 8 digits, every pixel a token, for comparisons on a trained model.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import { add } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { transpose } from "../device/ops/transpose.ts";
import type { Tensor } from "../device/tensor.ts";
import { SparsifinerPredictor } from "../methods/sparsifiner_predictor.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";
import { trainedLayers } from "./trained_layers.ts";

/** Sizes of a model, from the parameters of its file. */
export interface DigitsConfig {
  readonly dim: number;
  readonly heads: number;
  readonly layers: number;
  readonly tokens: number;
  readonly layernorm_eps: number;
}

/**
 * Chooses which keys the queries of one image see in one layer.
 *
 * @param d What it makes is freed with the run.
 * @param q [heads, tokens, dim / heads], as `k`; token 0 is the CLS token.
 */
export type Chooser = (d: Device, q: Tensor, k: Tensor, layer: number) => Plan;

/**
 * Runs the model on some images.
 *
 * @param d Receives the logits.
 * @param file Weights under their names.
 * @param pixels From 0 to 1, one image after the other.
 * @param choose Called for every layer and image. @default every query sees all keys
 * @returns [images, 10].
 */
export function digitsLogits(
  d: Device,
  file: SafetensorsFile,
  config: DigitsConfig,
  pixels: Float32Array,
  choose?: Chooser,
): Tensor {
  const { dim, heads, layers, tokens, layernorm_eps: eps } = config;
  const count = pixels.length / (tokens - 1);
  using s = d.scope();
  const trained = trainedLayers(s, file, eps);
  const affine = (x: Tensor, name: string, activation?: "gelu"): Tensor =>
    trained.affine(name)(s, x, activation);
  const norm = (x: Tensor, name: string): Tensor => trained.norm(name)(s, x);
  /** Attention of every image by itself, as a method sees it. */
  const mix = (qkv: Tensor, layer: number): Tensor => {
    const width = dim / heads;
    const byHead = transpose(s, reshape(s, qkv, [count, tokens, 3 * heads, width]), [0, 2, 1, 3]);
    const mixed = Array.from({ length: count }, (_, i) => {
      const own = reshape(s, slice(s, byHead, 0, i, i + 1), [3, heads, tokens, width]);
      const part = (n: number): Tensor => reshape(s, slice(s, own, 0, n, n + 1), [heads, tokens, width]);
      const [q, k] = [part(0), part(1)];
      return attention(s, q, k, part(2), { plan: choose?.(s, q, k, layer) }).out;
    });
    const all = reshape(s, concat(s, mixed, 0), [count, heads, tokens, width]);
    return reshape(s, transpose(s, all, [0, 2, 1, 3]), [count, tokens, dim]);
  };
  const patches = affine(s.tensor(pixels, [count, tokens - 1, 1]), "embed");
  let x = add(s, concat(s, [repeat(s, trained.tensor("cls"), 0, count), patches], 1), trained.tensor("pos"));
  for (let n = 0; n < layers; n++) {
    const block = `blocks.${n}`;
    x = add(s, x, affine(mix(affine(norm(x, `${block}.n1`), `${block}.qkv`), n), `${block}.o`));
    x = add(s, x, affine(affine(norm(x, `${block}.n2`), `${block}.m.0`, "gelu"), `${block}.m.2`));
  }
  const cls = reshape(s, slice(s, x, 1, 0, 1), [count, dim]);
  return s.keep(affine(norm(cls, "norm"), "head"));
}

/** The mask predictors of all layers. */
export function digitsPredictors(file: SafetensorsFile, { layers }: DigitsConfig): SparsifinerPredictor[] {
  return Array.from(
    { length: layers },
    (_, layer) => SparsifinerPredictor.load(file, { prefix: `blocks.${layer}.predictor.` }),
  );
}
