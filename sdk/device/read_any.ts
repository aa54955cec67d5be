/**
 * Contents of tensors whose type is not known beforehand.
 *
 * @module
 */
import type { TensorData } from "./device.ts";
import type { Tensor } from "./tensor.ts";

/** A copy of the contents of a tensor, whatever its type. */
export function readAny(tensor: Tensor): Promise<TensorData> {
  switch (tensor.dtype) {
    case "f32":
      return tensor.read();
    case "f16":
      return tensor.read("f16");
    case "i32":
      return tensor.read("i32");
    case "u8":
      return tensor.read("u8");
    case "i8":
      return tensor.read("i8");
  }
}
