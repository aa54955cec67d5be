/**
 * The vocabulary of a GGUF file as a tokenizer.
 *
 * Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md ("Tokenizer").
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import type { GgufMetadata } from "../weights/gguf_metadata.ts";
import type { JsonObject } from "./read_json.ts";
import { makeTokenizer, type Tokenizer } from "./tokenizer.ts";
import { splitPattern } from "./split_patterns.ts";

/** Kinds of tokens in `tokenizer.ggml.token_type`. */
const NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4;

/** A space in the tokens of SentencePiece. */
const SPACE = "▁";

/**
 * Makes the tokenizer of a GGUF file; loads the package `@huggingface/tokenizers`.
 *
 * @param metadata What the file says.
 * @returns The tokenizer; nothing if the file has no vocabulary.
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { openGguf } from "../weights/mod.ts";
 * import { ggufTokenizer } from "./gguf_tokenizer.ts";
 *
 * const { metadata } = await openGguf(await readFile("model.gguf"));
 * const tokenizer = await ggufTokenizer(metadata);
 * ```
 * @throws WeightsError if the vocabulary is incomplete, or of a kind that cannot be used.
 */
export async function ggufTokenizer(metadata: GgufMetadata): Promise<Tokenizer | undefined> {
  const json = ggufTokenizerJson(metadata);
  return json && await makeTokenizer(json, "of the GGUF file");
}

/** The vocabulary as a `tokenizer.json` would have it; nothing if there is none. */
function ggufTokenizerJson(metadata: GgufMetadata): JsonObject | undefined {
  const kind = metadata.text("tokenizer.ggml.model");
  if (kind === undefined || kind === "none" || kind === "no_vocab") return undefined;
  if (kind !== "gpt2" && kind !== "llama") {
    throw new WeightsError(
      `Cannot use the vocabulary of the GGUF file: its kind is ${
        JSON.stringify(kind)
      }, expected "gpt2" or "llama"`,
    );
  }
  const vocabulary = readVocabulary(metadata);
  return {
    ...(kind === "gpt2" ? byteLevel(metadata, vocabulary) : sentencePiece(metadata, vocabulary)),
    added_tokens: addedTokens(vocabulary),
    post_processor: aroundText(metadata, vocabulary, kind),
  };
}

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number>;
}

function readVocabulary(metadata: GgufMetadata): Vocabulary {
  const tokens = metadata.texts("tokenizer.ggml.tokens");
  if (tokens === undefined) throw lacks("tokenizer.ggml.tokens");
  const types = metadata.numbers("tokenizer.ggml.token_type") ?? guessTypes(metadata, tokens.length);
  checkCount("tokenizer.ggml.token_type", types.length, tokens.length);
  return { tokens, types };
}

/** Where a file does not say, the tokens that it names for a purpose are control tokens. */
function guessTypes(metadata: GgufMetadata, count: number): Float64Array {
  const types = new Float64Array(count).fill(NORMAL);
  for (const name of ["bos", "eos", "unknown", "padding"]) {
    const id = metadata.number(`tokenizer.ggml.${name}_token_id`);
    if (id !== undefined && id < count) types[id] = name === "unknown" ? UNKNOWN : CONTROL;
  }
  return types;
}

/** Byte-level BPE: tokens spell bytes as printable characters, merges are listed. */
function byteLevel(metadata: GgufMetadata, { tokens }: Vocabulary): JsonObject {
  const merges = metadata.texts("tokenizer.ggml.merges");
  if (merges === undefined) throw lacks("tokenizer.ggml.merges");
  const name = metadata.text("tokenizer.ggml.pre") ?? "gpt-2";
  const pattern = splitPattern(name);
  if (pattern === undefined) {
    throw new WeightsError(
      `Cannot use the vocabulary of the GGUF file: it wants text split as for ${
        JSON.stringify(name)
      }, which is not known`,
    );
  }
  const { regex, digits = false, wholeWords = false, form } = pattern;
  const split = (Regex: string) => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  });
  return {
    normalizer: form ? { type: form } : null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        ...(digits ? [split("\\p{N}")] : []),
        split(regex),
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    },
    model: { type: "BPE", vocab: idsByText(tokens), merges, ignore_merges: wholeWords },
    decoder: { type: "ByteLevel" },
  };
}

