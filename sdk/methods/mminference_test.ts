import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { attention } from "../attention/attention.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import type { Tensor } from "../device/tensor.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { type Random, random } from "../testing/random.ts";
import { anyHead, anyPattern, type Prompt, visiblePairs } from "./_mminference_test_oracle.ts";
import { type MmHead, mminference, type MmPattern } from "./mminference.ts";

/** Stretches of text and of other modalities. */
function stretches(r: Random, length: number, modalities: readonly number[]): number[] {
  const result: number[] = [];
  while (result.length < length) {
    const name = r.pick(modalities);
    for (let n = r.int(1, 40); n > 0 && result.length < length; n--) result.push(name);
  }
  return result;
}

function anyPrompt(
  r: Random,
  pattern: (r: Random) => MmPattern,
  blockSizes: readonly number[],
): Prompt & { blockSize: number } {
  const [kvHeads, headDim, lk] = [r.int(1, 3), r.int(1, 10), r.pick([1, 2, 40, 97, 150])];
  const lq = r.uniform() < 0.3 ? r.int(1, lk + 1) : lk;
  const modalities = r.pick([[0], [1], [0, 1], [0, 2], [0, 1, 5]]);
  const heads = Array.from({ length: kvHeads * r.pick([1, 2, 3]) }, () => anyHead(r, [0, 1, 2, 5], pattern));
  return {
    heads,
    kvHeads,
    headDim,
    lq,
    modality: stretches(r, lk, modalities),
    lastQ: r.pick([1, 7, 64]),
    blockSize: r.pick(blockSizes),
    q: r.normals(heads.length * lq * headDim, 2),
    k: r.normals(kvHeads * lk * headDim, 2),
  };
}

const DEVICES = {
  reference: createDevice(openReference()),
  wasm: createDevice((await openWasm({ threads: 1 })).backend),
};
const { reference } = DEVICES;

/** Grids of slashes that are far apart, in blocks of two or three. */
const slashes = (r: Random): MmPattern => ({
  type: "grid",
  strides: r.pick([[7], [9, 12], [11, 8]]),
  hline: r.uniform() < 0.3,
  vline: r.uniform() < 0.5,
  slash: true,
  init: r.int(0, 3),
  local: r.int(0, 2),
});
const dense: MmPattern = { type: "dense" };
const window: MmPattern = { type: "a_shape", init: 1, local: 3 };

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`mminference() on ${title}`, () => {
    /** Compares plans with the rules. */
    async function check(
      seeds: number,
      ...kind: [pattern: (r: Random) => MmPattern, blockSizes: readonly number[]]
    ): Promise<void> {
      const before = device.report.tensors;
      for (let seed = 1; seed <= seeds; seed++) {
        const prompt = anyPrompt(random(seed), ...kind);
        using scope = device.scope();
        const q = scope.tensor(prompt.q, [prompt.heads.length, prompt.lq, prompt.headDim]);
        const k = scope.tensor(prompt.k, [prompt.kvHeads, prompt.modality.length, prompt.headDim]);
        const plan = mminference(prompt).plan(scope, q, k);
        await plan.validate();
        assertEquals(await plan.mask(), visiblePairs(prompt), `seed ${seed}`);
      }
      assertEquals(device.report.tensors, before);
    }

    test("shows what the rules say for any layout, pattern and block size", () =>
      check(60, anyPattern, [8, 24, 64]));

    test("shows what the rules say where slashes are sorted", () =>
      check(40, (r) => r.uniform() < 0.2 ? anyPattern(r) : slashes(r), [2, 3]));

    test("with dense patterns gives dense attention whatever the boundaries", async () => {
      using scope = device.scope();
      const r = random(3);
      const [q, k] = [[4, 150, 8], [2, 150, 8]].map((shape) =>
        scope.tensor(r.normals(shape[0]! * 1200), shape)
      );
      const cells = { q0: dense, q1: dense, q0k0: dense, q0k1: dense, q1k0: dense, q1k1: dense, all: dense };
      // The window keeps the plan from being replaced by a dense one.
      const heads: MmHead[] = [
        { inter: "none", ...cells },
        { inter: "q", ...cells },
        { inter: "2d", ...cells },
        { inter: "none", all: window },
      ];
      const plan = mminference({ modality: stretches(r, 150, [0, 1]), heads }).plan(scope, q!, k!);
      const { out } = attention(scope, q!, k!, k!, { plan });
      const expected = await attention(scope, q!, k!, k!, { causal: true }).out.read();
      (await out.read()).subarray(0, 3600).forEach((value, i) =>
        assertAlmostEquals(value, expected[i]!, 1e-5)
      );
    });

    test("gives valid plans for keys that are not numbers", async () => {
      using scope = device.scope();
      for (const value of [NaN, Infinity, -Infinity]) {
        const r = random(5);
        const heads = Array.from({ length: 6 }, () => anyHead(r, [0, 1]));
        const q = scope.tensor(r.normals(6 * 130 * 4), [6, 130, 4]);
        const k = scope.tensor(r.normals(2 * 130 * 4).map((x, i) => i % 31 === 0 ? value : x), [2, 130, 4]);
        await mminference({ modality: stretches(r, 130, [0, 1]), heads }).plan(scope, q, k).validate();
      }
    });
  });
}

