/**
 * The planner of MMInference.
 *
 * @module
 */
import type { Scope } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { cellGroups, type Coordinates, coordinatesOf } from "./mminference_cells.ts";
import { noteChoices } from "./mminference_notes.ts";
import { type MmHead, type MmInter, parseHead } from "./mminference_patterns.ts";
import { findLines } from "./mminference_table.ts";
import { listTiles } from "./mminference_tiles.ts";
import { type Draft, type Note, type Planner, planner, type Sizes } from "./planner.ts";

/** Options of `mminference`. */
export interface MMInferenceOptions {
  /** Modality of every key, whole numbers from 0; 0 is text by custom. @default [], all tokens have modality 0 */
  readonly modality: Int32Array | readonly number[];
  /** What each query head does; a single entry is for all of them. @default vertical lines and slashes over all tokens */
  readonly heads: readonly MmHead[];
  /** The last queries of a class, of whose attention lines are estimated. @default 64 */
  readonly lastQ: number;
  /** Queries per row block and keys per tile; it changes no result. @default 64 */
  readonly blockSize: number;
}

/** The official sizes of MInference for a text-only head; those of a model come from a search. */
export const DEFAULTS: MMInferenceOptions = {
  modality: [],
  heads: [{ inter: "none", all: { type: "vertical_slash", nv: 1000, ns: 6096, init: 30, local: 100 } }],
  lastQ: 64,
  blockSize: 64,
};

/**
 * Makes the planner.
 *
 * @throws TypeError, RangeError if an option has the wrong kind or is out of range.
 */
export function mminferencePlanner(options: MMInferenceOptions): Planner {
  checkWhole<"lastQ" | "blockSize">("mminference", options, { lastQ: 1, blockSize: 1 });
  const heads = options.heads.map((head, h) => parseHead(head, `head ${h} of mminference`));
  const modality = Int32Array.from(options.modality);
  modality.forEach((name, i) => {
    if (name >= 0 && name === options.modality[i]) return;
    throw new RangeError(
      `Cannot use mminference: token ${i} has modality ${
        options.modality[i]
      }, expected a whole number of at least 0`,
    );
  });
  const checked = { ...options, heads, modality };
  return {
    name: "mminference",
    plan(device, q, k, state) {
      // What nobody inspects is not made.
      const watched = state?.inspect !== undefined;
      const inner = planner(
        "mminference",
        (d, q, k, sizes, note) => draft(d, q, k, sizes, checked, watched ? note : undefined),
      );
      return inner.plan(device, q, k, state);
    },
  };
}

function draft(
  d: Scope,
  q: Tensor,
  k: Tensor,
  { heads: count, lq, lk }: Sizes,
  options: MMInferenceOptions,
  note: Note | undefined,
): Draft | "dense" {
  const { blockSize } = options;
  const modality = options.modality.length > 0 ? options.modality : new Int32Array(lk);
  if (modality.length !== lk || lq > lk) {
    throw new RangeError(
      `Cannot plan mminference: "modality" has ${modality.length} entries for ${lq} queries and ${lk} keys, expected one per key and no more queries than keys`,
    );
  }
  const heads = options.heads.length === 1 ? new Array<MmHead>(count).fill(options.heads[0]!) : options.heads;
  if (heads.length !== count) {
    throw new RangeError(
      `Cannot plan mminference: "heads" has ${heads.length} entries for ${count} query heads, expected one for each or a single one`,
    );
  }
  const coordinates: Partial<Record<MmInter, Coordinates>> = {};
  for (const { inter } of heads) coordinates[inter] ??= coordinatesOf(inter, modality, lq);
  const groups = cellGroups(heads, modality, coordinates);
  if (groups.every(({ cells }) => cells.every(({ pattern }) => pattern.type === "dense"))) return "dense";
  const found = findLines(d, q, k, groups, options);
  if (note) noteChoices(d, count, groups, found, note);
  const parts = listTiles(d, heads, groups, coordinates, found, blockSize);
  return { blockQ: blockSize, tileK: blockSize, parts };
}
