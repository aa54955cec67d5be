import { after, before, describe, test } from "node:test";
import { type Device, openDevice } from "../../sdk/device/mod.ts";
import { assert, assertEquals, assertRejects } from "../../sdk/testing/assert.ts";
import { type Cell, OrionMSPClassifier, type TableInput } from "../mod.ts";

/** Tables that people really have, and what comes of them. */
describe("OrionMSPClassifier given", () => {
  let device: Device;
  let clf: OrionMSPClassifier;
  let baseline: number;
  before(async () => {
    device = await openDevice({ prefer: "wasm", threads: 1 });
    clf = await OrionMSPClassifier.load({ device, nEstimators: 1 });
    baseline = device.report.bytes;
  });
  after(() => {
    clf.dispose();
    assertEquals(device.report.bytes, 0);
    device.dispose();
  });

  const labels = ["a", "b", "a", "b", "a", "b"];
  const rows = (cell: (i: number) => Cell): Cell[][] => labels.map((_, i) => [i % 2, cell(i)]);
  /** Fits and predicts; probabilities must be finite and sum to one, and nothing may leak. */
  const answers = async (X: TableInput, rowsToPredict: TableInput = X): Promise<number[][]> => {
    const own = clf.fork();
    try {
      await own.fit(X, labels);
      const probabilities = await own.predictProba(rowsToPredict);
      for (const row of probabilities) {
        assert(Math.abs(row.reduce((all, p) => all + p, 0) - 1) < 1e-6, `sum of ${row}`);
      }
      return probabilities;
    } finally {
      own.dispose();
      assertEquals(device.report.bytes, baseline);
    }
  };
  const works = async (X: TableInput, rowsToPredict: TableInput = X): Promise<void> =>
    void await answers(X, rowsToPredict);
  const refuses = async (
    X: TableInput,
    kind: typeof TypeError | typeof RangeError,
    text: string,
  ): Promise<void> => {
    const own = clf.fork();
    await assertRejects(() => own.fit(X, labels), kind, text);
    own.dispose();
    assertEquals(device.report.bytes, baseline);
  };

  test("an empty table refuses it", () => refuses([], RangeError, "no rows"));
  test("a constant column ignores it", async () => {
    assertEquals(await answers(rows(() => 7)), await answers(labels.map((_, i) => [i % 2])));
  });
  test("a column without any value ignores it", async () => {
    assertEquals(await answers(rows(() => null)), await answers(labels.map((_, i) => [i % 2])));
  });
  test("cells of 1e38 stays finite", async () => {
    await works(rows((i) => i * 1e38));
    await works(rows((i) => i % 2 ? -1e38 : 1e38), rows(() => 1e308));
  });
  test("an infinite cell refuses it and says where", () =>
    refuses(rows((i) => i === 3 ? Infinity : i), RangeError, "rows[3]"));
  test("NaN and undefined cells takes them as missing", async () => {
    assertEquals(
      await answers(rows((i) => i === 1 ? NaN : i)),
      await answers(rows((i) => i === 1 ? undefined : i)),
    );
  });
  test("a column of mixed kinds takes it as categories", () =>
    works(rows((i) => i % 3 === 0 ? i : i % 3 === 1 ? "x" : true)));
  test("a category that was not seen answers", () => works(rows((i) => `c${i % 2}`), rows(() => "new")));
  test("a missing cell in every row to predict answers", () => works(rows((i) => i), rows(() => null)));
  test("a Date refuses it with what to do", () => refuses(rows(() => new Date(0)), TypeError, "Date"));
  test("a bigint refuses it with what to do", () => refuses(rows(() => 5n), TypeError, "bigint"));
  test("ragged rows refuses them and says which", () =>
    refuses([[1, 2], [1, 2], [1], [1, 2], [1, 2], [1, 2]], RangeError, "rows[2]"));
  test("a cell of ten million characters and one with NUL answers", () =>
    works(rows((i) => i % 2 ? "x".repeat(1e7) : "a\0b")));
  test("ten thousand varying columns refuses them with what to do", () =>
    refuses(
      labels.map((_, i) => Float64Array.from({ length: 10_000 }, (_, j) => i * j + j)),
      RangeError,
      "most informative",
    ));
  test("ten thousand columns of which five vary answers", () =>
    works(labels.map((_, i) => Float64Array.from({ length: 10_000 }, (_, j) => j < 5 ? i + j : 1))));

  test("columns in another order finds them by name", async () => {
    const X = labels.map((_, i) => ({ first: i % 2, second: i }));
    assertEquals(await answers(X), await answers(X, X.map(({ first, second }) => ({ second, first }))));
  });
  test("columns of other names or another number refuses them", async () => {
    const own = clf.fork();
    await own.fit(labels.map((_, i) => ({ first: i % 2, second: i })), labels);
    await assertRejects(() => own.predict([{ first: 1, third: 2 }]), RangeError, "second");
    await assertRejects(() => own.predict([[1]]), RangeError, "expected 2");
    own.dispose();
  });
  test("no rows to predict answers with none", async () =>
    assertEquals(await answers(rows((i) => i), []), []));
});