describe("mminference()", () => {
  const zeros = (...shape: number[]) =>
    reference.tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);

  test("chooses the lower rank, the lower distance and the first stride among equals", async () => {
    const ends = { init: 0, local: 0 };
    const heads: MmHead[] = [
      { inter: "none", all: { type: "vertical_slash", nv: 2, ns: 0, ...ends } },
      { inter: "none", all: { type: "vertical_slash", nv: 0, ns: 1, ...ends } },
      {
        inter: "none",
        all: { type: "grid", strides: [2, 2], hline: false, vline: false, slash: true, ...ends },
      },
    ];
    const noted = new Map<string, Promise<Int32Array>>();
    using plan = mminference({ heads, lastQ: 1 }).plan(reference, zeros(3, 4, 2), zeros(1, 4, 2), {
      inspect: (name, tensor) => {
        noted.set(name, tensor.read("i32"));
      },
    });
    assertEquals([...(await plan.mask()).subarray(12, 16)], [1, 1, 0, 0]);
    assertEquals([...(await plan.mask()).subarray(28, 32)], [0, 0, 0, 1]);
    assertEquals([...(await noted.get("gridChoice")!)], [-1, -1, -1, -1, 2, 0]);
    assertEquals([...(await noted.get("vsColumns")!)], [0, 1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1]);
    assertEquals([...(await noted.get("vsDistances")!)], [-1, -1, -1, -1, 0, -1, -1, -1, -1, -1, -1, -1]);
  });

  test("plans nothing for no tokens and one token for one", async () => {
    assertEquals((await mminference().plan(reference, zeros(2, 0, 4), zeros(1, 0, 4)).mask()).length, 0);
    assertEquals(
      await mminference().plan(reference, zeros(2, 1, 4), zeros(1, 1, 4)).mask(),
      Uint8Array.of(1, 1),
    );
  });

  test("touches fewer tiles than tokens in order would", async () => {
    const r = random(8);
    const [length, block] = [512, 16];
    const modality = Array.from({ length }, (_, i) => i % 256 < 32 ? 0 : 1);
    const [q, k] = [8, 4].map((heads) =>
      reference.tensor(r.normals(heads * length * 4), [heads, length, 4])
    ) as [Tensor, Tensor];
    const grid = (hline: boolean, vline: boolean, slash: boolean): MmPattern => (
      { type: "grid", strides: [24, 36], hline, vline, slash, init: 2, local: 4 }
    );
    const lines: MmPattern = { type: "vertical_slash", nv: 40, ns: 4, init: 2, local: 4 };
    const heads: MmHead[] = [
      { inter: "none", all: grid(false, true, false) },
      { inter: "none", all: grid(true, false, false) },
      { inter: "none", all: grid(true, true, false) },
      { inter: "none", all: grid(true, true, true) },
      { inter: "none", all: grid(false, false, true) },
      { inter: "none", all: lines },
      { inter: "q", q0: window, q1: grid(true, true, true) },
      { inter: "2d", q0k0: lines, q0k1: window, q1k0: window, q1k1: grid(false, true, true) },
    ];
    using plan = mminference({ modality, heads, blockSize: block }).plan(reference, q, k);
    const [mask, lists] = [await plan.mask(), await plan.matrix!.read("i32")];
    const [blocks, { tilesAt, tileCap }] = [length / block, plan.layout];
    heads.forEach((_, h) => {
      const inOrder = new Set<number>();
      for (let i = 0; i < length * length; i++) {
        const tile = Math.floor(i / length / block) * blocks + Math.floor(i % length / block);
        if (mask[h * length * length + i]) inOrder.add(tile);
      }
      const start = h * lists.length / heads.length + tilesAt;
      const listed = lists.subarray(start, start + blocks * tileCap).filter((tile) => tile >= 0);
      assertEquals(
        listed.length < 0.8 * inOrder.size,
        true,
        `head ${h}: ${listed.length} of ${inOrder.size}`,
      );
    });
  });

  test("makes room for as many tiles as a pattern can touch", async () => {
    const ends = { init: 5, local: 6 };
    const grid = { type: "grid", hline: false, ...ends } as const;
    const patterns: MmPattern[] = [
      { type: "a_shape", ...ends },
      { type: "vertical_slash", nv: 9, ns: 9, ...ends },
      { ...grid, strides: [30], vline: true, slash: true },
      { ...grid, strides: [12, 9], vline: true, slash: false },
      { ...grid, strides: [30], vline: false, slash: true },
    ];
    for (const all of patterns) {
      for (let seed = 0; seed < 8; seed++) {
        const r = random(seed);
        const [lk, blockSize] = [180 + seed, 4];
        const [q, k] = [r.normals(lk * 4, 2), r.normals(lk * 4, 2)];
        const prompt = {
          heads: [{ inter: "none", all } as const],
          kvHeads: 1,
          headDim: 4,
          lq: lk,
          lastQ: 64,
          q,
          k,
        };
        const modality = new Array<number>(lk).fill(0);
        using scope = reference.scope();
        const [queries, keys] = [scope.tensor(q, [1, lk, 4]), scope.tensor(k, [1, lk, 4])];
        const plan = mminference({ ...prompt, modality, blockSize }).plan(scope, queries, keys);
        assertEquals(plan.layout.tileCap < lk / blockSize, true, `${plan.layout.tileCap} tiles`);
        assertEquals(await plan.mask(), visiblePairs({ ...prompt, modality }), JSON.stringify(all));
      }
    }
  });

  test("gives a dense plan where every pattern is dense", () => {
    const heads: MmHead[] = [{ inter: "none", all: dense }];
    assertEquals(mminference({ heads }).plan(reference, zeros(2, 9, 4), zeros(1, 9, 4)).kind, "dense");
  });

  test("takes a modality that no query can see without a pattern, and refuses one that it needs", () => {
    const [q, k] = [zeros(1, 4, 2), zeros(1, 4, 2)];
    const heads: MmHead[] = [{ inter: "2d", q0k0: window, q1k0: window, q1k1: window }];
    mminference({ modality: [0, 0, 1, 1], heads }).plan(reference, q, k).dispose();
    assertThrows(
      () => mminference({ modality: [0, 1, 0, 0], heads }).plan(reference, q, k),
      RangeError,
      'head 0 has no pattern "q0k1"',
    );
  });

  test("refuses options that are out of range when it is made", () => {
    const refused = (options: object, message: string, kind: ErrorConstructor = RangeError): void => {
      assertThrows(() => mminference(options), kind, message);
    };
    refused({ lastQ: 0 }, '"lastQ" is 0');
    refused({ blockSize: 1.5 }, '"blockSize" is 1.5');
    refused({ modality: [0, -1] }, "token 1 has modality -1");
    refused({ heads: [{ inter: "k" }] }, 'expected "none", "q" or "2d"');
    refused({ heads: [{ inter: "none", all: { type: "a_shape", init: -1, local: 1 } }] }, "it is -1");
    refused(
      { heads: [{ inter: "none", all: { type: "a_shape", init: 1 } }] },
      "expected a number",
      TypeError,
    );
    refused({ heads: [{ inter: "none", all: { type: "grid", strides: [] } }] }, '"strides" is empty');
  });

  test("refuses modalities and heads that do not fit the prompt", () => {
    const [q, k] = [zeros(3, 4, 2), zeros(1, 4, 2)];
    const head: MmHead = { inter: "none", all: window };
    assertThrows(() => mminference({ modality: [0] }).plan(reference, q, k), RangeError, "1 entries for 4");
    assertThrows(
      () => mminference({ heads: [head, head] }).plan(reference, q, k),
      RangeError,
      "2 entries for 3 query heads",
    );
  });
});