/** SentencePiece's BPE: spaces are "▁", merges follow from the scores, and bytes that no token has are tokens `<0xHH>`. */
function sentencePiece(metadata: GgufMetadata, vocabulary: Vocabulary): JsonObject {
  const { tokens, types } = vocabulary;
  const scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores === undefined) throw lacks("tokenizer.ggml.scores");
  checkCount("tokenizer.ggml.scores", scores.length, tokens.length);
  const prefix = metadata.flag("tokenizer.ggml.add_space_prefix") ?? true;
  const unknown = metadata.number("tokenizer.ggml.unknown_token_id") ?? Array.from(types).indexOf(UNKNOWN);
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE };
  return {
    normalizer: {
      type: "Sequence",
      normalizers: prefix ? [{ type: "Prepend", prepend: SPACE }, spaces] : [spaces],
    },
    pre_tokenizer: null,
    model: {
      type: "BPE",
      vocab: idsByText(tokens),
      merges: mergesByScore(vocabulary, scores),
      byte_fallback: true,
      fuse_unk: true,
      unk_token: tokens[unknown] ?? null,
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
  };
}

/** Every way to put a token together from two others, best score first: SentencePiece merges what gives the best token. */
function mergesByScore({ tokens, types }: Vocabulary, scores: ArrayLike<number>): [string, string][] {
  const normal = new Map<string, number>();
  tokens.forEach((text, id) => types[id] === NORMAL && normal.set(text, id));
  const ranked: { id: number; pair: [string, string] }[] = [];
  for (const [text, id] of normal) {
    let at = 0;
    for (const character of text) {
      at += character.length;
      const pair: [string, string] = [text.slice(0, at), text.slice(at)];
      if (normal.has(pair[0]) && normal.has(pair[1])) ranked.push({ id, pair });
    }
  }
  ranked.sort((a, b) => scores[b.id]! - scores[a.id]! || a.id - b.id);
  return ranked.map(({ pair }) => pair);
}

function addedTokens({ tokens, types }: Vocabulary): JsonObject[] {
  const added: JsonObject[] = [];
  tokens.forEach((content, id) => {
    const special = types[id] === CONTROL || types[id] === UNKNOWN;
    if (special || types[id] === USER_DEFINED) added.push({ id, content, special, normalized: false });
  });
  return added;
}

/** The tokens that begin and end a text. */
function aroundText(metadata: GgufMetadata, { tokens }: Vocabulary, kind: "gpt2" | "llama"): JsonObject {
  const pattern = splitPattern(metadata.text("tokenizer.ggml.pre") ?? "");
  const begins = metadata.flag("tokenizer.ggml.add_bos_token") ??
    (kind === "llama" || pattern?.begins === true);
  const ends = metadata.flag("tokenizer.ggml.add_eos_token") ?? false;
  const item = (wanted: boolean, key: string): JsonObject[] => {
    const text = tokens[metadata.number(key) ?? -1];
    return wanted && text !== undefined ? [{ SpecialToken: { id: text, type_id: 0 } }] : [];
  };
  return {
    type: "TemplateProcessing",
    single: [
      ...item(begins, "tokenizer.ggml.bos_token_id"),
      { Sequence: { id: "A", type_id: 0 } },
      ...item(ends, "tokenizer.ggml.eos_token_id"),
    ],
    pair: [],
    special_tokens: {},
  };
}

function idsByText(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((text, id) => [text, id]));
}

function lacks(key: string): WeightsError {
  return new WeightsError(`Cannot use the vocabulary of the GGUF file: it lacks "${key}"`);
}

function checkCount(key: string, count: number, expected: number): void {
  if (count === expected) return;
  throw new WeightsError(
    `Cannot use the vocabulary of the GGUF file: "${key}" has ${count} values for ${expected} tokens`,
  );
}
