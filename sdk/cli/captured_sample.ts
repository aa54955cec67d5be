/**
 * Queries, keys and values of trained models.
 *
 * @module
 */
import { OrionMSPClassifier } from "../../tabular/mod.ts";
import { captureAttention } from "../compare/capture.ts";
import { diffusionLogits } from "../compare/diffusion_lm.ts";
import { digitsLogits, digitsPredictors } from "../compare/digits_vit.ts";
import type { VisionSample } from "../compare/vision_lineup.ts";
import { createDevice } from "../device/mod.ts";
import { openWasm } from "../../wasm/mod.ts";
import { floats, integers } from "../golden/check.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { readBytes } from "./node_files.ts";
import { labelsOf, pick, readTable } from "./table.ts";

/** Fewest keys of an attention that is worth a comparison. */
const LEAST = 64;

/**
 * Captures the last self-attention of a model.
 *
 * @param model orion: the bundled tabular model while it fits a bundled table; diffusion: a small language model that copies masked tokens;
 * digits: a small vision transformer that reads one.
 */
export async function capturedSample(model: "orion" | "diffusion" | "digits"): Promise<VisionSample> {
  const { backend } = await openWasm({ threads: 1 });
  const capture = captureAttention(backend, ({ lq, lk }) => lq === lk && lk >= LEAST);
  using device = createDevice(capture.backend);
  let known: Partial<VisionSample> = {};
  if (model === "orion") {
    const table = new URL("../../examples/data/breast_cancer.csv", import.meta.url);
    const read = await readTable({ readFile: readBytes }, table, "diagnosis");
    const rows = Array.from(read.rows.keys());
    const features = read.columns.filter((name) => name !== "diagnosis");
    const [x, y] = [pick(read, features, rows), labelsOf(read, rows)];
    const classifier = await OrionMSPClassifier.load({ device });
    await classifier.fit(x, y);
    classifier.dispose();
  } else if (model === "digits") {
    const { file, params } = await fixture("vision-digits");
    const pixels = floats(file, "images").slice(0, params.tokens - 1).map((value) => value / 16);
    await digitsLogits(device, file, params, pixels).read();
    known = { causal: false, predictor: digitsPredictors(file, params).at(-1)! };
  } else {
    const { file, params } = await fixture("vision-dlm");
    const truth = Array.from(integers(file, "sequences").slice(0, params.prompt_len));
    await diffusionLogits(device, file, params, [
      ...truth,
      ...new Array<number>(params.gen_len).fill(params.mask_id),
    ]).read();
  }
  const last = (await capture.samples()).at(-1);
  if (last === undefined) {
    throw new Error(`Cannot compare on ${model}: it ran no attention of ${LEAST} keys or more`);
  }
  return { ...last, ...known };
}

async function fixture(slug: string) {
  const url = new URL(`../methods/testdata/${slug}.safetensors`, import.meta.url);
  const file = readSafetensors(await readBytes(url));
  return { file, params: JSON.parse(file.metadata["params"]!) };
}
