/**
 * How many reference frames every layer of a model needs: the file that a search writes.
 *
 * @module
 */
import { frameDensity } from "./efficient_vdit_frames.ts";
import { finite, list, listField, numberField, readFields, whole, wholeField } from "./profile_fields.ts";
import type { VideoLayout } from "./video_layout.ts";

/** Masks of a model, for one size of video and text; plain data for `JSON.stringify`. */
export interface EfficientVditProfile {
  /** Of this format. */
  readonly version: 1;
  /** Frames. */
  readonly F: number;
  /** Tokens per frame. */
  readonly S: number;
  /** Tokens of text before the video. */
  readonly text: number;
  /** Numbers of reference frames that were tried, by decreasing sparsity. */
  readonly candidates: readonly number[];
  /** Loss below which a candidate is taken. */
  readonly r: number;
  /** [layers]: the number of reference frames, -1 for full attention. */
  readonly chosen: readonly number[];
  /** [layers][candidates]. */
  readonly losses: readonly (readonly number[])[];
}

/** What a profile says of a layer. */
export interface EfficientVditLayer {
  /** Reference frames, -1 for full attention. */
  readonly k: number;
  /** Loss of the mask; 0 for full attention. */
  readonly loss: number;
  /** Visible pairs of tokens as a share of all. */
  readonly density: number;
}

const WHAT = "this profile of efficientVdit";

/** The layout that a profile is for. */
export function layoutOf({ F, S, text }: EfficientVditProfile): VideoLayout {
  return { frames: F, tokensPerFrame: S, text };
}

/** What every layer computes, and at what loss. */
export function efficientVditLayers(profile: EfficientVditProfile): EfficientVditLayer[] {
  return profile.chosen.map((k, layer) => ({
    k,
    loss: k < 0 ? 0 : profile.losses[layer]![profile.candidates.indexOf(k)]!,
    density: frameDensity(layoutOf(profile), k),
  }));
}

/**
 * Reads a profile and checks it.
 *
 * @param json The text of a file, or what it holds.
 * @returns A copy.
 * @throws SyntaxError if the text is not JSON, TypeError if it holds something else, RangeError if a number is out of range.
 */
export function parseEfficientVditProfile(json: unknown): EfficientVditProfile {
  const fields = readFields(WHAT, json);
  const candidates = listField(fields, "candidates", (k, at) => whole(WHAT, at, k));
  const losses = listField(
    fields,
    "losses",
    (row, where) => list(WHAT, where, row, (loss, at) => finite(WHAT, at, loss)),
  );
  const chosen = listField(fields, "chosen", (k, at) => whole(WHAT, at, k, -1));
  if (losses.length !== chosen.length || losses.some((row) => row.length !== candidates.length)) {
    throw new RangeError(
      `Cannot use ${WHAT}: "losses" does not have ${chosen.length} layers of ${candidates.length} candidates`,
    );
  }
  const stranger = chosen.find((k) => k >= 0 && !candidates.includes(k));
  if (stranger !== undefined) {
    throw new RangeError(`Cannot use ${WHAT}: "chosen" has ${stranger}, which is not among "candidates"`);
  }
  return {
    version: 1,
    ...{ F: wholeField(fields, "F", 1), S: wholeField(fields, "S", 1) },
    text: fields.values["text"] === undefined ? 0 : wholeField(fields, "text"),
    ...{ candidates, r: numberField(fields, "r"), chosen, losses },
  };
}
