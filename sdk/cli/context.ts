/**
 * `deno task context`: what smaller contexts and partial reading cost a table's predictions.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { openDevice } from "../device/mod.ts";
import { deviceOptions, runCommand, wholeOption } from "./command.ts";
import { CONTEXT_LINEUP, type ContextResult, type HeldTable, measureContext } from "./context_lineup.ts";
import { bundledHalves, generatedTable } from "./context_tables.ts";
import { percent } from "./report.ts";
import { textTable } from "./text_table.ts";

const HELP = `What smaller contexts and partial reading cost a table's predictions.

  deno task context
(with Bun: bun run context)

  --rows N         generated rows to learn; 0 leaves the generated table out (default 20000)
  --asked N        generated rows to predict (default 300)
  --splits N       halves of every bundled table; 0 leaves them out (default 4)
  --members N      of the ensemble (default 8, and 2 for the generated table)
  --device KIND    webgpu, wasm or reference (default: the fastest that works)    --threads N
  --seed N         of the generated table (default 0)
  --json           print one JSON object instead of the tables
  --help           this text

"select A by B" is Double Sparsity: a row to predict reads A of the train rows, found by labels of B of the channels. "File" is the saved context, "row" the time of
a row among all that are predicted together, "alone" that of a single one. The generated table has classes that a random network tells, and 5 % of them by chance.
`;

/** The command. @returns The exit code: 0 done, 1 failed, 2 wrong arguments. */
export function main(args: readonly string[]): Promise<number> {
  return runCommand(args, { help: HELP, read: readOptions, run });
}

async function run(
  { rows, asked, splits, members, open, seed, json }: Options,
): Promise<void> {
  using device = await openDevice(open);
  const tables: { name: string; held: readonly HeldTable[]; members: number }[] = [];
  for (const [name, held] of splits > 0 ? await bundledHalves(splits) : []) {
    tables.push({ name: `${name}, ${splits} halves`, held, members: members ?? 8 });
  }
  if (rows > 0) {
    const held = [generatedTable(rows, asked, seed)];
    tables.push({ name: `generated, ${rows} rows`, held, members: members ?? 2 });
  }
  const found: { table: string; members: number; rows: ContextResult[] }[] = [];
  for (const { name, held, members } of tables) {
    const results: ContextResult[] = [];
    for (const setting of CONTEXT_LINEUP) {
      results.push(await measureContext(device, setting, held, members));
      if (!json) console.error(`measured ${setting.title} on ${name}`);
    }
    found.push({ table: name, members, rows: results });
  }
  const { kind, report: { adapter } } = device;
  if (json) {
    console.log(JSON.stringify({ device: adapter, tables: found }, undefined, 2));
    return;
  }
  console.log(`Contexts and what they answer (${kind}: ${adapter})`);
  for (const { table, members, rows } of found) {
    console.log(`\n${table}, ${members} members\n\n${report(rows)}`);
  }
}

/** The results of one table. */
export function report(results: readonly ContextResult[]): string {
  return textTable(
    ["context", "accuracy", "log-loss", "file", "row", "alone"],
    results.map(({ title, accuracy, logLoss, bytes, rowMs, oneMs }) => [
      title,
      percent(accuracy),
      logLoss.toFixed(4),
      `${(bytes / 1e6).toFixed(1)} MB`,
      `${rowMs.toFixed(2)} ms`,
      `${oneMs.toFixed(2)} ms`,
    ]),
  );
}

type Options = ReturnType<typeof readOptions>;

function readOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: "string", default: "20000" },
      asked: { type: "string", default: "300" },
      splits: { type: "string", default: "4" },
      members: { type: "string" },
      device: { type: "string" },
      threads: { type: "string" },
      seed: { type: "string", default: "0" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    rows: wholeOption("rows", values.rows, 0),
    asked: wholeOption("asked", values.asked),
    splits: wholeOption("splits", values.splits, 0),
    members: values.members === undefined ? undefined : wholeOption("members", values.members),
    open: deviceOptions(values),
    seed: wholeOption("seed", values.seed, 0),
    json: values.json,
    help: values.help,
  };
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
