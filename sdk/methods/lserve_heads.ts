/**
 * Which key heads retrieve from the whole context, by the scores that DuoAttention trains.
 *
 * @module
 */

/** One number for every layer and key head. */
export type HeadTable = readonly (readonly number[])[];

/**
 * Reads a score file of DuoAttention (`full_attention_heads.tsv`): a line per layer, a tab-separated number per key head.
 *
 * @returns Scores [layers][key heads].
 * @example
 * ```ts
 * import { parseHeadScores } from "./lserve_heads.ts";
 *
 * console.log(parseHeadScores("0.5\t1\n0\t0.25\n")); // [[0.5, 1], [0, 0.25]]
 * ```
 * @throws SyntaxError if the text is not a table of finite numbers.
 */
export function parseHeadScores(text: string): number[][] {
  const lines = text.replace(/(\r?\n)+$/, "").split(/\r?\n/);
  const rows = lines.map((line, layer) =>
    line.split("\t").map((cell, head) => {
      const value = cell.trim() === "" ? NaN : Number(cell);
      if (Number.isFinite(value)) return value;
      throw new SyntaxError(
        `Cannot read the head scores: line ${layer + 1} has ${JSON.stringify(cell)} in column ${
          head + 1
        }, expected a finite number`,
      );
    })
  );
  const width = rows[0]!.length;
  const ragged = rows.findIndex((row) => row.length !== width);
  if (ragged >= 0) {
    throw new SyntaxError(
      `Cannot read the head scores: line ${ragged + 1} has ${
        rows[ragged]!.length
      } columns, expected ${width} like the first`,
    );
  }
  return rows;
}

/**
 * Splits the key heads of a whole model into retrieval heads and streaming heads.
 *
 * Of n heads the first n - ceil(sparsity * (n - 1)) by descending score (then layer, then head, ascending) retrieve: without ties those at or above the
 * quantile of the official code, which breaks ties by chance.
 *
 * @param scores [layers][key heads].
 * @param sparsity Share of streaming heads: none from 0 down, all from 1 on.
 * @returns Flags [layers][key heads]: 1 for retrieval heads.
 */
export function retrievalHeads(scores: HeadTable, sparsity: number): number[][] {
  const all = scores.flatMap((row, layer) => row.map((score, head) => ({ score, layer, head })));
  const wanted = sparsity <= 0
    ? all.length
    : sparsity >= 1
    ? 0
    : all.length - Math.ceil(sparsity * (all.length - 1));
  const flags = scores.map((row) => row.map(() => 0));
  // The sort is stable, so equal scores stay in the order of layers and heads.
  const order = all.sort((a, b) => b.score - a.score);
  for (const { layer, head } of order.slice(0, wanted)) flags[layer]![head] = 1;
  return flags;
}
