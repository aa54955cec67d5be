import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { compare, floats, integers } from "../golden/check.ts";
import { assertEquals } from "../testing/assert.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { captureAttention } from "./capture.ts";
import { diffusionLogits } from "./diffusion_lm.ts";

const file = readSafetensors(
  new Uint8Array(await readFile(new URL("../methods/testdata/vision-dlm.safetensors", import.meta.url))),
);
const params = JSON.parse(file.metadata["params"]!);
const masked = Array.from(integers(file, "sequences").slice(0, params.prompt_len))
  .concat(new Array(params.gen_len).fill(params.mask_id));

describe("the diffusion model", () => {
  test("gives the logits of its file", async () => {
    using device = createDevice(openReference());
    const logits = await diffusionLogits(device, file, params, masked).read();
    const expected = floats(file, "logits_masked").slice(0, logits.length);
    assertEquals(compare("logits", logits, expected, 1e-3).ok, true);
  });
});

describe("captured attention", () => {
  test("is what went into the model's layers", async () => {
    const inner = openReference();
    const outputs: number[][] = [];
    const { backend, samples } = captureAttention(inner, () => true);
    const run = backend.run;
    // What attention wrote is kept to be compared with attention over the captured tensors.
    const device = createDevice({
      ...backend,
      run(op) {
        run(op);
        if (op.op === "attention") {
          void inner.read(op.out, 0, 4 * op.lq * op.outRow).then((bytes) =>
            outputs.push([...new Float32Array(bytes)])
          );
        }
      },
    });
    await diffusionLogits(device, file, params, masked).read();
    const taken = await samples();
    assertEquals(taken.map(({ heads, length, headDim }) => [heads, length, headDim]), [[4, 128, 16], [
      4,
      128,
      16,
    ]]);
    for (const [n, { heads, length, headDim, q, k, v }] of taken.entries()) {
      const shape = [heads, length, headDim];
      const [qs, ks, vs] = [q, k, v].map((data) => device.tensor(data, shape));
      const out = await attention(device, qs!, ks!, vs!).out.read();
      const byRow = Float32Array.from({ length: out.length }, (_, i) => {
        const [row, h, d] = [Math.floor(i / (heads * headDim)), Math.floor(i / headDim) % heads, i % headDim];
        return out[(h * length + row) * headDim + d]!;
      });
      assertEquals(compare("out", byRow, outputs[n]!, 1e-6).ok, true);
    }
    device.dispose();
  });
});
