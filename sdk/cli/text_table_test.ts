import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { printable, textTable } from "./text_table.ts";

describe("textTable()", () => {
  test("textTable() pads columns to the widest cell", () => {
    assertEquals(
      textTable(["name", "n"], [["a", "1"], ["longer", "1000"]]),
      "name       n\n──────  ────\na          1\nlonger  1000",
    );
  });

  test("textTable() counts characters, not code units", () => {
    assertEquals(textTable(["x", "y"], [["🦀", "1"]]), "x  y\n─  ─\n🦀  1");
  });
});

describe("printable()", () => {
  test("printable() replaces control characters", () => {
    assertEquals(printable("a\x1b[2Jb\nc\u202e"), "a·[2Jb·c·");
  });

  test("printable() cuts long text", () => {
    assertEquals(printable("x".repeat(1e6), 5), "xxxx…");
    assertEquals(printable("🦀".repeat(9), 3), "🦀🦀…");
  });
});
