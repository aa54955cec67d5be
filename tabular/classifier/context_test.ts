import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { encodeCache } from "../../sdk/cache/cache_file.ts";
import { bitmap, dense, offload, quantized } from "../../sdk/cache/mod.ts";
import { type Device, openDevice, WeightsError } from "../../sdk/device/mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "../../sdk/testing/assert.ts";
import { random } from "../../sdk/testing/random.ts";
import { readSafetensors, type SafetensorsEntry, writeSafetensors } from "../../sdk/weights/safetensors.ts";
import { type ClassifierOptions, type ContextOptions, OrionMSPClassifier } from "../mod.ts";
import { CONTEXT_FORMAT } from "./context_file.ts";

const pruned = (share: number) => bitmap({ sparsity: { k: share, v: share }, window: 0, chunk: 64 });

/** Forms of contexts by name. */
const FORMS: Readonly<Record<string, ContextOptions>> = {
  "float32": { storage: dense() },
  "int8": { storage: quantized() },
  "int4 in groups": { storage: quantized({ bits: 4, group: 16 }) },
  "bitmaps": { storage: pruned(0.5) },
  "chosen rows": { select: { tokenRatio: 1 / 8 } },
  "chosen rows of bitmaps": { storage: pruned(0.7), select: { tokens: 20, labelBits: 8, denseLayers: [0] } },
};

/** Rows whose columns tell the class, with noise. */
function table(rows: number, classes: number, width = 3, noise = 1): { X: number[][]; y: string[] } {
  const values = random(3).normals(rows * width, noise);
  const X = Array.from(
    { length: rows },
    (_, i) => Array.from({ length: width }, (_, j) => (i % classes) * (j + 1) + values[i * width + j]!),
  );
  return { X, y: X.map((_, i) => `class ${String(i % classes).padStart(2, "0")}`) };
}

/** Runs with a classifier and checks that it leaves nothing behind. */
async function withContext(
  context: ContextOptions | undefined,
  run: (clf: OrionMSPClassifier, device: Device) => Promise<void>,
  nEstimators = 2,
): Promise<void> {
  const device = await openDevice({ prefer: "wasm", threads: 1 });
  const clf = await OrionMSPClassifier.load({ device, nEstimators, ...(context && { context }) });
  try {
    await run(clf, device);
  } finally {
    clf.dispose();
    assertEquals([device.report.bytes, device.report.tensors], [0, 0]);
    device.dispose();
  }
}

