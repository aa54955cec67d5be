/**
 * Sequences that step together.
 *
 * @module
 */
import { concat, gather, scoped, type Tensor } from "../device/mod.ts";
import type { Row } from "./_row.ts";
import type { LanguageModel } from "./language_model.ts";
import { logprobsOf } from "./logprobs.ts";
import { Sampler, type SamplingOptions } from "./sampler.ts";

/** Tokens that were drawn and are being read. */
export interface Drawn {
  /** Whose they are. */
  readonly rows: readonly Row[];
  /** i32 [count, rows]. */
  readonly ids: Promise<Int32Array>;
  /** f32 [count, rows, 1 + 2k] of {@linkcode logprobsOf}, if they are wanted. */
  readonly logprobs: Promise<Float32Array> | undefined;
}

/** How to choose tokens, and what to tell of them. */
interface BatchOptions extends SamplingOptions {
  readonly logprobs?: number | undefined;
}

/** Rows on the device: drawn tokens go from step to step without being read. */
export class Batch {
  readonly #lm: LanguageModel;
  readonly #sampler: Sampler;
  /** How many of the likeliest tokens are told; nothing if no log probabilities are wanted. */
  readonly #likeliest: number | undefined;
  #rows: readonly Row[];
  /** Of the tokens that follow; only before the first draw. */
  #logits: Tensor | undefined;
  /** i32 [rows]: what was drawn last. */
  #ids: Tensor | undefined;

  /** Starts before the prompts. */
  constructor(lm: LanguageModel, rows: readonly Row[], options: BatchOptions) {
    this.#lm = lm;
    this.#likeliest = options.logprobs;
    this.#rows = rows;
    const prompts = rows.map(({ parts }) => parts.prompt);
    this.#sampler = new Sampler(lm.device, lm.config.vocabSize, prompts, options);
  }

  /** Reads the prompts, one that several rows have once. */
  async prefill(signal?: AbortSignal): Promise<void> {
    const logits: Tensor[] = [];
    try {
      for (const [at, row] of this.#rows.entries()) {
        const same = this.#rows.slice(0, at).findIndex((other) => row.startsLike(other));
        if (same >= 0) {
          row.copy(this.#rows[same]!);
          logits.push(logits[same]!);
          continue;
        }
        logits.push(await this.#lm.prefill(row.parts.sequence, row.parts.prompt, signal));
        signal?.throwIfAborted();
        row.prefilled();
      }
      this.#logits = logits.length === 1
        ? logits.pop()
        : scoped(this.#lm.device, (s) => concat(s, logits, 0));
    } finally {
      for (const tensor of logits) tensor.dispose();
    }
  }

  /** Rows that can go on. */
  get size(): number {
    return this.#open().length;
  }

  /** Draws up to `most` tokens for every row that can go on, and begins to read them. */
  async draw(most: number, signal?: AbortSignal): Promise<Drawn> {
    const { device } = this.#lm;
    this.#keepOpen();
    const rows = this.#rows;
    const count = Math.min(most, ...rows.map(({ left }) => left));
    const drawn: Tensor[] = [];
    const figures: Tensor[] = [];
    const k = this.#likeliest;
    try {
      for (let i = 0; i < count; i++) {
        const logits = this.#logits ?? await this.#step(rows, signal);
        this.#logits = undefined;
        try {
          const ids = this.#sampler.next(logits);
          drawn.push(ids);
          if (k !== undefined) figures.push(scoped(device, (s) => logprobsOf(s, logits, ids, k)));
        } finally {
          logits.dispose();
        }
        if (i === 0) this.#ids?.dispose();
        this.#ids = drawn.at(-1)!;
        await device.flush(signal);
      }
      for (const row of rows) row.left -= count;
      return {
        rows,
        ids: readAll(drawn, (all) => all.read("i32")),
        logprobs: k === undefined ? undefined : readAll(figures, (all) => all.read()),
      };
    } finally {
      for (const tensor of figures) tensor.dispose();
      for (const tensor of drawn) if (tensor !== this.#ids) tensor.dispose();
    }
  }

  #step(rows: readonly Row[], signal: AbortSignal | undefined): Tensor | Promise<Tensor> {
    const sequences = rows.map(({ parts }) => parts.sequence);
    const lm = this.#lm;
    return lm.stepAsync ? lm.stepAsync(sequences, this.#ids!, signal) : lm.step(sequences, this.#ids!);
  }

  /** Gives its memory back. */
  dispose(): void {
    this.#sampler.dispose();
    this.#logits?.dispose();
    this.#ids?.dispose();
  }

  #open(): number[] {
    return [...this.#rows.keys()].filter((at) =>
      this.#rows[at]!.finish === undefined && this.#rows[at]!.left > 0
    );
  }

  /** Lets rows go that have ended. */
  #keepOpen(): void {
    const open = this.#open();
    if (open.length === this.#rows.length) return;
    const ids = this.#ids!;
    this.#rows = open.map((at) => this.#rows[at]!);
    this.#sampler.keep(open);
    this.#ids = scoped(
      this.#lm.device,
      (s) => gather(s, ids, s.tensor(Int32Array.from(open), [open.length])),
    );
    ids.dispose();
  }
}

/** Reads tensors one behind the other. */
function readAll<T>(parts: readonly Tensor[], read: (all: Tensor) => Promise<T>): Promise<T> {
  const [first] = parts;
  const all = parts.length === 1 ? first! : scoped(first!.device, (s) => concat(s, parts, 0));
  const values = read(all);
  // Nobody may be left to await it when the generation is given up.
  values.catch(() => {});
  if (parts.length > 1) all.dispose();
  return values;
}
