/**
 * The command `predict`: learns a table and predicts one of its columns.
 *
 * @module
 */

import { HELP, type PredictArgs, readArgs, UsageError } from "./args.ts";
import { runDemo } from "./demo.ts";
import type { Dependencies, Session } from "./dependencies.ts";
import { oneLine } from "./one_line.ts";
import { predictTable } from "./outcome.ts";
import { jsonReport, predictionsCsv } from "./output.ts";
import { progressBar } from "./progress_bar.ts";
import { renderReport } from "./report.ts";
import { quoteNames, readTable, type Table, typesOf } from "./table.ts";

/**
 * Runs the command.
 *
 * @param argv The arguments, without the program's name.
 * @param dependencies What it may touch.
 * @returns The exit code: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
 */
export async function runPredict(argv: readonly string[], dependencies: Dependencies): Promise<number> {
  const bar = progressBar(dependencies.terminal);
  try {
    const args = readArgs(argv);
    if (args.help) dependencies.print(HELP);
    else if (args.train === undefined) await demo(args, dependencies, bar);
    else await predict(args as PredictArgs & { train: string; target: string }, dependencies, bar);
    return 0;
  } catch (error) {
    bar.clear();
    if (dependencies.signal.aborted) {
      dependencies.printError("Interrupted\n");
      return 130;
    }
    dependencies.printError(`error: ${oneLine(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

type Bar = ReturnType<typeof progressBar>;

async function demo(args: PredictArgs, dependencies: Dependencies, bar: Bar): Promise<void> {
  await withSession(args, dependencies, async (session) => {
    const follow = (file: string) => follower(file, dependencies, bar);
    const { text, json } = await runDemo(session, dependencies, follow);
    bar.clear();
    dependencies.print(args.json ? `${JSON.stringify(json)}\n` : text);
  });
}

async function predict(
  args: PredictArgs & { train: string; target: string },
  dependencies: Dependencies,
  bar: Bar,
): Promise<void> {
  const train = await readTable(dependencies, args.train, args.target);
  checkTarget(train, args.target);
  const test = args.test === undefined
    ? undefined
    : await readTable(dependencies, args.test, args.target, typesOf(train));
  await withSession(args, dependencies, async (session) => {
    const { predictor } = session;
    const outcome = await predictTable(predictor, train, {
      test,
      follow: follower(train.name, dependencies, bar),
      keep: args.save !== undefined,
    });
    bar.clear();
    const report = args.json
      ? `${JSON.stringify(jsonReport(outcome))}\n`
      : renderReport(outcome, session.device);
    dependencies.print(report);
    // Written last: a full disk must not cost the report.
    const done = (path: string): void => args.json ? undefined : dependencies.print(`Wrote ${path}\n`);
    if (args.out !== undefined) {
      await dependencies.writeFile(args.out, predictionsCsv(outcome, args.target));
      done(args.out);
    }
    if (args.save !== undefined) {
      await dependencies.writeFile(args.save, await predictor.save());
      done(args.save);
    }
  });
}

function checkTarget(train: Table, target: string): void {
  if (train.target >= 0) return;
  throw new RangeError(
    `Cannot find column "${target}" in "${train.name}": it has ${quoteNames(train.columns)}`,
  );
}

async function withSession(
  args: PredictArgs,
  dependencies: Dependencies,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const { signal } = dependencies;
  const session = await dependencies.open({
    signal,
    ...(args.device !== undefined && { device: args.device }),
    ...(args.threads !== undefined && { threads: args.threads }),
  });
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

function follower(name: string, dependencies: Dependencies, bar: Bar): (label: string) => {
  onProgress: (progress: { stage: string; done: number; total: number }) => void;
  signal: AbortSignal;
} {
  const { signal } = dependencies;
  return (label) => ({ signal, onProgress: (progress) => bar.update(`${label} ${name}`, progress) });
}
