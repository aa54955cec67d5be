/**
 * How many tiles row blocks of MMInference touch, by what the host knows.
 *
 * @module
 */
import type { CellGroup } from "./mminference_cells.ts";
import type { MmGrid, MmHead } from "./mminference_patterns.ts";

/**
 * The most tiles that a row block touches where rows and slots are in order, except for lines of keys, which come first; Infinity where patterns
 * say nothing.
 *
 * @param lk Keys.
 */
export function tileBound(head: MmHead, lk: number, blockSize: number): number {
  const pattern = head.inter === "none" ? head.all : undefined;
  /** Tiles of neighbouring slots. */
  const run = (slots: number): number => slots > 0 ? Math.ceil((slots - 1) / blockSize) + 1 : 0;
  /** Tiles of what a block sees at neighbouring distances. */
  const band = (distances: number): number => distances > 0 ? run(distances + blockSize - 1) : 0;
  if (pattern?.type === "a_shape") return run(pattern.init) + band(pattern.local);
  if (pattern?.type === "vertical_slash") {
    const { nv, ns, init, local } = pattern;
    return run(Math.max(nv, init)) + band(local) + Math.max(0, ns - local) * band(1);
  }
  if (pattern?.type === "grid" && !pattern.hline) {
    const { strides, vline, slash, init, local } = pattern;
    const lines = Math.ceil(lk / Math.min(...strides));
    return run(init + (vline ? lines : 0)) + band(local) + (slash ? lines * band(1) : 0);
  }
  return Infinity;
}

/**
 * The cells, at most one of each head, whose queries and keys are better sorted by bundles of rests; see {@linkcode bundleOf}.
 *
 * @param pairs Queries times keys of a head.
 */
export function slashCells(
  groups: readonly CellGroup[],
  pairs: number,
  blockSize: number,
): Map<number, CellGroup> {
  const sorted = new Map<number, CellGroup>();
  for (const group of groups) {
    const keys = group.keys.length;
    for (const { head, pattern } of group.cells) {
      // The other cells of the head are spread: they may not be the larger part.
      const large = 2 * group.rows.length * keys > pairs;
      if (large && pattern.type === "grid" && pattern.slash && bundleOf(pattern, keys, blockSize).gains) {
        sorted.set(head, group);
      }
    }
  }
  return sorted;
}

/**
 * How tokens are sorted so that slashes touch few tiles: by their rest when divided by the stride, so many neighbouring rests as one bundle, then by position.
 * A slash lies in one bundle then, a local window in as many as it has rests.
 *
 * @returns Rests per bundle, and whether a row block in the middle touches fewer tiles than in order.
 */
export function bundleOf(
  { strides, local }: MmGrid,
  keys: number,
  blockSize: number,
): { readonly size: number; readonly gains: boolean } {
  const stride = strides.reduce((sum, one) => sum + one, 0) / strides.length;
  /** Tiles of slashes per rest of a bundle. */
  const slash = keys / (2 * stride * blockSize);
  const size = Math.max(1, Math.min(...strides, Math.round(Math.sqrt(2 * local / slash))));
  const touched = strides.reduce((sum, one) => sum + (one % blockSize === 0 ? 1 : 2) / (2 * one), 0) /
    strides.length;
  const inOrder = keys * Math.min(touched, 1 / (2 * blockSize));
  return { size, gains: slash * size + 1 + 2 * (local / size + 1) < inOrder };
}
