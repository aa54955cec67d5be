/**
 * Replays golden files of language models: weights with what a text gives, and the model's configuration beside them.
 *
 * @module
 */
import type { Device } from "../../device/device.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareSelections, floats, integers } from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { memoryFiles } from "../../weights/source.ts";
import { argmax } from "../_argmax.ts";
import { CausalLM, type CausalLMOptions } from "../causal_lm.ts";

/** Largest difference of logits and of the residual stream on a device that computes in float32. */
const TOLERANCE = 1e-3;

/** A golden file of a language model. */
export interface LmGolden {
  /** The weights file as it is. */
  readonly bytes: Uint8Array;
  /** The same, read. */
  readonly file: SafetensorsFile;
  /** The contents of `config.json`. */
  readonly config: Uint8Array;
}

/** Whether a weights file is a golden file of a language model. */
export function isLmGolden(file: SafetensorsFile): boolean {
  return file.tensors.has("fixture.input_ids");
}

/**
 * Loads the model and compares logits and residual stream at every position of the prompt, the tokens that follow by arithmetic on the cache, and
 * those that a pass over prompt and answer gives.
 */
export async function replayLm(
  device: Device,
  { bytes, file, config }: LmGolden,
  options: Omit<CausalLMOptions, "device"> = {},
): Promise<readonly Check[]> {
  const files = memoryFiles(new Map([["config.json", config], ["model.safetensors", bytes]]));
  using lm = await CausalLM.load(files, { ...options, device });
  const prompt = integers(file, "fixture.input_ids");
  const answer = integers(file, "fixture.greedy_ids");
  const checks: Check[] = [];

  const hidden = new Map<number, Float32Array[]>();
  const inspect = async (index: number, x: Tensor): Promise<void> => {
    hidden.set(index, [...hidden.get(index) ?? [], await x.read()]);
  };
  const logits = await take(await lm.logits(prompt, { inspect }));
  checks.push(compare("logits", logits, floats(file, "fixture.logits"), TOLERANCE));
  for (const [index, parts] of hidden) {
    const name = `fixture.hidden.${index}`;
    const values = parts.flatMap((part) => Array.from(part));
    checks.push(compare(`hidden.${index}`, values, floats(file, name), TOLERANCE));
  }

  checks.push(compareSelections("greedy_ids", await greedy(lm, prompt, answer.length), answer));
  const whole = await take(await lm.logits(Int32Array.of(...prompt, ...answer.subarray(0, -1))));
  const again = answer.map((_, i) => argmax(whole, prompt.length - 1 + i, lm.config.vocabSize));
  checks.push(compareSelections("greedy_ids without a cache", again, answer));
  return checks;
}

/** The tokens that follow, each the likeliest one, through the cache. */
async function greedy(lm: CausalLM, prompt: Int32Array, count: number): Promise<Int32Array> {
  using sequence = lm.sequence();
  const ids = new Int32Array(count);
  let logits = await lm.prefill(sequence, prompt);
  for (let i = 0; i < count; i++) {
    ids[i] = argmax(await take(logits), 0, lm.config.vocabSize);
    if (i + 1 === count) break;
    const next = lm.device.tensor(ids.slice(i, i + 1), [1]);
    logits = lm.step([sequence], next);
    next.dispose();
  }
  return ids;
}

async function take(tensor: Tensor): Promise<Float32Array> {
  const values = await tensor.read();
  tensor.dispose();
  return values;
}
