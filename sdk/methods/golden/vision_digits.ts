/**
 * Replays the golden file of the digits model, on which Sparsifiner is judged.
 *
 * @module
 */
import { digitsChooser, type DigitsParams, runDigits, windowPlan } from "../../compare/digits_runs.ts";
import { type Check, compare, floats, shapeOf } from "../../golden/check.ts";
import type { Replay } from "./replay.ts";

/** The budget that the sparse logits of the file were made with. */
const KEEP = 0.25;

/**
 * Dense and sparse logits of the first images. Accuracies and recalls, which are those of all images, say nothing more of a device: only WASM, which
 * takes seconds for them, is asked. The reference device and software GPUs would take minutes.
 */
export const replayVisionDigits: Replay = async (device, file, params) => {
  const sizes = params as unknown as DigitsParams;
  const count = shapeOf(file, "logits_dense")[0]!;
  const sparse = (rate: number, images?: number) =>
    runDigits(device, file, sizes, digitsChooser(file, sizes, rate), images);
  const dense = await runDigits(device, file, sizes, undefined, count);
  const kept = await sparse(KEEP, count);
  const checks: Check[] = [
    compare("logits_dense", dense.logits, floats(file, "logits_dense"), 1e-4),
    compare("logits_sparse", kept.logits, floats(file, "logits_sparse"), 1e-4),
  ];
  if (device.kind !== "wasm") return { checks, density: kept.density };

  using window = windowPlan(device, sizes.heads);
  const recalls = params["recall"] as Readonly<Record<string, number>>;
  // Rounding may turn one image over.
  const slack = 1.5 / shapeOf(file, "labels")[0]!;
  for (const [name, expected] of Object.entries(params["accuracy"] as Readonly<Record<string, number>>)) {
    const rate = /^sparse_(.+)$/.exec(name)?.[1];
    const run = rate !== undefined
      ? await sparse(Number(rate))
      : await runDigits(device, file, sizes, name === "dense" ? undefined : () => window);
    checks.push(compare(`accuracy of ${name}`, [run.accuracy], [expected], slack));
    const recall = rate === undefined ? undefined : recalls[rate];
    if (recall !== undefined) checks.push(compare(`recall of ${name}`, [run.recall], [recall], 1e-3));
  }
  return { checks, density: kept.density };
};
