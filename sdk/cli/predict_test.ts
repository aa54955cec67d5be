import { describe, test } from "node:test";
import { readCsv } from "../csv/mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "../testing/assert.ts";
import { fakeDependencies } from "./_fake_test_dependencies.ts";
import { runPredict } from "./predict.ts";

// 40 rows; "a" separates the classes, "b" is noise.
const TRAIN = "a,b,kind\n" +
  Array.from({ length: 40 }, (_, i) => `${i % 2 ? 5 + i / 100 : i / 100},${i % 3},${i % 2 ? "big" : "small"}`)
    .join("\n");

describe("predict with a table", () => {
  test("predict holds out a stratified quarter when there is only one table", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    assertEquals(await runPredict(["t.csv", "--target", "kind"], deps), 0);
    assertEquals(deps.predictor.fits, [30]);
    assertStringIncludes(deps.out, "t.csv: 40 rows, 2 features, 2 classes");
    assertStringIncludes(deps.out, "Accuracy  100.0 %  (10 of 10 rows)");
    assertMatch(deps.out, /true \\ predicted\s+big\s+small/);
    assertMatch(deps.out, /big\s+5\s+0\n/);
    assertMatch(deps.out, /row\s+true\s+predicted\s+p\(big\)\s+p\(small\)/);
    assertEquals([deps.err, deps.closed], ["", 1]);
  });

  test("predict prints the same when it runs again", async () => {
    const runs = await Promise.all([0, 1].map(async () => {
      const deps = fakeDependencies({ "t.csv": TRAIN });
      await runPredict(["t.csv", "--target", "kind", "--json"], deps);
      return deps.out;
    }));
    assertEquals(runs[0], runs[1]);
  });

  test("predict never shows the target to the classifier as a feature", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    await runPredict(["t.csv", "--target", "kind"], deps);
    assertEquals(Object.keys(deps.predictor.tables[0] ?? {}), ["a", "b"]);
  });

  test("predict --json prints one object and nothing else", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    assertEquals(await runPredict(["t.csv", "--target", "kind", "--json", "--out", "o.csv"], deps), 0);
    const report = JSON.parse(deps.out);
    assertEquals(Object.keys(report), ["accuracy", "logLoss", "classes", "predictions"]);
    assertEquals([report.accuracy, report.classes, report.predictions.length], [1, ["big", "small"], 10]);
    const [first] = report.predictions;
    assertEquals(Object.keys(first), ["row", "label", "actual", "probabilities"]);
    assertEquals(Object.keys(first.probabilities), ["big", "small"]);
    assertEquals(first.label, first.actual);
  });

  test("predict --out writes the rows held out with prediction and probabilities", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    await runPredict(["t.csv", "--target", "kind", "--out", "o.csv"], deps);
    const { columns, rows } = readCsv(deps.written["o.csv"] as string);
    assertEquals(columns, ["a", "b", "kind", "predicted kind", "probability big", "probability small"]);
    assertEquals(rows.length, 10);
    assert(rows.every((row) => row[2] === row[3]));
    assertStringIncludes(deps.out, "Wrote o.csv");
  });

  test("predict --save keeps a context that has learned every row", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    await runPredict(["t.csv", "--target", "kind", "--save", "c.bin"], deps);
    assertEquals(deps.predictor.fits, [30, 40]);
    assertEquals(deps.written["c.bin"], Uint8Array.of(1, 2, 3));
  });

  test("predict passes the device and the threads on", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    await runPredict(["t.csv", "--target", "kind", "--device", "wasm", "--threads", "2"], deps);
    assertEquals(deps.opened, [{ signal: deps.signal, device: "wasm", threads: 2 }]);
  });

  test("predict lists mistakes instead of a matrix when there are many classes", async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${i % 12},k${i % 12}`);
    const deps = fakeDependencies({ "t.csv": `a,kind\n${rows.join("\n")}` });
    assertEquals(await runPredict(["t.csv", "--target", "kind"], deps), 0);
    assertStringIncludes(deps.out, "No mistakes");
    assertMatch(deps.out, /row\s+true\s+predicted\s+1st\s+2nd\s+3rd/);
  });
});

describe("predict with rows that lack the target", () => {
  const HOLES = `${TRAIN}\n0.1,0,\n5.1,1,NA\n`;

  test("predict fills the rows that lack the target", async () => {
    const deps = fakeDependencies({ "t.csv": HOLES });
    assertEquals(await runPredict(["t.csv", "--target", "kind", "--out", "o.csv"], deps), 0);
    assertEquals(deps.predictor.fits, [30, 40]);
    const { columns, rows } = readCsv(deps.written["o.csv"] as string);
    assertEquals(rows.length, 42);
    assertEquals(rows.slice(-2).map((row) => row[columns.indexOf("kind")]), ["small", "big"]);
    assertEquals(rows[0]?.slice(2), ["small", null, null, null]);
    assertStringIncludes(deps.out, "predicted 2 rows that lack it");
    assertStringIncludes(deps.out, "(10 of 10 rows)");
  });

  test("predict --json lists the filled rows", async () => {
    const deps = fakeDependencies({ "t.csv": HOLES });
    await runPredict(["t.csv", "--target", "kind", "--json"], deps);
    const { accuracy, predictions } = JSON.parse(deps.out);
    assertEquals(accuracy, 1);
    assertEquals(
      predictions.map(({ row, label, actual }: Record<string, unknown>) => [row, label, actual]),
      [[41, "small", null], [42, "big", null]],
    );
  });
});

describe("predict with a test table", () => {
  const run = async (test: string, ...more: string[]) => {
    const deps = fakeDependencies({ "t.csv": TRAIN, "q.csv": test });
    const code = await runPredict(["t.csv", "--target", "kind", "--test", "q.csv", ...more], deps);
    return { code, deps };
  };

  test("predict measures the error when the test table has the target", async () => {
    const { code, deps } = await run("a,b,kind\n0,1,small\n5,1,big\n5,1,small\n6,2,\n", "--json");
    assertEquals([code, deps.predictor.fits], [0, [40]]);
    const { accuracy, predictions } = JSON.parse(deps.out);
    assertEquals([accuracy, predictions.length], [2 / 3, 4]);
  });

  test("predict leaves the error out when the test table lacks the target", async () => {
    const { code, deps } = await run("a,b\n0,1\n5,1\n", "--out", "o.csv");
    assertEquals(code, 0);
    assertNotMatch(deps.out, /Accuracy/);
    const { columns, rows } = readCsv(deps.written["o.csv"] as string);
    assertEquals(columns.slice(0, 4), ["a", "b", "kind", "predicted kind"]);
    assertEquals(rows.map((row) => row[2]), ["small", "big"]);
  });

  test("predict finds columns by name when the test table has another order and more columns", async () => {
    const { code, deps } = await run("extra,b,a\nx,1,0\ny,1,5\n", "--json");
    assertEquals(code, 0);
    assertEquals(JSON.parse(deps.out).predictions.map((p: { label: string }) => p.label), ["small", "big"]);
  });

  test("predict counts an unknown class as a mistake", async () => {
    const { deps } = await run("a,b,kind\n0,1,small\n5,1,huge\n", "--json");
    const { accuracy, logLoss } = JSON.parse(deps.out);
    assertEquals(accuracy, 0.5);
    assert(logLoss > 15 && logLoss < 20);
  });

  test("predict names the columns that the test table lacks", async () => {
    const { code, deps } = await run("a\n0\n");
    assertEquals(code, 1);
    assertEquals(deps.err, 'error: Cannot predict "q.csv": it lacks the column "b"\n');
  });

  test("predict names the cell when a numeric column holds a word in the test table", async () => {
    const { code, deps } = await run("a,b\n0,1\nzero,1\n");
    assertEquals(code, 1);
    assertStringIncludes(deps.err, 'q.csv: Cannot read CSV: column "a" wants a number but row 2');
  });

  test("predict refuses a test table without rows", async () => {
    const { code, deps } = await run("a,b\n");
    assertEquals([code, deps.err], [1, 'error: Cannot predict "q.csv": it has no rows\n']);
  });
});

describe("predict with bad input", () => {
  const cases: [name: string, file: string, message: string][] = [
    ["the file is empty", "", "header on line 1 is missing"],
    ["the table has no rows", "a,kind\n", "no row has a value in column"],
    ["the target is always missing", "a,kind\n1,\n2,NA\n", "no row has a value in column"],
    ["the target is the only column", "kind\nx\ny\n", "no column besides"],
    ["a row is ragged", "a,kind\n1,x\n2\n", "line 3 has 1 cell but the header has 2 cells"],
    ["every class has one row", "a,kind\n1,x\n2,y\n", "every class has one row"],
    [
      "the target is a measurement",
      `a,kind\n${Array.from({ length: 30 }, (_, i) => `1,${i / 7}`).join("\n")}`,
      "30 of its 30 values differ",
    ],
    ["the target is not there", "a,b\n1,2\n", 'Cannot find column "kind" in "t.csv": it has "a", "b"'],
  ];
  for (const [name, file, message] of cases) {
    test(`predict fails with one clear line when ${name}`, async () => {
      const deps = fakeDependencies({ "t.csv": file });
      assertEquals(await runPredict(["t.csv", "--target", "kind"], deps), 1);
      assertStringIncludes(deps.err, message);
      assertMatch(deps.err, /^error: [^\n]+\n$/);
      assertEquals(deps.out, "");
    });
  }

  test("predict fails with one clear line when the file is missing", async () => {
    const deps = fakeDependencies({});
    assertEquals(await runPredict(["t.csv", "--target", "kind"], deps), 1);
    assertEquals(deps.err, 'error: Cannot read "t.csv": there is no such file or folder\n');
  });

  test("predict learns a table of one class", async () => {
    const deps = fakeDependencies({ "t.csv": "a,kind\n1,x\n2,x\n3,x\n4,x\n" });
    assertEquals(await runPredict(["t.csv", "--target", "kind"], deps), 0);
    assertStringIncludes(deps.out, "1 class of");
  });

  test("predict returns 2 when the arguments are wrong", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    assertEquals(await runPredict(["t.csv"], deps), 2);
    assertStringIncludes(deps.err, "--target COLUMN");
  });

  test("predict returns 130 when it is interrupted", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    assertEquals(
      await runPredict(["t.csv", "--target", "kind"], { ...deps, signal: AbortSignal.abort() }),
      130,
    );
  });

  test("predict closes the device when learning fails", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    deps.predictor.fit = () => Promise.reject(new RangeError("Cannot fit: too large"));
    assertEquals(await runPredict(["t.csv", "--target", "kind"], deps), 1);
    assertEquals([deps.err, deps.closed], ["error: Cannot fit: too large\n", 1]);
  });
});

describe("predict elsewhere", () => {
  test("predict --help prints the help", async () => {
    const deps = fakeDependencies({});
    assertEquals(await runPredict(["--help"], deps), 0);
    assertStringIncludes(deps.out, "--target COLUMN");
  });

  test("predict runs the bundled tables when there is no argument", async () => {
    const files = { "iris.csv": "species", "wine.csv": "cultivar", "breast_cancer.csv": "diagnosis" };
    const deps = fakeDependencies(
      Object.fromEntries(
        Object.entries(files).map(([file, target]) => [file, TRAIN.replace("kind", target)]),
      ),
    );
    assertEquals(await runPredict([], deps), 0);
    for (const file of Object.keys(files)) assertStringIncludes(deps.out, file);
    assertEquals(deps.opened.length, 1);
  });

  test("predict draws a bar on a terminal and wipes it", async () => {
    const deps = fakeDependencies({ "t.csv": TRAIN });
    let drawn = "";
    const terminal = { columns: 80, write: (text: string) => drawn += text };
    await runPredict(["t.csv", "--target", "kind"], { ...deps, terminal });
    assertStringIncludes(drawn, "50 %  learning t.csv: embedding");
    assert(drawn.endsWith("\r\x1b[2K"));
  });

  test("predict reads tabs when the file ends in .tsv", async () => {
    const deps = fakeDependencies({ "t.tsv": TRAIN.replaceAll(",", "\t") });
    assertEquals(await runPredict(["t.tsv", "--target", "kind"], deps), 0);
  });
});
