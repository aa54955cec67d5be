import { describe, test } from "node:test";
import { assert, assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { type MoaImportance, moaTables } from "./moa_rules.ts";
import { MOA_SEARCH, type MoaSearchOptions, searchPlan } from "./moa_search.ts";

const SMALL: MoaSearchOptions = {
  ...MOA_SEARCH,
  extendLengths: [256],
  alphas: [-32, 0, 32, 64],
  betas: [0, 0.25, 0.5, 0.75, 1],
  lowerRatio: 0.6,
  blockSize: 8,
};

/** Importances that fall with the distance, at a pace of its own for every head. */
function importances(
  seed: number,
  lengths: readonly number[],
  layers: number,
  heads: number,
  size: number,
): MoaImportance[] {
  const r = random(seed);
  const paces = Array.from(
    { length: layers * heads },
    () => [0.1 + 2 * r.uniform(), 3 * r.uniform()] as const,
  );
  return lengths.map((length) => {
    const blocks = Math.ceil(length / size);
    const data = Float32Array.from({ length: layers * heads * blocks * blocks }, (_, at) => {
      const distance = Math.floor(at / blocks) % blocks - at % blocks;
      const [weight, pace] = paces[Math.floor(at / (blocks * blocks))]!;
      return distance < 0 ? 0 : weight * (0.5 + r.uniform()) / (1 + distance) ** pace;
    });
    return { length, layers, heads, data };
  });
}

/** The front by trying everything. */
function everything(
  importance: readonly MoaImportance[],
  options: MoaSearchOptions,
): { assignment: number[]; loss: number[] }[] {
  const { layers, heads, rules, loss, cost, upper, lower } = moaTables(importance, options);
  const bags = layers * heads;
  const points: { assignment: number[]; loss: number[] }[] = [];
  for (let n = 0; n < rules.length ** bags; n++) {
    const assignment = Array.from(
      { length: bags },
      (_, bag) => Math.floor(n / rules.length ** (bags - 1 - bag)) % rules.length,
    );
    const used = cost.map((own) => assignment.reduce((sum, r) => sum + own[r]!, 0));
    const few = Array.from(
      { length: layers },
      (_, l) => new Set(assignment.slice(l * heads, (l + 1) * heads)).size,
    );
    if (!few.every((count) => count <= options.rulesPerLayer)) continue;
    if (!used.every((tokens, l) => tokens <= upper[l]! + 1e-9 && tokens >= lower[l]! - 1e-9)) continue;
    points.push({
      assignment,
      loss: loss.map((own) => assignment.reduce((sum, r, bag) => sum + own[bag * rules.length + r]!, 0)),
    });
  }
  const beats = (a: readonly number[], b: readonly number[]): boolean => a.every((one, o) => one <= b[o]!);
  const front = points.filter((point, at) =>
    !points.some((other, n) => beats(other.loss, point.loss) && (n < at || !beats(point.loss, other.loss)))
  );
  return front.sort((a, b) => a.loss[0]! - b.loss[0]!);
}

/** Bounds and the number of rules per layer. */
function check(
  importance: readonly MoaImportance[],
  options: MoaSearchOptions,
  assignment: Int32Array,
): void {
  const { layers, heads, cost, upper, lower } = moaTables(importance, options);
  cost.forEach((own, l) => {
    const used = assignment.reduce((sum, r) => sum + own[r]!, 0);
    assert(used <= upper[l]! + 1e-6 && used >= lower[l]! - 1e-6, `${used} of ${upper[l]}`);
  });
  for (let layer = 0; layer < layers; layer++) {
    const own = new Set(assignment.subarray(layer * heads, (layer + 1) * heads));
    assert(own.size <= options.rulesPerLayer);
  }
}

describe("searchPlan()", () => {
  test("finds the whole front of small models", async () => {
    for (
      const [seed, layers, heads, rulesPerLayer] of [[1, 2, 2, 2], [2, 1, 4, 2], [3, 3, 1, 1], [4, 1, 3, 3], [
        5,
        2,
        2,
        1,
      ]] as const
    ) {
      const importance = importances(seed, [64, 128], layers, heads, 8);
      const options = { ...SMALL, rulesPerLayer };
      const { candidates, exact, rules } = await searchPlan(importance, options);
      assertEquals(exact, true);
      const expected = everything(importance, options);
      assertEquals(
        candidates.map(({ assignment, loss }) => ({ assignment: [...assignment], loss })),
        expected,
      );
      for (const { assignment, plan } of candidates) {
        assertEquals(plan.alphas.flat(), Array.from(assignment, (r) => rules[r]!.alpha));
        assertEquals(plan.betas.flat(), Array.from(assignment, (r) => rules[r]!.beta));
        assertEquals([plan.alphas.length, plan.alphas[0]!.length], [layers, heads]);
      }
    }
  });

  test("gives the same whatever the order of the lengths", async () => {
    const importance = importances(6, [64, 128], 2, 2, 8);
    const [a, b] = [await searchPlan(importance, SMALL), await searchPlan(importance.toReversed(), SMALL)];
    assertEquals(a.candidates, b.candidates);
  });

  test("stays within the bounds and close to the best where the exact search gives up", async () => {
    for (
      const [seed, layers, heads, rulesPerLayer] of [[1, 5, 4, 2], [2, 6, 3, 2], [3, 6, 4, 1], [
        4,
        5,
        4,
        3,
      ]] as const
    ) {
      const importance = importances(seed, [128], layers, heads, 8);
      const options = { ...SMALL, rulesPerLayer, extendLengths: [], exactLimit: 0 };
      const near = await searchPlan(importance, options);
      assertEquals([near.exact, near.candidates.length], [false, 1]);
      check(importance, options, near.candidates[0]!.assignment);
      const best = await searchPlan(importance, { ...options, exactLimit: 1e5 });
      assertEquals(best.exact, true);
      const [found, least] = [near, best].map(({ candidates }) => candidates[0]!.loss[0]!) as [
        number,
        number,
      ];
      assert(found >= least - 1e-9 && found <= 1.05 * least, `${found} instead of ${least}`);
    }
  });

  test("finds plans of three lengths for many heads, none of which beats another", async () => {
    const importance = importances(7, [64, 128, 256], 8, 8, 8);
    const options = { ...SMALL, extendLengths: [512] };
    const { candidates, exact } = await searchPlan(importance, { ...options, exactLimit: 100 });
    assertEquals(exact, false);
    for (const { assignment } of candidates) check(importance, options, assignment);
    for (const a of candidates) {
      for (const b of candidates) assertEquals(a !== b && a.loss.every((one, o) => one <= b.loss[o]!), false);
    }
  });

  test("refuses densities that nothing keeps to", async () => {
    const importance = importances(8, [64, 128], 1, 2, 8);
    for (const exactLimit of [0, 1e4]) {
      const wrong = searchPlan(importance, { ...SMALL, density: 0.01, exactLimit });
      await assertRejects(() => wrong, RangeError, "Cannot find a MoA plan");
    }
  });

  test("throws the reason of its signal", async () => {
    const importance = importances(9, [64], 2, 2, 8);
    const reason = new Error("enough");
    for (const exactLimit of [0, 1e4]) {
      const search = searchPlan(importance, { ...SMALL, exactLimit, signal: AbortSignal.abort(reason) });
      assertEquals(await search.catch((error) => error), reason);
    }
  });
});
