/**
 * One answer in the making.
 *
 * @module
 */
import type { LanguageModel, Sequence } from "./language_model.ts";
import { StopStrings } from "./stop_strings.ts";
import type { TextStream } from "./text_stream.ts";

/** What came of some tokens. */
interface Taken {
  text: string;
  ids: number[];
}

/** What a row is made of. */
export interface RowParts {
  /** Its number among the prompts. */
  readonly index: number;
  /** Its tokens; `borrowed` if it belongs to the caller. */
  readonly sequence: Sequence;
  readonly borrowed: boolean;
  readonly prompt: Int32Array;
  /** Tokens that the answer may have. */
  readonly budget: number;
  readonly eosIds: readonly number[];
  readonly stops: readonly string[];
  readonly stream: TextStream | undefined;
}

/** What the host knows of one sequence: how far it is, and why it ended. */
export class Row {
  /** What it is made of. */
  parts: RowParts;
  /** Why it ended, if it did. */
  finish: "stop" | "length" | undefined;
  /** Tokens that may still be drawn. */
  left: number;
  /** Tokens given out. */
  kept = 0;
  readonly #stops: StopStrings;
  /** Tokens of the sequence that stay in any case. */
  #base: number;
  #last = -1;
  #closed = false;

  /** Starts before the prompt. */
  constructor(parts: RowParts) {
    this.parts = parts;
    this.left = parts.budget;
    this.#stops = new StopStrings(parts.stops);
    this.#base = parts.sequence.length;
  }

  /** Notes that the sequence has the prompt. */
  prefilled(): void {
    this.#base = this.parts.sequence.length;
  }

  /** Whether it has the prompt of another row, and both begin with it. */
  startsLike({ parts }: Row): boolean {
    const { borrowed, prompt } = this.parts;
    return !borrowed && !parts.borrowed && prompt.length === parts.prompt.length &&
      prompt.every((id, at) => id === parts.prompt[at]);
  }

  /** Takes a copy of what such a row has read. */
  copy({ parts }: Row): void {
    const { sequence } = this.parts;
    this.parts = { ...this.parts, sequence: parts.sequence.fork() };
    sequence.dispose();
    this.prefilled();
  }

  /** Takes drawn tokens up to the end of the answer. */
  take(drawn: Iterable<number>): Taken {
    const { eosIds, stream, budget } = this.parts;
    const taken: Taken = { text: "", ids: [] };
    for (const id of drawn) {
      if (eosIds.includes(id)) {
        this.finish = "stop";
        break;
      }
      taken.ids.push(id);
      this.kept++;
      this.#last = id;
      if (stream) taken.text += this.#stops.push(stream.push([id]));
      if (this.#stops.found) this.finish = "stop";
      else if (this.kept === budget) this.finish = "length";
      if (this.finish !== undefined) break;
    }
    if (this.finish !== undefined && stream) taken.text += this.#stops.push(stream.end()) + this.#stops.end();
    return taken;
  }

  /** Makes a sequence of the caller hold the whole answer: the token that was drawn last may be missing there. */
  async settle(lm: LanguageModel): Promise<void> {
    const { sequence, borrowed } = this.parts;
    if (!borrowed || this.kept === 0 || sequence.length >= this.#base + this.kept) return;
    const id = lm.device.tensor(Int32Array.of(this.#last), [1]);
    try {
      const logits = await (lm.stepAsync?.([sequence], id) ?? lm.step([sequence], id));
      logits.dispose();
    } finally {
      id.dispose();
    }
  }

  /** Lets the sequence go; one of the caller keeps the prompt and what was given out. Twice is allowed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { sequence, borrowed } = this.parts;
    if (borrowed) sequence.truncate(Math.min(sequence.length, this.#base + this.kept));
    else sequence.dispose();
  }
}
