/**
 * Measures the curves that `methods.auto` chooses by.
 *
 * @module
 */
import { compareMethods } from "../compare/compare.ts";
import { structured } from "../compare/structured.ts";
import type { Device } from "../device/mod.ts";
import { AUTO_PLANNERS, type CostCurve } from "../methods/auto.ts";

const LENGTHS: Readonly<Record<string, readonly number[]>> = {
  webgpu: [4096, 8192, 16384, 32768, 65536],
  wasm: [2048, 4096, 8192, 16384],
  reference: [256, 512],
};

/** Heads of one sample: one of each structure. */
const HEADS = 6;

/**
 * Measures dense attention and every method that can be chosen at some lengths.
 *
 * @param print Gets a line for every length.
 */
export async function costCurve(
  device: Device,
  headDim: number,
  print: (line: string) => void,
): Promise<CostCurve> {
  const lengths = LENGTHS[device.kind]!;
  const planners = Object.fromEntries(Object.entries(AUTO_PLANNERS).map(([name, make]) => [name, make()]));
  const denseMs: number[] = [];
  const methods: Record<string, { ms: number[]; recall: number[] }> = {};
  for (const length of lengths) {
    const sample = structured({ length, heads: HEADS, headDim });
    const { denseMs: dense, rows } = await compareMethods(device, sample, planners, { queries: 32 });
    denseMs.push(round(dense / HEADS));
    for (const { method, planMs, attendMs, recall } of rows) {
      const curve = methods[method] ??= { ms: [], recall: [] };
      curve.ms.push(round((planMs + attendMs) / HEADS));
      curve.recall.push(round(recall));
    }
    print(`measured ${length} tokens`);
  }
  return { device: device.kind, adapter: device.report.adapter, headDim, lengths, denseMs, methods };
}

/** An entry of `sdk/methods/auto_curves.ts`. */
export function curvesModule(curve: CostCurve): string {
  return `${JSON.stringify(curve, undefined, 2)},`;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
