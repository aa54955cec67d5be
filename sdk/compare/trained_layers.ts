/**
 * Layers of the small trained models, from the tensors of their files.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { layerNorm } from "../device/ops/layer_norm.ts";
import { linear } from "../device/ops/linear.ts";
import type { Tensor } from "../device/tensor.ts";
import { floats, shapeOf } from "../golden/check.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";

/** Uploads what the file has under a name, once per call. */
export interface TrainedLayers {
  /** A tensor as it is. */
  tensor(name: string): Tensor;
  /** `name.weight` and `name.bias`; the device that a call gets receives the result. */
  affine(name: string): (d: Device, x: Tensor, activation?: "none" | "gelu") => Tensor;
  /** The same of a layer norm. */
  norm(name: string): (d: Device, x: Tensor) => Tensor;
}

/**
 * Makes the layers of a file.
 *
 * @param device Receives the weights.
 * @param file Weights under their names.
 * @param eps Of all layer norms.
 */
export function trainedLayers(device: Device, file: SafetensorsFile, eps: number): TrainedLayers {
  const tensor = (name: string): Tensor => device.tensor(floats(file, name), shapeOf(file, name));
  return {
    tensor,
    affine(name) {
      const shape = shapeOf(file, `${name}.weight`) as [number, number];
      const [weight, bias] = [device.weight(floats(file, `${name}.weight`), shape), tensor(`${name}.bias`)];
      return (d, x, activation = "none") => linear(d, x, weight, { bias, activation });
    },
    norm(name) {
      const [weight, bias] = [tensor(`${name}.weight`), tensor(`${name}.bias`)];
      return (d, x) => layerNorm(d, x, weight, bias, { eps });
    },
  };
}
