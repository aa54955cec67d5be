import type { DeviceAttempt, DeviceKind } from "../device/mod.ts";
import type { Examination, Workload } from "./examine.ts";
import { seconds } from "./report.ts";
import type { Surroundings } from "./surroundings.ts";
import { textTable } from "./text_table.ts";

/** Everything that `doctor` finds out; the object that `--json` prints. */
export interface Diagnosis extends Surroundings {
  /** What was found about every kind of device. */
  readonly devices: readonly Examination[];
  /** What `openDevice()` takes by itself, and why; `null` where nothing works. */
  readonly picked: { readonly kind: DeviceKind; readonly adapter: string; readonly reason: string } | null;
  /** What `openDevice()` tried, in order. */
  readonly tried: readonly DeviceAttempt[];
  /** What the speeds were measured with. */
  readonly workload: Workload;
}

/** Characters of a cell before its text goes on in the next line. */
const CELL = 36;
const REASON = 84;

/**
 * Writes a diagnosis as plain text, for a bug report.
 *
 * @param diagnosis What was found.
 * @returns Lines, ended by a line end.
 */
export function renderDiagnosis(diagnosis: Diagnosis): string {
  const { filigree, runtime, system, cores, devices, picked, tried, workload } = diagnosis;
  const { size, bytes } = workload;
  const row = (name: string, of: (device: Examination) => string | undefined): string[] => [
    name,
    ...devices.map((device) => of(device) ?? "-"),
  ];
  const rows = [
    row("works", ({ ok, reason }) => ok ? "yes" : `no: ${reason}`),
    row("opened in", ({ openMs }) => seconds(openMs)),
    row("adapter", ({ adapter }) => adapter),
    row("features", ({ features }) => features?.join(", ")),
    row("variants", ({ variants }) => variants?.join(", ")),
    row(
      "known answer",
      ({ answerError }) => answerError === undefined ? undefined : `error ${answerError.toExponential(1)}`,
    ),
    row(`linear ${size}^3`, ({ linearFlops }) => giga(linearFlops, "GFLOP/s")),
    row(
      `relu ${Math.round(bytes / 2 ** 20)} MiB`,
      ({ memoryBytesPerSecond }) => giga(memoryBytesPerSecond, "GB/s"),
    ),
    row("copy", ({ copyBytesPerSecond }) => giga(copyBytesPerSecond, "GB/s")),
    row("readback", ({ readbackMs }) => readbackMs === undefined ? undefined : `${readbackMs.toFixed(2)} ms`),
  ];
  return [
    `Filigree ${filigree} on ${runtime}, ${system}, ${cores} ${cores === 1 ? "core" : "cores"}`,
    "",
    table(["", ...devices.map(({ kind }) => kind)], rows, CELL),
    "",
    picked
      ? `openDevice() takes ${picked.kind} (${picked.adapter}): ${picked.reason}`
      : "openDevice() finds no device that works",
    "",
    table(
      ["tried", "ok", "time", "reason"],
      tried.map(({ kind, ok, ms, reason }) => [kind, ok ? "yes" : "no", seconds(ms), reason]),
      REASON,
    ),
    "",
  ].join("\n");
}

function giga(perSecond: number | undefined, unit: string): string | undefined {
  return perSecond === undefined ? undefined : `${(perSecond / 1e9).toFixed(1)} ${unit}`;
}

/** A table whose long cells go on in the lines below. */
function table(header: readonly string[], rows: readonly (readonly string[])[], width: number): string {
  const lines = rows.flatMap((row) => {
    const cells = row.map((text) => wrap(text, width));
    const height = Math.max(...cells.map((parts) => parts.length));
    return Array.from({ length: height }, (_, i) => cells.map((parts) => parts[i] ?? ""));
  });
  return textTable(header, lines, header.map(() => "left"), width);
}

/** Breaks a text between words, and words that are longer than a line. */
function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (
    const word of text.split(/\s+/).flatMap((long) => long.match(new RegExp(`.{1,${width}}`, "gu")) ?? [])
  ) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
