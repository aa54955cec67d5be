/**
 * Finds WebGPU in the runtime.
 *
 * @module
 */

/** The package that brings WebGPU to Bun. */
const BUN_PACKAGE = "bun-webgpu";

/** What is used of it. */
interface BunPackage {
  createGPUInstance(): GPU;
  readonly globalConstructors: { readonly AbortError: unknown };
}

/**
 * The entry to WebGPU: `navigator.gpu` in Deno and browsers, the optional package `bun-webgpu` in Bun.
 *
 * @throws Error whose message says what is missing.
 */
export async function findGPU(): Promise<GPU> {
  const { navigator, Bun } = globalThis as { navigator?: { gpu?: GPU }; Bun?: unknown };
  if (navigator?.gpu) return navigator.gpu;
  if (Bun === undefined) throw new Error("This runtime has no WebGPU");
  // A name that bundlers cannot follow: the package is optional.
  const name = BUN_PACKAGE;
  const loaded: BunPackage = await import(name).catch((cause: unknown) => {
    throw new Error(`Bun has no WebGPU by itself, and the package "${name}" does not load`, { cause });
  });
  // When a readback fails the package throws this by its global name, which it defines in its own set-up only.
  const globals = globalThis as { AbortError?: unknown };
  globals.AbortError ??= loaded.globalConstructors.AbortError;
  return loaded.createGPUInstance();
}
