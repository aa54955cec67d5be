import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { assert, assertEquals } from "../sdk/testing/assert.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";

const SCRIPT = fileURLToPath(new URL("script.ts", import.meta.url));

describe("examples/script.ts", () => {
  test("the script recognises flowers, and its file, as a module, answers elsewhere", async () => {
    const folder = await mkdtemp(`${tmpdir()}/filigree-script-`);
    try {
      const start = "Bun" in globalThis
        ? []
        : ["run", "--no-prompt", "--allow-read", `--allow-write=${folder}`];
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...start,
        SCRIPT,
        `${folder}/context.js`,
      ]);
      const right = Number(/^(\d+) of 30 flowers/.exec(stdout)?.[1]);
      assert(right >= 28, stdout);
      const { context } = await import(pathToFileURL(`${folder}/context.js`).href);
      const classifier = await OrionMSPClassifier.restore(context);
      const row = { "sepal length": 5.1, "sepal width": 3.5, "petal length": 1.4, "petal width": 0.2 };
      assertEquals(await classifier.predict([row]), ["setosa"]);
      classifier.dispose();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
