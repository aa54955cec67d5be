import type { Replay } from "./replay.ts";

/** Replays `lserve.safetensors`. */
export const replayLserve: Replay = () => Promise.reject(new Error("Cannot replay lserve: not written yet"));
