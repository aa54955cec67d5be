import type { Replay } from "./replay.ts";

/** Replays `moa.safetensors`. */
export const replayMoa: Replay = () => Promise.reject(new Error("Cannot replay moa: not written yet"));
