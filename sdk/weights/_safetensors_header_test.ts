import fc from "fast-check";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assert, assertEquals } from "../testing/assert.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import { openSafetensorsModel } from "./sharded.ts";
import { memoryFiles } from "./source.ts";

/** Names and shapes of what was read, or nothing if the file was refused. */
async function outcome(
  read: () => Promise<ReadonlyMap<string, { shape: readonly number[] }>>,
): Promise<unknown> {
  try {
    return [...await read()].map(([name, { shape }]) => [name, shape]);
  } catch (error) {
    assert(error instanceof WeightsError, String(error));
    return undefined;
  }
}

test("a header is accepted or refused alike by readSafetensors() and openSafetensorsModel(), whatever is changed", async () => {
  const good = writeSafetensors(
    new Map([
      ["a", { dtype: "F32", shape: [2, 1], data: new Float32Array(2) }],
      ["b", { dtype: "U8", shape: [3], data: new Uint8Array(3) }],
      ["c", { dtype: "F16", shape: [0, 9], data: new Uint16Array(0) }],
    ]),
    { note: "x" },
  );
  const change = fc.tuple(
    fc.nat(good.length - 1),
    fc.oneof(
      fc.constantFrom(...'0123456789[]{},:"- '.split("")).map((char) => char.charCodeAt(0)),
      fc.nat(255),
    ),
  );
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 2 }), async (changes) => {
      const bytes = good.slice();
      for (const [at, value] of changes) bytes[at] = value;
      const files = memoryFiles(new Map([["model.safetensors", bytes]]));
      const parts = await outcome(async () => (await openSafetensorsModel(files)).tensors);
      const whole = await outcome(() => Promise.resolve().then(() => readSafetensors(bytes).tensors));
      assertEquals(parts, whole);
      if (whole !== undefined) accepted++;
    }),
    { seed: 3, numRuns: 3000 },
  );
  assert(accepted > 100 && accepted < 2900, `${accepted} of 3000 were accepted`);
});

test("openSafetensorsModel() reads a Buffer of Node, whose slices are views", async () => {
  const data = Float32Array.of(1, 2);
  const file = writeSafetensors(new Map([["w", { dtype: "F32", shape: [2], data }]]));
  const moved = Buffer.alloc(file.length + 1);
  moved.set(file, 1);
  const files = memoryFiles(new Map([["model.safetensors", moved.subarray(1)]]));
  assertEquals((await (await openSafetensorsModel(files)).read("w")).data, data);
});
