import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { StopStrings } from "./stop_strings.ts";

/** The text up to the string that is complete first, found letter by letter. */
function cut(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => stop.length);
    if (ending.length > 0) return text.slice(0, end - Math.max(...ending));
  }
  return text;
}

describe("stop strings", () => {
  test("text ends before the string that is complete first, wherever parts begin", () => {
    const source = random(3);
    const word = (length: number): string => Array.from({ length }, () => source.pick(["a", "b"])).join("");
    let found = 0;
    for (let round = 0; round < 500; round++) {
      const stops = Array.from({ length: source.int(0, 4) }, () => word(source.int(1, 6)));
      const text = word(source.int(0, 30));
      const watch = new StopStrings(stops);
      let out = "";
      for (let at = 0; at < text.length;) {
        const length = source.int(0, 5);
        out += watch.push(text.slice(at, at + length));
        at += length;
      }
      out += watch.end();
      assertEquals(out, cut(text, stops), `${text} at ${stops}`);
      assertEquals(watch.found, stops.some((stop) => text.includes(stop)));
      found += Number(watch.found);
    }
    assertEquals(found > 50 && found < 450, true);
  });

  test("text is held back only while it may begin a string", () => {
    const watch = new StopStrings(["END", "NO"]);
    assertEquals(watch.push("the E"), "the ");
    assertEquals(watch.push("N"), "");
    assertEquals(watch.push("E"), "EN");
    assertEquals(watch.end(), "E");
    assertEquals(watch.end(), "");
  });

  test("nothing is given out after a string", () => {
    const watch = new StopStrings(["."]);
    assertEquals([watch.push("a. b"), watch.push("c"), watch.end()], ["a", "", ""]);
  });

  test("an empty string is refused", () => {
    assertThrows(() => new StopStrings(["a", ""]), RangeError, "empty string");
  });
});
