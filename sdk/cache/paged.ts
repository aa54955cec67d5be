/**
 * Rows in pages that may be given back.
 *
 * @module
 */
import { PagedStore } from "./paged_store.ts";
import { dense } from "./dense.ts";
import type { Storage } from "./storage.ts";

/** Options of {@linkcode paged}. */
export interface PagedOptions {
  /** Tokens of a page. @default 64 */
  readonly page?: number;
  /** How rows are stored: dense() or quantized(). @default dense() */
  readonly of?: Storage;
  /**
   * Whether a key head still needs a page when a new one begins; a page that is given back is never asked for again. Pages are counted from 0; `last` is
   * the new one, layers from 0. @default all are kept
   */
  readonly keep?: (kvHead: number, page: number, last: number, layer: number) => boolean;
}

/**
 * Keeps keys and values in pages of a pool that all heads share, so that heads may forget different tokens (LServe's streaming heads, LongGen, MoA).
 *
 * @throws RangeError if an option is out of range.
 */
export function paged(options: PagedOptions = {}): Storage {
  const { page = 64, of = dense(), keep } = options;
  if (!(Number.isInteger(page) && page > 0)) {
    throw new RangeError(`Cannot use paged: "page" is ${page}, expected a whole number above 0`);
  }
  if (of.codec === undefined) {
    throw new RangeError(
      `Cannot use paged: pages of "${of.spec.name}" are not possible, expected dense() or quantized()`,
    );
  }
  const { codec } = of;
  return {
    spec: { name: "paged", page, of: of.spec },
    open: (device, shape) => new PagedStore(device, shape, codec(shape.headDim), page, keep),
  };
}
