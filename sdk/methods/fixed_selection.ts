/**
 * What decode reads where positions alone decide: no keys are kept, and a table serves until it changes.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Choice, Selection } from "./selector.ts";

/** A rule by position. */
export interface FixedRule {
  /**
   * Which table a step reads by; quick.
   *
   * @param length Tokens in the cache, the newest included.
   * @param prompt Tokens of the first append.
   * @returns A number, the same as long as the table is; `undefined` if the step reads everything.
   */
  key(length: number, prompt: number): number | undefined;
  /** Makes the table of a key; `undefined` if its steps read everything. */
  table(device: Device, key: number): Choice | undefined;
}

/** Begins to follow a cache by a rule. */
export function fixedSelection(device: Device, rule: FixedRule): Selection {
  return new FixedSelection(device, rule, 0);
}

/** The same choice for another owner: its tensors are views, so that each may free its own. */
export function lend(device: Device, { list, band, ...rest }: Choice): Choice {
  return {
    ...rest,
    ...(list && { list: device.view(list, list.shape) }),
    ...(band && { band: device.view(band, band.shape) }),
  };
}

class FixedSelection implements Selection {
  readonly #device: Device;
  readonly #rule: FixedRule;
  #prompt: number;
  #made: { readonly key: number; readonly choice: Choice | undefined } | undefined;

  constructor(device: Device, rule: FixedRule, prompt: number) {
    this.#device = device;
    this.#rule = rule;
    this.#prompt = prompt;
  }

  get bytes(): number {
    const { list, band } = this.#made?.choice ?? {};
    return (list?.bytes ?? 0) + (band?.bytes ?? 0);
  }

  append(k: Tensor): void {
    this.#prompt ||= k.shape[1]!;
  }

  truncate(length: number): void {
    if (length === 0) this.#prompt = 0;
  }

  fork(): Selection {
    return new FixedSelection(this.#device, this.#rule, this.#prompt);
  }

  choose(device: Device, _q: Tensor, length: number): Choice | undefined {
    const key = this.#rule.key(length, this.#prompt);
    if (key === undefined) return undefined;
    if (this.#made?.key !== key) {
      this.dispose();
      this.#made = { key, choice: this.#rule.table(this.#device, key) };
    }
    const { choice } = this.#made!;
    return choice && lend(device, choice);
  }

  dispose(): void {
    const { list, band } = this.#made?.choice ?? {};
    list?.dispose();
    band?.dispose();
    this.#made = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
