import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { textStream } from "./text_stream.ts";

/** Tokens of one byte, decoded as UTF-8. */
const bytes = (ids: readonly number[]): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(ids));

describe("a stream of text", () => {
  test("a character of several tokens comes with its last one", () => {
    const stream = textStream(bytes);
    const parts = [...new TextEncoder().encode("aé€😀b")].map((byte) => stream.push([byte]));
    assertEquals(parts, ["a", "", "é", "", "", "€", "", "", "", "😀", "b"]);
    assertEquals(stream.end(), "");
  });

  test("what came in parts is the text of all tokens, valid or not", () => {
    const source = random(4);
    for (let round = 0; round < 300; round++) {
      const text = Array.from(
        { length: 12 },
        () => source.pick(["a", " ", "é", "€", "😀", "\uFFFD", "\uFEFF"]),
      );
      const all = [...new TextEncoder().encode(text.join(""))];
      for (let i = 0; i < round % 4; i++) all.splice(source.int(0, all.length), 1, source.int(128, 256));
      const stream = textStream(bytes);
      let out = "";
      for (let at = 0; at < all.length;) {
        const count = source.int(0, 5);
        out += stream.push(all.slice(at, at + count));
        at += count;
      }
      assertEquals(out + stream.end(), bytes(all));
    }
  });

  test("a decoder that drops the space at the beginning drops it once", () => {
    const words = ["", " a", " b", "c"];
    const stream = textStream((ids) => ids.map((id) => words[id]!).join("").replace(/^ /, ""));
    assertEquals([stream.push([1]), stream.push([2]), stream.push([3]), stream.push([1])], [
      "a",
      " b",
      "c",
      " a",
    ]);
  });

  test("tokens that never become a character are given out in the end, and cost bounded work", () => {
    let decoded = 0;
    const stream = textStream((ids) => {
      decoded += ids.length;
      return bytes(ids);
    });
    let out = "";
    for (let i = 0; i < 2000; i++) out += stream.push([0xff]);
    assertEquals((out + stream.end()).length, 2000);
    assertEquals(decoded < 2000 * 80, true);
    assertEquals(stream.end(), "");
  });
});
