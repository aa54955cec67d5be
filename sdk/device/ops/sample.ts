/**
 * Random draws.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, use } from "./_check.ts";

/** Options of {@linkcode sample}. */
export interface SampleOptions {
  /** Divides the logits: above 1 draws are more even, below 1 more often the likeliest. @default 1 */
  readonly temperature?: number;
  /** Which sequence of draws, from 0 to 2^32 - 1. @default 0 */
  readonly seed?: number;
  /** Which draw of the sequence, from 0 to 2^32 - 1; count it up from call to call. @default 0 */
  readonly draw?: number;
}

/**
 * Draws one index per row from softmax(logits / temperature), the same for the same seed and draw.
 *
 * @param d Receives the result.
 * @param logits [..., cols]; -Infinity is never drawn (unless a row has nothing else: 0 then).
 * @returns i32 [...].
 * @throws RangeError if rows have no columns, or the temperature is not above 0.
 * @example
 * ```ts
 * import { openDevice, sample } from "../mod.ts";
 *
 * const device = await openDevice();
 * const logits = device.tensor(Float32Array.of(-Infinity, 2, 1), [3]);
 * console.log(await sample(device, logits, { seed: 7 }).read("i32")); // 1 or 2
 * device.dispose();
 * ```
 */
export function sample(d: Device, logits: Tensor, options: SampleOptions = {}): Tensor {
  const { temperature = 1, seed = 0, draw = 0 } = options;
  const id = use(d, "sample", "logits", logits);
  expectRank("sample", "logits", logits, 1);
  expectInt("sample", "seed", seed, 0);
  expectInt("sample", "draw", draw, 0);
  const scale = Math.fround(1 / temperature);
  if (!(temperature > 0 && Number.isFinite(scale))) {
    throw new RangeError(
      `Cannot run sample: "temperature" is ${temperature}, expected a number above 0 (for the likeliest element use topk with k = 1)`,
    );
  }
  const cols = logits.shape.at(-1)!;
  const out = d.empty(logits.shape.slice(0, -1), "i32");
  if (out.size > 0 && cols === 0) {
    throw new RangeError(
      `Cannot run sample: "logits" has shape [${logits.shape}], expected rows of at least 1`,
    );
  }
  if (out.size > 0) {
    d.submit({ op: "sample", x: id, out: out.id, rows: out.size, cols, scale, seed, draw });
  }
  return out;
}
