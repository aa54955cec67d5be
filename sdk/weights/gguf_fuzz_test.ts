import fc from "fast-check";
import { test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assert, assertRejects } from "../testing/assert.ts";
import {
  ARRAY,
  array,
  BOOL,
  entry,
  ggufFile,
  STRING,
  text,
  U32,
  u32,
  U64,
  u64,
  U8,
} from "./_gguf_test_file.ts";
import { openGguf } from "./gguf.ts";
import { GGUF_TYPES } from "./gguf_types.ts";

/** A small file with something of everything. */
function sample(): Uint8Array<ArrayBuffer> {
  return ggufFile({
    entries: [
      entry("general.architecture", STRING, text("llama")),
      entry("general.alignment", U32, u32(8)),
      entry("a.flags", ARRAY, array(BOOL, [Uint8Array.of(1, 0)], 2n)),
      entry("a.nested", ARRAY, array(ARRAY, [array(U8, [Uint8Array.of(1)])])),
      entry("tokenizer.ggml.tokens", ARRAY, array(STRING, [text("<s>"), text("é")])),
      entry("a.large", U64, u64(2n ** 60n)),
    ],
    alignment: 8,
    tensors: Object.entries(GGUF_TYPES).map(([name, { id, elements, bytes }]) => ({
      name,
      axes: [elements, 2],
      type: id,
      data: new Uint8Array(2 * bytes).fill(0x35),
    })),
  });
}

async function readAll(bytes: Uint8Array): Promise<void> {
  const model = await openGguf(bytes);
  for (const name of model.tensors.keys()) {
    const floats = await model.floats(name);
    // The densest type has 32 elements in 18 bytes.
    assert(floats.length <= 2 * bytes.length, `${floats.length} elements from ${bytes.length} bytes`);
    if (model.tensors.get(name)!.shape.length === 2) await model.weight(name);
  }
}

test("openGguf() refuses a file that is cut, at every byte", async () => {
  const good = sample();
  await readAll(good);
  for (let length = 0; length < good.length; length++) {
    await assertRejects(() => openGguf(good.subarray(0, length)), WeightsError);
  }
});

test("openGguf() ends with a model that can be read or a WeightsError whatever bits are flipped", async () => {
  const good = sample();
  const headerEnd = Math.min(...[...(await openGguf(good)).tensors.values()].map(({ offset }) => offset));
  let refused = 0;
  const flips = fc.array(fc.integer({ min: 0, max: 8 * headerEnd - 1 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(flips, async (bits) => {
      const bytes = good.slice();
      for (const bit of bits) bytes[bit >> 3]! ^= 1 << (bit & 7);
      try {
        await readAll(bytes);
      } catch (error) {
        if (!(error instanceof WeightsError)) throw error;
        refused++;
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
  assert(refused > 1000, `only ${refused} were refused`);
});

test("openGguf() ends with an answer or a WeightsError for any bytes after the magic number", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const counts = Uint8Array.of((bytes[0] ?? 0) & 3, 0, 0, 0, 0, 0, 0, 0);
      const start = [...new TextEncoder().encode("GGUF"), ...u32(3), ...counts, ...counts];
      try {
        await readAll(Uint8Array.from([...start, ...bytes]));
      } catch (error) {
        if (!(error instanceof WeightsError)) throw error;
      }
    }),
    { seed: 2, numRuns: 1000 },
  );
});
