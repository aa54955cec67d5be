import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { GenerationState } from "./generation_state.ts";

/** A value that tells when it is freed. */
function tracked(freed: string[], name: string): Disposable & { readonly name: string } {
  return { name, [Symbol.dispose]: () => void freed.push(name) };
}

describe("GenerationState", () => {
  test("keeps what each layer was given until the generation ends", () => {
    const freed: string[] = [];
    using state = new GenerationState<ReturnType<typeof tracked>>("test");
    for (const layer of [0, 1]) assertEquals(state.enter(layer, 0, 8), undefined);
    state.set(0, tracked(freed, "a"));
    state.set(1, tracked(freed, "b"));
    assertEquals([state.enter(0, 1, 8)?.name, state.enter(1, 3, 8)?.name], ["a", "b"]);
    assertEquals(freed, []);
  });

  test("forgets a layer at step 0, also when the length changed", () => {
    const freed: string[] = [];
    const state = new GenerationState("test");
    for (const layer of [0, 1]) {
      state.enter(layer, 0, 8);
      state.set(layer, tracked(freed, `layer ${layer}`));
    }
    assertEquals(state.enter(0, 0, 9), undefined);
    assertEquals(freed, ["layer 0"]);
    state[Symbol.dispose]();
    assertEquals(freed, ["layer 0", "layer 1"]);
  });

  test("frees what a new value replaces", () => {
    const freed: string[] = [];
    const state = new GenerationState("test");
    state.enter(0, 0, 8);
    const first = state.set(0, tracked(freed, "first"));
    state.set(0, first);
    state.set(0, tracked(freed, "second"));
    assertEquals(freed, ["first"]);
  });

  test("refuses a changed length in the middle of a generation", () => {
    const state = new GenerationState("someMethod");
    state.enter(2, 0, 8);
    assertThrows(
      () => state.enter(2, 1, 9),
      RangeError,
      "Cannot go on with someMethod: layer 2 has 9 tokens at step 1, expected 8 as at step 0",
    );
  });

  test("refuses a step that goes back, and takes one twice", () => {
    const state = new GenerationState("test");
    state.enter(0, 0, 8);
    state.enter(0, 5, 8);
    state.enter(0, 5, 8);
    assertThrows(() => state.enter(0, 4, 8), RangeError, "layer 0 goes back from step 5 to 4");
  });

  test("refuses a generation that does not begin with step 0", () => {
    const state = new GenerationState("test");
    state.enter(0, 0, 8);
    assertThrows(() => state.enter(1, 1, 8), RangeError, "layer 1 is at step 1 but had no step 0");
  });

  test("refuses steps that are not whole numbers", () => {
    const state = new GenerationState("test");
    assertThrows(() => state.enter(0, 0.5, 8), RangeError, `"step" is 0.5`);
    assertThrows(() => state.enter(-1, 0, 8), RangeError, `"layer" is -1`);
  });
});
