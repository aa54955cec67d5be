/** Rows to learn from and rows to check with, by index. */
export interface Split {
  /** Indices of the rows to learn from, ascending. */
  train: number[];
  /** Indices of the rows held out, ascending. */
  test: number[];
}

/**
 * Holds out a part of every class: at least one row of each class that has two, never a class's only row.
 *
 * @param labels The class of each row.
 * @param options `fraction` is the part to hold out (default 0.25); `seed` chooses the rows (default 0).
 * @returns The rows to learn from and the rows held out.
 */
export function stratifiedHoldout(
  labels: readonly unknown[],
  options: { fraction?: number; seed?: number } = {},
): Split {
  const { fraction = 0.25, seed = 0 } = options;
  const next = mulberry32(seed);
  const rowsOf = new Map<unknown, number[]>();
  labels.forEach((label, row) => {
    const rows = rowsOf.get(label);
    if (rows) rows.push(row);
    else rowsOf.set(label, [row]);
  });
  const split: Split = { train: [], test: [] };
  for (const rows of rowsOf.values()) {
    const held = rows.length < 2 ? 0 : Math.max(1, Math.round(rows.length * fraction));
    shuffle(rows, next);
    for (const row of rows.slice(0, held)) split.test.push(row);
    for (const row of rows.slice(held)) split.train.push(row);
  }
  split.train.sort((a, b) => a - b);
  split.test.sort((a, b) => a - b);
  return split;
}

function shuffle(rows: number[], next: () => number): void {
  for (let i = rows.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [rows[i], rows[j]] = [rows[j] as number, rows[i] as number];
  }
}

/** Random numbers in [0, 1) by the public-domain generator mulberry32. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
