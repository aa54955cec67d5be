/**
 * The peer on a GPU: onnxruntime-web's WebGPU provider.
 *
 * @module
 */
import { onnxMatmul } from "./onnx_models.ts";
import { normals, random } from "./random.ts";
import { measure } from "./stats.ts";

/** Milliseconds after which the peer is given up. */
const PATIENCE = 30_000;
/** Products of a long round. */
const MANY = 40;

/** Milliseconds of one product, by the wall clock: what a long round takes beyond a short one. Each ends with one readback. */
export async function perRound(round: (times: number) => Promise<void>, runs: number): Promise<number> {
  await round(2);
  const many = await measure(() => round(MANY + 1), runs, 0);
  const one = await measure(() => round(1), runs, 0);
  return (many.median - one.median) / MANY;
}

/**
 * Times a product of n x n matrices whose operands and result stay on the GPU.
 *
 * @returns Milliseconds of one product, or why it does not run.
 */
export async function onnxWebgpuMatmul(n: number, runs: number): Promise<number | string> {
  try {
    const ort = await import("onnxruntime-web/webgpu");
    ort.env.logLevel = "error";
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(onnxMatmul(n, n, n), { executionProviders: ["webgpu"], preferredOutputLocation: "gpu-buffer" });
    const [a, b] = [1, 2].map((seed) => new ort.Tensor("float32", normals(random(seed), n * n), [n, n]));
    const measured = perRound(async (times) => {
      for (let i = 0; i < times; i++) {
        const { c } = await session.run({ a: a!, b: b! });
        if (i === times - 1) await c!.getData(true);
        else c!.dispose();
      }
    }, runs);
    const late = new Promise<string>((resolve) => setTimeout(() => resolve(`no result in ${PATIENCE / 1000} s`), PATIENCE));
    return await Promise.race([measured, late]);
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 200);
  }
}
