import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { tokensWhere } from "./_test_choices.ts";
import { DEVICES } from "./_test_heads.ts";
import { type LserveCase, LservePair } from "./_test_lserve_pair.ts";
import { lserve, type LserveOptions } from "./lserve.ts";

const CASES: readonly LserveCase[] = [
  { flags: [1, 0], prompt: 53, group: 1 },
  { flags: [0, 1, 1], prompt: 60, group: 3 },
  { flags: [1, 0], prompt: 77, page: 16, logicalPerPage: 4, tokenBudget: 64, interval: 3 },
  { flags: [1, 1], prompt: 33, page: 4, logicalPerPage: 1, tokenBudget: 16, interval: 7 },
  { flags: [1], prompt: 60, group: 8, page: 6, logicalPerPage: 3, tokenBudget: 20, interval: 1 },
  { flags: [0, 0], prompt: 60 },
  { flags: [1, 0], prompt: 50, decode: { sink: 40, local: 64 } },
  { flags: [1, 0], prompt: 0, decode: { sink: 0, local: 1 } },
];

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`lserve() decoding on ${name}`, () => {
    test("reads what the rules say for any groups, pages, budgets and intervals", async () => {
      for (const one of CASES) {
        const pair = new LservePair(device, one);
        await pair.steps(one.prompt, one.prompt + 45);
        pair.selection.dispose();
      }
    });
  });
}

describe("lserve() decoding", () => {
  const device = DEVICES["reference"]!;

  test("begins at any place of a page, its first and last tokens too", async () => {
    for (const at of [62, 63, 64, 65, 66]) {
      const sizes = { page: 64, logicalPerPage: 4, tokenBudget: 128, decode: { sink: 64, local: 64 } };
      const pair = new LservePair(device, { flags: [1, 0], prompt: 128 + at, ...sizes });
      await pair.steps(128 + at, 132 + at);
      pair.selection.dispose();
    }
  });

  test("keeps every token since a choice that serves again across page boundaries", async () => {
    const pair = new LservePair(device, { flags: [1], prompt: 45, interval: 100 });
    await pair.steps(45, 46);
    pair.append(46, 60);
    const read = await pair.read(60);
    assertEquals(pair.selection.refreshed, false);
    // The choice was made in page 5, which begins with token 40.
    for (const own of read) assertEquals(own.slice(-20), tokensWhere(60, (token) => token >= 40));
    pair.selection.dispose();
  });

  test("reads at least three pages, whatever the budget", async () => {
    const pair = new LservePair(device, { flags: [1], prompt: 61, tokenBudget: 1 });
    for (const own of await pair.read(61)) {
      assertEquals(new Set(own.map((token) => Math.floor(token / 8))).size, 3);
    }
    pair.selection.dispose();
  });

  test("reads everything while tokens fit the budget, the sink and the window", () => {
    const pair = new LservePair(device, { flags: [1, 0], prompt: 16 });
    const q = device.tensor(new Float32Array(16), [4, 4]);
    assertEquals(pair.selection.choose(device, q, 16), undefined);
    pair.append(16, 17);
    assertEquals(Object.keys(pair.selection.choose(device, q, 17)!), ["band"]);
    pair.selection.dispose();
  });

  test("needs no lists without retrieval heads, and no band without streaming heads", () => {
    const q = device.tensor(new Float32Array(16), [4, 4]);
    const [streaming, retrieval] = [[0, 0], [1, 1]].map((flags) => {
      const { selection } = new LservePair(device, { flags, prompt: 60 });
      const names = Object.keys(selection.choose(device, q, 60)!);
      const { bytes } = selection;
      selection.dispose();
      return { names, bytes };
    });
    assertEquals(streaming, { names: ["band"], bytes: 16 });
    assertEquals(new Set(retrieval!.names), new Set(["list", "step"]));
  });

  test("lets a fork and what it was made of go on by themselves", async () => {
    const pair = new LservePair(device, { flags: [1, 0], prompt: 60 });
    await pair.steps(60, 66);
    const fork = pair.fork(66);
    for (let t = 66; t < 96; t++) {
      await pair.steps(t, t + 1);
      await fork.steps(t, t + 1);
    }
    pair.selection.dispose();
    await fork.steps(96, 105);
    fork.selection.dispose();
  });

  test("decodes after a cut as if what was cut had never been", async () => {
    // The last two lie farther back than keys are kept, at the edge of a page and of a logical page.
    for (const [prompt, cut] of [[60, 59], [60, 57], [64, 56], [65, 57], [71, 63], [90, 48], [90, 52]]) {
      const pair = new LservePair(device, { flags: [1, 0], prompt: prompt! });
      await pair.read(prompt!);
      pair.truncate(cut!);
      await pair.steps(cut!, cut! + 30);
      pair.selection.dispose();
    }
  });

  test("frees all that it made", async () => {
    const before = device.report.tensors;
    const pair = new LservePair(device, { flags: [1, 0], prompt: 60 });
    await pair.steps(60, 70);
    const fork = pair.fork(70);
    await fork.steps(70, 75);
    fork.selection.dispose();
    pair.selection.dispose();
    pair.selection.dispose();
    assertEquals(device.report.tensors, before);
  });

  test("refuses sizes out of range, and heads of another model", () => {
    const wrong: readonly Partial<LserveOptions>[] = [
      { page: 0 },
      { page: 10, logicalPerPage: 4 },
      { logicalPerPage: 0 },
      { tokenBudget: 0 },
      { interval: 0.5 },
      { decode: { sink: -1, local: 1 } },
      { decode: { sink: 0, local: 0 } },
    ];
    for (const options of wrong) {
      assertThrows(() => lserve({ headFlags: [[1]], ...options }), RangeError, "Cannot use lserve");
    }
    const shape = { queryHeads: 2, heads: 2, headDim: 4, layer: 0 };
    assertThrows(() => lserve({ headFlags: [[1]] }).start(device, shape), RangeError, "1 key heads");
    const second = { ...shape, layer: 1 };
    assertThrows(() => lserve({ headFlags: [[1, 1]] }).start(device, second), RangeError, "no layer 1");
  });
});
