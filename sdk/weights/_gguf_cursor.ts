/**
 * Walks over the header of a GGUF file of which a first part is in memory.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";

/** Largest header that is read, in bytes. Vocabularies of 256,000 tokens take some 15 MB. */
const MAX_HEADER = 100_000_000;

/** Thrown when the header goes on beyond the part in memory. */
export class MoreBytes extends Error {
  /** Bytes from the begin of the file that are needed at least. */
  readonly end: number;
  /** @param end Bytes that are needed at least. */
  constructor(end: number) {
    super(`The header goes on to byte ${end}`);
    this.end = end;
  }
}

/** Throws what is wrong with a file. */
export function fail(reason: string, cause?: unknown): never {
  throw new WeightsError(`Cannot read the GGUF file: ${reason}`, cause === undefined ? {} : { cause });
}

/** Reads numbers and texts, one after the other. Every length is checked against the file before it is used. */
export class GgufCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #size: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #at = 0;

  /**
   * Begins at the first byte.
   *
   * @param bytes The first part of the file.
   * @param size The size of the whole file.
   */
  constructor(bytes: Uint8Array, size: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#size = size;
  }

  /** The byte where it stands. */
  get at(): number {
    return this.#at;
  }

  /** Steps over bytes and gives a view of them. */
  take(length: number | bigint, what: string): Uint8Array {
    if (length > this.#size - this.#at) {
      fail(`${what} takes ${length} bytes from byte ${this.#at} on but the file has ${this.#size} bytes`);
    }
    const begin = this.#at;
    const end = begin + Number(length);
    if (end > MAX_HEADER) fail(`${what} ends at byte ${end} of the header, expected at most ${MAX_HEADER}`);
    if (end > this.#bytes.length) throw new MoreBytes(end);
    this.#at = end;
    return this.#bytes.subarray(begin, end);
  }

  /** Reads a 32-bit unsigned integer. */
  u32(what: string): number {
    this.take(4, what);
    return this.#view.getUint32(this.#at - 4, true);
  }

  /** Reads a 64-bit unsigned integer. */
  u64(what: string): bigint {
    this.take(8, what);
    return this.#view.getBigUint64(this.#at - 8, true);
  }

  /** Reads a count of things of which each takes at least some bytes of what is left of the file. */
  count(bytesEach: number, what: string): number {
    const count = this.u64(what);
    const left = this.#size - this.#at;
    if (count * BigInt(bytesEach) > left) {
      fail(`${what} is ${count}, of at least ${bytesEach} bytes each, but only ${left} bytes follow`);
    }
    return Number(count);
  }

  /** Reads a text: its length in bytes, at most `max`, then UTF-8. */
  text(what: string, max = Infinity): string {
    const length = this.u64(what);
    if (length > max) fail(`${what} has ${length} bytes, expected at most ${max}`);
    const bytes = this.take(length, what);
    try {
      return this.#decoder.decode(bytes);
    } catch (cause) {
      return fail(`${what} is not UTF-8`, cause);
    }
  }
}
