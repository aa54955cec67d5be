/**
 * Dense attention or a method: whichever was measured to be fastest and good enough.
 *
 * @module
 */
import { densePlan } from "../attention/plan.ts";
import type { DeviceKind } from "../device/backend.ts";
import { anchorAttention } from "./anchor_attention.ts";
import { CURVES } from "./auto_curves.ts";
import { flexPrefill } from "./flex_prefill.ts";
import { minference } from "./minference.ts";
import { pbsAttn } from "./pbs_attn.ts";
import type { Planner } from "./planner.ts";

/** Cost and quality of one method at the lengths of its curve. */
export interface MethodCurve {
  /** Plan and attention, in milliseconds per head. */
  readonly ms: readonly number[];
  /** Kept share of dense attention's mass on structured samples. */
  readonly recall: readonly number[];
}

/** What was measured on one device with one head width, by `deno task compare --curves`. */
export interface CostCurve {
  /** The kind of what computed. */
  readonly device: DeviceKind;
  /** The name of what computed. */
  readonly adapter: string;
  /** Columns of a head. */
  readonly headDim: number;
  /** Tokens, ascending. */
  readonly lengths: readonly number[];
  /** Dense attention, in milliseconds per head. */
  readonly denseMs: readonly number[];
  /** The methods' curves by name. */
  readonly methods: Readonly<Record<string, MethodCurve>>;
}

/** Options of {@linkcode auto}. */
export interface AutoOptions {
  /** Least share of dense attention's mass that a method must have kept where it was measured, from 0 to 1. */
  readonly quality: number;
  /** How much faster than dense attention a method must be expected to be. */
  readonly speedUp: number;
  /** Measurements to choose by. */
  readonly curves: readonly CostCurve[];
}

/** What {@linkcode AutoMethod.choose} is asked. */
export interface AutoQuestion {
  /** Tokens. */
  readonly length: number;
  /** Columns of a head. */
  readonly headDim: number;
  /** The kind of what will compute. */
  readonly device: DeviceKind;
}

/** What {@linkcode AutoMethod.choose} answers. */
export interface AutoChoice {
  /** "dense" or the name of a method. */
  readonly method: string;
  /** Expected time per head, in milliseconds; absent where nothing was measured. */
  readonly ms?: number;
  /** Expected time of dense attention. */
  readonly denseMs?: number;
  /** Expected share of the mass. */
  readonly recall: number;
}

/** Chooses for the user. */
export interface AutoMethod {
  /** Makes a planner. */
  (options?: Partial<AutoOptions>): Planner;
  /** Options that are not given. */
  readonly defaults: AutoOptions;
  /** Says what would be chosen, and why. */
  choose(question: AutoQuestion, options?: Partial<AutoOptions>): AutoChoice;
}

/** The planners to choose from, at their official defaults. */
export const AUTO_PLANNERS: Readonly<Record<string, () => Planner>> = {
  anchorAttention,
  flexPrefill,
  minference,
  pbsAttn,
};

const defaults: AutoOptions = { quality: 0.95, speedUp: 1.1, curves: CURVES };

/**
 * Plans by the method that measurements favour for the length, head width and device at hand; dense where none is expected to be worth it.
 *
 * @example
 * ```ts
 * import { auto } from "./auto.ts";
 *
 * console.log(auto.choose({ length: 1024, headDim: 64, device: "wasm" }).method); // "dense"
 * ```
 */
export const auto: AutoMethod = Object.assign(
  (options: Partial<AutoOptions> = {}): Planner => {
    check(options);
    return {
      name: "auto",
      plan(device, q, k, state) {
        const [heads = 0, lq = 0, headDim = 0] = q.shape;
        const lk = k.shape[1] ?? 0;
        const { method } = choose({ length: lq, headDim, device: device.kind }, options);
        return method === "dense" || lq !== lk
          ? densePlan({ heads, lq, lk, causal: true })
          : AUTO_PLANNERS[method]!().plan(device, q, k, state);
      },
    };
  },
  { defaults, choose },
);

function choose(question: AutoQuestion, options: Partial<AutoOptions> = {}): AutoChoice {
  check(options);
  const { quality, speedUp, curves } = { ...defaults, ...options };
  const { length, headDim, device } = question;
  const away = (curve: CostCurve): number => Math.abs(Math.log(curve.headDim / Math.max(1, headDim)));
  const curve = curves.filter((one) => one.device === device).sort((a, b) => away(a) - away(b))[0];
  if (!curve) return { method: "dense", recall: 1 };
  const at = (values: readonly number[]): number => interpolate(curve.lengths, values, length);
  const denseMs = at(curve.denseMs);
  let best: AutoChoice = { method: "dense", ms: denseMs, denseMs, recall: 1 };
  for (const [method, { ms, recall }] of Object.entries(curve.methods)) {
    if (!Object.hasOwn(AUTO_PLANNERS, method)) continue;
    const [time, kept] = [at(ms), Math.min(1, at(recall))];
    const limit = best.method === "dense" ? denseMs / speedUp : best.ms!;
    if (kept >= quality && time < limit) best = { method, ms: time, denseMs, recall: kept };
  }
  return best;
}

/** Powers between the measured lengths and beyond them by the nearest two. */
function interpolate(lengths: readonly number[], values: readonly number[], length: number): number {
  const after = lengths.findIndex((one) => one >= length);
  const i = Math.min(Math.max(after < 0 ? lengths.length - 1 : after, 1), lengths.length - 1);
  if (lengths.length < 2 || length < 1) return values[0]!;
  const [x0, x1] = [Math.log(lengths[i - 1]!), Math.log(lengths[i]!)];
  const [y0, y1] = [Math.log(Math.max(1e-9, values[i - 1]!)), Math.log(Math.max(1e-9, values[i]!))];
  return Math.exp(y0 + (y1 - y0) * (Math.log(length) - x0) / (x1 - x0));
}

function check({ quality, speedUp }: Partial<AutoOptions>): void {
  if (quality !== undefined && !(quality >= 0 && quality <= 1)) {
    throw new RangeError(`Cannot choose a method: "quality" is ${quality}, expected a share from 0 to 1`);
  }
  if (speedUp !== undefined && !(speedUp > 0)) {
    throw new RangeError(`Cannot choose a method: "speedUp" is ${speedUp}, expected a factor above 0`);
  }
}
