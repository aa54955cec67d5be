/**
 * The members of an ensemble: one feature order, class shift and normalisation method each (SPEC 7.4).
 *
 * @module
 */

import { latinSquare } from "./latin_square.ts";
import { checkMethod, type NormMethod } from "./_norm_methods.ts";
import { type PythonRandom, pythonRandom } from "./python_random.ts";

/** How members order the features. */
export type FeatureShuffle = "none" | "shift" | "random" | "latin";

/** Which members an ensemble has. */
export interface EnsembleOptions {
  /** At most this many members; small tables give fewer. @default 32 */
  nEstimators?: number;
  /** The normalisation methods, in the order of the members. @default ["none", "power"] */
  normMethods?: readonly NormMethod[];
  /** How features are ordered. @default "latin" */
  featShuffleMethod?: FeatureShuffle;
  /** Whether members see the classes under shifted numbers. @default true */
  classShift?: boolean;
  /** The seed. @default 42 */
  randomState?: number;
}

/** One member of an ensemble. */
export interface Member {
  /** Its normalisation method. */
  readonly norm: NormMethod;
  /** Column j of its table is feature `pattern[j]`. */
  readonly pattern: Int32Array;
  /** Its labels are (y + classShift) mod the number of classes. */
  readonly classShift: number;
}

/** Beyond this many features a Latin square is replaced by random orders. */
const MAX_LATIN = 4000;
/** Up to this many features random orders are sampled from the list of all. */
const MAX_LISTED = 5;

/**
 * Makes the members of an ensemble, as the official generator does.
 *
 * @param nFeatures Features after the filter, at least 1.
 * @param nClasses Classes, at least 1.
 * @param options See `EnsembleOptions`.
 * @returns The members, grouped by normalisation method.
 * @throws {RangeError} A number is not a whole number above 0. @throws {TypeError} A method is unknown.
 */
export function ensembleMembers(
  nFeatures: number,
  nClasses: number,
  options: EnsembleOptions = {},
): Member[] {
  const {
    nEstimators = 32,
    normMethods = ["none", "power"],
    featShuffleMethod = "latin",
    classShift = true,
    randomState = 42,
  } = options;
  for (
    const [what, value] of Object.entries({ features: nFeatures, classes: nClasses, members: nEstimators })
  ) {
    if (!(Number.isSafeInteger(value) && value >= 1)) {
      throw new RangeError(`Cannot make an ensemble with ${value} ${what}: expected an integer above 0`);
    }
  }
  if (normMethods.length === 0) {
    throw new RangeError("Cannot make an ensemble without a normalisation method");
  }
  normMethods.forEach(checkMethod);

  const orders = featureOrders(pythonRandom(randomState), nFeatures, nEstimators, featShuffleMethod);
  const generator = pythonRandom(randomState);
  const shifts = classShift && nEstimators > 1 ? generator.sample(nClasses, nClasses) : [0];
  const pairs = Array.from({ length: orders.count * shifts.length }, (_, index) => index);
  generator.shuffle(pairs);

  const patterns = new Map<number, Int32Array>();
  const patternOf = (index: number): Int32Array => {
    const known = patterns.get(index) ?? orders.order(index);
    patterns.set(index, known);
    return known;
  };
  const groups = normMethods.map((): Member[] => []);
  const count = Math.min(nEstimators, pairs.length * normMethods.length);
  for (let i = 0; i < count; i++) {
    const pair = pairs[Math.floor(i / normMethods.length)]!;
    const method = i % normMethods.length;
    groups[method]!.push({
      norm: normMethods[method]!,
      pattern: patternOf(Math.floor(pair / shifts.length)),
      classShift: shifts[pair % shifts.length]!,
    });
  }
  return groups.flat();
}

/**
 * Splits members in batches: first by method, then each method's in near-equal parts, larger first (SPEC 7.5).
 *
 * @param members The members, grouped by normalisation method.
 * @param batchSize At most so many members per batch, or null for one batch per method. 8 by default.
 * @returns The batches, in the order of the members.
 * @throws {RangeError} The batch size is not a whole number above 0.
 */
export function memberBatches(members: readonly Member[], batchSize: number | null = 8): Member[][] {
  if (batchSize !== null && !(Number.isSafeInteger(batchSize) && batchSize >= 1)) {
    throw new RangeError(`Cannot split an ensemble in batches of ${batchSize}: expected an integer above 0`);
  }
  const batches: Member[][] = [];
  let start = 0;
  while (start < members.length) {
    let end = start + 1;
    while (end < members.length && members[end]!.norm === members[start]!.norm) end++;
    const total = end - start;
    const parts = batchSize === null ? 1 : Math.ceil(total / batchSize);
    const larger = total % parts;
    for (let part = 0; part < parts; part++) {
      const size = Math.floor(total / parts) + (part < larger ? 1 : 0);
      batches.push(members.slice(start, start + size));
      start += size;
    }
  }
  return batches;
}

/** Feature orders, made on demand: a wide table has more of them than an ensemble reads. */
interface Orders {
  count: number;
  order(index: number): Int32Array;
}

function featureOrders(
  generator: PythonRandom,
  features: number,
  estimators: number,
  method: FeatureShuffle,
): Orders {
  const shifted = (by: number) =>
    Int32Array.from({ length: features }, (_, j) => (j - by + features) % features);
  if (method === "none" || estimators === 1) return { count: 1, order: () => shifted(0) };
  switch (method) {
    case "shift":
      return { count: features, order: shifted };
    case "latin":
      if (features <= MAX_LATIN) {
        const square = latinSquare(generator, features);
        return { count: features, order: (index) => square.row(index) };
      }
      return randomOrders(generator, features, estimators);
    case "random":
      return randomOrders(generator, features, estimators);
    default:
      throw new TypeError(
        `Cannot order features by "${method}": expected "none", "shift", "random" or "latin"`,
      );
  }
}

function randomOrders(generator: PythonRandom, features: number, estimators: number): Orders {
  if (features > MAX_LISTED) {
    const orders = Array.from(
      { length: estimators },
      () => Int32Array.from(generator.sample(features, features)),
    );
    return { count: estimators, order: (index) => orders[index]! };
  }
  let total = 1;
  for (let n = 2; n <= features; n++) total *= n;
  const chosen = generator.sample(total, Math.min(estimators, total));
  return { count: chosen.length, order: (index) => nthPermutation(features, chosen[index]!) };
}

/** The permutation of 0 .. size - 1 with a given rank in lexicographic order. */
function nthPermutation(size: number, rank: number): Int32Array {
  const left = Array.from({ length: size }, (_, i) => i);
  let block = 1;
  for (let n = 2; n < size; n++) block *= n;
  let rest = rank;
  return Int32Array.from({ length: size }, (_, place) => {
    const [value] = left.splice(Math.floor(rest / block), 1);
    rest %= block;
    block /= Math.max(1, size - 1 - place);
    return value!;
  });
}
