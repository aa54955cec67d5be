/**
 * Replays golden files of MMInference.
 *
 * @module
 */
import type { Replay } from "./replay.ts";

/** Plans, choices, masks, outputs and the search of a golden file of MMInference. */
export const replayMminference: Replay = () => Promise.reject(new Error("Cannot replay MMInference yet"));
