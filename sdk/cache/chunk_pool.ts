/**
 * Where an offloaded cache keeps its older tokens: pieces of bytes outside the device.
 *
 * @module
 */

/** Runs of bytes within pieces, and where they go: one after the other. Arrays, since there may be a hundred thousand. */
export interface Runs {
  /** Number of the piece of each run. */
  readonly slots: Int32Array;
  /** Where each begins inside its piece. */
  readonly offsets: Int32Array;
  /** Where each ends in `into`; it begins where the one before ends. */
  readonly ends: Int32Array;
  /** Receives them. */
  readonly into: Uint8Array;
}

/** Pieces of bytes, written once and read in runs. Several caches share one pool: a fork owns what both have. */
export interface ChunkPool {
  /** Keeps a piece. @returns Its number. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Fills the runs; those of one piece that lie near each other may be read at once. */
  read(runs: Runs): Promise<void>;
  /** Another owner. */
  retain(): void;
  /** One owner less; the last one gives everything back. */
  release(): void;
}

/** Pieces in the memory of the process, outside the device's own (which ends at 4 GB on WASM). */
export class MemoryPool implements ChunkPool {
  readonly #pieces: Uint8Array[] = [];
  #owners = 1;

  write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    return Promise.resolve(this.#pieces.push(bytes) - 1);
  }

  read({ slots, offsets, ends, into }: Runs): Promise<void> {
    for (let i = 0, from = 0; i < slots.length; i++) {
      const [offset, to] = [offsets[i]!, ends[i]!];
      into.set(this.#pieces[slots[i]!]!.subarray(offset, offset + to - from), from);
      from = to;
    }
    return Promise.resolve();
  }

  retain(): void {
    this.#owners++;
  }

  release(): void {
    if (--this.#owners === 0) this.#pieces.length = 0;
  }
}
