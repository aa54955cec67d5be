import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { openWasm } from "../../../wasm/mod.ts";
import { createDevice } from "../../device/core_device.ts";
import { openReference } from "../../device/reference/mod.ts";
import { assertEquals } from "../../testing/assert.ts";
import { readSafetensors } from "../../weights/safetensors.ts";
import { REPLAYS } from "./mod.ts";

const DEVICES = {
  reference: () => createDevice(openReference()),
  wasm: async () => createDevice((await openWasm({ threads: 1 })).backend),
};

for (const [title, open] of Object.entries(DEVICES)) {
  const device = await open();
  describe(`golden files of the methods on ${title}`, () => {
    for (const [slug, replay] of Object.entries(REPLAYS)) {
      test(`${slug}: gives the selections, scores and outputs of the file`, async () => {
        const before = device.report.tensors;
        const url = new URL(`../testdata/${slug}.safetensors`, import.meta.url);
        const file = readSafetensors(new Uint8Array(await readFile(url)));
        const { checks } = await replay(device, file, JSON.parse(file.metadata["params"]!));
        assertEquals(checks.filter((check) => !check.ok), []);
        assertEquals(checks.length > 0, true);
        assertEquals(device.report.tensors, before);
      });
    }
  });
}
