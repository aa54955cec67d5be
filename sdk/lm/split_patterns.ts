/**
 * How byte-level tokenizers split text into words; GGUF files name this after the models.
 *
 * @module
 */

/** How text is split before byte-level BPE. */
export interface SplitPattern {
  /** Matches one word after the other. */
  readonly regex: string;
  /** Every digit is a word of its own first. @default false */
  readonly digits?: boolean;
  /** A word that is a token is taken as it is, without merging. @default false */
  readonly wholeWords?: boolean;
  /** Unicode form that text gets first. @default none */
  readonly form?: "NFC";
  /** Texts begin with the token for it, unless the file says otherwise. @default false */
  readonly begins?: boolean;
}

const END = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

/** Contractions, then letters, digits and signs with the space before them (Radford et al. 2019). */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Letters with any one sign before them, and at most so many digits together. */
function letters(digits: string): string {
  return `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*${END}`;
}

const ANY_CASE = "\\p{Lm}\\p{Lo}\\p{M}";
const UPPER = `[\\p{Lu}\\p{Lt}${ANY_CASE}]`;
const LOWER = `[\\p{Ll}${ANY_CASE}]`;
const SIGN = "[^\\r\\n\\p{L}\\p{N}]?";

/** As {@linkcode letters}, but a new word begins with a capital. */
const TEKKEN =
  `${SIGN}${UPPER}*${LOWER}+|${SIGN}${UPPER}+${LOWER}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*${END}`;

const gpt2: SplitPattern = { regex: GPT2 };
const llama3: SplitPattern = { regex: letters("\\p{N}{1,3}"), wholeWords: true, begins: true };
const qwen2: SplitPattern = { regex: letters("\\p{N}"), form: "NFC" };
const smollm: SplitPattern = { regex: GPT2, digits: true };

const PATTERNS: ReadonlyMap<string, SplitPattern> = new Map([
  ["gpt-2", gpt2],
  ["default", gpt2],
  ["llama3", llama3],
  ["llama-v3", llama3],
  ["llama-bpe", llama3],
  ["qwen2", qwen2],
  ["deepseek-r1-qwen", qwen2],
  ["smollm", smollm],
  ["starcoder", smollm],
  ["tekken", { regex: TEKKEN, wholeWords: true, begins: true }],
]);

/**
 * Finds how to split text.
 *
 * @param name The value of `tokenizer.ggml.pre`.
 * @returns The pattern; nothing for a name that is not known.
 */
export function splitPattern(name: string): SplitPattern | undefined {
  return PATTERNS.get(name);
}
