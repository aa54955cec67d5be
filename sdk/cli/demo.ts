import type { Dependencies, Session } from "./dependencies.ts";
import { type Follow, predictTable } from "./outcome.ts";
import { type JsonReport, jsonReport } from "./output.ts";
import { count, seconds } from "./report.ts";
import { readTable } from "./table.ts";
import { textTable } from "./text_table.ts";

/** The tables that come with the project, and what is predicted of them. */
export const BUNDLED = [
  { file: "iris.csv", target: "species" },
  { file: "wine.csv", target: "cultivar" },
  { file: "breast_cancer.csv", target: "diagnosis" },
] as const;

/**
 * Predicts a quarter of each bundled table.
 *
 * @param session The classifier.
 * @param dependencies How to read files.
 * @param follow Makes options of calls.
 * @returns A report for people and one for programs, by file name.
 */
export async function runDemo(
  session: Session,
  dependencies: Dependencies,
  follow: (file: string) => Follow,
): Promise<{ text: string; json: Record<string, JsonReport> }> {
  const rows: string[][] = [];
  const json: Record<string, JsonReport> = {};
  for (const { file, target } of BUNDLED) {
    const table = await readTable(
      dependencies,
      new URL(`../../examples/data/${file}`, import.meta.url),
      target,
    );
    const outcome = await predictTable(session.predictor, table, { follow: follow(file) });
    json[file] = jsonReport(outcome);
    rows.push([
      file,
      String(outcome.learned),
      String(outcome.features.length),
      String(outcome.classes.length),
      String(outcome.checked.length),
      `${(100 * (outcome.accuracy ?? NaN)).toFixed(1)} %`,
      (outcome.logLoss ?? NaN).toFixed(3),
      seconds(outcome.ms.fit),
      seconds(outcome.ms.predict),
    ]);
  }
  const header = [
    "table",
    "learned",
    "features",
    "classes",
    "predicted",
    "accuracy",
    "log-loss",
    "fit",
    "predict",
  ];
  const text = [
    `${count(BUNDLED.length, "bundled table")}, a stratified quarter of each held out (${session.device})`,
    "",
    textTable(header, rows),
    "",
    "Your own table: deno task predict TRAIN.csv --target COLUMN   (or --help)",
    "",
  ].join("\n");
  return { text, json };
}
