/**
 * From measures of attention maps to orders and masks.
 *
 * @module
 */

/** What orders are chosen by, of every query head and order; the least score is the best. */
export interface ParoFigures {
  /** Share of tiles that are nearly empty. */
  readonly sparse: readonly (readonly number[])[];
  /** Largest over mean weight of a tile. */
  readonly quant: readonly (readonly number[])[];
  /** Both as one. */
  readonly score: readonly (readonly number[])[];
}

/**
 * Weighs emptiness against evenness.
 *
 * @param sparse [Hq * 6]: share of nearly empty tiles of every order.
 * @param quant [Hq * 6]: largest over mean weight.
 * @param orders The orders that compete.
 * @param alpha Weight of emptiness, from 0 to 1.
 */
export function orderFigures(
  sparse: Float64Array,
  quant: Float64Array,
  orders: readonly number[],
  alpha: number,
): ParoFigures {
  const rows = (values: Float64Array): number[][] =>
    Array.from(
      { length: values.length / 6 },
      (_, h) =>
        Array.from({ length: 6 }, (_, order) => orders.includes(order) ? values[6 * h + order]! : NaN),
    );
  const share = (row: readonly number[]): number[] => {
    const sum = orders.reduce((all, order) => all + row[order]!, 0);
    return row.map((value) => sum > 0 ? value / sum : value * 0);
  };
  const figures = { sparse: rows(sparse), quant: rows(quant) };
  const score = figures.sparse.map((row, h) => {
    const [full, uneven] = [share(row.map((empty) => 1 - empty)), share(figures.quant[h]!)];
    return row.map((_, order) => alpha * full[order]! + (1 - alpha) * uneven[order]!);
  });
  return { ...figures, score };
}

/**
 * The order of every query head: the one with the least score, the lowest among equals; heads that share keys choose together.
 *
 * @param score [Hq][6].
 */
export function chooseOrders(
  score: readonly (readonly number[])[],
  kvHeads: number,
  orders: readonly number[],
): number[] {
  const group = score.length / kvHeads;
  const ascending = [...orders].sort((a, b) => a - b);
  return score.map((_, h) => {
    const first = h - h % group;
    const sum = (order: number): number =>
      score.slice(first, first + group).reduce((all, row) => all + row[order]!, 0);
    return ascending.reduce((best, order) => sum(order) < sum(best) ? order : best);
  });
}

/** Which mask every step has by default: the first half one each, all others the last. */
export function halfShared(steps: number): number[] {
  return Array.from({ length: steps }, (_, step) => Math.min(step, Math.floor(steps / 2)));
}

/**
 * The tiles of a mask: the largest ones, the first among equals, and beside that budget those with text, the last row and the last column.
 *
 * @param sums [n * n].
 * @param textBlocks Blocks that hold text.
 */
export function chooseTiles(
  sums: Float64Array,
  n: number,
  density: number,
  textBlocks: number,
): Uint8Array {
  const tiles = new Uint8Array(n * n);
  const byMass = Array.from(sums.keys()).sort((a, b) => sums[b]! - sums[a]!);
  for (const at of byMass.slice(0, Math.floor(density * n * n + 0.5))) tiles[at] = 1;
  const always = (block: number): boolean => block < textBlocks || block === n - 1;
  for (let at = 0; at < n * n; at++) if (always(Math.floor(at / n)) || always(at % n)) tiles[at] = 1;
  return tiles;
}
