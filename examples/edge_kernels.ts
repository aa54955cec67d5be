/**
 * The kernels of the edge function, compiled. `edge_build.ts` puts a module in the place of this file that the platform
 * has compiled ahead, for platforms that refuse to compile while they run.
 *
 * @module
 */
import { decodeBase64 } from "../wasm/compile.ts";
import { wasm } from "../wasm/pkg/relaxed.js";

/** The kernels. */
export const kernels: WebAssembly.Module = await WebAssembly.compile(decodeBase64(wasm));
