import { readFileSync } from "node:fs";
import { GgufMetadata, type GgufValue } from "../weights/mod.ts";
import type { JsonObject } from "./read_json.ts";

/** What the official tokenizers made of a text: control tokens read as plain text, or as tokens. */
interface TokenizerCase {
  readonly text: string;
  readonly plain: readonly number[];
  readonly control: readonly number[];
  readonly decoded: string;
}

interface Golden {
  /** Byte-level BPE, with the words of Llama 3. */
  readonly byteLevel: { readonly tokenizer: JsonObject; readonly cases: readonly TokenizerCase[] };
  /** BPE of SentencePiece, with bytes for unknown characters. */
  readonly sentencePiece: {
    readonly tokens: readonly string[];
    readonly scores: readonly number[];
    readonly types: readonly number[];
    readonly cases: readonly Omit<TokenizerCase, "control">[];
  };
}

/** Small vocabularies and what tokenizers 0.23.3 and sentencepiece 0.2.3 make of some texts with them. */
export const GOLDEN: Golden = JSON.parse(
  readFileSync(new URL("./testdata/tokenizers.json", import.meta.url), "utf8"),
);

type Value = string | boolean | number | readonly string[] | readonly number[];

function valueOf(value: Value): GgufValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") return { type: "u32", value };
  return { type: "array", value: { of: typeof value[0] === "string" ? "string" : "f32", items: value } };
}

/** The metadata of a GGUF file, without `tokenizer.ggml.` in the keys; undefined values are left out. */
export function vocabulary(values: Readonly<Record<string, Value | undefined>>): GgufMetadata {
  const entries = Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return new GgufMetadata(new Map(entries.map(([key, value]) => [`tokenizer.ggml.${key}`, valueOf(value)])));
}

/** The byte-level vocabulary as a GGUF file has it. */
export function byteLevelVocabulary(): Record<string, Value> {
  const { vocab, merges } = GOLDEN.byteLevel.tokenizer["model"] as {
    vocab: Record<string, number>;
    merges: [string, string][];
  };
  const tokens = Object.entries(vocab).sort((a, b) => a[1] - b[1]).map(([text]) => text);
  return {
    "model": "gpt2",
    "pre": "llama-bpe",
    "tokens": tokens,
    "merges": merges.map((pair) => pair.join(" ")),
    "token_type": tokens.map((_, id) => id < 3 ? 3 : 1),
    "bos_token_id": 0,
    "eos_token_id": 2,
  };
}

/** The vocabulary of SentencePiece as a GGUF file has it. */
export function sentencePieceVocabulary(): Record<string, Value> {
  const { tokens, scores, types } = GOLDEN.sentencePiece;
  return { model: "llama", tokens, scores, token_type: types, bos_token_id: 1, eos_token_id: 2 };
}
