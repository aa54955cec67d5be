/**
 * Rotary position embedding (Su et al., 2021).
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, expectShape, use } from "./_check.ts";

/** Options of {@linkcode rope}. */
export interface RopeOptions {
  /** Number of heads to rotate; they lie side by side. */
  readonly heads: number;
  /** Even width of a head. */
  readonly headDim: number;
  /** Column of the first head. @default 0 */
  readonly offset?: number;
  /** Position of the first row. @default 0 */
  readonly start?: number;
  /** True for pairs (2i, 2i + 1), false for pairs (i, i + headDim / 2). @default true */
  readonly interleaved?: boolean;
  /** Rows after which positions begin again. @default the second last size of `x` */
  readonly length?: number;
}

/**
 * Rotates pairs of columns in place by position * frequency.
 *
 * @param d The device of `x`.
 * @param x [..., L, width]; changed.
 * @param freqs [headDim / 2], radians per position.
 * @returns `x`.
 * @throws RangeError if shapes do not fit.
 */
export function rope(d: Device, x: Tensor, freqs: Tensor, options: RopeOptions): Tensor {
  const { heads, headDim, offset = 0, start = 0, interleaved = true } = options;
  const ids = { x: use(d, "rope", "x", x), freqs: use(d, "rope", "freqs", freqs) };
  expectRank("rope", "x", x, 2);
  const stride = x.shape.at(-1)!;
  const { length = x.shape.at(-2)! } = options;
  expectInt("rope", "heads", heads, 0);
  expectInt("rope", "headDim", headDim, 0);
  expectInt("rope", "offset", offset, 0);
  expectInt("rope", "start", start, 0);
  if (x.size > 0) expectInt("rope", "length", length, 1);
  if (headDim % 2 === 1) {
    throw new RangeError(`Cannot run rope: "headDim" is ${headDim}, expected an even number`);
  }
  if (offset + heads * headDim > stride) {
    throw new RangeError(
      `Cannot run rope: ${heads} heads of ${headDim} from column ${offset} do not fit into "x" [${x.shape}]`,
    );
  }
  expectShape("rope", "freqs", freqs, [headDim / 2], `for heads of ${headDim}`);
  if (x.size === 0 || heads === 0 || headDim === 0) return x;
  const rows = x.size / stride;
  d.submit({
    op: "rope",
    ...ids,
    rows,
    stride,
    offset,
    heads,
    headDim,
    length,
    start,
    interleaved: interleaved ? 1 : 0,
  });
  return x;
}
