/**
 * Queries, keys and values of the recall model.
 *
 * @module
 */
import type { Sample } from "../compare/structured.ts";
import { openDevice } from "../device/mod.ts";
import { CausalLM } from "../lm/mod.ts";
import { recallText } from "../lm/recall/tasks.ts";

/**
 * What a layer of the recall model attends with on a text of records and questions about them.
 *
 * @param length Tokens, at most 16384.
 * @param layer From 0.
 * @param seed Of the text.
 * @throws RangeError if the model has no such layer or the text does not fit.
 */
export async function recallSample(length: number, layer: number, seed: number): Promise<Sample> {
  using device = await openDevice({ prefer: "wasm" });
  const lm = await CausalLM.load(new URL("../lm/recall", import.meta.url), { device });
  const { layers, heads, kvHeads, headDim } = lm.config;
  if (layer >= layers) {
    throw new RangeError(
      `Cannot compare layer ${layer} of the recall model: it has ${layers} layers, from 0`,
    );
  }
  const { ids } = recallText({
    task: "records",
    tokens: length,
    statements: Math.floor(length / 32),
    questions: Math.ceil(length / 128),
    seed,
  });
  let found: Pick<Sample, "q" | "k" | "v"> | undefined;
  // All tokens at once, so that what the layer attends with comes in one piece.
  using whole = lm.with({ chunk: length });
  const logits = await whole.logits(ids, {
    inspectHeads: async (at, { q, k, v }) => {
      if (at !== layer) return;
      const read = async (x: typeof q) => new Float32Array(await x.read());
      found = { q: await read(q), k: await read(k), v: await read(v) };
    },
  });
  logits.dispose();
  return { heads, kvHeads, length: ids.length, headDim, ...found! };
}
