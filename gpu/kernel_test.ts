import { describe, test } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "../sdk/testing/assert.ts";
import { foldGroups, type Kernel, sourceOf, variantOf, writeParams } from "./kernel.ts";

const kernel: Kernel = {
  name: "twice",
  source: "//#if FAST\n// fast\n//#end\nfn main(at: Place, me: Lane) {}",
  bindings: { x: "read", out: "write" },
  params: { n: "u", scale: "f", first: "u" },
};

describe("variantOf()", () => {
  test("variantOf() names the kernel and every constant in order", () => {
    assertEquals(variantOf(kernel, {}), "twice");
    assertEquals(variantOf(kernel, { THREADS: 64, FAST: 1 }), "twice THREADS=64 FAST=1");
  });

  test("variantOf() tells variants apart by name and by value", () => {
    const names = [{}, { A: 1 }, { B: 1 }, { A: 2 }, { A: 1, B: 1 }].map((constants) =>
      variantOf(kernel, constants)
    );
    assertEquals(new Set(names).size, names.length);
  });
});

describe("sourceOf()", () => {
  test("sourceOf() puts constants and parameters before the kernel's text", () => {
    const text = sourceOf(kernel, { THREADS: 64 });
    assertStringIncludes(text, "const THREADS: u32 = 64u;");
    assertStringIncludes(text, "struct Params {\n  n: u32,\n  scale: f32,\n  first: u32,\n}");
    assert(text.indexOf("const THREADS") < text.indexOf("fn main"));
  });

  test("sourceOf() binds the parameters behind the storage bindings", () => {
    assertStringIncludes(sourceOf(kernel, {}), "@group(0) @binding(2) var<uniform> p: Params;");
  });

  test("sourceOf() expands the kernel's directives by the constants", () => {
    assertStringIncludes(sourceOf(kernel, { FAST: 1 }), "// fast");
    assert(!sourceOf(kernel, {}).includes("// fast"));
  });

  test("sourceOf() switches extensions on by the constants, first of all", () => {
    const plain = sourceOf(kernel, { THREADS: 64 });
    assert(!plain.includes("enable") && !plain.includes("subgroup"));
    const both = sourceOf(kernel, { THREADS: 64, F16: 1, SUBGROUPS: 1 });
    assertEquals(both.split("\n").slice(0, 2), ["enable f16;", "enable subgroups;"]);
    assertStringIncludes(both, "@builtin(subgroup_size) width: u32,");
  });
});

describe("foldGroups()", () => {
  test("foldGroups() leaves up to 65,535 groups in one dimension", () => {
    assertEquals(foldGroups(1), [1, 1]);
    assertEquals(foldGroups(65_535), [65_535, 1]);
  });

  test("foldGroups() folds more groups with fewer than one row too many", () => {
    for (const groups of [65_536, 65_537, 131_070, 131_071, 1_000_003, 65_535 ** 2 - 1, 65_535 ** 2]) {
      const [x, y] = foldGroups(groups);
      assert(x <= 65_535 && y <= 65_535, `${groups} groups become ${x} x ${y}`);
      assert(x * y >= groups && x * y - groups < y, `${groups} groups become ${x * y}`);
    }
  });
});

describe("writeParams()", () => {
  test("writeParams() writes words in the kernel's order, whatever the order of the values", () => {
    const view = new DataView(new ArrayBuffer(24));
    writeParams(kernel, { first: 0xffff_ffff, scale: -1.5, n: 7 }, view, 8);
    assertEquals([0, 4, 8].map((at) => view.getUint32(at, true)), [0, 0, 7]);
    assertEquals(view.getFloat32(12, true), -1.5);
    assertEquals([view.getUint32(16, true), view.getUint32(20, true)], [0xffff_ffff, 0]);
  });

  test("writeParams() keeps numbers that are not finite where floats are expected", () => {
    const view = new DataView(new ArrayBuffer(12));
    writeParams(kernel, { n: 0, scale: -Infinity, first: 0 }, view, 0);
    assertEquals(view.getFloat32(4, true), -Infinity);
  });
});
