/**
 * Options of loading a language model.
 *
 * @module
 */
import type { Storage } from "../cache/storage.ts";
import type { Device } from "../device/device.ts";
import type { Planner } from "../methods/planner.ts";
import type { Selector } from "../methods/selector.ts";
import type { FetchAhead } from "./forward_offloaded.ts";

/** Options of `CausalLM.load`. */
export interface CausalLMOptions {
  /** What computes; stays with the caller. */
  readonly device: Device;
  /** How keys and values are kept. @default dense() */
  readonly cache?: Storage;
  /** Plans the attention of prompts. @default dense */
  readonly prefill?: Planner;
  /** Chooses what a new token reads of the cache. @default everything */
  readonly select?: Selector;
  /** Tokens that a sequence can have. @default what the model was made for */
  readonly contextLength?: number;
  /** Tokens of a prompt that are computed at once; more need more memory. @default 512; all with a planner, and where the cache does not keep tokens as they are */
  readonly chunk?: number;
  /** When offloaded tokens are fetched: a layer ahead or a step ahead. @default "step" where a readback takes more than 2 ms, else "layer" */
  readonly fetchAhead?: FetchAhead;
  /** Gives up loading; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Checks the numbers among them.
 *
 * @param options Options of the caller.
 * @throws RangeError if one is out of range.
 */
export function checkLoadOptions({ contextLength, chunk }: CausalLMOptions): void {
  for (const [name, value] of Object.entries({ contextLength, chunk })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    if (name === "chunk" && value === Infinity) continue;
    throw new RangeError(`Cannot load the model: "${name}" is ${value}, expected a whole number from 1`);
  }
}
