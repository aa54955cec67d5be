/**
 * Replays a golden file of kind `model`: one forward pass, its masks and the stages that this implementation computes.
 *
 * @module
 */
import type { Device, Tensor } from "../../sdk/device/mod.ts";
import { type SafetensorsFile, toFloat32 } from "../../sdk/weights/safetensors.ts";
import { specialTokens } from "../model/config.ts";
import { OrionMSP } from "../model/orion_msp.ts";
import { drawMasks } from "../model/row_interactor.ts";
import { torchRandom } from "../preprocess/torch_random.ts";
import { type Check, compare, floats, shapeOf } from "../../sdk/golden/check.ts";

/** Largest difference allowed in outputs (SPEC 11). */
const TOLERANCE = 2e-5;

interface ModelParams {
  readonly config: unknown;
  readonly torch_seed?: number;
  readonly mode?: "eval" | "train";
  readonly forward?: {
    readonly embed_with_test?: boolean;
    readonly return_logits?: boolean;
    readonly softmax_temperature?: number;
  };
}

/** Replays the file on a device; one check per mask, stage and output. */
export async function replayModel(
  device: Device,
  file: SafetensorsFile,
  params: ModelParams,
): Promise<Check[]> {
  const weights = new Map(
    [...file.tensors].filter(([name]) => name.startsWith("sd.")).map((
      [name, entry],
    ) => [name.slice(3), entry]),
  );
  const model = OrionMSP.fromTensors(params.config, weights, { device });
  const checks: Check[] = [];
  try {
    const { config } = model;
    const x = { data: floats(file, "X"), shape: shapeOf(file, "X") };
    const labels = { data: floats(file, "y_train"), shape: shapeOf(file, "y_train") };
    const features = x.shape[2]!;
    const seed = config.mode === "filigree" ? config.link_seed : params.torch_seed ?? 0;
    const masks = drawMasks(config, features, torchRandom(seed));
    for (const [scale, mask] of masks) checks.push(...compareMask(file, scale, mask, specialTokens(config)));

    const training = params.mode === "train";
    const shuffles = file.tensors.get("feature_shuffles");
    const d = file.tensors.get("d");
    const onStage = async (name: string, tensor: Tensor): Promise<void> => {
      const recorded = name === "col.embeddings"
        ? withoutDummies(file, specialTokens(config))
        : file.tensors.has(name)
        ? floats(file, name)
        : undefined;
      // An ensemble embeds one table and a padded batch leaves columns out: the recorded stage has another shape then.
      if (recorded === undefined || recorded.length !== tensor.size || d !== undefined) return;
      const largest = recorded.reduce((all, value) => Math.max(all, Math.abs(value)), 1);
      checks.push(compare(name, await tensor.read(), recorded, TOLERANCE * largest));
    };
    const out = await model.forward(x, labels, {
      training,
      masks,
      onStage,
      embedWithTest: params.forward?.embed_with_test ?? false,
      returnLogits: params.forward?.return_logits ?? true,
      softmaxTemperature: params.forward?.softmax_temperature ?? 0.9,
      ...(shuffles && { featureShuffles: rowsOf(toFloat32(shuffles), shuffles.shape[1]!) }),
      ...(d && { featureCounts: Int32Array.from(toFloat32(d)) }),
    });
    checks.push(compare("out", out.data, floats(file, "out"), TOLERANCE));
  } finally {
    model.dispose();
  }
  return checks;
}

/** A drawn mask and its links beside the recorded ones. */
export function compareMask(
  file: SafetensorsFile,
  scale: number,
  mask: Uint8Array,
  specials: number,
  prefix = "",
): Check[] {
  const name = `${prefix}mask.scale${scale}`;
  const checks = file.tensors.has(name)
    ? [compare(name, Float32Array.from(mask), floats(file, name), 0)]
    : [];
  const links = `${prefix}links.scale${scale}`;
  if (file.tensors.has(links)) {
    const [k, width] = shapeOf(file, links) as [number, number];
    const length = specials + k;
    const drawn = new Float32Array(k * width).fill(-1);
    for (let i = 0; i < k; i++) {
      let at = i * width;
      for (let j = 0; j < k; j++) if (mask[(specials + i) * length + specials + j] === 1) drawn[at++] = j;
    }
    checks.push(compare(links, drawn, floats(file, links), 0));
  }
  return checks;
}

/** The recorded embeddings [B, T, S + H, E] without the S dummy columns. */
function withoutDummies(file: SafetensorsFile, specials: number): Float32Array | undefined {
  if (!file.tensors.has("col.embeddings")) return undefined;
  const [b, t, slots, e] = shapeOf(file, "col.embeddings") as [number, number, number, number];
  const all = floats(file, "col.embeddings");
  const kept = new Float32Array(b * t * (slots - specials) * e);
  for (let row = 0; row < b * t; row++) {
    kept.set(all.subarray((row * slots + specials) * e, (row + 1) * slots * e), row * (slots - specials) * e);
  }
  return kept;
}

function rowsOf(data: Float32Array, width: number): Int32Array[] {
  return Array.from(
    { length: data.length / width },
    (_, i) => Int32Array.from(data.subarray(i * width, (i + 1) * width)),
  );
}
