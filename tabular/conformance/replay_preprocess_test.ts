import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { readSafetensors } from "../../sdk/weights/safetensors.ts";
import { assert, assertEquals, assertThrows } from "../../sdk/testing/assert.ts";
import type { Check } from "../../sdk/golden/check.ts";
import { type PreprocessParams, replayPreprocess } from "./replay_preprocess.ts";
import { replayEnsembles, replayRng } from "./replay_rng.ts";

const read = (name: string) => readFile(new URL(`../testdata/${name}`, import.meta.url));

async function replay(name: string, change: (params: PreprocessParams) => PreprocessParams = (p) => p) {
  const file = readSafetensors(new Uint8Array(await read(name)));
  return replayPreprocess(file, change(JSON.parse(file.metadata["params"]!)));
}

const misses = (checks: readonly Check[]) => checks.filter((check) => !check.ok);

describe("replayPreprocess()", () => {
  for (const [name, count] of [["preprocess-numeric", 84], ["preprocess-mixed", 41]] as const) {
    test(`passes every recorded result of ${name}`, async () => {
      const checks = await replay(`${name}.safetensors`);
      assertEquals(misses(checks), []);
      assertEquals(checks.length, count);
    });
  }

  test("takes a threshold of 4 and seed 42 when the parameters have none", async () => {
    const strip = ({ outlier_threshold: _, random_state: __, methods: ___, ...rest }: PreprocessParams) =>
      rest;
    const checks = await replay("preprocess-numeric.safetensors", strip);
    assertEquals(misses(checks), []);
    assertEquals(checks.length, 84);
  });

  test("misses when the settings differ from the recorded ones", async () => {
    const other = await replay(
      "preprocess-numeric.safetensors",
      (params) => ({ ...params, outlier_threshold: 3 }),
    );
    assert(misses(other).some((check) => check.name === "n330.none.outlier_upper"));
    const seed = await replay("preprocess-numeric.safetensors", (params) => ({ ...params, random_state: 7 }));
    assert(misses(seed).some((check) => check.name === "n330.quantile_rtdl.noise"));
  });

  test("refuses a file whose parameters say nothing", () => {
    assertThrows(() => replayPreprocess({ tensors: new Map(), metadata: {} }, {}), RangeError);
  });
});

describe("replayRng() and replayEnsembles()", () => {
  test("pass every recorded result", async () => {
    const rng = replayRng(JSON.parse(new TextDecoder().decode(await read("rng.json"))));
    const ensembles = replayEnsembles(JSON.parse(new TextDecoder().decode(await read("ensembles.json"))));
    assertEquals(misses([...rng, ...ensembles]), []);
    assertEquals([rng.length, ensembles.length], [24, 24]);
  });

  test("miss a changed number", () => {
    const checks = replayRng({ torch_randperm: [{ seed: 0, calls: [[4, [0, 1, 2, 3]]] }] });
    assertEquals(checks.map((check) => check.ok), [false]);
  });
});
