/**
 * The command `doctor`: says what Filigree finds on this machine, as one text to paste into a bug report.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { openDevice } from "../device/mod.ts";
import { UsageError } from "./args.ts";
import { type Diagnosis, renderDiagnosis } from "./doctor_report.ts";
import { examine, type Workload } from "./examine.ts";
import { type Surroundings, surroundings } from "./surroundings.ts";

/** Everything that `doctor` touches outside of itself. */
export interface DoctorDependencies {
  /** Opens devices. */
  open: typeof openDevice;
  /** Tells where the program runs. */
  surroundings(): Surroundings;
  /** What to measure with. */
  workload: Workload;
  /** Writes to standard output. */
  print(text: string): void;
  /** Writes to standard error. */
  printError(text: string): void;
}

const HELP =
  `Say what Filigree finds on this machine: the devices, whether they compute right, and how fast they are.

  deno task doctor     (with Bun: bun run doctor)

  --json    print one object
  --help    this text

Exit codes: 0 at least one device works, 1 none does, 2 wrong arguments.
`;

/** Kinds to look at, best first. Software GPUs are looked at too. */
const KINDS = ["webgpu", "wasm"] as const;

/**
 * Runs the command.
 *
 * @param argv The arguments, without the program's name.
 * @param dependencies What it may touch.
 * @returns The exit code: 0 if a device works, 1 if none does, 2 for wrong arguments.
 */
export async function runDoctor(argv: readonly string[], dependencies: DoctorDependencies): Promise<number> {
  try {
    const { json, help } = readArgs(argv);
    if (help) {
      dependencies.print(HELP);
      return 0;
    }
    const diagnosis = await diagnose(dependencies);
    dependencies.print(json ? `${JSON.stringify(diagnosis)}\n` : renderDiagnosis(diagnosis));
    return diagnosis.devices.some(({ ok }) => ok) ? 0 : 1;
  } catch (error) {
    dependencies.printError(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function diagnose({ open, surroundings, workload }: DoctorDependencies): Promise<Diagnosis> {
  const devices = [];
  for (const kind of KINDS) devices.push(await examine(kind, open, workload));
  return { ...surroundings(), devices, ...await pick(open), workload };
}

/** What is opened when nothing is asked for. */
async function pick(open: typeof openDevice): Promise<Pick<Diagnosis, "picked" | "tried">> {
  try {
    const device = await open({ recover: false });
    const { kind, report: { adapter, tried } } = device;
    device.dispose();
    return { picked: { kind, adapter, reason: tried.at(-1)?.reason ?? "" }, tried };
  } catch {
    // Every kind has told of its failure already.
    return { picked: null, tried: [] };
  }
}

function readArgs(argv: readonly string[]): { json: boolean; help: boolean } {
  try {
    const { values: { json = false, help = false } } = parseArgs({
      args: [...argv],
      options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    return { json, help };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split(/[.\n]/)[0] : String(cause);
    throw new UsageError(`${message}; see --help`, { cause });
  }
}

if (import.meta.main) {
  process.exitCode = await runDoctor(process.argv.slice(2), {
    open: openDevice,
    surroundings,
    workload: { size: 512, bytes: 2 ** 24 },
    print: (text) => void process.stdout.write(text),
    printError: (text) => void process.stderr.write(text),
  });
}
