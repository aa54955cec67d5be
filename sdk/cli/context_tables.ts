import { BUNDLED } from "./demo.ts";
import type { HeldTable } from "./context_lineup.ts";
import { generateTable } from "./generated_table.ts";
import { stratifiedHoldout } from "./holdout.ts";
import { readBytes } from "./node_files.ts";
import { byTarget, labelsOf, pick, readTable } from "./table.ts";

/**
 * Stratified halves of the bundled tables.
 *
 * @param splits How many of each table.
 * @returns Tables by name.
 */
export async function bundledHalves(splits: number): Promise<Map<string, HeldTable[]>> {
  const tables = new Map<string, HeldTable[]>();
  for (const { file, target } of BUNDLED) {
    const url = new URL(`../../examples/data/${file}`, import.meta.url);
    const table = await readTable({ readFile: readBytes }, url, target);
    const features = table.columns.filter((name) => name !== target);
    const { labelled } = byTarget(table);
    const part = (rows: number[]): HeldTable["ask"] => {
      return { X: pick(table, features, rows), y: labelsOf(table, rows) };
    };
    tables.set(
      file,
      Array.from({ length: splits }, (_, seed) => {
        const { train, test } = stratifiedHoldout(labelsOf(table, labelled), { fraction: 0.5, seed });
        const asked = test.map((i) => labelled[i]!);
        return {
          learn: part(train.map((i) => labelled[i]!)),
          ask: part(asked),
          one: pick(table, features, asked.slice(0, 1)),
        };
      }),
    );
  }
  return tables;
}

/** A generated table of `rows` rows to learn and `asked` rows to predict. */
export function generatedTable(rows: number, asked: number, seed: number): HeldTable {
  const { X, y } = generateTable(rows + asked, seed);
  return {
    learn: { X: X.slice(0, rows), y: y.slice(0, rows) },
    ask: { X: X.slice(rows), y: y.slice(rows) },
    one: X.slice(rows, rows + 1),
  };
}
