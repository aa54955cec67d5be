/**
 * Where an offloaded cache keeps its older tokens: pieces of bytes outside the device.
 *
 * @module
 */

/** A run of bytes within a piece. */
export interface Run {
  /** Number of the piece. */
  readonly slot: number;
  /** Where the run begins inside it. */
  readonly offset: number;
  /** Its bytes; receives them. */
  readonly into: Uint8Array;
}

/** Pieces of bytes, written once and read in runs. Several caches share one pool: a fork owns what both have. */
export interface ChunkPool {
  /** Keeps a piece. @returns Its number. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Fills the runs; those of one piece that lie near each other may be read at once. */
  read(runs: readonly Run[]): Promise<void>;
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

  read(runs: readonly Run[]): Promise<void> {
    for (const { slot, offset, into } of runs) {
      into.set(this.#pieces[slot]!.subarray(offset, offset + into.length));
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
