import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { openDevice } from "../../sdk/device/mod.ts";
import { assert, assertEquals } from "../../sdk/testing/assert.ts";
import { readSafetensors } from "../../sdk/weights/safetensors.ts";
import { replayOrion } from "./replay.ts";

const folder = new URL("../testdata/", import.meta.url);
const golden = readdirSync(folder).filter((name) =>
  /^(tiny|filigree|e2e|trained)-?.*\.safetensors$/.test(name) && !name.includes("weights")
);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));

for (const prefer of ["reference", "wasm"] as const) {
  describe(`golden files on ${prefer}`, () => {
    for (const name of golden) {
      // The trained files take seconds in plain TypeScript; the WASM device replays them.
      if (prefer === "reference" && name.startsWith("trained")) continue;
      test(`${name} is met on ${prefer} and leaves no memory behind`, async () => {
        const device = await openDevice({ prefer });
        try {
          assertEquals(device.kind, prefer);
          const file = readSafetensors(read(name));
          const checks = await replayOrion(
            device,
            file,
            JSON.parse(file.metadata["params"]!),
            (weights) => Promise.resolve(read(weights)),
          );
          assert(checks.length > 3, `only ${checks.length} checks`);
          assertEquals(checks.filter((check) => !check.ok), []);
          assertEquals(device.report.bytes, 0);
        } finally {
          device.dispose();
        }
      });
    }
  });
}

test("a wrong number in a golden file is a miss", async () => {
  const device = await openDevice({ prefer: "reference" });
  try {
    const file = readSafetensors(read("tiny-one-feature.safetensors"));
    const out = file.tensors.get("out")!;
    const data = Float32Array.from(out.data as Float32Array);
    data[0]! += 1e-3;
    file.tensors.set("out", { dtype: "F32", shape: out.shape, data });
    const checks = await replayOrion(
      device,
      file,
      JSON.parse(file.metadata["params"]!),
      () => Promise.reject(new Error("no weights")),
    );
    assertEquals(checks.filter((check) => !check.ok).map((check) => check.name), ["out"]);
  } finally {
    device.dispose();
  }
});
