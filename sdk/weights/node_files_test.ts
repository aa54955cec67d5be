import { chmod, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { folderFiles, openFile } from "./node_files.ts";
import { writeSafetensors } from "./safetensors.ts";
import { openSafetensorsModel } from "./sharded.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(`${tmpdir()}/filigree-`);
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("openFile()", () => {
  test("reads bytes from any place, several reads at once", async () => {
    await inFolder(async (folder) => {
      await writeFile(`${folder}/a`, Uint8Array.from({ length: 100 }, (_, i) => i));
      const file = (await openFile(`${folder}/a`))!;
      assertEquals(file.size, 100);
      const [first, last] = await Promise.all([file.read(0, 3), file.read(97, 3)]);
      assertEquals([first, last], [Uint8Array.of(0, 1, 2), Uint8Array.of(97, 98, 99)]);
      assertEquals(await file.read(50, 0), new Uint8Array(0));
      await file.close!();
    });
  });

  test("gives nothing where there is no file, and refuses a folder", async () => {
    await inFolder(async (folder) => {
      assertEquals(await openFile(`${folder}/a`), undefined);
      await mkdir(`${folder}/b`);
      await assertRejects(() => openFile(`${folder}/b`), WeightsError, "Cannot read");
    });
  });

  test("refuses a file that may not be read", { skip: process.getuid?.() === 0 }, async () => {
    await inFolder(async (folder) => {
      await writeFile(`${folder}/a`, "x");
      await chmod(`${folder}/a`, 0);
      await assertRejects(() => openFile(`${folder}/a`), WeightsError, "permission is denied");
    });
  });
});

describe("folderFiles()", () => {
  test("lets a model be read from disk, and notices when a file is cut meanwhile", async () => {
    await inFolder(async (folder) => {
      const data = Float32Array.of(1, 2, 3, 4);
      const bytes = writeSafetensors(new Map([["w", { dtype: "F32", shape: [2, 2], data }]]));
      await writeFile(`${folder}/model.safetensors`, bytes);
      const model = await openSafetensorsModel(folderFiles(folder));
      assertEquals(await model.floats("w"), data);
      await truncate(`${folder}/model.safetensors`, bytes.length - 4);
      await assertRejects(() => model.floats("w"), WeightsError, "became shorter");
      assertEquals(await model.floats("w", [0, 1]), data.slice(0, 2));
      await model.close();
    });
  });
});
