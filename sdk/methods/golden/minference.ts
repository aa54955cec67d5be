/**
 * Replays the golden file of MInference.
 *
 * @module
 */
import type { Device } from "../../device/device.ts";
import { type Check, compareScores, compareSelections, floats, shapeOf } from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { minference, type MInferenceSearchOptions } from "../minference.ts";
import { expectPattern, type MInferencePattern } from "../minference_profile.ts";
import { collector } from "./collect.ts";
import { checkPlan, integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

const NAMES: readonly string[] = ["stream_llm", "vertical_and_slash", "block_sparse"];

/** Estimates, lines, tiles, blocks, density, recall, output, and the search. */
export const replayMinference: Replay = async (device, file, params) => {
  using scope = device.scope();
  const { inspect, read } = collector();
  const patterns = patternsOf(params, "patterns");
  const method = minference({ ...settingsOf(params), patterns });
  const plan = method.plan(scope, upload(scope, file, "q"), upload(scope, file, "k"), { inspect });
  const found = await read();
  const { checks, density } = await checkPlan(scope, file, params, plan);
  const kinds = patterns.map(([name]) => NAMES.indexOf(name));

  /** Rows of the heads of one pattern; zeros for others. */
  const scores = (label: string, name: string, kind: number): [string, Float32Array, Float32Array] => {
    const expected = floats(file, name);
    const [actual, size] = [new Float32Array(expected.length), expected.length / kinds.length];
    let next = 0;
    kinds.forEach((own, h) => {
      if (own === kind) actual.set(found(label).subarray(size * next, size * ++next), size * h);
    });
    return [name, actual, expected];
  };
  /** Lists without their room, which differs from the file's; of the line heads only. */
  const lists = (label: string, name: string): Check => {
    const heads = [...kinds.keys()].filter((h) => kinds[h] === 1);
    const all = integers(file, name);
    const size = all.length / kinds.length;
    const expected = heads.flatMap((h) => [...all.subarray(h * size, (h + 1) * size)]);
    const width = shapeOf(file, name).at(-1)!;
    const actual = heads.length > 0 ? found(label) : [];
    return compareSelections(
      name,
      withoutRoom(actual, actual.length / (expected.length / width)),
      withoutRoom(expected, width),
    );
  };
  return {
    density,
    checks: [
      compareSelections("pattern_id", kinds, integers(file, "pattern_id")),
      compareScores(...scores("verticalScore", "vertical_score", 1)),
      compareScores(...scores("slashScore", "slash_score", 1)),
      lists("verticalIdx", "vertical_idx"),
      lists("slashIdx", "slash_idx"),
      lists("lineTiles", "vs_block_start"),
      lists("lineColumns", "vs_columns"),
      compareScores(...scores("pooledScore", "pooled_score", 2)),
      compareSelections(...scores("blockMask", "block_mask", 2)),
      ...checks,
      ...await checkSearch(scope, file, params),
    ],
  };
};

/** Both criteria on the candidates of the file. */
async function checkSearch(device: Device, file: SafetensorsFile, params: Params): Promise<Check[]> {
  using scope = device.scope();
  const candidates = patternsOf(params, "candidates");
  const [q, k, v] = [upload(scope, file, "q"), upload(scope, file, "k"), upload(scope, file, "v")];
  const checks: Check[] = [];
  for (const criterion of ["error", "recall"] as const) {
    const options: MInferenceSearchOptions = {
      candidates,
      criterion,
      settings: settingsOf(params),
      tol: numberOf(params, "search_tol"),
      rowStart: numberOf(params, "search_row_start"),
    };
    const { layers } = await minference.calibrate(scope, [{ q, k, v }], {
      ...options,
      onLayer(_, { errors, recalls, costs }) {
        if (criterion === "error") {
          checks.push(
            compareCounts("search_err_count", errors.flat(), floats(file, "search_err_count")),
            compareSelections("search_cost", costs.flat(), floats(file, "search_cost")),
            compareScores("search_recall", recalls.flat(), floats(file, "search_recall")),
          );
        }
      },
    });
    const name = criterion === "error" ? "search_best_err" : "search_best_recall";
    const winners = Object.values(layers[0]!).map((winner) =>
      candidates.findIndex((candidate) => candidate.slice(0, 3).join() === winner.slice(0, 3).join())
    );
    checks.push(compareSelections(name, winners, integers(file, name)));
  }
  return checks;
}

/** Counts of elements near a tolerance, which rounding moves a little. */
function compareCounts(name: string, actual: readonly number[], expected: ArrayLike<number>): Check {
  const off = actual.map((count, i) => Math.abs(count - expected[i]!) / Math.max(100, expected[i]!));
  const maxError = Math.max(0, ...off);
  return { name, maxError, tolerance: 0.01, ok: maxError <= 0.01, kind: "score" };
}

/** Every list up to its first -1, that included. */
function withoutRoom(values: ArrayLike<number>, width: number): number[] {
  const all = Array.from(values);
  return Array.from({ length: all.length / width }, (_, row) => {
    const list = all.slice(row * width, (row + 1) * width);
    return [...list.slice(0, list.concat(-1).indexOf(-1)), -1];
  }).flat();
}

function settingsOf(params: Params): NonNullable<MInferenceSearchOptions["settings"]> {
  return {
    lastQ: numberOf(params, "last_q"),
    forcedColumns: numberOf(params, "init_v"),
    forcedDiagonals: numberOf(params, "local_s"),
    blockSize: numberOf(params, "block_size"),
  };
}

function patternsOf(params: Params, name: string): MInferencePattern[] {
  const patterns = params[name];
  if (!Array.isArray(patterns)) {
    throw new RangeError(`Cannot replay the golden file: its parameter "${name}" is no list of patterns`);
  }
  return patterns.map((pattern, i) => expectPattern(`${name}[${i}]`, pattern));
}
