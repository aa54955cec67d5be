import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { openDevice, WeightsError } from "../../sdk/device/mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "../../sdk/testing/assert.ts";
import { OrionMSPClassifier, type RestoreOptions } from "../mod.ts";
import type { Cell } from "../preprocess/table.ts";

const official = new Uint8Array(
  readFileSync(new URL("../testdata/trained-tiny-weights.safetensors", import.meta.url)),
);

/** Rows whose first cells tell the class, with a little noise that repeats. */
function table(rows: number, classes: number, width = 3): { X: number[][]; y: string[] } {
  let seed = 7;
  const noise = (): number => (seed = seed * 16807 % 2147483647) / 2147483647 - 0.5;
  const X = Array.from(
    { length: rows },
    (_, i) => Array.from({ length: width }, (_, j) => (i % classes) * (j + 1) + noise()),
  );
  return { X, y: X.map((_, i) => `class ${String(i % classes).padStart(2, "0")}`) };
}

async function withClassifier(
  run: (clf: OrionMSPClassifier) => Promise<void>,
  options: { nEstimators?: number; weights?: Uint8Array } = {},
): Promise<void> {
  const device = await openDevice({ prefer: "wasm", threads: 1 });
  const clf = await OrionMSPClassifier.load({ device, nEstimators: 2, ...options });
  try {
    await run(clf);
  } finally {
    clf.dispose();
    assertEquals(device.report.bytes, 0);
    device.dispose();
  }
}

