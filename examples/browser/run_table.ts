/**
 * Predicts one table on one device.
 *
 * @module
 */
import { type Follow, type Outcome, predictTable } from "../../sdk/cli/outcome.ts";
import type { Table } from "../../sdk/cli/table.ts";
import { type Device, type DeviceKind, type DeviceReport, openDevice } from "../../sdk/device/mod.ts";
import { OrionMSPClassifier } from "../../tabular/mod.ts";

/** What came of a run. */
export interface TableRun {
  /** What really computed: another kind than was asked for, where that one does not work. */
  readonly kind: DeviceKind;
  /** What the device says of itself after the run. */
  readonly report: DeviceReport;
  /** Milliseconds until the device was open; 0 if it was open already. */
  readonly openMs: number;
  /** What was predicted, and how long that took. */
  readonly outcome: Outcome;
}

/** What to run, and how to follow it. */
export interface TableRunOptions {
  /** The device to try first. */
  readonly prefer: DeviceKind;
  /** Members of the ensemble. */
  readonly members: number;
  /** Makes the options of each call. */
  readonly follow: Follow;
}

/** Devices stay open, so that a second run shows what a warm device takes. */
const devices = new Map<DeviceKind, Promise<Device>>();

/**
 * Predicts a stratified quarter of a table from the rest of it.
 *
 * @param table The table; rows without the target are left out.
 * @param options What to run on; see the fields.
 * @returns What was predicted.
 * @throws RangeError if the table has too little to learn from; what the device throws.
 */
export async function runTable(table: Table, options: TableRunOptions): Promise<TableRun> {
  const { prefer, members, follow } = options;
  const begin = performance.now();
  const opened = devices.has(prefer);
  const device = await openOnce(prefer);
  const openMs = opened ? 0 : performance.now() - begin;
  const { signal } = follow("loading");
  const classifier = await OrionMSPClassifier.load({ device, nEstimators: members, signal });
  try {
    const rows = table.rows.filter((row) => (row[table.target] ?? null) !== null);
    const outcome = await predictTable(classifier, { ...table, rows }, { follow });
    return { kind: device.kind, report: device.report, openMs, outcome };
  } finally {
    classifier.dispose();
  }
}

function openOnce(kind: DeviceKind): Promise<Device> {
  const known = devices.get(kind);
  if (known) return known;
  // In a worker, so that the page never stands still.
  const opening = openDevice({ prefer: kind, offThread: true });
  devices.set(kind, opening);
  opening.catch(() => devices.delete(kind));
  return opening;
}
