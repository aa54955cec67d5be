import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import {
  byteLevelVocabulary,
  GOLDEN,
  sentencePieceVocabulary,
  vocabulary,
} from "./_golden_test_tokenizers.ts";
import { ggufTokenizer } from "./gguf_tokenizer.ts";

describe("tokenizer of a GGUF file", () => {
  test("a byte-level vocabulary gives the ids and texts of the official tokenizer", async () => {
    const tokenizer = (await ggufTokenizer(vocabulary(byteLevelVocabulary())))!;
    for (const { text, plain, control, decoded } of GOLDEN.byteLevel.cases) {
      assertEquals([...tokenizer.encode(text)], plain, text);
      assertEquals([...tokenizer.encode(text, { control: true })], control, text);
      assertEquals(tokenizer.decode(control), decoded);
    }
    assertEquals(tokenizer.specialIds.get("<|im_end|>"), 2);
  });

  test("a SentencePiece vocabulary gives the ids and texts of SentencePiece", async () => {
    const tokenizer = (await ggufTokenizer(vocabulary(sentencePieceVocabulary())))!;
    for (const { text, plain, decoded } of GOLDEN.sentencePiece.cases) {
      assertEquals([...tokenizer.encode(text)], plain, text);
      assertEquals(tokenizer.decode(plain), decoded);
      const stream = tokenizer.stream();
      assertEquals(plain.map((id) => stream.push([id])).join("") + stream.end(), decoded);
    }
    assertEquals([...tokenizer.specialIds.keys()], ["<unk>", "<s>", "</s>"]);
  });

  test("texts begin and end as the file says", async () => {
    const around = async (values: Parameters<typeof vocabulary>[0]) => {
      const tokenizer = (await ggufTokenizer(vocabulary(values)))!;
      const ids = tokenizer.encode("a", { addSpecial: true });
      return [tokenizer.specialIds.size > 0 && ids[0]! < 3, ids.at(-1)! < 3];
    };
    const bytes = byteLevelVocabulary();
    const pieces = sentencePieceVocabulary();
    assertEquals(await around(bytes), [true, false]);
    assertEquals(await around({ ...bytes, pre: "qwen2" }), [false, false]);
    assertEquals(await around({ ...bytes, pre: "qwen2", add_bos_token: true, add_eos_token: true }), [
      true,
      true,
    ]);
    assertEquals(await around(pieces), [true, false]);
    assertEquals(await around({ ...pieces, add_bos_token: false }), [false, false]);
    assertEquals(await around({ ...pieces, bos_token_id: undefined }), [false, false]);
  });

  test("without types the tokens that the file names are control tokens", async () => {
    const tokenizer = (await ggufTokenizer(vocabulary({ ...byteLevelVocabulary(), token_type: undefined })))!;
    assertEquals([...tokenizer.specialIds], [["<|endoftext|>", 0], ["<|im_end|>", 2]]);
  });

  test("without a space before the text none is added or dropped", async () => {
    const tokenizer =
      (await ggufTokenizer(vocabulary({ ...sentencePieceVocabulary(), add_space_prefix: false })))!;
    for (const text of ["a b", " a", "the device"]) {
      assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
    }
    assertEquals(
      tokenizer.encode(" a").length > tokenizer.encode("a").length || tokenizer.encode("a").length === 1,
      true,
    );
  });

  test("a file without a vocabulary has no tokenizer", async () => {
    assertEquals(await ggufTokenizer(vocabulary({})), undefined);
    assertEquals(await ggufTokenizer(vocabulary({ model: "none" })), undefined);
  });

  test("a vocabulary that cannot be used is refused with what is wrong", async () => {
    const bytes = byteLevelVocabulary();
    const pieces = sentencePieceVocabulary();
    const cases: [Parameters<typeof vocabulary>[0], string][] = [
      [{ model: "bert" }, 'its kind is "bert", expected "gpt2" or "llama"'],
      [{ model: "gpt2" }, 'it lacks "tokenizer.ggml.tokens"'],
      [{ ...bytes, merges: undefined }, 'it lacks "tokenizer.ggml.merges"'],
      [{ ...bytes, pre: "unheard-of" }, 'split as for "unheard-of"'],
      [{ ...bytes, token_type: [1, 1] }, '"tokenizer.ggml.token_type" has 2 values for 600 tokens'],
      [{ ...pieces, scores: undefined }, 'it lacks "tokenizer.ggml.scores"'],
      [{ ...pieces, scores: [1] }, '"tokenizer.ggml.scores" has 1 values for 700 tokens'],
      [{ ...pieces, tokens: 5 }, '"tokenizer.ggml.tokens"'],
    ];
    for (const [values, message] of cases) {
      await assertRejects(() => ggufTokenizer(vocabulary(values)), WeightsError, message);
    }
  });
});
