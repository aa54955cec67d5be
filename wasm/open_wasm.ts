/**
 * Opens the WASM device: the best build that runs.
 *
 * @module
 */
import { createWasmBackend, type WasmBackend } from "./backend.ts";
import { decodeBase64 } from "./compile.ts";
import { differingOps } from "./encode.ts";
import { hostEnv, type Variant, VARIANTS, type WasmEnv } from "./env.ts";
import { type KernelInstance, startKernels } from "./instance.ts";
import { type Pool, startPool } from "./pool.ts";
import { probeFeatures, type WasmFeatures } from "./probe.ts";

/** Options of {@linkcode openWasm}. */
export interface OpenWasmOptions {
  /** Threads that compute, the caller's included, 1 to 64. @default the number of processors, at most 8 */
  readonly threads?: number | undefined;
  /** A module compiled ahead, for platforms that refuse to compile while they run; one thread. */
  readonly module?: WebAssembly.Module | undefined;
  /** The build to begin with. @default the best that the runtime supports */
  readonly variant?: Variant | undefined;
  /** Gives up opening. */
  readonly signal?: AbortSignal | undefined;
}

/** One build that was tried. */
export interface WasmAttempt {
  readonly variant: Variant | "given module";
  readonly ok: boolean;
  /** Why it was refused or taken. */
  readonly reason: string;
  /** How long it took, in milliseconds. */
  readonly ms: number;
}

/** An open WASM device and how it came about. */
export interface OpenedWasm {
  readonly backend: WasmBackend;
  /** The builds that were tried, in order; the last one is in use. */
  readonly attempts: readonly WasmAttempt[];
}

const MOST_THREADS = 64;
const DEFAULT_THREADS = 8;

/**
 * Opens the WASM device with the best build that runs: with threads, with relaxed SIMD, or with SIMD alone.
 *
 * @param options What to prefer; see the fields.
 * @param env The runtime. @default this one
 * @returns The backend, and what was tried.
 * @throws RangeError for a number of threads that is not possible; AggregateError with all reasons if no build runs; the
 * signal's reason if it is aborted.
 */
export async function openWasm(options: OpenWasmOptions = {}, env: WasmEnv = hostEnv): Promise<OpenedWasm> {
  const { threads, module, signal } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS)) {
    throw new RangeError(
      `Cannot open a device with ${threads} threads: expected an integer from 1 to ${MOST_THREADS}`,
    );
  }
  signal?.throwIfAborted();
  const features = probeFeatures(env);
  const count = threads ?? Math.max(1, Math.min(env.processors(), DEFAULT_THREADS));
  const attempts: WasmAttempt[] = [];
  const causes: unknown[] = [];
  for (const variant of module ? ["given module" as const] : candidates(options.variant, count)) {
    const begin = performance.now();
    const note = (ok: boolean, reason: string): void => {
      attempts.push({ variant, ok, reason, ms: performance.now() - begin });
    };
    const missing = variant === "given module" ? undefined : missingFor(variant, features);
    if (missing) {
      note(false, missing);
      causes.push(new Error(missing));
      continue;
    }
    try {
      const backend = module || variant === "given module"
        ? openGiven(module!, features, env)
        : await openVariant(variant, variant === "threads" ? count : 1, features, env, signal);
      if (signal?.aborted) backend.dispose();
      signal?.throwIfAborted();
      note(true, "It runs");
      return { backend, attempts };
    } catch (error) {
      signal?.throwIfAborted();
      note(false, error instanceof Error ? error.message : String(error));
      causes.push(error);
    }
  }
  const reasons = attempts.map(({ variant, reason }) => `${variant}: ${reason}`).join("; ");
  throw new AggregateError(causes, `Cannot open the WASM device: ${reasons}`);
}

function candidates(first: Variant | undefined, threads: number): readonly Variant[] {
  const begin = first === undefined ? (threads > 1 ? 0 : 1) : VARIANTS.indexOf(first);
  if (begin < 0) throw new TypeError(`Cannot open build "${first}": expected ${VARIANTS.join(", ")}`);
  return VARIANTS.slice(begin);
}

function missingFor(variant: Variant, features: WasmFeatures): string | undefined {
  if (!features.simd) return "The runtime has no 128-bit SIMD for WebAssembly";
  if (variant !== "simd" && !features.relaxed) return "The runtime has no relaxed SIMD";
  if (variant === "threads" && !features.threads) return "The runtime has no shared memory or no workers";
  return undefined;
}

/** Opens one of the project's own builds; the workers load while the module is compiled. */
async function openVariant(
  variant: Variant,
  threads: number,
  features: WasmFeatures,
  env: WasmEnv,
  signal: AbortSignal | undefined,
): Promise<WasmBackend> {
  const compiling = env.load(variant).then((text) => env.compile(decodeBase64(text)));
  // Should the pool fail first, nobody waits for the module.
  compiling.catch(() => {});
  let lose = (_: string): void => {};
  const pool = threads > 1 ? startPool(env, threads - 1, (reason) => lose(reason)) : undefined;
  try {
    const module = await compiling;
    const instance = startKernels(module, env);
    checkSchema(instance);
    await pool?.join(module, instance.memory, signal);
    const opened = finish(instance, pool, features);
    lose = opened.lose;
    return opened.backend;
  } catch (error) {
    pool?.end();
    throw error;
  }
}

function openGiven(module: WebAssembly.Module, features: WasmFeatures, env: WasmEnv): WasmBackend {
  if (!(module instanceof WebAssembly.Module)) {
    throw new TypeError("Cannot open this module: expected a WebAssembly.Module");
  }
  const instance = startKernels(module, env);
  checkSchema(instance);
  return finish(instance, undefined, features).backend;
}

function checkSchema({ kernels }: KernelInstance): void {
  const differing = differingOps((code) => kernels.op_words(code) >>> 0);
  if (differing.length > 0) {
    throw new TypeError(
      `Cannot use this build of the kernels: it has other records for ${differing.join(", ")}`,
    );
  }
}

function finish(
  instance: KernelInstance,
  pool: Pool | undefined,
  features: WasmFeatures,
): { backend: WasmBackend; lose(reason: string): void } {
  const threads = (pool?.workers ?? 0) + 1;
  let kernels: KernelInstance["kernels"] | undefined = instance.kernels;
  kernels.set_threads?.(threads);
  const relaxed = kernels.relaxed() !== 0;
  const build = relaxed ? "simd128+relaxed" : "simd128";
  return createWasmBackend({
    ...instance,
    report: {
      adapter: `wasm ${build}, ${threads} ${threads === 1 ? "thread" : "threads"}`,
      features: [
        ...(features.simd ? ["simd128"] : []),
        ...(features.relaxed ? ["relaxed-simd"] : []),
        ...(features.threads ? ["threads"] : []),
      ],
      variants: [pool ? "threads" : relaxed ? "relaxed" : "simd"],
    },
    end(): void {
      if (pool) kernels?.stop?.();
      kernels = undefined;
      pool?.end();
    },
  });
}
