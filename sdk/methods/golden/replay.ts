/**
 * Replays the golden file of any method by the slug that it names.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Plan } from "../../attention/plan.ts";
import type { Device } from "../../device/device.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Check, compare, floats, shapeOf } from "../../golden/check.ts";
export { integers } from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";

/** The parsed metadata key `params` of a golden file. */
export type Params = Readonly<Record<string, unknown>>;

/** What a replay found. */
export interface MethodReplay {
  readonly checks: readonly Check[];
  /** Kept fraction of the visible area, mean over heads, where there is a plan. */
  readonly density?: number | undefined;
}

/** Replays one golden file. */
export type Replay = (device: Device, file: SafetensorsFile, params: Params) => Promise<MethodReplay>;

/** A float32 tensor of the file, on the device. */
export function upload(device: Device, file: SafetensorsFile, name: string): Tensor {
  return device.tensor(floats(file, name), shapeOf(file, name));
}

/** One entry of the first axis of such a tensor. */
export function uploadPart(device: Device, file: SafetensorsFile, name: string, at: number): Tensor {
  const [, ...shape] = shapeOf(file, name);
  const size = shape.reduce((all, n) => all * n, 1);
  return device.tensor(floats(file, name).slice(at * size, (at + 1) * size), shape);
}

/** A number of the parameters. */
export function numberOf(params: Params, name: string): number {
  const value = params[name];
  if (typeof value === "number") return value;
  throw new RangeError(`Cannot replay the golden file: its parameter "${name}" is ${JSON.stringify(value)}`);
}

/**
 * What holds for every plan: its lists are valid, its output is right, density and recall are those of the file.
 *
 * @param names Tensors of the file; the output is left out where the file has none.
 */
export async function checkPlan(
  device: Device,
  file: SafetensorsFile,
  params: Params,
  plan: Plan,
  names: { readonly q?: string; readonly k?: string; readonly v?: string; readonly out?: string } = {},
): Promise<MethodReplay & { readonly density: number }> {
  using scope = device.scope();
  const [q, k, v] = [names.q ?? "q", names.k ?? "k", names.v ?? "v"].map((name) => upload(scope, file, name));
  await plan.validate();
  const { out } = attention(scope, q!, k!, v!, { plan });
  const name = names.out ?? "out";
  const checks: Check[] = [compare(name, await out.read(), floats(file, name), 1e-4)];
  const densities = await plan.densities();
  const density = params["density"];
  if (Array.isArray(density)) checks.push(percent("density", densities, density));
  const recall = params["recall"];
  if (Array.isArray(recall)) checks.push(percent("recall", await plan.recalls(q!, k!), recall));
  return { checks, density: densities.reduce((sum, one) => sum + one, 0) / Math.max(1, densities.length) };
}

/** Figures of a file are rounded to five digits. */
function percent(name: string, actual: ArrayLike<number>, expected: readonly number[]): Check {
  return { ...compare(name, actual, expected, 1.5e-5), kind: "score" };
}