describe("OrionMSPClassifier", () => {
  test("predicts a table that a person could", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(60, 3);
      await clf.fit(X, y);
      assertEquals(clf.classes, ["class 00", "class 01", "class 02"]);
      const predicted = await clf.predict(table(12, 3).X);
      const hits = predicted.filter((label, i) => label === y[i]).length;
      assert(hits >= 11, `${hits} of 12 right`);
    }));

  test("gives rows of probabilities that sum to one", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(30, 3);
      await clf.fit(X, y);
      for (const row of await clf.predictProba(X.slice(0, 5))) {
        assertAlmostEquals(row.reduce((all, p) => all + p, 0), 1, 1e-9);
      }
    }));

  test("gives a row the same answer alone, first, last and among others", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(40, 3);
      await clf.fit(X, y);
      const rows = table(9, 3, 3).X.map((row) => row.map((cell) => cell + 0.3));
      const [alone] = await clf.predictProba([rows[4]!]);
      for (const order of [[4, 0, 1], [0, 1, 2, 3, 4], [0, 4, 8, 2]]) {
        const among = await clf.predictProba(order.map((i) => rows[i]!));
        among[order.indexOf(4)]!.forEach((p, c) => assertAlmostEquals(p, alone![c]!, 1e-6));
      }
    }));

  test("restores a saved context that answers to the last bit", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(40, 3);
      await clf.fit(X, y);
      const bytes = await clf.save();
      const again = await OrionMSPClassifier.restore(bytes, { device: clf.device });
      assertEquals(await again.predictProba(X.slice(0, 4)), await clf.predictProba(X.slice(0, 4)));
      assertEquals(again.classes, clf.classes);
      again.dispose();
    }));

  test("tells more than ten classes apart and keeps their tree in a saved context", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(48, 12);
      await clf.fit(X, y);
      const probabilities = await clf.predictProba(X.slice(0, 3));
      assertEquals(probabilities[0]!.length, 12);
      const again = await OrionMSPClassifier.restore(await clf.save(), { device: clf.device });
      assertEquals(await again.predictProba(X.slice(0, 3)), probabilities);
      again.dispose();
    }, { nEstimators: 2 }));

  test("takes strings, booleans, missing cells and unseen categories", () =>
    withClassifier(async (clf) => {
      const rows: Record<string, Cell>[] = Array.from({ length: 20 }, (_, i) => ({
        size: i % 2 ? i : null,
        colour: i % 2 ? "red" : "blue",
        sold: i % 4 < 2,
      }));
      await clf.fit(rows, rows.map((_, i) => i % 2 === 0));
      assertEquals(clf.classes, [false, true]);
      const answer = await clf.predictProba([{ sold: null, colour: "green", size: 3 }]);
      assert(answer[0]!.every(Number.isFinite));
    }));

  test("answers with the class frequencies when no column varies", () =>
    withClassifier(async (clf) => {
      await clf.fit([[1], [1], [1], [1]], ["a", "b", "b", "b"]);
      assertEquals(await clf.predictProba([[1], [2]]), [[0.25, 0.75], [0.25, 0.75]]);
    }));

  test("answers with the only class there is", () =>
    withClassifier(async (clf) => {
      await clf.fit([[1], [2]], ["only", "only"]);
      assertEquals(await clf.predict([[5]]), ["only"]);
    }));

  test("fits one row", () =>
    withClassifier(async (clf) => {
      await clf.fit([[1, "x"]], [7]);
      assertEquals(await clf.predict([[2, "y"]]), [7]);
    }));

  test("refuses to predict before fit, and labels that do not fit the rows", () =>
    withClassifier(async (clf) => {
      await assertRejects(() => clf.predict([[1]]), Error, "before fit");
      await assertRejects(() => clf.fit([[1], [2]], ["a"]), RangeError, "2 rows");
      await assertRejects(() => clf.fit([[1], [2]], ["a", null as unknown as string]), TypeError, "label 1");
    }));

  test("refuses a table beyond memory with what to do", () =>
    withClassifier(async (clf) => {
      const column = new Float64Array(1_000_000).map((_, i) => i % 1000);
      const wide = Object.fromEntries(Array.from({ length: 50 }, (_, j) => [`c${j}`, column]));
      await assertRejects(() => clf.fit(wide, column.map((v) => v % 2)), RangeError, "use at most");
    }));

  test("keeps the old context when a new fit is aborted", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(30, 3);
      await clf.fit(X, y);
      const before = await clf.predictProba(X.slice(0, 2));
      const controller = new AbortController();
      const fit = clf.fit(X, y.toReversed(), {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error("enough")),
      });
      await assertRejects(() => fit, Error, "enough");
      assertEquals(await clf.predictProba(X.slice(0, 2)), before);
    }));

  test("reports progress from nothing to all", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(20, 2);
      const seen: number[] = [];
      await clf.fit(X, y, { onProgress: ({ done, total }) => seen.push(done / total) });
      assertEquals(seen.at(-1), 1);
      assertEquals(seen, seen.toSorted((a, b) => a - b));
    }));

  test("forks share the weights and have contexts of their own", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(20, 2);
      const other = clf.fork();
      await clf.fit(X, y);
      await assertRejects(() => other.predict(X), Error, "before fit");
      await other.fit(X, y.map((label) => `other ${label}`));
      assertEquals((await clf.predict(X.slice(0, 1)))[0]!.toString().startsWith("other"), false);
      other.dispose();
      await clf.predict(X.slice(0, 1));
    }));

  test("frees what a fit makes after its classifier was disposed of", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(20, 2);
      const before = clf.device.report.bytes;
      const other = clf.fork();
      const fit = other.fit(X, y, { onProgress: ({ stage }) => stage === "labels" && other.dispose() });
      await assertRejects(() => fit, Error, "disposed");
      assertEquals(clf.device.report.bytes, before);
    }));

  test("recomputes with official weights, and restores them", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(24, 3);
      await clf.fit(X, y);
      const before = await clf.predictProba(X.slice(0, 3));
      const options: RestoreOptions = { device: clf.device, weights: official };
      const again = await OrionMSPClassifier.restore(await clf.save(), options);
      assertEquals(await again.predictProba(X.slice(0, 3)), before);
      again.dispose();
    }, { weights: official }));

  test("refuses contexts that are broken or of other weights", () =>
    withClassifier(async (clf) => {
      const { X, y } = table(20, 2);
      await clf.fit(X, y);
      const bytes = await clf.save();
      await assertRejects(
        () => OrionMSPClassifier.restore(bytes, { device: clf.device, weights: official }),
        WeightsError,
        "fitted with weights",
      );
      await assertRejects(
        () => OrionMSPClassifier.restore(bytes.subarray(0, bytes.length - 3), { device: clf.device }),
        WeightsError,
      );
      await assertRejects(
        () => OrionMSPClassifier.restore(official, { device: clf.device }),
        WeightsError,
        "no fitted context",
      );
    }));
});
