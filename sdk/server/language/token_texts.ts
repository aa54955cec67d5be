import type { IndexedPiece } from "../../lm/generate.ts";
import type { TextStream } from "../../lm/text_stream.ts";
import type { Tokenizer } from "../../lm/tokenizer.ts";

/** A token of an answer, with its text. */
export interface TokenText {
  /** What it adds to the text: nothing while it is a part of a character; the name of a control token. */
  readonly text: string;
  /** Natural logarithm of its probability. */
  readonly logprob: number;
  /** The likeliest tokens in its place. */
  readonly top: readonly { readonly text: string; readonly logprob: number }[];
  /** Characters of the answer before it. */
  readonly offset: number;
}

/** JSON has no infinity; OpenAI writes this for what cannot be. */
const NEVER = -9999;

/** Puts texts to the tokens of one answer, and leaves out those of which nothing was given out: the tokens of a stop string. */
export class TokenTexts {
  readonly #tokenizer: Tokenizer | undefined;
  readonly #stream: TextStream | undefined;
  readonly #names: ReadonlyMap<number, string>;
  /** Tokens whose text is held back. */
  #pending: TokenText[] = [];
  /** Characters of all tokens, and of what was given out. */
  #length = 0;
  #given = 0;
  #last: number | undefined;

  /** Starts before the first token. */
  constructor(tokenizer: Tokenizer | undefined) {
    this.#tokenizer = tokenizer;
    this.#stream = tokenizer?.stream();
    this.#names = specialNames(tokenizer);
  }

  /** Takes a piece; gives the tokens whose text begins in what was given out. */
  push({ ids, logprobs, text, finishReason }: IndexedPiece): TokenText[] {
    this.#given += text.length;
    logprobs?.forEach(({ logprob, top }, at) => {
      const id = ids[at]!;
      const added = this.#stream?.push([id]) ?? "";
      const own = this.#stream ? added || (this.#names.get(id) ?? "") : this.#alone(id);
      this.#pending.push({
        text: own,
        logprob: finite(logprob),
        top: top.map((other) => ({
          text: other.id === id ? own : this.#alone(other.id),
          logprob: finite(other.logprob),
        })),
        offset: this.#length,
      });
      this.#length += added.length;
      this.#last = id;
    });
    if (finishReason !== undefined) this.#length += this.#stream?.end().length ?? 0;
    const whole = finishReason !== undefined && this.#length <= this.#given;
    const ready = this.#pending.filter(({ offset }) => whole || offset < this.#given);
    this.#pending = this.#pending.slice(ready.length);
    return ready;
  }

  /** The text of a token that would stand behind the last one. */
  #alone(id: number): string {
    const tokenizer = this.#tokenizer;
    if (!tokenizer || id >= tokenizer.vocabSize) return `token_id:${id}`;
    const name = this.#names.get(id);
    if (name !== undefined) return name;
    if (this.#last === undefined) return textOf(tokenizer, [id]);
    return textOf(tokenizer, [this.#last, id]).slice(textOf(tokenizer, [this.#last]).length);
  }
}

/**
 * Finds the names of control tokens.
 *
 * @param tokenizer The tokenizer, if there is one.
 * @returns The names by id.
 */
export function specialNames(tokenizer: Tokenizer | undefined): Map<number, string> {
  return new Map([...tokenizer?.specialIds ?? []].map(([name, id]) => [id, name]));
}

function textOf(tokenizer: Tokenizer, ids: readonly number[]): string {
  const stream = tokenizer.stream();
  return stream.push(ids) + stream.end();
}

function finite(logprob: number): number {
  return Math.max(NEVER, logprob);
}
