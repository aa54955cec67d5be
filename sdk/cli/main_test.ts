import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { OrionMSPClassifier } from "../../tabular/mod.ts";
import { readCsv } from "../csv/mod.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../testing/assert.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const IRIS = fileURLToPath(new URL("../../examples/data/iris.csv", import.meta.url));
const RUN = "Bun" in globalThis ? [MAIN] : ["run", "-A", MAIN];

interface Finished {
  code: number | null;
  out: string;
  err: string;
}

// Drivers of GPUs write to standard error as they like, so the commands whose output is compared leave GPUs alone.
const QUIET = ["--device", "wasm"];

/** Runs the command in a process of its own, in the runtime that runs the test, with its output in pipes. */
function predict(...args: string[]): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...RUN, ...args], { env: { ...process.env, NO_COLOR: "1" } });
    const finished = { out: "", err: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => finished.out += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => finished.err += text);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...finished }));
  });
}

describe("the command predict", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "filigree-predict-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("predict reports on a real table and draws no bar in a pipe", async () => {
    const { code, out, err } = await predict(IRIS, "--target", "species", ...QUIET);
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(out, "iris.csv: 150 rows, 4 features, 3 classes");
    assertMatch(out, /Accuracy {2}\d+\.\d %/);
    assert(!/\p{Cc}/u.test(out.replaceAll("\n", "")), "the report has control characters");
  });

  test("predict writes a context that answers like the command did", async () => {
    const text = await readFile(IRIS, "utf8");
    const lines = text.trimEnd().split("\n");
    const [trainFile, testFile, out, save] = ["a.csv", "b.csv", "o.csv", "c.bin"].map((name) =>
      join(folder, name)
    ) as [
      string,
      string,
      string,
      string,
    ];
    const part = (keep: (i: number) => boolean): string =>
      [lines[0], ...lines.slice(1).filter((_, i) => keep(i))].join("\r\n");
    await writeFile(trainFile, `\ufeff${part((i) => i % 5 > 0)}\r\n`);
    await writeFile(testFile, part((i) => i % 5 === 0));
    const { code, out: json, err } = await predict(
      trainFile,
      ...["--target", "species", "--test", testFile, "--out", out, "--save", save, "--json", ...QUIET],
    );
    assertEquals([code, err], [0, ""]);
    const report = JSON.parse(json);
    assertEquals([report.classes, report.predictions.length], [["setosa", "versicolor", "virginica"], 30]);
    assert(report.accuracy >= 0 && report.accuracy <= 1 && report.logLoss > 0);
    const { columns, rows } = readCsv(await readFile(out, "utf8"));
    assertEquals(columns.slice(4), [
      "species",
      "predicted species",
      "probability setosa",
      "probability versicolor",
      "probability virginica",
    ]);
    assertEquals(rows.map((row) => row[5]), report.predictions.map(({ label }: { label: string }) => label));

    const classifier = await OrionMSPClassifier.restore(await readFile(save));
    try {
      const { columns: names, rows: cells } = readCsv(part((i) => i % 5 === 0));
      const first = Object.fromEntries(names.slice(0, 4).map((name, c) => [name, cells[0]?.[c] ?? null]));
      const [proba] = await classifier.predictProba([first]);
      const expected = Object.values(report.predictions[0].probabilities as Record<string, number>);
      assert(
        proba?.every((p, i) => Math.abs(p - (expected[i] ?? NaN)) < 0.01),
        `${proba} is far from ${expected}`,
      );
    } finally {
      classifier.dispose();
    }
  });

  test("predict says what is wrong in one line", async () => {
    const ragged = join(folder, "ragged.csv");
    await writeFile(ragged, "a,b\n1,2\n3\n");
    const { code, out, err } = await predict(ragged, "--target", "b");
    assertEquals([code, out], [1, ""]);
    assertEquals(err, "error: ragged.csv: Cannot read CSV: line 3 has 1 cell but the header has 2 cells\n");
    const missing = await predict(join(folder, "none.csv"), "--target", "b");
    assertEquals(missing.code, 1);
    assertMatch(missing.err, /^error: Cannot read "[^"]+none\.csv": there is no such file or folder\n$/);
    assertEquals((await predict("--nope")).code, 2);
  });
});
