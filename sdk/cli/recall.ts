/**
 * `deno task recall`: what the cache methods still find among filler, as a table.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { RecallOptions } from "../compare/kv_recall.ts";
import { RECALL_LINEUP, recallColumn, type RecallResult } from "../compare/recall_lineup.ts";
import { openDevice } from "../device/mod.ts";
import { deviceOptions, runCommand, wholeOption } from "./command.ts";
import { textTable } from "./text_table.ts";

const HELP = `Ask methods that read a part of the cache, or an inexact one, for pairs among filler.

  deno task recall
(with Bun: bun run recall ...)

  --length N         tokens (default 4096)
  --device KIND      webgpu, wasm or reference (default: the fastest that works)    --threads N
  --seed N           of the keys and values (default 1)
  --json             print one JSON object instead of the table
  --help             this text

64 pairs of a key and a value per head, 4 heads of 64 columns; each is asked for with one decode step and found if the output is nearest to its value.
Filler keys have a scale of f beside those of pairs; "outliers" makes six columns of all keys three times as large. A streaming head cannot reach the pairs: if
it scored high, the check would prove nothing. Read is the share of key elements that a step reads.
`;

/** Kinds of samples, the columns of the table. */
const COLUMNS: Readonly<Record<string, RecallOptions>> = {
  "f=0.35": {},
  "f=0.35, outliers": { outliers: true },
  "f=1": { filler: 1 },
};

/** The command. @returns The exit code: 0 done, 1 failed, 2 wrong arguments. */
export function main(args: readonly string[]): Promise<number> {
  return runCommand(args, { help: HELP, read: readOptions, run });
}

async function run(
  { length, seed, json, open }: ReturnType<typeof readOptions>,
): Promise<void> {
  using device = await openDevice(open);
  const columns: Record<string, RecallResult[]> = {};
  for (const [name, column] of Object.entries(COLUMNS)) {
    columns[name] = await recallColumn(device, { ...column, length, seed }, RECALL_LINEUP, ({ title }) => {
      if (!json) console.error(`measured ${title}, ${name}`);
    });
  }
  const { kind, report: { adapter } } = device;
  console.log(
    json
      ? JSON.stringify({ device: adapter, length, seed, rows: rowsOf(columns) }, undefined, 2)
      : `Recall from a cache of ${length} tokens (${kind}: ${adapter})\n\n${report(columns)}`,
  );
}

/** Of every method its score by column. */
function rowsOf(columns: Readonly<Record<string, readonly RecallResult[]>>) {
  const [first = []] = Object.values(columns);
  return first.map(({ title, read }, row) => ({
    method: title,
    read,
    recall: Object.fromEntries(Object.entries(columns).map(([name, results]) => [name, results[row]!.score])),
  }));
}

/** The results as a table. */
export function report(columns: Readonly<Record<string, readonly RecallResult[]>>): string {
  const cells = rowsOf(columns).map(({ method, read, recall }) => [
    method,
    read.toFixed(2),
    ...Object.values(recall).map((score) => score.toFixed(3)),
  ]);
  return textTable(["method", "read", ...Object.keys(columns)], cells);
}

function readOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      length: { type: "string", default: "4096" },
      device: { type: "string" },
      threads: { type: "string" },
      seed: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    length: wholeOption("length", values.length),
    seed: wholeOption("seed", values.seed),
    open: deviceOptions(values),
    json: values.json,
    help: values.help,
  };
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
