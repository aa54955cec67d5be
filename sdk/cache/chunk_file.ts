/**
 * Pieces of an offloaded cache in a file, checked as they are read.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { ChunkPool, Runs } from "./chunk_pool.ts";

/** The file could not be written or read, or what came back is not what was written. */
export class OffloadError extends Error {
  override readonly name = "OffloadError";
}

/** What a pool needs of an open file; `FileHandle` of node:fs/promises is one. */
export interface RandomFile {
  /** Writes at a position. */
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }>;
  /** Reads from a position. */
  read(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  /** Closes it. */
  close(): Promise<void>;
}

/** First bytes of a file: name, version, and the bytes of a block. */
const MAGIC = "FILKV";
const VERSION = 1;
const HEADER = 16;

/** Bytes that one checksum covers. */
const BLOCK = 4096;
const SUM = 4;

/** Blocks that are read along with wanted ones rather than apart from them. */
const GAP = 4;

/** Reads that are under way at once. */
const DEPTH = 64;

/** Bytes of a piece in the file. */
interface Piece {
  readonly at: number;
  readonly bytes: number;
}

/**
 * Pieces in a file.
 *
 * A piece is stored in blocks of 4 KB with a CRC-32 each, which every read checks. The first use writes a header and reads it again.
 */
export class FilePool implements ChunkPool {
  readonly #file: RandomFile;
  readonly #path: string;
  readonly #pieces: Piece[] = [];
  #end = HEADER;
  #owners = 1;
  #ready: Promise<void> | undefined;

  constructor(file: RandomFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    await (this.#ready ??= this.#begin());
    const blocks = Math.ceil(bytes.length / BLOCK);
    const stored = new Uint8Array(blocks * (BLOCK + SUM));
    const view = new DataView(stored.buffer);
    for (let n = 0; n < blocks; n++) {
      const at = n * (BLOCK + SUM);
      stored.set(bytes.subarray(n * BLOCK, (n + 1) * BLOCK), at);
      view.setUint32(at + BLOCK, crc32(stored.subarray(at, at + BLOCK)), true);
    }
    const at = this.#end;
    this.#end += stored.length;
    await this.#writeAll(stored, at);
    return this.#pieces.push({ at, bytes: bytes.length }) - 1;
  }

  async #begin(): Promise<void> {
    const header = new Uint8Array(HEADER);
    header.set(new TextEncoder().encode(MAGIC));
    new DataView(header.buffer).setUint32(8, VERSION, true);
    new DataView(header.buffer).setUint32(12, BLOCK, true);
    await this.#writeAll(header, 0);
    const again = new Uint8Array(HEADER);
    await this.#readAll(again, 0);
    const view = new DataView(again.buffer);
    if (
      new TextDecoder().decode(again.subarray(0, MAGIC.length)) !== MAGIC ||
      view.getUint32(12, true) !== BLOCK
    ) {
      throw this.#error("it is not the file that was begun: another process writes to it");
    }
    if (view.getUint32(8, true) !== VERSION) {
      throw this.#error(`its version is ${view.getUint32(8, true)}, expected ${VERSION}`);
    }
  }

  async read(runs: Runs): Promise<void> {
    const spans = this.#spans(runs);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < spans.length) await this.#readSpan(spans[next++]!);
    };
    await Promise.all(Array.from({ length: Math.min(DEPTH, spans.length) }, worker));
  }

  /** Blocks to read at once, with the runs that they hold. */
  #spans({ slots, offsets, ends, into }: Runs): Span[] {
    const wanted = Array.from(slots, (slot, i) => {
      const offset = offsets[i]!;
      const part = into.subarray(i === 0 ? 0 : ends[i - 1], ends[i]);
      const { at } = this.#pieces[slot]!;
      const last = Math.floor((offset + part.length - 1) / BLOCK);
      const from = at + Math.floor(offset / BLOCK) * (BLOCK + SUM);
      return { run: { offset, into: part }, base: at, from, to: at + (last + 1) * (BLOCK + SUM) };
    }).sort((a, b) => a.from - b.from);
    const spans: Span[] = [];
    for (const { run, base, from, to } of wanted) {
      const open = spans.at(-1);
      if (open && open.base === base && from <= open.to + GAP * (BLOCK + SUM)) {
        open.to = Math.max(open.to, to);
        open.runs.push(run);
      } else spans.push({ base, from, to, runs: [run] });
    }
    return spans;
  }

  async #readSpan({ base, from, to, runs }: Span): Promise<void> {
    const stored = new Uint8Array(to - from);
    await this.#readAll(stored, from);
    const view = new DataView(stored.buffer);
    for (let at = 0; at < stored.length; at += BLOCK + SUM) {
      if (crc32(stored.subarray(at, at + BLOCK)) === view.getUint32(at + BLOCK, true)) continue;
      throw this.#error(`the block at byte ${from + at} is not what was written: its checksum does not fit`);
    }
    const first = (from - base) / (BLOCK + SUM);
    for (const { offset, into } of runs) {
      for (let done = 0; done < into.length;) {
        const [block, within] = [Math.floor((offset + done) / BLOCK), (offset + done) % BLOCK];
        const count = Math.min(BLOCK - within, into.length - done);
        const at = (block - first) * (BLOCK + SUM) + within;
        into.set(stored.subarray(at, at + count), done);
        done += count;
      }
    }
  }

  async #writeAll(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done)
        .catch((cause: unknown) => {
          throw this.#error(`writing failed: ${cause instanceof Error ? cause.message : cause}`, cause);
        });
      if (bytesWritten === 0) throw this.#error("writing failed: the disk takes no more bytes");
      done += bytesWritten;
    }
  }

  async #readAll(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, position + done)
        .catch((cause: unknown) => {
          throw this.#error(`reading failed: ${cause instanceof Error ? cause.message : cause}`, cause);
        });
      if (bytesRead === 0) {
        throw this.#error(
          `it ends at byte ${position + done}, expected ${bytes.length - done} more: it was cut`,
        );
      }
      done += bytesRead;
    }
  }

  #error(what: string, cause?: unknown): OffloadError {
    return new OffloadError(`Cannot use the offload file "${this.#path}": ${what}`, { cause });
  }

  retain(): void {
    this.#owners++;
  }

  release(): void {
    if (--this.#owners > 0) return;
    this.#file.close().catch(() => {
      // It held nothing but the cache that is gone.
    });
  }
}

interface Span {
  /** Where the piece begins. */
  readonly base: number;
  readonly from: number;
  to: number;
  readonly runs: { readonly offset: number; readonly into: Uint8Array }[];
}