describe("a fitted context", () => {
  for (const [name, context] of Object.entries(FORMS)) {
    for (const classes of [3, 12]) {
      test(`of ${classes} classes as ${name} answers to the last bit after it was restored, and is saved alike`, () =>
        withContext(context, async (clf, device) => {
          const { X, y } = table(160, classes);
          await clf.fit(X, y);
          const bytes = await clf.save();
          const again = await OrionMSPClassifier.restore(bytes, { device });
          assertEquals(await again.predictProba(X.slice(0, 5)), await clf.predictProba(X.slice(0, 5)));
          assertEquals(await again.predictProba(X.slice(0, 1)), await clf.predictProba(X.slice(0, 1)));
          assertEquals(await again.save(), bytes);
          again.dispose();
        }));
    }
  }

  test("restored by a classifier shares its weights, stands beside its own context and tells its features", () =>
    withContext(undefined, async (clf, device) => {
      const rows = Array.from({ length: 40 }, (_, i) => ({ size: i % 7, kind: i % 2 ? "a" : "b" }));
      await clf.fit(rows, rows.map(({ kind }) => kind === "a" ? "yes" : "no"));
      const [bytes, expected] = [await clf.save(), await clf.predictProba(rows.slice(0, 3))];
      await clf.fit(rows, rows.map(({ size }) => size > 3));
      const before = device.report.bytes;
      const restored = await clf.restore(bytes);
      assertEquals(await restored.predictProba(rows.slice(0, 3)), expected);
      assertEquals(restored.columns, [{ name: "size", type: "number" }, { name: "kind", type: "text" }]);
      assert(device.report.bytes - before < 1.2 * bytes.length);
      restored.dispose();
      assertEquals([device.report.bytes, clf.classes], [before, [false, true]]);
      await assertRejects(() => clf.restore(bytes.slice(0, 100)), WeightsError);
    }));

  const SIZES: readonly (readonly [string, ContextOptions, number])[] = [
    ["float16", {}, 22],
    ["int8", { storage: quantized({ bits: 8 }) }, 12.6],
    ["int4", { storage: quantized({ bits: 4 }) }, 8],
    ["bitmaps of 30 %", { storage: pruned(0.7) }, 11.3],
  ];
  for (const [name, context, most] of SIZES) {
    test(`of 400 rows and 30 columns as ${name} takes at most ${most} MB`, () =>
      withContext(context, async (clf, device) => {
        const { X, y } = table(400, 2, 30);
        const before = device.report.bytes;
        await clf.fit(X, y);
        const held = device.report.bytes - before;
        const { length } = await clf.save();
        assert(length <= most * 1e6, `${length} bytes are more than ${most} MB`);
        // Bitmaps keep memory for rows that would wait.
        assert(held <= 1.25 * length, `${held} bytes on the device, ${length} in the file`);
      }, 8));
  }

  test("that chooses all rows answers as one that reads all", async () => {
    const { X, y } = table(90, 3);
    let expected: number[][] = [];
    await withContext({ storage: dense() }, async (clf) => {
      await clf.fit(X, y);
      expected = await clf.predictProba(X.slice(0, 4));
    });
    for (const tokens of [90, 10]) {
      await withContext({ storage: dense(), select: { tokens } }, async (clf) => {
        await clf.fit(X, y);
        const found = await clf.predictProba(X.slice(0, 4));
        const error = Math.max(...found.flat().map((p, i) => Math.abs(p - expected.flat()[i]!)));
        assertEquals(error < 1e-4, tokens === 90, `${tokens} rows: ${error}`);
      });
    }
  });

  test("answers a row alike alone and among others, whatever is chosen", () =>
    withContext({ select: { tokens: 12 } }, async (clf) => {
      const { X, y } = table(90, 3);
      await clf.fit(X, y);
      const all = await clf.predictProba(X.slice(0, 4));
      for (const [i, row] of X.slice(0, 4).entries()) {
        (await clf.predictProba([row]))[0]!.forEach((p, c) => assertAlmostEquals(p, all[i]![c]!, 1e-6));
      }
    }));

  test("is kept by the same options in a fork", () =>
    withContext({ storage: quantized() }, async (clf) => {
      const { X, y } = table(60, 2);
      await clf.fit(X, y);
      const fork = clf.fork();
      await fork.fit(X, y);
      assertEquals(await fork.save(), await clf.save());
      fork.dispose();
    }));

  const official = readFileSync(new URL("../testdata/trained-tiny-weights.safetensors", import.meta.url));
  const REFUSED: Readonly<Record<string, readonly [ClassifierOptions, string]>> = {
    "a storage outside the device": [{ context: { storage: offload() } }, 'storage "offload"'],
    "an option of the selection that is out of range": [
      { context: { select: { labelBits: 3 as 4 } } },
      '"labelBits" is 3',
    ],
    "options for official weights": [{ weights: official, context: {} }, "official weights keep no context"],
  };
  for (const [what, [options, message]] of Object.entries(REFUSED)) {
    test(`refuses ${what}`, async () => {
      const device = await openDevice({ prefer: "wasm", threads: 1 });
      await assertRejects(() => OrionMSPClassifier.load({ device, ...options }), RangeError, message);
      assertEquals(device.report.bytes, 0);
      device.dispose();
    });
  }

  test("refuses files of another version, and caches that are not its own", () =>
    withContext({ select: { tokens: 8 } }, async (clf, device) => {
      const { X, y } = table(40, 2);
      await clf.fit(X, y);
      const { tensors, metadata } = readSafetensors(await clf.save());
      const header = JSON.parse(metadata["context"]!);
      const refuses = async (change: object, file: Uint8Array | undefined, message: string) => {
        const entry = file && { dtype: "U8", shape: [file.length], data: file } as SafetensorsEntry;
        const bytes = writeSafetensors(
          new Map([...tensors, ...(entry ? [["caches.0.3", entry] as const] : [])]),
          {
            ...metadata,
            context: JSON.stringify({ ...header, ...change }),
          },
        );
        const before = device.report;
        await assertRejects(() => OrionMSPClassifier.restore(bytes, { device }), WeightsError, message);
        assertEquals([device.report.bytes, device.report.tensors], [before.bytes, before.tensors]);
      };
      await refuses({ format: 1 }, undefined, `its format is 1, expected ${CONTEXT_FORMAT}`);
      await refuses({ select: { options: {} } }, undefined, "header is incomplete");
      await refuses({ select: { options: {}, profiles: [{}] } }, undefined, "this profile of doubleSparsity");
      await refuses({}, new Uint8Array(9), "header");
      const own = { heads: 8, headDim: 64, queryHeads: 8, layer: 3, length: 40, numbers: {} };
      const other = (change: object) =>
        encodeCache({ ...own, storage: { name: "dense", type: "f16" }, ...change }, {});
      await refuses({}, await other({ heads: 1e9, queryHeads: 1e9 }), "1000000000 heads of 64");
      await refuses({}, await other({ length: 1e12 }), "1000000000000 rows");
      await refuses({}, await other({ layer: 2 }), "caches.0.3");
      await refuses({}, await other({ storage: { name: "offload", to: "file" } }), 'storage "offload"');
      await refuses({}, await other({ storage: { name: "dense", type: "f64" } }), '"type" is "f64"');
      await refuses({}, await other({}), "Cannot restore the cache");
    }));
});
