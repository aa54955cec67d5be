/**
 * Turns numbers into vectors.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectSize, use } from "./_check.ts";

/** Options of {@linkcode embedCells}. */
export interface EmbedCellsOptions {
  /** A value that stands for no cell: its vector is this value in every place. @default none */
  readonly skip?: number;
}

/**
 * Computes x * w + bias for every number of x.
 *
 * @param d Receives the result.
 * @param x Any shape [...].
 * @param w [e] (or [e, 1]).
 * @param bias [e].
 * @returns [..., e].
 * @throws RangeError if shapes do not fit.
 */
export function embedCells(
  d: Device,
  x: Tensor,
  w: Tensor,
  bias: Tensor,
  options: EmbedCellsOptions = {},
): Tensor {
  const { skip } = options;
  const ids = {
    x: use(d, "embedCells", "x", x),
    w: use(d, "embedCells", "w", w),
    bias: use(d, "embedCells", "bias", bias),
  };
  const e = bias.size;
  expectSize("embedCells", "w", w, e, `for "bias" [${bias.shape}]`);
  const out = d.empty([...x.shape, e]);
  if (out.size > 0) {
    d.submit({
      op: "embed",
      ...ids,
      out: out.id,
      n: x.size,
      e,
      useSkip: skip === undefined ? 0 : 1,
      skip: skip ?? 0,
    });
  }
  return out;
}
