import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { openDevice } from "../sdk/device/mod.ts";
import {
  denseDiffusion,
  earlyDiffusion,
  sparseDiffusion,
  windowDiffusion,
  writeAnswers,
  type WrittenAnswers,
} from "../sdk/compare/diffusion_runs.ts";
import { assert } from "../sdk/testing/assert.ts";
import { readSafetensors } from "../sdk/weights/safetensors.ts";

const url = new URL("../sdk/methods/testdata/vision-dlm.safetensors", import.meta.url);
const file = readSafetensors(new Uint8Array(await readFile(url)));
const params = JSON.parse(file.metadata["params"]!);

describe("examples/diffusion_lm.ts", () => {
  const runs = new Map<string, WrittenAnswers>();
  const run = (name: string): WrittenAnswers => runs.get(name)!;
  before(async () => {
    using device = await openDevice({ prefer: "wasm" });
    const rows = [
      denseDiffusion,
      sparseDiffusion("0.3", 0.3),
      sparseDiffusion("0.1", 0.1),
      earlyDiffusion("early", 0.1),
      windowDiffusion("window", 26),
    ];
    for (const row of rows) runs.set(row.name, await writeAnswers(device, file, params, row, 8));
  });

  test("dense attention copies every token", () => {
    assert(run("dense").accuracy > 0.999);
  });

  test("sparseD 0.3 writes what dense attention writes, on at least 99 % of the tokens", () => {
    const dense = run("dense").answers;
    const { answers, density } = run("0.3");
    const equal = answers.filter((token, i) => token === dense[i]).length;
    assert(equal >= 0.99 * dense.length);
    assert(density > 0.3 && density < 0.45);
  });

  test("sparseD 0.1 beats a plan that is made at step 0 by at least 0.04", () => {
    assert(run("0.1").accuracy >= run("early").accuracy + 0.04);
    assert(run("0.1").density < 0.2);
  });

  test("a window is far below: it keeps more pairs than sparseD 0.1, but no more mass than chance", () => {
    const [window, chosen] = [run("window"), run("0.1")];
    assert(window.accuracy < 0.4);
    assert(window.density > 2 * chosen.density);
    assert(window.recall < window.density && chosen.recall > 1.5 * chosen.density);
  });
});
