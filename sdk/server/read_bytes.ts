import { ApiError } from "./api_error.ts";

/** How a body is read. */
export interface ReadOptions {
  /** The longest body. */
  readonly maxBytes: number;
  /** Gives up; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Is told of every piece before it is kept; may refuse it. */
  take(bytes: number): void;
}

/**
 * Reads a body, and stops once it is longer than allowed.
 *
 * @param request The request.
 * @param options How.
 * @returns The bytes.
 * @throws {ApiError} 413 if it is too long.
 */
export async function readBytes(request: Request, options: ReadOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, signal, take } = options;
  const tooLong = (): ApiError =>
    new ApiError(413, "request_too_large", `The body is longer than ${maxBytes} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLong();
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array(0);
  const stop = (): void => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    while (true) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) break;
      size += value.length;
      if (size > maxBytes) throw tooLong();
      take(value.length);
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
