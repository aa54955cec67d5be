/**
 * A small diffusion language model that copies masked tokens: two blocks of bidirectional attention, for comparisons on a trained model.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { attend } from "../device/ops/attend.ts";
import { add } from "../device/ops/binary.ts";
import { gather } from "../device/ops/gather.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { transpose } from "../device/ops/transpose.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";
import { trainedLayers } from "./trained_layers.ts";

/** Sizes of a model, from the parameters of its file. */
export interface DiffusionLmConfig {
  readonly dim: number;
  readonly heads: number;
  readonly layers: number;
  readonly layernorm_eps: number;
}

/**
 * Attention of a layer: q, k, v [sequences * heads, L, D] to the same shape. The sequences of a batch are heads beside each other, which share nothing.
 */
export type DiffusionAttention = (d: Device, q: Tensor, k: Tensor, v: Tensor, layer: number) => Tensor;

/** A model: from tokens [sequences][L] to logits [sequences, L, vocabulary], which the device that it gets receives; without `mix` attention is dense. */
export type DiffusionLm = (
  d: Device,
  ids: readonly (readonly number[])[],
  mix?: DiffusionAttention,
) => Tensor;

/**
 * Uploads a model.
 *
 * @param device Receives the weights.
 * @param file Weights under their names.
 */
export function diffusionLm(
  device: Device,
  file: SafetensorsFile,
  config: DiffusionLmConfig,
): DiffusionLm {
  const { dim, heads, layers, layernorm_eps: eps } = config;
  const headDim = dim / heads;
  const { tensor, affine, norm } = trainedLayers(device, file, eps);
  const [embedding, positions] = [tensor("e.weight"), tensor("p")];
  const blocks = Array.from({ length: layers }, (_, n) => ({
    n1: norm(`blocks.${n}.n1`),
    qkv: affine(`blocks.${n}.qkv`),
    o: affine(`blocks.${n}.o`),
    n2: norm(`blocks.${n}.n2`),
    up: affine(`blocks.${n}.m.0`),
    down: affine(`blocks.${n}.m.2`),
  }));
  const [last, head] = [norm("n"), affine("h")];

  return (d, ids, mix) =>
    scoped(d, (s) => {
      const [count, length] = [ids.length, ids[0]!.length];
      const tokens = s.tensor(Int32Array.from(ids.flat()), [count, length]);
      let x = add(s, gather(s, embedding, tokens), slice(s, positions, 0, 0, length));
      blocks.forEach((block, layer) => {
        const qkv = block.qkv(s, block.n1(s, x));
        const mixed = mix
          ? byHeads(s, qkv, heads, (q, k, v) => mix(s, q, k, v, layer))
          : attend(s, qkv, { tensor: qkv, offset: dim }, { tensor: qkv, offset: 2 * dim }, {
            heads,
            headDim,
          });
        x = add(s, x, block.o(s, mixed));
        x = add(s, x, block.down(s, block.up(s, block.n2(s, x), "gelu")));
      });
      return head(s, last(s, x));
    });
}

/** Calls attention with the parts of qkv [sequences, L, 3 * dim] as heads; gives [sequences, L, dim]. */
function byHeads(
  s: Device,
  qkv: Tensor,
  heads: number,
  mix: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
): Tensor {
  const [count, length, width] = qkv.shape as [number, number, number];
  const dim = width / 3;
  const parts = [0, 1, 2].map((part) => {
    const own = reshape(s, slice(s, qkv, 2, part * dim, (part + 1) * dim), [
      count,
      length,
      heads,
      dim / heads,
    ]);
    return reshape(s, transpose(s, own, [0, 2, 1, 3]), [count * heads, length, dim / heads]);
  });
  const mixed = reshape(s, mix(parts[0]!, parts[1]!, parts[2]!), [count, heads, length, dim / heads]);
  return reshape(s, transpose(s, mixed, [0, 2, 1, 3]), [count, length, dim]);
}

/**
 * Runs the model once with dense attention.
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
  return scoped(d, (s) => diffusionLm(s, file, config)(s, [ids]));
}
