/**
 * Which mode every head of a model has: the file that a search writes.
 *
 * @module
 */
import { finite, list, listField, numberField, readFields, whole, wholeField } from "./profile_fields.ts";
import { blocksOf, checkGeometry, type SparseVditGeometry, textBlocksOf } from "./sparse_vdit_modes.ts";

/** Modes of the heads of a layer. */
export interface SparseVditLayer {
  /** [heads]: 0 full, 1 skip, 2 diagonal, 3 multi-diagonal, 4 stripe. */
  readonly mode: readonly number[];
  /** [heads][nStripe]: key blocks of mode 4, ascending. */
  readonly stripeBlocks: readonly (readonly number[])[];
  /** [heads][5]: loss of every mode, mean over samples. */
  readonly loss: readonly (readonly number[])[];
}

/** Modes of a model, for one size of video and text; plain data for `JSON.stringify`. */
export interface SparseVditProfile {
  /** Of this format. */
  readonly version: 1;
  /** Frames. */
  readonly F: number;
  /** Tokens per frame. */
  readonly S: number;
  /** Tokens of text before the video. */
  readonly text: number;
  /** Tokens per block. */
  readonly blockSize: number;
  /** Half width of mode 2 in blocks. */
  readonly wDiagonal: number;
  /** Half width of mode 3 in blocks. */
  readonly wMulti: number;
  /** Key blocks of mode 4. */
  readonly nStripe: number;
  /** Weight of the cost in the loss. */
  readonly lambda: number;
  /** Loss above which a head stays full. */
  readonly epsilon: number;
  /** [5]: cost of every mode, where it was not the share of tiles. */
  readonly cost?: readonly number[];
  /** The layers. */
  readonly layers: readonly SparseVditLayer[];
  /** [steps][layers][heads]: modes by denoising step, where they were searched so. */
  readonly steps?: readonly (readonly (readonly number[])[])[];
}

const WHAT = "this profile of sparseVdit";

/** The layout and the widths that a profile is for. */
export function geometryOf(profile: SparseVditProfile): SparseVditGeometry {
  const { F, S, text, blockSize, wDiagonal, wMulti, nStripe } = profile;
  return { frames: F, tokensPerFrame: S, text, blockSize, wDiagonal, wMulti, nStripe };
}

/**
 * Reads a profile and checks it.
 *
 * @param json The text of a file, or what it holds.
 * @returns A copy.
 * @throws SyntaxError if the text is not JSON, TypeError if it holds something else, RangeError if a number is out of range.
 */
export function parseSparseVditProfile(json: unknown): SparseVditProfile {
  const fields = readFields(WHAT, json);
  const sizes = {
    ...{ F: wholeField(fields, "F", 1), S: wholeField(fields, "S", 1), text: wholeField(fields, "text") },
    blockSize: wholeField(fields, "blockSize", 1),
    ...{ wDiagonal: wholeField(fields, "wDiagonal"), wMulti: wholeField(fields, "wMulti") },
    nStripe: wholeField(fields, "nStripe"),
    ...{ lambda: numberField(fields, "lambda"), epsilon: numberField(fields, "epsilon") },
  };
  const modes = (value: unknown, where: string): number[] =>
    list(WHAT, where, value, (mode, at) => whole(WHAT, at, mode, 0, 4));
  const numbers = (value: unknown, where: string): number[] =>
    list(WHAT, where, value, (one, at) => finite(WHAT, at, one));
  const bare: SparseVditProfile = { version: 1, ...sizes, layers: [] };
  const geometry = geometryOf(bare);
  checkGeometry("sparseVdit", geometry);
  const [first, end] = [textBlocksOf(geometry), blocksOf(geometry)];
  const layers = listField(fields, "layers", (value, where): SparseVditLayer => {
    const own = readFields(WHAT, value);
    const mode = modes(own.values["mode"], `${where}.mode`);
    const stripeBlocks = list(
      WHAT,
      `${where}.stripeBlocks`,
      own.values["stripeBlocks"],
      (row, at) => list(WHAT, at, row, (block, place) => whole(WHAT, place, block, first, end - 1)),
    );
    const loss = list(WHAT, `${where}.loss`, own.values["loss"], numbers);
    expectRows(`${where}.stripeBlocks`, stripeBlocks.length, mode.length);
    expectRows(`${where}.loss`, loss.length, mode.length);
    stripeBlocks.forEach((row, h) => {
      if (row.some((block, i) => i > 0 && block <= row[i - 1]!)) {
        throw new RangeError(`Cannot use ${WHAT}: "${where}.stripeBlocks[${h}]" does not ascend`);
      }
    });
    return { mode, stripeBlocks, loss };
  });
  const { cost, steps } = fields.values;
  const table = steps === undefined ? undefined : list(WHAT, "steps", steps, (rows, where) => {
    const step = list(WHAT, where, rows, modes);
    expectRows(where, step.length, layers.length);
    step.forEach((row, l) => expectRows(`${where}[${l}]`, row.length, layers[l]!.mode.length));
    return step;
  });
  return {
    ...bare,
    ...(cost !== undefined && { cost: numbers(cost, "cost") }),
    layers,
    ...(table && { steps: table }),
  };
}

/**
 * The modes of the heads of a layer.
 *
 * @param step Denoising step, from 0; profiles without steps have the same modes in all.
 * @throws RangeError if the profile has no such layer or step, or other heads.
 */
export function layerModes(
  profile: SparseVditProfile,
  layer: number,
  heads: number,
  step?: number,
): { readonly modes: readonly number[]; readonly stripes: readonly (readonly number[])[] } {
  const own = profile.layers[layer];
  const refuse = (what: string): never => {
    throw new RangeError(`Cannot plan sparseVdit: the profile is of another model, it has ${what}`);
  };
  if (!own) return refuse(`${profile.layers.length} layers, got layer ${layer}`);
  if (own.mode.length !== heads) {
    return refuse(`${own.mode.length} query heads in layer ${layer}, expected ${heads}`);
  }
  const { steps } = profile;
  if (!steps || step === undefined) return { modes: own.mode, stripes: own.stripeBlocks };
  const modes = steps[step]?.[layer];
  if (modes) return { modes, stripes: own.stripeBlocks };
  throw new RangeError(`Cannot plan sparseVdit: the profile has ${steps.length} steps, got step ${step}`);
}

/** The heads of each mode that occurs, by its number. */
export function headGroups(modes: readonly number[]): Readonly<Record<string, readonly number[]>> {
  const groups: Record<string, number[]> = {};
  modes.forEach((mode, h) => (groups[mode] ??= []).push(h));
  return groups;
}

function expectRows(where: string, got: number, expected: number): void {
  if (got === expected) return;
  throw new RangeError(`Cannot use ${WHAT}: "${where}" has ${got} rows, expected ${expected}`);
}
