import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { openWasm } from "../../../wasm/mod.ts";
import { dense, paged } from "../../cache/mod.ts";
import { createDevice } from "../../device/core_device.ts";
import { openReference } from "../../device/reference/mod.ts";
import { assertEquals } from "../../testing/assert.ts";
import { readSafetensors } from "../../weights/safetensors.ts";
import { isLmGolden, replayLm } from "./replay.ts";

const DEVICES = {
  reference: createDevice(openReference()),
  wasm: createDevice((await openWasm({ threads: 1 })).backend),
};

/** Caches that keep what they are given, or as good as. */
const CACHES = { "f32": dense(), "f16": dense({ type: "f16" }), "pages": paged({ page: 16 }) };

async function read(name: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(new URL(`../testdata/${name}`, import.meta.url)));
}

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`golden files of language models on ${title}`, () => {
    for (const name of ["llama-tiny", "qwen3-tiny"]) {
      for (const [kind, cache] of Object.entries(CACHES)) {
        test(`${name} over ${kind}: gives the logits, the residual stream and the tokens of the file`, async () => {
          const before = device.report.tensors;
          const bytes = await read(`${name}.safetensors`);
          const golden = { bytes, file: readSafetensors(bytes), config: await read(`${name}.config.json`) };
          assertEquals(isLmGolden(golden.file), true);
          const checks = await replayLm(device, golden, { cache });
          assertEquals(checks.filter((check) => !check.ok), []);
          assertEquals(checks.length, 6);
          assertEquals(device.report.tensors, before);
        });
      }
    }
  });
}
