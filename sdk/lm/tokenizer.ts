/**
 * Text to token ids and back.
 *
 * @module
 */
import type { WeightFiles } from "../weights/source.ts";
import { type JsonObject, readJson } from "./read_json.ts";
import { type TextStream, textStream } from "./text_stream.ts";

/** Options of {@linkcode Tokenizer.encode}. */
export interface EncodeOptions {
  /** Add what the tokenizer puts around a text, mostly a token that begins it. @default false */
  readonly addSpecial?: boolean;
  /** Read the texts of control tokens (`<|im_end|>`) as these tokens, not as plain text; except those that `guard` marked. @default false */
  readonly control?: boolean;
}

/** Turns text into ids and back. */
export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** Ids of control tokens by their text. */
  readonly specialIds: ReadonlyMap<string, number>;
  /**
   * The ids of a text. Control tokens inside are plain text unless `control` is given; lone surrogates count as U+FFFD.
   *
   * @throws RangeError for a word of more than {@linkcode LONGEST_WORD} characters, or one that the vocabulary cannot spell.
   */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /**
   * The text of some ids, control tokens left out.
   *
   * @throws RangeError for an id that the vocabulary does not have.
   */
  decode(ids: ArrayLike<number>): string;
  /** Marks the texts of control tokens inside a text, so that they stay plain text when it becomes part of one with `control`. */
  guard(text: string): string;
  /** A decoder of tokens as they come; ids that the vocabulary does not have (models may have more) give no text. */
  stream(): TextStream;
}

/** Characters that a word can have: what a tokenizer takes apart at once, mostly up to a space. More would take seconds. */
export const LONGEST_WORD = 2 ** 16;

/** A character that no text has (Unicode keeps it for programs): breaks up what must not be read as a control token. */
const MARK = "\uFDD0";

/**
 * Opens the tokenizer of a model directory, `tokenizer.json`; loads the package `@huggingface/tokenizers`.
 *
 * @param files The directory.
 * @returns The tokenizer; nothing if there is no such file.
 * @example
 * ```ts
 * import { folderFiles } from "../weights/mod.ts";
 * import { openTokenizer } from "./tokenizer.ts";
 *
 * const tokenizer = await openTokenizer(folderFiles("models/llama"));
 * const ids = tokenizer?.encode("Hello", { addSpecial: true });
 * ```
 * @throws SyntaxError if the file is broken.
 */
export async function openTokenizer(files: WeightFiles): Promise<Tokenizer | undefined> {
  const json = await readJson(files, "tokenizer.json");
  return json && await makeTokenizer(json, '"tokenizer.json"');
}

/**
 * Makes a tokenizer of what a `tokenizer.json` has.
 *
 * @param json The file, or the same made of something else.
 * @param what What it is, for errors.
 * @returns The tokenizer.
 * @throws SyntaxError if it is no tokenizer that can be used.
 */
export async function makeTokenizer(json: JsonObject, what: string): Promise<Tokenizer> {
  const { Tokenizer: Loaded } = await import("@huggingface/tokenizers");
  try {
    // For vocabularies of whole words the package looks for the unknown token here, not in the model.
    const config = { unk_token: (json["model"] as { unk_token?: unknown } | null | undefined)?.unk_token };
    return new LibraryTokenizer(new Loaded(prepared(json), config) as unknown as Library);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`Cannot read the tokenizer ${what}: ${reason}`, { cause });
  }
}

