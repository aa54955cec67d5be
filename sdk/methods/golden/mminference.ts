/**
 * Replays golden files of MMInference.
 *
 * @module
 */
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compareScores, compareSelections, floats, shapeOf } from "../../golden/check.ts";
import { type MmHead, mminference } from "../mminference.ts";
import { compareInter } from "../mminference_trial.ts";
import { checkPlan, integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Plans, choices, masks, outputs and the search of a golden file of MMInference. */
export const replayMminference: Replay = async (device, file, params) => {
  using scope = device.scope();
  const modality = integers(file, "modality");
  const [q, k, v] = ["q", "k", "v"].map((name) => upload(scope, file, name)) as [Tensor, Tensor, Tensor];
  const lastQ = numberOf(params, "last_q");
  const noted = new Map<string, Tensor>();
  const planner = mminference({ modality, heads: params["heads"] as readonly MmHead[], lastQ });
  using plan = planner.plan(scope, q, k, { inspect: (name, tensor) => void noted.set(name, tensor) });
  const found = await checkPlan(device, file, params, plan);

  const choices = async (name: string, note: string): Promise<Check> =>
    compareSelections(name, await padded(noted.get(note), shapeOf(file, name)), integers(file, name));
  const search = await compareInter(scope, { q, k, v }, searchHeads(params, q.shape[0]!), {
    modality,
    lastQ,
  });
  return {
    ...found,
    checks: [
      ...found.checks,
      compareSelections(
        "token_mask_bits",
        bitsOf(await plan.mask(), plan.lk),
        integers(file, "token_mask_bits"),
      ),
      await choices("grid_choice", "gridChoice"),
      await choices("vs_columns", "vsColumns"),
      await choices("vs_distances", "vsDistances"),
      compareSelections(
        "modality_perm",
        mminference.modalityOrder(modality),
        integers(file, "modality_perm"),
      ),
      compareScores("inter_err", search.errors.flat(), floats(file, "inter_err")),
      compareSelections("inter_best", search.best, integers(file, "inter_best")),
    ],
  };
};

/** What every head does in the search, by type. */
function searchHeads(params: Params, heads: number): Record<string, MmHead[]> {
  const types = params["search_heads"] as Readonly<Record<string, object>>;
  return Object.fromEntries(
    Object.entries(types).map(([inter, cells]) => [inter, new Array(heads).fill({ inter, ...cells })]),
  );
}

/** Choices [heads, entries, numbers] in the shape of the file, -1 where there are none; one number more, not expected, if they do not fit. */
async function padded(
  tensor: Tensor | undefined,
  [heads, entries, width]: readonly number[],
): Promise<number[]> {
  const result = new Array<number>(heads! * entries! * width!).fill(-1);
  if (!tensor) return result;
  const [, ownEntries, ownWidth] = tensor.shape as [number, number, number];
  (await tensor.read("i32")).forEach((value, i) => {
    const [row, at] = [Math.floor(i / ownWidth), i % ownWidth];
    const [head, entry] = [Math.floor(row / ownEntries), row % ownEntries];
    if (entry < entries! && at < width!) result[(head * entries! + entry) * width! + at] = value;
    else if (value !== -1) result.push(value);
  });
  return result;
}

/** Masks with eight keys to a byte, low bit first, every row from a new byte. */
function bitsOf(mask: Uint8Array, lk: number): Uint8Array {
  const bytes = Math.ceil(lk / 8);
  const bits = new Uint8Array(mask.length / lk * bytes);
  mask.forEach((one, i) => bits[Math.floor(i / lk) * bytes + (i % lk >> 3)]! |= one << (i % lk % 8));
  return bits;
}
