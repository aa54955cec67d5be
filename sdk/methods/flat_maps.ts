/**
 * Says where choosing the largest weights is no better than chance.
 *
 * @module
 */

/** Of what lies between chance and everything, the share that a choice must keep. */
const LEAST = 0.6;

/**
 * Warns of heads whose attention is spread too evenly.
 *
 * A random choice of a share `density` of the keys keeps about that share of the mass, and estimates an even mean without bias; the largest weights
 * do not. So a choice is worth its bias only where it keeps much more than chance: the rule is (recall - density) / (1 - density) >= 0.6. On a small
 * video model whose heads all stayed below that (recall under 0.72 at density 0.3) random masks of the same size did better than top-k.
 *
 * @param density Kept share of all pairs, of every head or one number for all.
 * @param recalls Kept share of the mass, of every head.
 * @returns A sentence, or `undefined` where all heads are fine. A head whose recall is not a number is not.
 */
export function flatMapWarning(
  density: ArrayLike<number> | number,
  recalls: ArrayLike<number>,
): string | undefined {
  const flat = Array.from(recalls, (recall, head) => {
    const chance = typeof density === "number" ? density : density[head]!;
    return { head, recall, chance, fine: chance >= 1 || (recall - chance) / (1 - chance) >= LEAST };
  }).filter(({ fine }) => !fine);
  if (flat.length === 0) return undefined;
  const heads = flat.map(({ head, recall, chance }) =>
    `${head} (recall ${recall.toFixed(2)} at density ${chance.toFixed(2)})`
  );
  return `attention is too even to choose from in ${flat.length === 1 ? "head" : "heads"} ${
    heads.join(", ")
  }: a random choice may do as well, keep more or stay dense there`;
}
