/**
 * A small diffusion language model that copies masked tokens: two blocks of bidirectional attention, for comparisons on a trained model.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add } from "../device/ops/binary.ts";
import { attend } from "../device/ops/attend.ts";
import { gather } from "../device/ops/gather.ts";
import { layerNorm } from "../device/ops/layer_norm.ts";
import { linear } from "../device/ops/linear.ts";
import type { Tensor } from "../device/tensor.ts";
import { floats, shapeOf } from "../golden/check.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";

/** Sizes of a model, from the parameters of its file. */
export interface DiffusionLmConfig {
  readonly dim: number;
  readonly heads: number;
  readonly layers: number;
  readonly layernorm_eps: number;
}

/**
 * Runs the model once.
 *
 * @param d Receives the logits.
 * @param file Weights under their names.
 * @param ids Tokens of one sequence.
 * @returns [1, L, vocabulary].
 */
export function diffusionLogits(
  d: Device,
  file: SafetensorsFile,
  config: DiffusionLmConfig,
  ids: readonly number[],
): Tensor {
  const { dim, heads, layers, layernorm_eps: eps } = config;
  using s = d.scope();
  const tensor = (name: string): Tensor => s.tensor(floats(file, name), shapeOf(file, name));
  const dense = (x: Tensor, name: string, activation: "none" | "gelu" = "none"): Tensor => {
    const weight = s.weight(
      floats(file, `${name}.weight`),
      shapeOf(file, `${name}.weight`) as [number, number],
    );
    return linear(s, x, weight, { bias: tensor(`${name}.bias`), activation });
  };
  const norm = (x: Tensor, name: string): Tensor =>
    layerNorm(s, x, tensor(`${name}.weight`), tensor(`${name}.bias`), { eps });
  const positions = s.tensor(floats(file, "p").slice(0, ids.length * dim), [1, ids.length, dim]);
  let x = add(s, gather(s, tensor("e.weight"), s.tensor(Int32Array.from(ids), [1, ids.length])), positions);
  for (let n = 0; n < layers; n++) {
    const block = `blocks.${n}`;
    const qkv = dense(norm(x, `${block}.n1`), `${block}.qkv`);
    const mixed = attend(s, qkv, { tensor: qkv, offset: dim }, { tensor: qkv, offset: 2 * dim }, {
      heads,
      headDim: dim / heads,
    });
    x = add(s, x, dense(mixed, `${block}.o`));
    x = add(s, x, dense(dense(norm(x, `${block}.n2`), `${block}.m.0`, "gelu"), `${block}.m.2`));
  }
  return s.keep(dense(norm(x, "n"), "h"));
}
