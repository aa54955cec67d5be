import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../sdk/testing/assert.ts";
import { type Constants, expandTemplate } from "./template.ts";

/** Expands lines given one by one. */
const expand = (lines: readonly string[], constants: Constants = {}): string[] =>
  expandTemplate(lines.join("\n"), constants).split("\n");

describe("expandTemplate()", () => {
  test("expandTemplate() leaves text without directives as it is", () => {
    const text = "// a comment\nfn main() {}\n";
    assertEquals(expandTemplate(text, { A: 1 }), text);
  });

  test("expandTemplate() keeps the lines of an if only when the constant is there and not 0", () => {
    const lines = ["a", "//#if NAME", "b", "//#end", "c"];
    assertEquals(expand(lines, { NAME: 2 }), ["a", "b", "c"]);
    assertEquals(expand(lines, { NAME: 0 }), ["a", "c"]);
    assertEquals(expand(lines), ["a", "c"]);
  });

  test("expandTemplate() takes the else of an if that does not hold", () => {
    const lines = ["//#if NAME", "a", "//#else", "b", "//#end"];
    assertEquals(expand(lines, { NAME: 1 }), ["a"]);
    assertEquals(expand(lines), ["b"]);
  });

  test("expandTemplate() turns an if around when its name has a !", () => {
    const lines = ["//#if !NAME", "a", "//#else", "b", "//#end"];
    assertEquals(expand(lines, { NAME: 1 }), ["b"]);
    assertEquals(expand(lines), ["a"]);
  });

  test("expandTemplate() repeats the lines of a for over numbers", () => {
    assertEquals(expand(["//#for i in 0..3", "s$i = $iu;", "//#end"]), ["s0 = 0u;", "s1 = 1u;", "s2 = 2u;"]);
  });

  test("expandTemplate() takes the bounds of a for from constants", () => {
    assertEquals(expand(["//#for i in LOW..HIGH", "$i", "//#end"], { LOW: 2, HIGH: 4 }), ["2", "3"]);
  });

  test("expandTemplate() drops a for whose bounds meet", () => {
    assertEquals(expand(["a", "//#for i in 0..N", "$i", "//#end"], { N: 0 }), ["a"]);
  });

  test("expandTemplate() repeats the lines of a for over words", () => {
    assertEquals(expand(["//#for c in x y  w", "v.$c", "//#end"]), ["v.x", "v.y", "v.w"]);
  });

  test("expandTemplate() nests loops, the inner one fastest", () => {
    const lines = ["//#for i in 0..2", "//#for c in x y", "a$i.$c", "//#end", "b$i", "//#end"];
    assertEquals(expand(lines), ["a0.x", "a0.y", "b0", "a1.x", "a1.y", "b1"]);
  });

  test("expandTemplate() nests conditions, so that an inner else stays dead in a dead branch", () => {
    const lines = ["//#if A", "//#if B", "ab", "//#else", "a", "//#end", "//#else", "none", "//#end"];
    assertEquals(expand(lines, { A: 1, B: 1 }), ["ab"]);
    assertEquals(expand(lines, { A: 1 }), ["a"]);
    assertEquals(expand(lines, { B: 1 }), ["none"]);
    assertEquals(expand(lines), ["none"]);
  });

  test("expandTemplate() nests conditions in loops and loops in conditions", () => {
    const lines = ["//#for i in 0..2", "//#if A", "a$i", "//#else", "b$i", "//#end", "//#end"];
    assertEquals(expand(lines, { A: 1 }), ["a0", "a1"]);
    assertEquals(expand(["//#if A", ...lines, "//#end"]), [""]);
  });

  test("expandTemplate() asks for no constant of a loop in a dead branch", () => {
    assertEquals(expand(["a", "//#if A", "//#for i in 0..N", "$i", "//#end", "//#end"]), ["a"]);
  });

  test("expandTemplate() sees directives that are indented", () => {
    assertEquals(expand(["  //#if A", "a", "\t//#end  "], { A: 1 }), ["a"]);
  });

  test("expandTemplate() refuses a bound that is not set", () => {
    assertThrows(() => expand(["//#for i in 0..N", "//#end"]), SyntaxError, 'the constant "N" is not set');
  });

  test("expandTemplate() refuses a directive that is not known", () => {
    assertThrows(() => expand(["//#elif A"]), SyntaxError, '"//#elif A" is not known');
  });

  test("expandTemplate() refuses an end and an else without their beginning", () => {
    assertThrows(() => expand(["//#end"]), SyntaxError, '"//#end"');
    assertThrows(() => expand(["//#else"]), SyntaxError, '"//#else"');
    assertThrows(() => expand(["//#for i in 0..2", "//#else", "//#end"]), SyntaxError, '"//#else"');
  });

  test("expandTemplate() refuses a directive that is not closed", () => {
    assertThrows(() => expand(["//#if A", "a"]), SyntaxError, "not closed");
    assertThrows(() => expand(["//#for i in 0..2", "//#if A", "//#end"]), SyntaxError, "not closed");
  });
});
