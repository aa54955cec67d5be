/**
 * Replays the golden file of Efficient-vDiT: masks, table 1, the search, plans and jumps.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Plan } from "../../attention/plan.ts";
import type { Device } from "../../device/device.ts";
import type { Tensor } from "../../device/tensor.ts";
import {
  type Check,
  compare,
  compareScores,
  compareSelections,
  floats,
  shapeOf,
} from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { efficientVdit } from "../efficient_vdit.ts";
import { frameTiles, referenceFrames, seesFrame } from "../efficient_vdit_frames.ts";
import { efficientVditLayers } from "../efficient_vdit_profile.ts";
import { segmentStep, segmentTarget } from "../efficient_vdit_segments.ts";
import { integers, numberOf, type Params, type Replay, upload, uploadPart } from "./replay.ts";

/** Everything in the file. */
export const replayEfficientVdit: Replay = async (device, file, params) => {
  using d = device.scope();
  const [frames, tokensPerFrame] = [numberOf(params, "frames"), numberOf(params, "tokens_per_frame")];
  const text = params["text"] === undefined ? 0 : numberOf(params, "text");
  const blockSize = numberOf(params, "block_size");
  const layers = shapeOf(file, "q")[0]!;
  const one = (name: string, layer: number): Tensor => uploadPart(d, file, name, layer);
  const samples = Array.from(
    { length: layers },
    (_, layer) => ({ layer, q: one("q", layer), k: one("k", layer), v: one("v", layer) }),
  );
  const candidates = Array.from(integers(file, "candidates"));
  const profile = await efficientVdit.search(d, samples, {
    ...{ frames, tokensPerFrame, text, blockSize, candidates, r: numberOf(params, "threshold") },
  });
  // Candidates of one mask were tried once.
  const tried = candidates.map((k) =>
    profile.candidates.findIndex((own) =>
      `${referenceFrames(frames, own)}` === `${referenceFrames(frames, k)}`
    )
  );
  const losses = profile.losses.flatMap((row) => tried.map((c) => c < 0 ? 0 : row[c]!));
  const masks = candidates.flatMap((k) => {
    const sees = seesFrame(frames, k);
    return Array.from({ length: frames ** 2 }, (_, i) => sees(Math.floor(i / frames), i % frames) ? 1 : 0);
  });
  const checks: Check[] = [
    compareSelections("frame_masks", masks, integers(file, "frame_masks")),
    compareScores("losses", losses, floats(file, "losses")),
    compareSelections("chosen", profile.chosen, integers(file, "chosen")),
    compare(
      "density",
      efficientVditLayers(profile).map(({ density }) => density),
      params["density"] as readonly number[],
      1.5e-5,
    ),
    ...replayTable(file),
    ...await replaySegments(d, file, params),
  ];
  const out = floats(file, "out");
  let density = 0;
  for (const [layer, { q, k, v }] of samples.entries()) {
    using plan = efficientVdit({ profile, layer, blockSize }).plan(d, q, k);
    await plan.validate();
    const size = out.length / layers;
    const expected = out.subarray(layer * size, (layer + 1) * size);
    checks.push(compare(`out ${layer}`, await attention(d, q, k, v, { plan }).out.read(), expected, 1e-4));
    checks.push(...await replayBlocks(file, plan, layer, blockSize));
    density += await plan.density() / layers;
  }
  return { checks, density };
};

/** Which blocks the plan touches, and which it computes whole. */
async function replayBlocks(
  file: SafetensorsFile,
  plan: Plan,
  layer: number,
  blockSize: number,
): Promise<Check[]> {
  const { lq } = plan;
  const n = Math.ceil(lq / blockSize);
  const mask = await plan.mask();
  const [touched, whole] = [new Uint8Array(n * n), new Uint8Array(n * n).fill(1)];
  for (let at = 0; at < lq * lq; at++) {
    const block = Math.floor(Math.floor(at / lq) / blockSize) * n + Math.floor(at % lq / blockSize);
    if (mask[at]) touched[block] = 1;
    else whole[block] = 0;
  }
  const own = (name: string): Int32Array => integers(file, name).subarray(layer * n * n, (layer + 1) * n * n);
  return [
    compareSelections(`block_mask ${layer}`, touched, own("block_mask")),
    compareSelections(`block_full ${layer}`, whole, own("block_full")),
  ];
}

/** Table 1 of the paper: 3600 tokens per frame, blocks of 128. */
function replayTable(file: SafetensorsFile): Check[] {
  const table = integers(file, "table1");
  const sparsity = Array.from({ length: table.length / 2 }, (_, i) => {
    const layout = { frames: table[2 * i]!, tokensPerFrame: 3600, text: 0 };
    const { blocks, touched } = frameTiles(layout, table[2 * i + 1]!, 128);
    return 100 * (1 - touched / blocks ** 2);
  });
  return [compareScores("table1_sparsity", sparsity, floats(file, "table1_sparsity"))];
}

async function replaySegments(d: Device, file: SafetensorsFile, params: Params): Promise<Check[]> {
  const options = {
    ...{ steps: numberOf(params, "mcd_steps"), segments: numberOf(params, "mcd_segments") },
    ...{ alpha: floats(file, "mcd_alpha"), sigma: floats(file, "mcd_sigma") },
  };
  const times = Array.from(integers(file, "mcd_t"));
  const targets = times.map((t) => segmentTarget(t, options));
  const z = segmentStep(d, upload(d, file, "mcd_z"), upload(d, file, "mcd_x_hat"), times, options);
  return [
    compareSelections("mcd_s", targets, integers(file, "mcd_s")),
    compare("mcd_z_s", await z.read(), floats(file, "mcd_z_s"), 1e-5),
  ];
}
