/**
 * One running instance of the kernels.
 *
 * @module
 */
import type { WasmEnv } from "./env.ts";

/** The functions of the kernels; pointers, sizes and statuses are unsigned 32-bit numbers that arrive signed. */
export interface Kernels {
  alloc(bytes: number): number;
  dealloc(pointer: number, bytes: number): void;
  args(): number;
  op_words(op: number): number;
  run(op: number): number;
  weight_bytes(n: number, k: number, dtype: number): number;
  /** 1 where the build uses relaxed SIMD. */
  relaxed(): number;
  set_threads?(count: number): void;
  stop?(): void;
}

/** One running instance of the kernels. */
export interface KernelInstance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

const NEEDED = ["alloc", "dealloc", "args", "op_words", "run", "weight_bytes", "relaxed"] as const;
const NEEDED_FOR_THREADS = ["set_threads", "worker", "stop"] as const;
/** The shared memory's first pages: more than the data and the first stack of any build. */
const FIRST_PAGES = 256;
/** Largest memories to ask for, in pages; a runtime short of address space gets less. */
const LARGEST_PAGES = [65536, 32768, 16384, 2048] as const;

/** Whether a module wants its memory from outside, as the build with threads does. */
function importsMemory(module: WebAssembly.Module): boolean {
  return WebAssembly.Module.imports(module).some(({ kind }) => kind === "memory");
}

/**
 * Starts the kernels as the thread that leads.
 *
 * @param module A build of the kernels.
 * @param env The runtime.
 * @returns The instance.
 * @throws TypeError if the module is not a build of the kernels; what the runtime throws if it refuses memory.
 */
export function startKernels(module: WebAssembly.Module, env: WasmEnv): KernelInstance {
  const shared = importsMemory(module) ? shareMemory(env) : undefined;
  const instance = env.instantiate(module, kernelImports(module, shared));
  const { exports } = instance;
  for (const name of shared ? [...NEEDED, ...NEEDED_FOR_THREADS] : NEEDED) {
    if (typeof exports[name] !== "function") {
      throw new TypeError(`Cannot use this WebAssembly module: it has no function "${name}"`);
    }
  }
  const memory = shared ?? exports.memory;
  if (!(memory instanceof WebAssembly.Memory)) {
    throw new TypeError('Cannot use this WebAssembly module: it exports no memory named "memory"');
  }
  (exports.__wbindgen_start as (() => void) | undefined)?.();
  return { kernels: exports as unknown as Kernels, memory };
}

/** What a build imports: its memory, and functions that no kernel calls. */
function kernelImports(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory | undefined,
): WebAssembly.Imports {
  const imports: WebAssembly.Imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const names = imports[from] ??= {};
    if (kind === "memory" && memory) names[name] = memory;
    else if (kind === "function") {
      names[name] = name.endsWith("init_externref_table") ? () => {} : unexpected(name);
    }
  }
  return imports;
}

function unexpected(name: string): () => never {
  return () => {
    throw new Error(`The kernels called "${name}", which does not exist`);
  };
}

function shareMemory(env: WasmEnv): WebAssembly.Memory {
  if (!env.canShare()) {
    throw new TypeError("Cannot use the build with threads: memory cannot be shared here");
  }
  let refusal: unknown;
  for (const pages of LARGEST_PAGES) {
    try {
      return env.shareMemory(FIRST_PAGES, pages);
    } catch (error) {
      refusal = error;
    }
  }
  throw refusal;
}
