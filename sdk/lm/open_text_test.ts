import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { memoryFiles } from "../weights/source.ts";
import { GOLDEN, sentencePieceVocabulary, vocabulary } from "./_golden_test_tokenizers.ts";
import { openText } from "./open_text.ts";

const encoder = new TextEncoder();
const tokenizerJson = encoder.encode(JSON.stringify(GOLDEN.byteLevel.tokenizer));

describe("text side of a model", () => {
  test("a directory has what its files have", async () => {
    const template = encoder.encode("{{ messages[0].content }}");
    const both = await openText({
      files: memoryFiles(new Map([["tokenizer.json", tokenizerJson], ["chat_template.jinja", template]])),
    });
    assertEquals(both.tokenizer!.vocabSize, 600);
    assertEquals(both.template!.render([{ role: "user", content: "hi" }]), "hi");
    const one = await openText({ files: memoryFiles(new Map([["tokenizer.json", tokenizerJson]])) });
    assertEquals([one.tokenizer!.vocabSize, one.template], [600, undefined]);
    const alone = await openText({ files: memoryFiles(new Map([["chat_template.jinja", template]])) });
    assertEquals(alone, { tokenizer: undefined, template: undefined });
  });

  test("a GGUF file has what its metadata says", async () => {
    const { tokenizer, template } = await openText({ metadata: vocabulary(sentencePieceVocabulary()) });
    assertEquals([tokenizer!.vocabSize, template], [700, undefined]);
  });

  test("a model without either takes ids, a broken file is refused", async () => {
    assertEquals(await openText({}), { tokenizer: undefined, template: undefined });
    const broken = memoryFiles(new Map([["tokenizer.json", tokenizerJson.subarray(0, 500)]]));
    await assertRejects(() => openText({ files: broken }), SyntaxError, '"tokenizer.json"');
  });
});
