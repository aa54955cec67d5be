/**
 * The peer on a GPU: onnxruntime-web's WebGPU provider.
 *
 * @module
 */
import { onnxMatmul } from "./onnx_matmul.ts";
import { normals, random } from "./random.ts";
import { measure } from "./stats.ts";

/**
 * Times a product of n x n matrices whose operands and result stay on the GPU; a readback of one result ends each round.
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
    const rounds = 20;
    const round = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const { c } = await session.run({ a: a!, b: b! });
        if (i === times - 1) await c!.getData(true);
        else c!.dispose();
      }
    };
    await round(2);
    const [many, one] = [await measure(() => round(rounds + 1), runs, 0), await measure(() => round(1), runs, 0)];
    return (many.median - one.median) / rounds;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 200);
  }
}