interface Added {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** What is used of the package's class. */
interface Library {
  readonly model: {
    readonly vocab: readonly (string | undefined)[];
    encode(words: string[]): string[];
  } | null;
  encode(
    text: string,
    options: { add_special_tokens: boolean },
  ): { ids: (number | undefined)[]; tokens: string[] };
  decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string;
  get_added_tokens_decoder(): ReadonlyMap<number, Added>;
}

/** Makes MARK vanish before a text is taken apart but after control tokens are found, and control tokens be found in the text as it is. */
function prepared(json: JsonObject): JsonObject {
  const { normalizer = null, added_tokens: added = [] } = json;
  const unmark = { type: "Replace", pattern: { String: MARK }, content: "" };
  return {
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...json,
    normalizer: { type: "Sequence", normalizers: normalizer === null ? [unmark] : [unmark, normalizer] },
    added_tokens: (added as Added[]).map((token) => token.special ? { ...token, normalized: false } : token),
  };
}

class LibraryTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly specialIds: ReadonlyMap<string, number>;
  readonly #library: Library;
  readonly #texts: readonly (string | undefined)[];
  readonly #hidden: ReadonlySet<number>;
  readonly #control: RegExp | undefined;

  constructor(library: Library) {
    const { model } = library;
    if (model === null) throw new TypeError("it has no model");
    this.#library = library;
    this.#texts = model.vocab;
    this.vocabSize = model.vocab.length;
    const added = library.get_added_tokens_decoder();
    const special = [...added.values()].filter((token) => token.special);
    this.specialIds = new Map(special.map(({ content, id }) => [content, id]));
    this.#hidden = new Set(this.specialIds.values());
    // One character cannot be broken up.
    const longer = [...this.specialIds.keys()].filter((text) => [...text].length > 1);
    this.#control = longer.length === 0 ? undefined : anyOf(longer);
    const encode = model.encode.bind(model);
    const split = wordSplit(model.vocab.filter((_, id) => !added.has(id)));
    model.encode = (words) => encode(words.flatMap(split));
  }

  encode(text: string, { addSpecial = false, control = false }: EncodeOptions = {}): Int32Array {
    const clean = control ? text.toWellFormed() : this.guard(text);
    const { ids, tokens } = this.#library.encode(clean, { add_special_tokens: addSpecial });
    return Int32Array.from(ids, (id, at) => {
      if (id !== undefined) return id;
      throw new RangeError(
        `Cannot encode the text: the vocabulary has neither ${
          JSON.stringify(tokens[at])
        } nor an unknown token`,
      );
    });
  }

  decode(ids: ArrayLike<number>): string {
    return this.#decode(Array.from(ids, (id, at) => {
      if (this.#texts[id] !== undefined) return id;
      throw new RangeError(
        `Cannot decode id ${id} at ${at}: the vocabulary has ids from 0 to ${this.vocabSize - 1}`,
      );
    }));
  }

  guard(text: string): string {
    const clean = text.toWellFormed().replaceAll(MARK, "\uFFFD");
    return this.#control ? clean.replace(this.#control, (found) => brokenUp(found)) : clean;
  }

  stream(): TextStream {
    return textStream((ids) => this.#decode(ids.filter((id) => this.#texts[id] !== undefined)));
  }

  #decode(ids: readonly number[]): string {
    const shown = ids.filter((id) => !this.#hidden.has(id));
    return shown.length === 0 ? "" : this.#library.decode(shown, { clean_up_tokenization_spaces: false });
  }
}

function brokenUp(text: string): string {
  const [first = "", ...rest] = text;
  return first + MARK + rest.join("");
}

function anyOf(texts: readonly string[]): RegExp {
  const longestFirst = texts.toSorted((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
}

/**
 * What takes words apart further, and refuses those that are too long. Where spaces were made to "▁" the whole text may be one word; no token
 * of most vocabularies has "▁" after anything else, so that words can be taken apart before it.
 */
function wordSplit(vocab: readonly (string | undefined)[]): (word: string) => string[] {
  const inside = /[^▁]▁/;
  const whole = vocab.some((text) => text !== undefined && inside.test(text));
  return (word) => {
    const parts = whole ? [word] : word.split(/(?<=[^▁])(?=▁)/);
    for (const { length } of parts) {
      if (length > LONGEST_WORD) {
        throw new RangeError(
          `Cannot encode a word of ${length} characters: expected at most ${LONGEST_WORD} that the tokenizer takes as one`,
        );
      }
    }
    return parts;
  };
}
