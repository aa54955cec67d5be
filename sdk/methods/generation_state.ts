/**
 * What a method keeps per layer while one picture, video or text is denoised.
 *
 * @module
 */

/** Where a denoising loop is. */
export interface DenoisingPlace {
  /** Denoising step, from 0. */
  readonly step: number;
  /** Layer of the model, from 0. @default 0 */
  readonly layer?: number;
}

/** What belongs to one layer. */
interface Entry<T> {
  readonly length: number;
  step: number;
  value: T | undefined;
}

/** State of one generation by layer: forgotten at step 0, bound to one length. A second sample or guidance pass needs its own. */
export class GenerationState<T extends Disposable> implements Disposable {
  readonly #name: string;
  readonly #layers = new Map<number, Entry<T>>();

  /** @param name Of the method, for errors. */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Says that a layer is at a step; at step 0 what it had is freed.
   *
   * @param step From 0; it may be the same again (solvers that evaluate twice), or leave some out, but not go back.
   * @param length Tokens of the sequence.
   * @returns What the layer keeps from earlier steps.
   * @throws RangeError if the length changed within the generation, the step goes back, or the first one is not 0.
   */
  enter(layer: number, step: number, length: number): T | undefined {
    for (const [name, value] of Object.entries({ layer, step })) {
      if (Number.isSafeInteger(value) && value >= 0) continue;
      throw new RangeError(
        `Cannot go on with ${this.#name}: "${name}" is ${value}, expected a whole number from 0`,
      );
    }
    const entry = this.#layers.get(layer);
    if (step === 0) {
      entry?.value?.[Symbol.dispose]();
      this.#layers.set(layer, { length, step, value: undefined });
      return undefined;
    }
    if (!entry) {
      throw new RangeError(
        `Cannot go on with ${this.#name}: layer ${layer} is at step ${step} but had no step 0, begin with it`,
      );
    }
    if (entry.length !== length) {
      throw new RangeError(
        `Cannot go on with ${this.#name}: layer ${layer} has ${length} tokens at step ${step}, expected ${entry.length} as at step 0; a new generation begins with step 0`,
      );
    }
    if (step < entry.step) {
      throw new RangeError(
        `Cannot go on with ${this.#name}: layer ${layer} goes back from step ${entry.step} to ${step}; a new generation begins with step 0`,
      );
    }
    entry.step = step;
    return entry.value;
  }

  /** Keeps a value for a layer that has entered; what it replaces is freed. */
  set(layer: number, value: T): T {
    const entry = this.#layers.get(layer);
    if (!entry) throw new RangeError(`Cannot go on with ${this.#name}: layer ${layer} has not begun`);
    if (entry.value !== value) entry.value?.[Symbol.dispose]();
    entry.value = value;
    return value;
  }

  /** What a layer keeps. */
  get(layer: number): T | undefined {
    return this.#layers.get(layer)?.value;
  }

  /** Layers and what they keep, where they keep something. */
  *[Symbol.iterator](): Generator<readonly [layer: number, value: T]> {
    for (const [layer, { value }] of this.#layers) if (value) yield [layer, value];
  }

  /** Frees everything. */
  [Symbol.dispose](): void {
    for (const { value } of this.#layers.values()) value?.[Symbol.dispose]();
    this.#layers.clear();
  }
}
