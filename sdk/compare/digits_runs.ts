/**
 * The digits model with dense attention, by Sparsifiner and through a window: how much it reads right and what plans keep.
 *
 * @module
 */
import { planFromMask } from "../attention/builders.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import { floats, integers } from "../golden/check.ts";
import { sparsifiner } from "../methods/sparsifiner.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";
import { type Chooser, type DigitsConfig, digitsLogits, digitsPredictors } from "./digits_vit.ts";

/** Pixels of an image along a side. */
const SIDE = 8;
/** Images that go through the model together. */
const BATCH = 40;

/** The parameters of the file: sizes and how the mask predictors were trained. */
export interface DigitsParams extends DigitsConfig {
  readonly coef_topk: number;
  readonly basis_threshold: number;
}

/** What a run gave. */
export interface DigitsRun {
  /** [images, 10], row-major. */
  readonly logits: Float32Array;
  /** Share of the images that were read right. */
  readonly accuracy: number;
  /** Kept share of the dense attention's mass, mean over layers, heads, images and queries but the CLS token, which keeps all. */
  readonly recall: number;
  /** Kept share of pairs, of the first plan. */
  readonly density: number;
}

/**
 * Reads test images and compares with their labels.
 *
 * @param file The model, its images and labels.
 * @param choose Which keys queries see. @default all
 * @param count Images, the first ones. @default all
 */
export async function runDigits(
  d: Device,
  file: SafetensorsFile,
  config: DigitsConfig,
  choose?: Chooser,
  count?: number,
): Promise<DigitsRun> {
  const labels = integers(file, "labels").subarray(0, count);
  const pixels = floats(file, "images").map((value) => value / 16);
  const logits: number[] = [];
  const recalls: Promise<Float32Array>[] = [];
  let density: Promise<number> | undefined;
  const watched: Chooser | undefined = choose && ((s, q, k, layer) => {
    const plan = choose(s, q, k, layer);
    recalls.push(plan.recalls(q, k));
    density ??= plan.density();
    return plan;
  });
  for (let from = 0; from < labels.length; from += BATCH) {
    using s = d.scope();
    const to = Math.min(labels.length, from + BATCH);
    const images = pixels.slice(from * SIDE * SIDE, to * SIDE * SIDE);
    logits.push(...await digitsLogits(s, file, config, images, watched).read());
  }
  const shares = (await Promise.all(recalls)).flatMap((heads) => [...heads]);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return {
    logits: Float32Array.from(logits),
    accuracy: labels.filter((label, i) => label === largest(logits.slice(10 * i, 10 * i + 10))).length /
      labels.length,
    recall: choose ? (config.tokens * mean - 1) / (config.tokens - 1) : 1,
    density: await density ?? 1,
  };
}

/** Sparsifiner with the predictors of the file. */
export function digitsChooser(file: SafetensorsFile, params: DigitsParams, attnKeepRate: number): Chooser {
  const planner = sparsifiner({
    weights: digitsPredictors(file, params),
    attnKeepRate,
    coefTopk: params.coef_topk,
    basisThreshold: params.basis_threshold,
  });
  return (d, q, k, layer) => planner.plan(d, q, k, { layer });
}

/** The control: a window of 5 x 5 pixels around every pixel; the CLS token sees and is seen by all. */
export function windowPlan(d: Device, heads: number): Plan {
  const tokens = 1 + SIDE * SIDE;
  const near = (a: number, b: number): boolean =>
    Math.abs(Math.floor(a / SIDE) - Math.floor(b / SIDE)) <= 2 && Math.abs(a % SIDE - b % SIDE) <= 2;
  const mask = Uint8Array.from({ length: tokens * tokens }, (_, at) => {
    const [i, j] = [Math.floor(at / tokens), at % tokens];
    return Number(i === 0 || j === 0 || near(i - 1, j - 1));
  });
  return planFromMask(d, mask, { heads, lq: tokens, lk: tokens, causal: false, blockQ: 64, tileK: 64 });
}

function largest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}
