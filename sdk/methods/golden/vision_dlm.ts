/**
 * Replays the golden file of the diffusion language model, on which SparseD is judged.
 *
 * @module
 */
import { diffusionLm } from "../../compare/diffusion_lm.ts";
import {
  denseDiffusion,
  type DiffusionParams,
  type DiffusionRow,
  earlyDiffusion,
  sparseDiffusion,
  windowDiffusion,
  writeAnswers,
} from "../../compare/diffusion_runs.ts";
import { type Check, compare, floats, integers, shapeOf } from "../../golden/check.ts";
import type { Replay } from "./replay.ts";

/** What the names of the accuracies say: a way, its share of blocks and the number of steps. */
const ROWS: Readonly<Record<string, (share: number) => DiffusionRow>> = {
  dense: () => denseDiffusion,
  sparsed: (share) => sparseDiffusion("", share),
  early: (share) => earlyDiffusion("", share),
  // As if everything was generated: one choice among all blocks.
  noiso: (share) => sparseDiffusion("", share, 2 ** 31),
  window: () => windowDiffusion("", 26),
};

/** Logits of the first step, and on all but the reference device, which is too slow, the share of right answers of every run. */
export const replayVisionDlm: Replay = async (device, file, params) => {
  using scope = device.scope();
  const config = params as unknown as DiffusionParams;
  const [count, length] = shapeOf(file, "logits_masked") as [number, number];
  const truth = integers(file, "sequences");
  const ids = Array.from({ length: count }, (_, n) => [
    ...truth.subarray(n * length, n * length + config.prompt_len),
    ...new Array<number>(config.gen_len).fill(config.mask_id),
  ]);
  const logits = await diffusionLm(scope, file, config)(scope, ids).read();
  const checks: Check[] = [compare("logits_masked", logits, floats(file, "logits_masked"), 1e-4)];
  if (device.kind === "reference") return { checks };

  for (const [name, expected] of Object.entries(params["accuracy"] as Readonly<Record<string, number>>)) {
    const parts = name.split("_");
    const row = ROWS[parts[0]!]?.(Number(parts.at(-2)));
    if (!row) {
      throw new RangeError(`Cannot replay the golden file: its accuracy "${name}" is of no known run`);
    }
    const { accuracy } = await writeAnswers(scope, file, config, row, Number(parts.at(-1)));
    // Rounding may turn over a few of the tokens.
    checks.push({ ...compare(`accuracy of ${name}`, [accuracy], [expected], 0.005), kind: "score" });
  }
  return { checks };
};
