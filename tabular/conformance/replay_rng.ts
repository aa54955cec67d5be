/**
 * Replays of the golden files `rng.json` and `ensembles.json` (SPEC 11).
 *
 * @module
 */

import { ensembleMembers, type FeatureShuffle } from "../preprocess/ensemble.ts";
import { latinSquare } from "../preprocess/latin_square.ts";
import { numpyNormals } from "../preprocess/numpy_random.ts";
import type { NormMethod } from "../preprocess/pipeline.ts";
import { pythonRandom } from "../preprocess/python_random.ts";
import { torchRandom } from "../preprocess/torch_random.ts";
import { type Check, compare } from "../../sdk/golden/check.ts";
import { compareExactly } from "./exact.ts";

const NORMAL_TOLERANCE = 1e-12;

/** The content of `rng.json`; every part may be left out. */
export interface RngGolden {
  /** One generator per seed serves all keys in this order. */
  python_random?: {
    seed: number;
    getrandbits32?: number[];
    randbelow?: [n: number, value: number][];
    choice_of_range?: [n: number, value: number][];
    shuffle_12?: number[];
    sample?: [n: number, k: number, values: number[]][];
  }[];
  /** One generator per seed runs through all calls. */
  torch_randperm?: { seed: number; calls: [n: number, permutation: number[]][] }[];
  /** One generator per seed. */
  numpy_default_rng_standard_normal?: { seed: number; values: number[] }[];
  /** A fresh generator for every size. */
  latin_squares?: { seed: number; squares: Record<string, number[][]> }[];
}

/** One entry of `ensembles.json`. */
export interface EnsembleGolden {
  n_features: number;
  n_classes: number;
  n_estimators?: number;
  feat_shuffle_method?: FeatureShuffle;
  class_shift?: boolean;
  norm_methods?: NormMethod[];
  random_state?: number;
  members: { norm: NormMethod; pattern: number[]; class_shift: number }[];
}

/**
 * Replays `rng.json`.
 *
 * @param golden The parsed file.
 * @returns One check per generator and seed.
 */
export function replayRng(golden: RngGolden): Check[] {
  const checks: Check[] = [];
  for (const recorded of golden.python_random ?? []) {
    const generator = pythonRandom(recorded.seed);
    const name = (key: string) => `python_random seed ${recorded.seed} ${key}`;
    const { getrandbits32 = [], randbelow = [], choice_of_range = [], shuffle_12, sample = [] } = recorded;
    checks.push(
      compareExactly(
        name("getrandbits32"),
        getrandbits32.map(() => generator.getrandbits(32)),
        getrandbits32,
      ),
      compareExactly(name("randbelow"), randbelow.map(([n]) => [n, generator.randbelow(n)]), randbelow),
      compareExactly(
        name("choice_of_range"),
        choice_of_range.map(([n]) => [n, generator.choice(indices(n))]),
        choice_of_range,
      ),
    );
    if (shuffle_12 !== undefined) {
      const items = indices(12);
      generator.shuffle(items);
      checks.push(compareExactly(name("shuffle_12"), items, shuffle_12));
    }
    checks.push(
      compareExactly(name("sample"), sample.map(([n, k]) => [n, k, generator.sample(n, k)]), sample),
    );
  }
  for (const { seed, calls } of golden.torch_randperm ?? []) {
    const generator = torchRandom(seed);
    const drawn = calls.map(([n]) => [n, [...generator.randperm(n)]]);
    checks.push(compareExactly(`torch_randperm seed ${seed}`, drawn, calls));
  }
  for (const { seed, values } of golden.numpy_default_rng_standard_normal ?? []) {
    const drawn = numpyNormals(seed).fill(new Float64Array(values.length));
    checks.push(compare(`numpy_default_rng_standard_normal seed ${seed}`, drawn, values, NORMAL_TOLERANCE));
  }
  for (const { seed, squares } of golden.latin_squares ?? []) {
    const drawn = Object.keys(squares).map((size) => {
      const square = latinSquare(pythonRandom(seed), Number(size));
      return indices(square.size).map((row) => [...square.row(row)]);
    });
    checks.push(compareExactly(`latin_squares seed ${seed}`, drawn, Object.values(squares)));
  }
  return checks;
}

/**
 * Replays `ensembles.json`.
 *
 * @param golden The parsed file.
 * @returns One check per entry.
 */
export function replayEnsembles(golden: readonly EnsembleGolden[]): Check[] {
  return golden.map((entry) => {
    const {
      n_features,
      n_classes,
      n_estimators,
      feat_shuffle_method,
      class_shift,
      norm_methods,
      random_state,
    } = entry;
    const members = ensembleMembers(n_features, n_classes, {
      ...(n_estimators === undefined ? {} : { nEstimators: n_estimators }),
      ...(feat_shuffle_method === undefined ? {} : { featShuffleMethod: feat_shuffle_method }),
      ...(class_shift === undefined ? {} : { classShift: class_shift }),
      ...(norm_methods === undefined ? {} : { normMethods: norm_methods }),
      ...(random_state === undefined ? {} : { randomState: random_state }),
    });
    const plain = (
      norm: string,
      pattern: ArrayLike<number>,
      shift: number,
    ) => [norm, Array.from(pattern), shift];
    return compareExactly(
      `${n_features} features, ${n_classes} classes, ${n_estimators ?? 32} members, ${
        feat_shuffle_method ?? "latin"
      }`,
      members.map((member) => plain(member.norm, member.pattern, member.classShift)),
      entry.members.map((member) => plain(member.norm, member.pattern, member.class_shift)),
    );
  });
}

function indices(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
