/** One step of a long call: what runs, how much is done and how much there is. */
export interface Progress {
  /** What runs now. */
  stage: string;
  /** Units done. */
  done: number;
  /** Units in all. */
  total: number;
}

/** Where a progress bar draws itself. */
export interface BarStream {
  /** Writes text. */
  write(text: string): unknown;
  /** Columns of the terminal. */
  columns?: number | undefined;
}

/** A bar that follows progress. */
export interface ProgressBar {
  /** Draws a step, at most about 20 times a second. */
  update(label: string, progress: Progress): void;
  /** Takes the bar off the screen. */
  clear(): void;
}

const CELLS = 24;
const INTERVAL_MS = 50;

/**
 * Makes a progress bar of one line that is redrawn in place.
 *
 * @param stream The terminal; `undefined` (a pipe) gives a bar that never draws.
 * @param now A clock in milliseconds.
 * @returns The bar.
 */
export function progressBar(
  stream: BarStream | undefined,
  now: () => number = () => performance.now(),
): ProgressBar {
  if (!stream) return { update() {}, clear() {} };
  let drawn = -Infinity;
  let visible = false;
  return {
    update(label, { stage, done, total }): void {
      const time = now();
      if (time - drawn < INTERVAL_MS) return;
      drawn = time;
      const part = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
      const full = Math.round(part * CELLS);
      const bar = "█".repeat(full) + "░".repeat(CELLS - full);
      const text = `${bar} ${String(Math.round(part * 100)).padStart(3)} %  ${label}: ${stage}`;
      stream.write(`\r\x1b[2K${text.slice(0, (stream.columns ?? 80) - 1)}`);
      visible = true;
    },
    clear(): void {
      if (visible) stream.write("\r\x1b[2K");
      visible = false;
      drawn = -Infinity;
    },
  };
}
