/**
 * Where weights come from: the bundled file, bytes, a path or a URL.
 *
 * @module
 */

/** Weights: a path, a URL, or the bytes of a safetensors file. */
export type WeightsSource = string | URL | Uint8Array;

/**
 * Reads weights.
 *
 * @param source Where from. @default the bundled weights, which need no permission
 * @returns The bytes and their SHA-256 in hex.
 */
export async function loadWeights(
  source: WeightsSource | undefined,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array; hash: string }> {
  signal?.throwIfAborted();
  if (source === undefined) {
    const { bytes, hash } = await import("../weights/orion_small.js");
    return { bytes: bytes(), hash };
  }
  const bytes = source instanceof Uint8Array ? source : await readBytes(source, signal);
  signal?.throwIfAborted();
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return {
    bytes,
    hash: Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}

async function readBytes(source: string | URL, signal?: AbortSignal): Promise<Uint8Array> {
  const url = source instanceof URL ? source : /^https?:|^file:/.test(source) ? new URL(source) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    const response = await fetch(url, signal ? { signal } : {});
    if (!response.ok) {
      throw new Error(`Cannot load weights from "${url}": the server answered ${response.status}`);
    }
    return new Uint8Array(await response.arrayBuffer());
  }
  const { readFile } = await import("node:fs/promises");
  return new Uint8Array(await readFile(url ?? source, signal ? { signal } : {}));
}
