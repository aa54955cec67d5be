/**
 * Calibration of Double Sparsity on texts.
 *
 * @module
 */
import type { Tensor } from "../device/tensor.ts";
import { doubleSparsity } from "../methods/double_sparsity.ts";
import type { DoubleSparsitySample } from "../methods/double_sparsity_calibrate.ts";
import type { DoubleSparsityProfile } from "../methods/double_sparsity_profile.ts";
import type { CausalLM } from "./causal_lm.ts";

/** Options of {@linkcode calibrate}. */
export interface CalibrateOptions {
  /** Gives up between layers; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Ranks the channels of every head of a model by its own queries and keys on some texts: what `doubleSparsity({ profile })` takes. Hundreds of texts of 512 tokens are usual;
 * one like those to come is much better than none.
 *
 * @param lm The model.
 * @param texts Token ids of each, at least one text.
 * @returns The profile; as JSON it is a file in the official format.
 * @throws RangeError without texts, or for an id that the model does not have.
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { doubleSparsity } from "../methods/mod.ts";
 * import { calibrate, CausalLM } from "./mod.ts";
 *
 * const device = await openDevice();
 * const lm = await CausalLM.load("models/llama", { device });
 * const profile = await calibrate(lm, [lm.tokenizer!.encode("A text like those to come.")]);
 * const sparse = lm.with({ select: doubleSparsity({ profile }) });
 * ```
 */
export async function calibrate(
  lm: CausalLM,
  texts: Iterable<ArrayLike<number>>,
  options: CalibrateOptions = {},
): Promise<DoubleSparsityProfile> {
  return await doubleSparsity.calibrate(lm.device, samplesOf(lm, texts, options.signal));
}

/** What every layer attends with, one layer at a time; gone when the next is asked for. */
async function* samplesOf(
  lm: CausalLM,
  texts: Iterable<ArrayLike<number>>,
  signal: AbortSignal | undefined,
): AsyncGenerator<DoubleSparsitySample, void, undefined> {
  for (const ids of texts) {
    let deliver = Promise.withResolvers<DoubleSparsitySample | undefined>();
    let taken = Promise.withResolvers<void>();
    const run = lm.logits(ids, {
      signal,
      inspectHeads: async (layer, { q, k }) => {
        deliver.resolve({ layer, q, k });
        await taken.promise;
      },
    });
    run.then(
      (logits: Tensor) => {
        logits.dispose();
        deliver.resolve(undefined);
      },
      (error: unknown) => deliver.reject(error),
    );
    try {
      for (;;) {
        const sample = await deliver.promise;
        if (sample === undefined) break;
        yield sample;
        const last = taken;
        deliver = Promise.withResolvers();
        taken = Promise.withResolvers();
        last.resolve();
      }
    } finally {
      // Whoever stops asking must not leave the model waiting.
      taken.resolve();
      await run.catch(() => {});
    }
  }
}
