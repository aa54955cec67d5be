/**
 * The order of every head and the masks of every step: the file that a calibration writes.
 *
 * @module
 */
import { type GridDims, gridLength } from "./paro_attention_orders.ts";
import { list, listField, numberField, readFields, whole, wholeField } from "./profile_fields.ts";

/** What a file says before its masks; plain data for `JSON.stringify`. */
export interface ParoHeader {
  /** Of this format. */
  readonly version: 1;
  /** Frames, height and width in tokens. */
  readonly dims: GridDims;
  /** Tokens of text before the picture. */
  readonly textLen: number;
  /** Tokens per block. */
  readonly blockSize: number;
  /** Share of tiles that a mask takes beside those that are always kept. */
  readonly density: number;
  /** [layers][query heads]: 0 FHW, 1 FWH, 2 HWF, 3 HFW, 4 WHF, 5 WFH. */
  readonly order: readonly (readonly number[])[];
  /** [steps]: which mask each denoising step has. */
  readonly maskOfStep: readonly number[];
}

/** Orders and masks of a model, for one size of picture and text. */
export interface ParoProfile extends ParoHeader {
  /**
   * [masks][layers][query heads]: a bit for every tile, row by row, low bit first; the bits of a head begin with a byte. Rows and columns are in the
   * order of the head.
   */
  readonly masks: Uint8Array;
}

/** Up to so many blocks attention is dense. */
export const FEW_BLOCKS = 4;

const WHAT = "this profile of paroAttention";
const NEWLINE = 10;

/** Blocks of the sequence that a profile is for. */
export function paroBlocks({ dims, textLen, blockSize }: ParoHeader): number {
  return Math.ceil(gridLength(dims, textLen) / blockSize);
}

/** Bytes of the mask of one head. */
function paroMaskBytes(header: ParoHeader): number {
  return Math.ceil(paroBlocks(header) ** 2 / 8);
}

/**
 * The tiles of every head of a layer.
 *
 * @param step Denoising step, from 0.
 * @returns Of every head [n * n]: 1 for the tiles that are computed.
 * @throws RangeError if the profile has no such layer or step, or other heads.
 */
export function paroMasks(profile: ParoProfile, layer: number, step: number, heads: number): Uint8Array[] {
  const { order, maskOfStep, masks } = profile;
  const own = order[layer];
  if (!own || own.length !== heads) {
    throw new RangeError(
      `Cannot plan paroAttention: the profile is of another model, it has ${
        own
          ? `${own.length} query heads in layer ${layer}, expected ${heads}`
          : `${order.length} layers, got layer ${layer}`
      }`,
    );
  }
  const mask = maskOfStep[step];
  if (mask === undefined) {
    throw new RangeError(
      `Cannot plan paroAttention: the profile has ${maskOfStep.length} steps, got step ${step}`,
    );
  }
  const before = order.slice(0, layer).reduce((sum, row) => sum + row.length, 0);
  const all = order.reduce((sum, row) => sum + row.length, 0);
  const [tiles, bytes] = [paroBlocks(profile) ** 2, paroMaskBytes(profile)];
  return own.map((_, h) => {
    const at = (mask * all + before + h) * bytes;
    return Uint8Array.from({ length: tiles }, (_, i) => masks[at + (i >> 3)]! >> (i & 7) & 1);
  });
}

/** Packs the tiles of one head. */
export function packMask(tiles: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(tiles.length / 8));
  for (let i = 0; i < tiles.length; i++) if (tiles[i]) bytes[i >> 3]! |= 1 << (i & 7);
  return bytes;
}

/** The file of a profile: the header as a line of JSON, then the bits of the masks. */
export function writeParoProfile({ masks, ...header }: ParoProfile): Uint8Array<ArrayBuffer> {
  const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  const file = new Uint8Array(line.length + masks.length);
  file.set(line);
  file.set(masks, line.length);
  return file;
}

/**
 * Reads a profile and checks it.
 *
 * @param file The bytes of a file, or what they hold. The masks are not copied.
 * @throws SyntaxError if the header is not JSON, TypeError if it holds something else, RangeError if a number or the size is wrong.
 */
export function parseParoProfile(file: Uint8Array | ParoProfile): ParoProfile {
  if (!(file instanceof Uint8Array)) return checked(file, file.masks);
  const end = file.indexOf(NEWLINE);
  if (end < 0) throw new SyntaxError(`Cannot use ${WHAT}: it has no header, expected a line of JSON`);
  return checked(new TextDecoder().decode(file.subarray(0, end)), file.subarray(end + 1));
}

function checked(json: unknown, masks: unknown): ParoProfile {
  const fields = readFields(WHAT, json);
  const dims = listField(fields, "dims", (size, at) => whole(WHAT, at, size, 1));
  const [frames, height, width] = dims;
  if (dims.length !== 3 || frames === undefined || height === undefined || width === undefined) {
    throw new RangeError(`Cannot use ${WHAT}: "dims" is [${dims}], expected frames, height and width`);
  }
  const header: ParoHeader = {
    version: 1,
    dims: [frames, height, width],
    ...{ textLen: wholeField(fields, "textLen"), blockSize: wholeField(fields, "blockSize", 1) },
    density: numberField(fields, "density"),
    order: listField(
      fields,
      "order",
      (row, where) => list(WHAT, where, row, (order, at) => whole(WHAT, at, order, 0, 5)),
    ),
    maskOfStep: listField(fields, "maskOfStep", (mask, at) => whole(WHAT, at, mask)),
  };
  if (header.maskOfStep.length === 0) {
    throw new RangeError(`Cannot use ${WHAT}: "maskOfStep" is empty, expected a mask for every step`);
  }
  const heads = header.order.reduce((sum, row) => sum + row.length, 0);
  const size = (Math.max(...header.maskOfStep) + 1) * heads * paroMaskBytes(header);
  if (!(masks instanceof Uint8Array)) throw new TypeError(`Cannot use ${WHAT}: its masks are not bytes`);
  if (masks.length !== size) {
    throw new RangeError(`Cannot use ${WHAT}: it has ${masks.length} bytes of masks, expected ${size}`);
  }
  return { ...header, masks };
}
