import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { openWasm } from "../../../wasm/mod.ts";
import { createDevice } from "../../device/core_device.ts";
import { openReference } from "../../device/reference/mod.ts";
import { assertEquals } from "../../testing/assert.ts";
import { readSafetensors } from "../../weights/safetensors.ts";
import { isLmGolden, replayLm } from "./replay.ts";

const DEVICES = {
  reference: () => createDevice(openReference()),
  wasm: async () => createDevice((await openWasm({ threads: 1 })).backend),
};

async function read(name: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(new URL(`../testdata/${name}`, import.meta.url)));
}

for (const [title, open] of Object.entries(DEVICES)) {
  const device = await open();
  describe(`golden files of language models on ${title}`, () => {
    for (const name of ["llama-tiny", "qwen3-tiny"]) {
      test(`${name}: gives the logits, the residual stream and the tokens of the file`, async () => {
        const before = device.report.tensors;
        const bytes = await read(`${name}.safetensors`);
        const file = readSafetensors(bytes);
        assertEquals(isLmGolden(file), true);
        const checks = await replayLm(device, { bytes, file, config: await read(`${name}.config.json`) });
        assertEquals(checks.filter((check) => !check.ok), []);
        assertEquals(checks.length, 6);
        assertEquals(device.report.tensors, before);
      });
    }
  });
}
