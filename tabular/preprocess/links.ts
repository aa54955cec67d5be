/**
 * Random links and the attention mask of one scale of the row interactor (SPEC 4.2).
 *
 * @module
 */

import type { TorchRandom } from "./torch_random.ts";

/**
 * Draws the random links of one scale. Call it for the scales in ascending order with one generator.
 *
 * @param generator The source; untouched when nothing is drawn.
 * @param k The number of grouped tokens.
 * @param r Links per token (`row_num_random`); 0 draws none.
 * @param specials The number of class and global tokens in front of the grouped ones.
 * @returns For each grouped token the sequence positions it is linked to (from `specials` on, in the order drawn); empty lists
 * when `r` is 0 or there is only one token.
 */
export function drawLinks(generator: TorchRandom, k: number, r: number, specials: number): Int32Array[] {
  const draws = r > 0 && k > 1;
  return Array.from({ length: k }, () => {
    if (!draws) return new Int32Array(0);
    const links = generator.randpermHead(k, r);
    for (let i = 0; i < links.length; i++) links[i]! += specials;
    return links;
  });
}

/**
 * Makes the mask of one scale. Specials see and are seen by every token, a token sees itself, its links and its window.
 *
 * @param specials The number of class and global tokens.
 * @param k The number of grouped tokens.
 * @param links Per grouped token, linked sequence positions, as `drawLinks` gives them.
 * @param window Tokens at most this far away are seen; 0 (default) for none, as in the official code, whose window never opens.
 * @returns [L, L] with L = specials + k, query-major; 1 = may attend.
 */
export function rowMask(
  specials: number,
  k: number,
  links: readonly ArrayLike<number>[],
  window = 0,
): Uint8Array {
  const length = specials + k;
  const mask = new Uint8Array(length * length);
  mask.fill(1, 0, specials * length);
  for (let i = specials; i < length; i++) {
    const row = i * length;
    mask.fill(1, row, row + specials);
    const first = Math.max(specials, i - window);
    const last = Math.min(length - 1, i + window);
    mask.fill(1, row + first, row + last + 1);
    const linked = links[i - specials];
    for (let n = 0; linked !== undefined && n < linked.length; n++) mask[row + linked[n]!] = 1;
  }
  return mask;
}
