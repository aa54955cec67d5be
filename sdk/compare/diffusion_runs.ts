/**
 * The diffusion language model writes its answers with dense and with sparse attention.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { planFromMask } from "../attention/builders.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { integers, shapeOf } from "../golden/check.ts";
import { sparseD } from "../methods/sparse_d.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";
import { diffusionLm, type DiffusionLmConfig } from "./diffusion_lm.ts";

/** The parameters of the file. */
export interface DiffusionParams extends DiffusionLmConfig {
  readonly prompt_len: number;
  readonly gen_len: number;
  readonly mask_id: number;
  readonly vocab: number;
}

/** Where a run is, and what its attention gets. */
export interface DiffusionCall {
  readonly d: Device;
  readonly step: number;
  readonly layer: number;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** The attention of one run over all steps; a plan is named where one was used. */
export type DiffusionRun = (call: DiffusionCall) => { readonly out: Tensor; readonly plan?: Plan };

/** One way to run the model. */
export interface DiffusionRow {
  readonly name: string;
  /**
   * Begins a run.
   *
   * @param device Receives what lasts over the steps; a scope that ends with the run.
   */
  start(device: Device, steps: number, params: DiffusionParams): DiffusionRun;
}

/** Queries and keys per block. */
const BLOCK = 8;

/** Everything at every step. */
export const denseDiffusion: DiffusionRow = {
  name: "dense",
  start: () => ({ d, q, k, v }) => attention(d, q, k, v),
};

/**
 * SparseD with its schedule.
 *
 * @param generated Tokens that it takes for generated ones. @default the answer
 */
export function sparseDiffusion(name: string, select: number, generated?: number): DiffusionRow {
  return {
    name,
    start(device, steps, params) {
      const genLen = generated ?? params.gen_len;
      const session = sparseD({ blockSize: BLOCK, select, genLen, steps, skip: 0.2 }).session(device);
      return ({ d, q, k, v, step, layer }) => {
        const { out, kind, plan } = session.attend(d, q, k, v, { step, layer });
        return kind === "sparse" ? { out, plan: plan! } : { out };
      };
    },
  };
}

/** The same plans, but made at step 0, which is dense, and used from step 1 on. */
export function earlyDiffusion(name: string, select: number): DiffusionRow {
  return {
    name,
    start(device, _steps, { gen_len: genLen }) {
      const planner = sparseD({ blockSize: BLOCK, select, genLen });
      const plans = new Map<number, Plan>();
      return ({ d, q, k, v, step, layer }) => {
        if (step === 0) plans.set(layer, planner.plan(device, q, k));
        return step === 0 ? attention(d, q, k, v) : used(d, q, k, v, plans.get(layer)!);
      };
    },
  };
}

/** A window of `reach` tokens to both sides, at every step. */
export function windowDiffusion(name: string, reach: number): DiffusionRow {
  return {
    name,
    start(device) {
      let plan: Plan | undefined;
      return ({ d, q, k, v }) => {
        const [heads, length] = q.shape as [number, number];
        const near = (at: number): boolean => Math.abs(Math.floor(at / length) - at % length) <= reach;
        plan ??= planFromMask(
          device,
          Uint8Array.from({ length: length * length }, (_, at) => Number(near(at))),
          { heads, lq: length, lk: length, causal: false, blockQ: 16, tileK: 16 },
        );
        return used(d, q, k, v, plan);
      };
    },
  };
}

/** What the example compares. */
export const DIFFUSION_ROWS: readonly DiffusionRow[] = [
  denseDiffusion,
  sparseDiffusion("sparseD 0.3", 0.3),
  sparseDiffusion("sparseD 0.1", 0.1),
  earlyDiffusion("sparseD 0.1, plan at step 0", 0.1),
  windowDiffusion("window of 26 to both sides", 26),
];

/** What a run wrote. */
export interface WrittenAnswers {
  /** [sequences, gen_len] tokens, row-major. */
  readonly answers: Int32Array;
  /** Share of them that is right. */
  readonly accuracy: number;
  /** Kept share of pairs at the last step and layer; 1 without a plan. */
  readonly density: number;
  /** Kept share of the mass of dense attention, there. */
  readonly recall: number;
}

/**
 * Writes the answers of the file's sequences: at every step the masked positions of highest confidence get their token.
 *
 * @param steps A divisor of gen_len.
 * @param count Sequences, the first ones. @default all
 */
export async function writeAnswers(
  device: Device,
  file: SafetensorsFile,
  params: DiffusionParams,
  row: DiffusionRow,
  steps: number,
  count: number = shapeOf(file, "sequences")[0]!,
): Promise<WrittenAnswers> {
  const { prompt_len: promptLen, gen_len: genLen, mask_id: mask, vocab } = params;
  const length = promptLen + genLen;
  const truth = integers(file, "sequences");
  const ids = Array.from({ length: count }, (_, n) => [
    ...truth.subarray(n * length, n * length + promptLen),
    ...new Array<number>(genLen).fill(mask),
  ]);
  using scope = device.scope();
  const model = diffusionLm(scope, file, params);
  const run = row.start(scope, steps, params);
  let [density, recall] = [1, 1];
  for (let step = 0; step < steps; step++) {
    using s = scope.scope();
    let measured: Promise<readonly [number, number]> | undefined;
    const logits = await model(s, ids, (d, q, k, v, layer) => {
      const { out, plan } = run({ d, step, layer, q, k, v });
      const last = step === steps - 1 && layer === params.layers - 1;
      if (plan && last) measured = Promise.all([plan.density(), plan.recall(q, k)]);
      return out;
    }).read();
    [density, recall] = await measured ?? [1, 1];
    ids.forEach((own, n) => {
      const rows = logits.subarray(n * length * vocab, (n + 1) * length * vocab);
      unmask(own, rows, params, genLen / steps);
    });
  }
  const answers = Int32Array.from(ids.flatMap((own) => own.slice(promptLen)));
  const right = answers.filter((token, i) =>
    token === truth[Math.floor(i / genLen) * length + promptLen + i % genLen]
  );
  return { answers, accuracy: right.length / answers.length, density, recall };
}

/** Writes the likeliest token at the `count` masked places where it is likeliest. */
function unmask(
  ids: number[],
  logits: Float32Array,
  { mask_id: mask, vocab }: DiffusionParams,
  count: number,
) {
  const found = ids.flatMap((id, at) => {
    if (id !== mask) return [];
    const row = logits.subarray(at * vocab, (at + 1) * vocab);
    const token = row.indexOf(Math.max(...row));
    return [{ at, token, confidence: 1 / row.reduce((sum, x) => sum + Math.exp(x - row[token]!), 0) }];
  });
  found.sort((a, b) => b.confidence - a.confidence);
  for (const { at, token } of found.slice(0, count)) ids[at] = token;
}

function used(d: Device, q: Tensor, k: Tensor, v: Tensor, plan: Plan): { out: Tensor; plan: Plan } {
  return { out: attention(d, q, k, v, { plan }).out, plan };
}
