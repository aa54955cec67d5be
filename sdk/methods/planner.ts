/**
 * What a published method is: options, a citation, and a planner that turns queries and keys into a plan.
 *
 * @module
 */
import { densePlan, type Plan, planOf, type PlanParts } from "../attention/plan.ts";
import { cast } from "../device/ops/cast.ts";
import type { Device, Scope } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";

/** Where a method was published. */
export interface Citation {
  /** Title of the paper. */
  readonly title: string;
  /** Address of the paper. */
  readonly url: string;
}

/** What a planner is told or asked beside q and k. */
export interface PlanState {
  /** Receives intermediate results by name; they belong to the device that was given to `plan`. */
  readonly inspect?: (name: string, tensor: Tensor) => void;
  /** The layer that is planned, from 0; goes before an option `layer`. */
  readonly layer?: number;
}

/** Turns queries and keys into a plan. */
export interface Planner {
  /** Name of the method. */
  readonly name: string;
  /**
   * Makes a plan without reading anything back.
   *
   * @param device Receives the plan.
   * @param q Queries [Hq, Lq, D], float32.
   * @param k Keys [Hkv, Lk, D], float32 or float16; Hkv divides Hq.
   * @throws RangeError if shapes do not fit.
   */
  plan(device: Device, q: Tensor, k: Tensor, state?: PlanState): Plan;
}

/** A published method: called with options it gives a planner, one that is a selector too where the method decodes. */
export interface Method<Options extends object, Made extends Planner = Planner> {
  /** Makes a planner; checks the options. */
  (options?: Partial<Options>): Made;
  /** Options that are not given; the official ones. */
  readonly defaults: Options;
  /** Where it was published. */
  readonly citation: Citation;
}

/** Sizes of one call. */
export interface Sizes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly lq: number;
  readonly lk: number;
}

/** What a method lists, before it is packed. */
export interface Draft {
  readonly blockQ: number;
  readonly tileK: number;
  /** @default what the planner says of all its plans */
  readonly causal?: boolean;
  readonly parts: PlanParts;
}

/** Names an intermediate result for whoever inspects; returns it. */
export type Note = (name: string, tensor: Tensor) => Tensor;

/**
 * Makes a planner of a function that drafts.
 *
 * @param draft Gets a scope that ends with the call, q, k (float32) and their sizes; returns lists, or "dense" where the method does not apply.
 * Last it gets the layer that the caller named, if any.
 * @param options Whether plans are causal, dense ones too; by default they are.
 */
export function planner(
  name: string,
  draft: (d: Scope, q: Tensor, k: Tensor, sizes: Sizes, note: Note, layer?: number) => Draft | "dense",
  { causal: always = true }: { readonly causal?: boolean } = {},
): Planner {
  return {
    name,
    plan(device, q, k, state): Plan {
      const sizes = sizesOf(name, q, k);
      using scope = device.scope();
      const note: Note = (label, tensor) => {
        state?.inspect?.(label, scope.keep(tensor));
        return tensor;
      };
      const { heads, lq, lk } = sizes;
      const keys = k.dtype === "f16" ? cast(scope, k, "f32") : k;
      const empty = heads === 0 || lq === 0 || lk === 0 || sizes.headDim === 0;
      const made = empty ? "dense" : draft(scope, q, keys, sizes, note, state?.layer);
      if (made === "dense") return densePlan({ heads, lq, lk, causal: always });
      const { parts, blockQ, tileK, causal = always } = made;
      return planOf(device, { heads, lq, lk, blockQ, tileK, causal }, parts);
    },
  };
}

/** Puts a method together. */
export function method<Options extends object, Made extends Planner, Extra extends object = object>(
  parts: {
    readonly defaults: Options;
    readonly citation: Citation;
    readonly planner: (options: Options) => Made;
  },
  extra?: Extra,
): Method<Options, Made> & Extra {
  const { defaults, citation, planner } = parts;
  return Object.assign(
    (options: Partial<Options> = {}) => planner({ ...defaults, ...options }),
    { defaults, citation },
    extra,
  ) as Method<Options, Made> & Extra;
}

function sizesOf(name: string, q: Tensor, k: Tensor): Sizes {
  const [heads = 0, lq = 0, headDim = 0] = q.shape;
  const [kvHeads = 0, lk = 0, kDim = 0] = k.shape;
  const fits = q.shape.length === 3 && k.shape.length === 3 && headDim === kDim &&
    (kvHeads > 0 ? heads % kvHeads === 0 : heads === 0);
  if (!fits) {
    throw new RangeError(
      `Cannot plan ${name}: "q" [${q.shape}] and "k" [${k.shape}] do not fit, expected [Hq, Lq, D] and [Hkv, Lk, D] with Hkv a divisor of Hq`,
    );
  }
  if (q.dtype !== "f32" || (k.dtype !== "f32" && k.dtype !== "f16")) {
    throw new TypeError(
      `Cannot plan ${name}: "q" has type "${q.dtype}" and "k" "${k.dtype}", expected "f32" and "f32" or "f16"`,
    );
  }
  return { heads, kvHeads, headDim, lq, lk };
}
