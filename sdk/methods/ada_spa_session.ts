/**
 * One generation with AdaSpa.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import { slice } from "../device/ops/slice.ts";
import type { Tensor } from "../device/tensor.ts";
import type { AdaSpaOptions } from "./ada_spa.ts";
import { type AdaSpaStep, adaSpaStep } from "./ada_spa_schedule.ts";
import { type AdaSpaFound, adaSpaSearch } from "./ada_spa_search.ts";
import { flatMapWarning } from "./flat_maps.ts";
import { type DenoisingPlace, GenerationState } from "./generation_state.ts";

/** What a step gives. */
export interface AdaSpaResult {
  /** [Hq, L, D]; belongs to the device that was given. */
  readonly out: Tensor;
  /** What was done. */
  readonly kind: AdaSpaStep;
  /** The plan that was found or used; belongs to the session. */
  readonly plan?: Plan;
}

/** How far the recall of a head may fall from one search to the next before {@linkcode AdaSpaSession.warnings} says so. */
const DRIFT = 0.1;

/** Attention of one sequence over all steps of a generation: keeps plans and the first log-sum-exp per layer, and forgets them at step 0. */
export class AdaSpaSession implements Disposable {
  readonly #device: Device;
  readonly #options: AdaSpaOptions;
  readonly #layers = new GenerationState<LayerSearches>("adaSpa");

  /** Use `adaSpa(...).session(device)`. */
  constructor(device: Device, options: AdaSpaOptions) {
    this.#device = device;
    this.#options = options;
  }

  /**
   * Attention of one layer at one step.
   *
   * @param d Receives the result.
   * @param q [Hq, L, D].
   * @param k [Hkv, L, D].
   * @param v As `k`.
   * @throws RangeError if the length changed since step 0, or the first search was left out.
   */
  attend(d: Device, q: Tensor, k: Tensor, v: Tensor, { step, layer = 0 }: DenoisingPlace): AdaSpaResult {
    const { searchSteps, cacheLse } = this.#options;
    const kept = this.#layers.enter(layer, step, q.shape[1]!);
    const kind = adaSpaStep(step, searchSteps);
    if (kind === "dense") return { out: attention(d, q, k, v).out, kind };
    if (kind === "dense + search") {
      const { out, lse } = attention(d, q, k, v, { lse: true });
      const first = adaSpaSearch(this.#device, q, k, lse, this.#options);
      // A copy, since the caller's device may be a scope that ends with the step.
      this.#layers.set(layer, new LayerSearches(slice(this.#device, lse, 0, 0), first));
      lse.dispose();
      return { out, kind, plan: first.plan };
    }
    if (!kept) {
      throw new RangeError(
        `Cannot go on with adaSpa: layer ${layer} has searched nothing at step ${step}, run step ${
          searchSteps[0]! - 1
        } first`,
      );
    }
    if (kind === "search + sparse") {
      using scope = this.#device.scope();
      const lse = cacheLse ? kept.lse : attention(scope, q, k, k, { lse: true }).lse;
      kept.add(adaSpaSearch(this.#device, q, k, lse, this.#options));
    }
    const { plan } = kept.last;
    return { out: attention(d, q, k, v, { plan }).out, kind, plan };
  }

  /**
   * What users should know of the last searches: heads whose map is too flat to choose from, and heads whose recall fell since the search before,
   * so that search steps are too far apart. Reads back.
   */
  async warnings(): Promise<string[]> {
    const found: string[] = [];
    for (const [layer, { last, before }] of this.#layers) {
      const recalls = await last.recall.read();
      const flat = flatMapWarning(last.chance, recalls);
      if (flat) found.push(`Layer ${layer}: ${flat}`);
      const earlier = await before?.read();
      earlier?.forEach((recall, head) => {
        if (recall - recalls[head]! > DRIFT) {
          found.push(
            `Layer ${layer}: the recall of head ${head} fell from ${recall.toFixed(2)} to ${
              recalls[head]!.toFixed(2)
            } between searches: they are too far apart`,
          );
        }
      });
    }
    return found;
  }

  /** Frees what is kept. */
  [Symbol.dispose](): void {
    this.#layers[Symbol.dispose]();
  }
}

/** What a layer keeps. */
class LayerSearches implements Disposable {
  /** Of the first search. */
  readonly lse: Tensor;
  /** The last search. */
  last: AdaSpaFound;
  /** The recall of the search before. */
  before: Tensor | undefined;

  constructor(lse: Tensor, first: AdaSpaFound) {
    this.lse = lse;
    this.last = first;
  }

  add(found: AdaSpaFound): void {
    this.before?.dispose();
    this.before = this.last.recall;
    this.last.plan.dispose();
    this.last.headSparsity.dispose();
    this.last = found;
  }

  [Symbol.dispose](): void {
    this.before?.dispose();
    this.lse.dispose();
    for (const part of [this.last.plan, this.last.recall, this.last.headSparsity]) part.dispose();
  }
}
