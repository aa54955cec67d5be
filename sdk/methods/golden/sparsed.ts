/**
 * Replays the golden file of SparseD.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareScores, compareSelections, floats } from "../../golden/check.ts";
import { sparseD } from "../sparse_d.ts";
import { sparseDCounts } from "../sparse_d_plan.ts";
import { sparseDSchedule, type SparseDStep } from "../sparse_d_schedule.ts";
import { blockMask } from "./block_mask.ts";
import { collector } from "./collect.ts";
import { checkPlan, integers, numberOf, type Replay, upload } from "./replay.ts";
import { relativeError } from "./relative_error.ts";

const CODES: Readonly<Record<SparseDStep, number>> = { "dense": 0, "dense + plan": 1, "sparse": 2 };

/** Schedule, importances, counts, plan, both outputs, what the plan keeps of the late step, and a generation step by step. */
export const replaySparseD: Replay = async (device, file, params) => {
  using scope = device.scope();
  const load = (...names: string[]) => names.map((name) => upload(scope, file, name)) as Tensor[];
  const [q, k, v] = load("q", "k", "v") as [Tensor, Tensor, Tensor];
  const [qLate, kLate, vLate] = load("q_late", "k_late", "v_late") as [Tensor, Tensor, Tensor];
  const options = {
    blockSize: numberOf(params, "block_size"),
    select: numberOf(params, "select"),
    genLen: numberOf(params, "gen_len"),
    skip: numberOf(params, "skip"),
    steps: numberOf(params, "steps"),
  };
  const method = sparseD(options);
  const { inspect, read } = collector();
  const plan = method.plan(scope, q, k, { inspect });
  const found = await read();
  const mask = integers(file, "block_mask");
  const counts = sparseDCounts(k.shape[1]!, options);
  const late = { q: "q_late", k: "k_late", v: "v_late" };
  const { checks, density } = await checkPlan(scope, file, params, plan, late);
  const dense = await attention(scope, q, k, v).out.read();
  const sparseLate = await attention(scope, qLate, kLate, vLate, { plan }).out.read();
  const denseLate = await attention(scope, qLate, kLate, vLate).out.read();
  const number = (name: string, value: number, tolerance: number): Check => ({
    ...compare(name, [value], [numberOf(params, name)], tolerance),
    kind: tolerance > 0 ? "score" : "selection",
  });

  const served: Check[] = [];
  const { steps, planStep } = sparseDSchedule(options.steps, options.skip);
  if (planStep !== undefined) {
    using session = method.session(scope);
    for (const step of new Set([0, planStep, planStep + 1, steps.length - 1])) {
      const kind = steps[step]!;
      const [sq, sk, sv] = kind === "sparse" ? [qLate, kLate, vLate] : [q, k, v];
      const given = session.attend(scope, sq, sk, sv, { step });
      served.push(compareSelections(`step ${step}`, [CODES[given.kind]], [CODES[kind]]));
      const name = kind === "sparse" ? "out" : "out_plan_step";
      served.push(compare(`${name} at step ${step}`, await given.out.read(), floats(file, name), 1e-5));
    }
  }
  return {
    density,
    checks: [
      compareSelections("schedule", steps.map((kind) => CODES[kind]), integers(file, "schedule")),
      compareScores("importance_all", found("importanceAll"), floats(file, "importance_all")),
      compareScores("importance_gen", found("importanceGenerated"), floats(file, "importance_gen")),
      number("first_gen_block", counts.firstGenerated, 0),
      number("keep_all", counts.keepAll, 0),
      number("keep_gen", counts.keepGenerated, 0),
      compareSelections("block_mask", found("blockMask"), mask),
      compareSelections("blocks of the plan", await blockMask(plan, options.blockSize), mask),
      compare("out_plan_step", dense, floats(file, "out_plan_step"), 1e-5),
      compare("out of the late step", sparseLate, floats(file, "out"), 1e-5),
      number(
        "density",
        Array.from(found("blockMask")).reduce((sum, one) => sum + one, 0) / mask.length,
        1e-9,
      ),
      number("recall_late", await plan.recall(qLate, kLate), 1.5e-5),
      number("rel_err_vs_dense", relativeError(sparseLate, denseLate), 1.5e-5),
      ...checks,
      ...served,
    ],
  };
};
