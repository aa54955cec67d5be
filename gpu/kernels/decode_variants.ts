/**
 * How `decode` reads rows: row by row, or bitmaps tile by tile.
 *
 * @module
 */
import { FORM, type OpOf } from "../../sdk/device/ops.ts";
import type { Caps } from "../kernel.ts";
import type { Constants } from "../template.ts";
import { formOf, lanesOf } from "./cached_rows.ts";

/** The variant of a kernel. */
export interface DecodeVariant {
  /** Query heads of a workgroup. */
  readonly r: number;
  /** Tokens that a workgroup reads at a time. */
  readonly tokens: number;
  readonly constants: Constants;
}

/** Threads of a workgroup that reads row by row, and query heads that it owns at most. */
const READERS = 128;
const MOST_HEADS = 8;
/** Scores of a slot in a round at most, and rows unless a list scatters them. */
const SCORES = 16;
const DEEP = 8;
/** Rows of 32 threads that read bitmaps at least, and tiles that each asks for before it multiplies them. */
const WARPS = 4;
const AHEAD = 8;

/**
 * How bitmaps are read tile by tile; undefined if they cannot be.
 *
 * @param shared Query heads that read the same rows: a power of two.
 */
export function byTiles(op: OpOf<"decode">, caps: Caps, shared: number): DecodeVariant | undefined {
  const { headDim } = op;
  const whole = op.form === FORM.bitmap && op.list === 0 && op.table === 0;
  if (!whole || ![64, 128, 256, 512].includes(headDim)) return undefined;
  const warps = Math.max(WARPS, headDim / 64);
  const bytes = (r: number): number => 32 * headDim + 4 * r * (headDim + 64 + 64 * warps + 32 + 1);
  const r = [4, 2, 1].find((r) => r <= shared && bytes(r) <= caps.workgroupBytes);
  if (r === undefined) return undefined;
  return {
    r,
    tokens: 64,
    constants: {
      D: headDim,
      R: r,
      WARPS: warps,
      AHEAD,
      ...(r === 4 && { FOUR: 1 }),
      ...(r === 2 && { TWO: 1 }),
      ...(r > 1 && { MANY: 1 }),
      ...(caps.f16 && { F16: 1 }),
    },
  };
}

/**
 * How rows of any form are read one by one.
 *
 * @param places Elements at which rows begin, or multiples of these.
 * @param shared Query heads that read the same rows: a power of two.
 * @throws RangeError if a row is too wide for a workgroup.
 */
export function byRows(
  op: OpOf<"decode">,
  caps: Caps,
  places: readonly number[],
  shared: number,
): DecodeVariant {
  const r = Math.min(MOST_HEADS, shared);
  const form = formOf(op, r <= MOST_HEADS / 2, places);
  const lanes = lanesOf("decode", form, Math.max(4, 2 * r), READERS);
  // Rows that a list scatters come late: ask for more at once, where large workgroups promise registers for them.
  const scattered = op.list !== 0 && form["VEC"] === 1 && caps.invocations >= 1024;
  const deep = Math.min(scattered ? SCORES : DEEP, SCORES / r);
  return {
    r,
    tokens: READERS / lanes * deep,
    constants: {
      THREADS: READERS,
      LANES: lanes,
      R: r,
      DEEP: deep,
      QUADS: deep * r / 4,
      TABLE: 1,
      ...(op.list !== 0 && op.step > 1 && { STEPS: 1 }),
      ...form,
    },
  };
}
