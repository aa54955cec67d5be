/**
 * Frequencies of rotary positions (Su et al., 2021) and their scalings for longer contexts.
 *
 * @module
 */
import type { RopeConfig, RopeScaling } from "./config.ts";

/**
 * The angle by which a position turns each pair of columns.
 *
 * @param rope Base and scaling.
 * @param headDim Even width of a head.
 * @returns [headDim / 2], radians per position.
 */
export function ropeFrequencies({ theta, scaling }: RopeConfig, headDim: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: headDim / 2 },
    (_, i) => scaled(theta ** (-2 * i / headDim), scaling),
  );
}

function scaled(frequency: number, scaling: RopeScaling): number {
  if (scaling.type === "default") return frequency;
  const slow = frequency / scaling.factor;
  if (scaling.type === "linear") return slow;
  // Llama 3.1: long waves are stretched, short ones stay, and those between are mixed. Turns are counted in the original context.
  const { lowFactor, highFactor, originalLength } = scaling;
  const turns = originalLength * frequency / (2 * Math.PI);
  const share = Math.min(1, Math.max(0, (turns - lowFactor) / (highFactor - lowFactor)));
  return (1 - share) * slow + share * frequency;
}
