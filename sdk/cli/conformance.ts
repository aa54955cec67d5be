/**
 * `deno task conformance DIR [--device webgpu|wasm|reference]`: replays every golden file of a folder, one line each, on
 * the device that is named or on all that work.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import { replayOrion, replayOrionJson } from "../../tabular/conformance/replay.ts";
import { type Device, type DeviceKind, openDevice } from "../device/mod.ts";
import { isLmGolden, replayLm } from "../lm/golden/replay.ts";
import { REPLAYS } from "../methods/golden/mod.ts";
import type { Check } from "../golden/check.ts";
import { readSafetensors } from "../weights/safetensors.ts";

/** Golden files that the project keeps: where named weights are looked for after the folder itself. */
const PUBLIC = new URL("../../tabular/testdata/", import.meta.url);

/** The devices to replay on unless one is named, a software GPU too; the reference device takes minutes. */
const KINDS: readonly DeviceKind[] = ["webgpu", "wasm"];

/** How the configuration of a language model is called that lies beside its weights. */
const CONFIG = ".config.json";

/** What became of one file. */
export interface ConformanceLine {
  readonly file: string;
  readonly ok: boolean;
  readonly text: string;
}

/** Replays the files of a folder in order of their names; files of unknown methods are errors. */
export async function conformance(
  folder: string,
  device: Device,
  print: (line: ConformanceLine) => void,
): Promise<boolean> {
  const names = (await readdir(folder))
    .filter((name) => /\.(safetensors|json)$/.test(name) && !name.endsWith(CONFIG))
    .sort();
  let good = true;
  let replayed = 0;
  for (const name of names) {
    const begin = performance.now();
    let line: ConformanceLine | undefined;
    try {
      const found = await replay(folder, name, device);
      line = found && summary(name, found, performance.now() - begin);
    } catch (error) {
      line = {
        file: name,
        ok: false,
        text: `${name}  MISS  ${error instanceof Error ? error.message : String(error)}`,
      };
    }
    if (line === undefined) continue;
    replayed++;
    good &&= line.ok;
    print(line);
  }
  if (replayed === 0) {
    throw new Error(
      `Cannot replay "${folder}": it has no golden files (*.safetensors with params, rng.json, ensembles.json)`,
    );
  }
  return good;
}

/** What the replay of one file found; a density only for plans. */
interface Found {
  readonly checks: readonly Check[];
  readonly density?: number | undefined;
}

async function replay(folder: string, name: string, device: Device): Promise<Found | undefined> {
  const bytes = new Uint8Array(await readFile(`${folder}/${name}`));
  if (name.endsWith(".json")) {
    const checks = replayOrionJson(name, new TextDecoder().decode(bytes));
    return checks && { checks };
  }
  const file = readSafetensors(bytes);
  if (isLmGolden(file)) {
    const config = new Uint8Array(await readFile(`${folder}/${name.replace(/\.safetensors$/, CONFIG)}`));
    return { checks: await replayLm(device, { bytes, file, config }) };
  }
  const params = JSON.parse(
    file.metadata["params"] ?? (file.metadata["config"] ? '{"slug":"orion-msp","kind":"weights"}' : "{}"),
  );
  if (params.slug === "orion-msp") {
    return { checks: await replayOrion(device, file, params, (weights) => findFile(folder, weights)) };
  }
  if (!Object.hasOwn(REPLAYS, params.slug ?? "")) {
    const known = ["orion-msp", ...Object.keys(REPLAYS)].join(", ");
    throw new RangeError(`Cannot replay method "${params.slug}": this version knows ${known}`);
  }
  return await REPLAYS[params.slug]!(device, file, params);
}

async function findFile(folder: string, name: string): Promise<Uint8Array> {
  if (/[/\\]/.test(name)) {
    throw new RangeError(`Cannot use weights "${name}": expected a file name without folders`);
  }
  try {
    return new Uint8Array(await readFile(`${folder}/${name}`));
  } catch {
    return new Uint8Array(await readFile(new URL(name, PUBLIC)));
  }
}

function summary(name: string, { checks, density }: Found, ms: number): ConformanceLine {
  const missed = checks.filter((check) => !check.ok);
  const head = `${name.padEnd(30)} ${missed.length === 0 ? "ok  " : "MISS"}`;
  if (checks.length === 0) return { file: name, ok: true, text: `${head}  weights, loads` };
  const of = (kind: Check["kind"]): Check[] => checks.filter((check) => (check.kind ?? "output") === kind);
  const largest = (kind: Check["kind"]): string =>
    of(kind).reduce((most, check) => Math.max(most, check.maxError), 0).toExponential(1);
  const selections = of("selection");
  const exact = selections.every((check) => check.ok) ? "exact" : "NOT EXACT";
  const parts = [
    `${String(checks.length).padStart(3)} checks`,
    ...(selections.length > 0 ? [`selections ${exact}`] : []),
    `largest output error ${largest("output")}`,
    ...(density === undefined ? [] : [`density ${density.toFixed(3)}`]),
    `${ms.toFixed(0)} ms`,
  ];
  const details = missed.slice(0, 5).map(({ name: what, maxError, tolerance }) =>
    `\n    ${what}: ${maxError.toExponential(2)} > ${tolerance.toExponential(1)}`
  );
  return { file: name, ok: missed.length === 0, text: `${head}  ${parts.join("  ")}${details.join("")}` };
}

/** Opens one kind of device; a text that says why it does not work if it does not. */
async function open(kind: DeviceKind, threads: string | undefined): Promise<Device | string> {
  const device = await openDevice({
    prefer: kind,
    // A file must be met on the device that it began on.
    recover: false,
    ...(threads !== undefined && { threads: Number(threads) }),
  });
  if (device.kind === kind) return device;
  const { tried } = device.report;
  device.dispose();
  return `Device: no ${kind}: ${tried.find((attempt) => attempt.kind === kind)?.reason}`;
}

/** The command. @returns The exit code: 0 if every file was met, 1 on a miss, 2 for wrong use or a named device that does not work. */
export async function main(args: readonly string[]): Promise<number> {
  const usage = "Usage: deno task conformance DIR [--device webgpu|wasm|reference] [--threads N]";
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { device: { type: "string" }, threads: { type: "string" } },
    });
    if (positionals.length !== 1) {
      console.error(usage);
      return 2;
    }
    const named = values.device as DeviceKind | undefined;
    let good = true;
    for (const kind of named === undefined ? KINDS : [named]) {
      const device = await open(kind, values.threads);
      if (typeof device === "string") {
        if (named !== undefined) throw new Error(device);
        console.log(device);
        continue;
      }
      try {
        console.log(`Device: ${device.kind} (${device.report.adapter})`);
        const met = await conformance(positionals[0]!, device, ({ text }) => console.log(text));
        good &&= met;
      } finally {
        device.dispose();
      }
    }
    return good ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 2;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
