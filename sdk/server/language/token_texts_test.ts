import { describe, test } from "node:test";
import type { IndexedPiece } from "../../lm/generate.ts";
import { textStream } from "../../lm/text_stream.ts";
import type { Tokenizer } from "../../lm/tokenizer.ts";
import { assertEquals } from "../../testing/assert.ts";
import { TokenTexts } from "./token_texts.ts";

/** Tokens are bytes, and id 256 is a control token. */
const bytes: Tokenizer = {
  vocabSize: 257,
  specialIds: new Map([["<end>", 256]]),
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(Array.from(ids).filter((id) => id < 256))),
  guard: (text) => text,
  stream: () => textStream((ids) => bytes.decode(ids)),
};

const piece = (ids: number[], text: string, finishReason?: "stop" | "length"): IndexedPiece => ({
  index: 0,
  ids,
  text,
  ...(finishReason && { finishReason }),
  logprobs: ids.map((id, at) => ({
    logprob: -at,
    top: [{ id, logprob: -at }, { id: 256, logprob: -Infinity }],
  })),
});

describe("TokenTexts", () => {
  test("it gives every token its text and place", () => {
    const texts = new TokenTexts(bytes);
    assertEquals(texts.push(piece([0x61, 0x62], "ab")), [
      {
        text: "a",
        logprob: 0,
        top: [{ text: "a", logprob: 0 }, { text: "<end>", logprob: -9999 }],
        offset: 0,
      },
      {
        text: "b",
        logprob: -1,
        top: [{ text: "b", logprob: -1 }, { text: "<end>", logprob: -9999 }],
        offset: 1,
      },
    ]);
  });

  test("the last part of a character has it, the others have nothing, and they come together", () => {
    const texts = new TokenTexts(bytes);
    const [first, second] = new TextEncoder().encode("é");
    assertEquals(texts.push(piece([first!], "")), []);
    const tokens = texts.push(piece([second!, 0x61], "éa", "length"));
    assertEquals(tokens.map(({ text, offset }) => [text, offset]), [["", 0], ["é", 0], ["a", 1]]);
  });

  test("tokens of held back text wait for it, and those of a stop string never come", () => {
    const texts = new TokenTexts(bytes);
    const names = (tokens: readonly { readonly text: string }[]): string =>
      tokens.map(({ text }) => text).join("");
    assertEquals(names(texts.push(piece([...bytes.encode("abE")], "ab"))), "ab");
    assertEquals(names(texts.push(piece([...bytes.encode("cE")], "Ec"))), "Ec");
    assertEquals(names(texts.push(piece([...bytes.encode("ND")], "", "stop"))), "");
  });

  test("an end without a stop string gives what waits, also tokens without text", () => {
    const texts = new TokenTexts(bytes);
    assertEquals(texts.push(piece([0x45], "")), []);
    const tokens = texts.push(piece([0x4E, 256], "EN", "length"));
    assertEquals(tokens.map(({ text }) => text), ["E", "N", "<end>"]);
  });

  test("without a tokenizer tokens have their numbers", () => {
    const tokens = new TokenTexts(undefined).push(piece([7], "", "length"));
    assertEquals(tokens.map(({ text, top }) => [text, top[1]!.text]), [["token_id:7", "token_id:256"]]);
  });
});
