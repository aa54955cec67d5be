/**
 * Where weights are read from: files of any size, a part at a time.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";

/** Bytes that can be read from any place. */
export interface ByteSource {
  /** Number of bytes. */
  readonly size: number;
  /** Gives `length` bytes from byte `offset` on; fewer only if the source became shorter. The caller does not write to them. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Gives back what the source holds (an open file). */
  close?(): Promise<void>;
}

/** The files of a model directory. */
export interface WeightFiles {
  /** Opens a file of the directory; nothing if there is none of this name. */
  open(name: string): Promise<ByteSource | undefined>;
}

/**
 * Reads from memory.
 *
 * @param bytes All bytes; reads are views of them.
 * @returns The source.
 */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}

/**
 * A directory in memory.
 *
 * @param files Contents by name.
 * @returns The directory.
 */
export function memoryFiles(files: ReadonlyMap<string, Uint8Array>): WeightFiles {
  return {
    open(name) {
      const bytes = files.get(name);
      return Promise.resolve(bytes === undefined ? undefined : bytesSource(bytes));
    },
  };
}

/**
 * Reads bytes that must be there.
 *
 * @param source Where from.
 * @param offset The first byte.
 * @param length How many.
 * @returns As many bytes.
 * @throws WeightsError if the source became shorter since it was opened.
 */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) {
    throw new WeightsError(
      `Cannot read bytes ${offset} to ${
        offset + length
      } of the weights: only ${bytes.length} of them came, ` +
        `the file became shorter than the ${source.size} bytes that it had`,
    );
  }
  return bytes;
}
