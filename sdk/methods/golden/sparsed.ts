/**
 * Replays the golden file of SparseD.
 *
 * @module
 */
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, compareScores, compareSelections, floats } from "../../golden/check.ts";
import { sparseD } from "../sparse_d.ts";
import { sparseDCounts } from "../sparse_d_plan.ts";
import { type SparseDStep, sparseDSchedule } from "../sparse_d_schedule.ts";
import { collector } from "./collect.ts";
import { checkPlan, integers, numberOf, type Replay, upload } from "./replay.ts";
import { checkDrift } from "./vision.ts";

const CODES: Readonly<Record<SparseDStep, number>> = { "dense": 0, "dense + plan": 1, "sparse": 2 };
