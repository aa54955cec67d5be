/**
 * Medians, spreads and the head of every report.
 *
 * @module
 */
import os from "node:os";
import process from "node:process";

/** Middle and range of repeated measurements. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)]!, min: sorted[0]!, max: sorted.at(-1)!, runs: sorted.length };
}

/** Times a function: `warm` calls first, then `runs` counted ones, in milliseconds. */
export async function measure(run: () => unknown, runs: number, warm = 1): Promise<Spread> {
  for (let i = 0; i < warm; i++) await run();
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  }
  return spread(times);
}

/** The runtime's name and version. */
export function runtime(): string {
  const { deno, bun } = process.versions as { deno?: string; bun?: string };
  return deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${process.versions.node}`;
}

/** Machine and runtime, for the first line of a table. */
export function machine(): string {
  return `${os.cpus()[0]?.model.trim() ?? "unknown CPU"} (${os.cpus().length} cores), ${runtime()}`;
}

/** Milliseconds with a sensible number of digits and their range. */
export function show({ median, min, max }: Spread): string {
  const digits = median < 10 ? 2 : median < 100 ? 1 : 0;
  return `${median.toFixed(digits)} ms (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}
