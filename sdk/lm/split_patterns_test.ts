import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { splitPattern } from "./split_patterns.ts";

function words(name: string, text: string): string[] {
  const { regex, digits } = splitPattern(name)!;
  // The contractions of any case are spelled out, as not every runtime knows (?i:).
  const plain = regex.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'[sStTmMdD]|'[rR][eE]|'[vV][eE]|'[lL][lL]");
  const split = (part: string): string[] => part.match(new RegExp(plain, "gu")) ?? [];
  return digits ? text.split(/(\p{N})/u).filter((part) => part !== "").flatMap(split) : split(text);
}

const parts = (joined: string): string[] => joined.split("|");

describe("split patterns", () => {
  const text = "It's 1234 HelloWorld,  I'LL\n\n go";

  test("words are those that the models were trained with", () => {
    assertEquals(words("gpt-2", text), parts("It|'s| 1234| HelloWorld|,| | I|'|LL|\n\n| go"));
    assertEquals(words("llama-bpe", text), parts("It|'s| |123|4| HelloWorld|,| | I|'LL|\n\n| go"));
    assertEquals(words("qwen2", text), parts("It|'s| |1|2|3|4| HelloWorld|,| | I|'LL|\n\n| go"));
    assertEquals(words("smollm", "a 12"), ["a", " ", "1", "2"]);
    assertEquals(words("tekken", text), parts("It|'s| |1|2|3|4| Hello|World|,| | I|'LL|\n\n| go"));
  });

  test("every pattern leaves out nothing", () => {
    const all = "a\u00e9 B\r\n\t\u3000日本 \u0301x 12\u00b2½ 😀!? \u200d'";
    for (const name of ["gpt-2", "llama-bpe", "qwen2", "smollm", "tekken"]) {
      assertEquals(words(name, all).join(""), all, name);
    }
  });

  test("a name that is not known has none", () => {
    assertEquals(splitPattern("constructor"), undefined);
  });
});
