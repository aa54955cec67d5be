import { describe, test } from "node:test";
import { assertEquals, assertStringIncludes } from "../sdk/testing/assert.ts";
import { nameOf, refusalOf } from "./adapter.ts";

const INFO = { vendor: "", architecture: "", device: "", description: "" };

/** An adapter that only says what it is. */
const adapter = (info: Partial<GPUAdapterInfo>): GPUAdapter => ({ info: { ...INFO, ...info } }) as GPUAdapter;

describe("nameOf()", () => {
  test("nameOf() takes the description when there is one", () => {
    assertEquals(nameOf(adapter({ description: "NVIDIA H100", vendor: "nvidia" })), "NVIDIA H100");
  });

  test("nameOf() makes do with the words that browsers give", () => {
    assertEquals(nameOf(adapter({ vendor: "apple", architecture: "metal-3" })), "apple metal-3");
    assertEquals(nameOf(adapter({})), "unnamed adapter");
  });
});

describe("refusalOf()", () => {
  test("refusalOf() has nothing against a GPU", () => {
    for (const info of [{ description: "NVIDIA H100" }, { vendor: "apple", isFallbackAdapter: false }, {}]) {
      assertEquals(refusalOf(adapter(info), false), undefined);
    }
  });

  test("refusalOf() refuses a null backend, also when software is asked for", () => {
    for (const info of [{ device: "null-backend" }, { description: "Null backend" }]) {
      assertStringIncludes(refusalOf(adapter(info), true)!, "garbage");
    }
  });

  test("refusalOf() refuses programs by any of their names unless they are asked for", () => {
    const names = [
      "llvmpipe (LLVM 15.0.6, 256 bits)",
      "SwiftShader Device (Subzero)",
      "Microsoft Basic Render Driver",
    ];
    for (const description of names) {
      assertStringIncludes(refusalOf(adapter({ description }), false)!, description);
      assertEquals(refusalOf(adapter({ description }), true), undefined);
    }
    assertStringIncludes(
      refusalOf(adapter({ vendor: "google", architecture: "swiftshader" }), false)!,
      "software",
    );
  });

  test("refusalOf() refuses what calls itself a fallback unless it is asked for", () => {
    const fallback = adapter({ vendor: "acme", isFallbackAdapter: true });
    assertStringIncludes(refusalOf(fallback, false)!, "acme");
    assertEquals(refusalOf(fallback, true), undefined);
  });
});
