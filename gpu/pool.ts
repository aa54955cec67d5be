/**
 * Buffers that are used again.
 *
 * A buffer that was given back may still be read by work that is recorded but not submitted. Work that is recorded later may
 * have it, as commands run in order; an upload may not, because uploads run before the recorded work. So every buffer
 * remembers the batch that last used it.
 *
 * @module
 */
import { ALIGNMENT } from "./kernel.ts";

/** A buffer of the pool. */
export interface Pooled {
  readonly buffer: GPUBuffer;
  /** Its number, never given twice. */
  readonly number: number;
  /** Its bytes, at least what was asked for. */
  readonly size: number;
  /** The last batch that used it. */
  batch: number;
}

/** Bytes that may lie idle. */
const MOST_IDLE = 1 << 28;
/** STORAGE | COPY_SRC | COPY_DST. */
const USAGE = 0x80 | 0x4 | 0x8;

/** Makes, keeps and frees buffers. */
export class BufferPool {
  /** Bytes of all buffers, idle ones included. */
  bytes = 0;
  /** Told when a buffer is gone, so that nothing refers to it. */
  onDestroy: (pooled: Pooled) => void = () => {};
  readonly #make: (size: number, usage: number) => GPUBuffer;
  readonly #limit: number;
  /** Idle buffers by size, the latest last. */
  readonly #idle = new Map<number, Pooled[]>();
  #idleBytes = 0;
  #last = 0;

  /** `make` creates a buffer or throws; sizes are not rounded up beyond `limit`. */
  constructor(make: (size: number, usage: number) => GPUBuffer, limit = Infinity) {
    this.#make = make;
    this.#limit = limit;
  }

  /**
   * A buffer of at least `bytes`.
   *
   * @param before Only one that no batch from this one on has used. @default any
   */
  take(bytes: number, before = Infinity): Pooled {
    const size = Math.min(
      sizeClass(bytes),
      Math.max(Math.floor(this.#limit / 4) * 4, Math.ceil(bytes / 4) * 4),
    );
    const idle = this.#idle.get(size) ?? [];
    const at = idle.findLastIndex(({ batch }) => batch < before);
    if (at >= 0) {
      const [pooled] = idle.splice(at, 1);
      this.#idleBytes -= size;
      return pooled!;
    }
    const buffer = this.#make(size, USAGE);
    this.bytes += size;
    return { buffer, number: ++this.#last, size, batch: -1 };
  }

  /** Takes a buffer back; what lies idle longest goes when it is too much. */
  give(pooled: Pooled): void {
    const idle = this.#idle.get(pooled.size);
    if (idle) idle.push(pooled);
    else this.#idle.set(pooled.size, [pooled]);
    this.#idleBytes += pooled.size;
    if (this.#idleBytes > MOST_IDLE) this.trim(MOST_IDLE / 2);
  }

  /** Destroys a buffer that is not to be used again. */
  destroy(pooled: Pooled): void {
    this.bytes -= pooled.size;
    this.onDestroy(pooled);
    pooled.buffer.destroy();
  }

  /** Never hands out a buffer that turned out not to exist. */
  forget(buffer: GPUBuffer): void {
    for (const idle of this.#idle.values()) {
      const at = idle.findIndex((pooled) => pooled.buffer === buffer);
      if (at < 0) continue;
      const [pooled] = idle.splice(at, 1);
      this.#idleBytes -= pooled!.size;
      this.destroy(pooled!);
    }
  }

  /** Destroys idle buffers until at most `bytes` are left, large ones first. */
  trim(bytes: number): void {
    for (const size of [...this.#idle.keys()].sort((a, b) => b - a)) {
      const idle = this.#idle.get(size)!;
      while (this.#idleBytes > bytes && idle.length > 0) {
        this.#idleBytes -= size;
        this.destroy(idle.shift()!);
      }
      if (idle.length === 0) this.#idle.delete(size);
    }
  }
}

/** Sizes come in four steps per doubling, so that at most a quarter is wasted. */
export function sizeClass(bytes: number): number {
  const step = Math.max(ALIGNMENT, 2 ** (Math.floor(Math.log2(Math.max(bytes, 1))) - 2));
  return Math.ceil(Math.max(bytes, 1) / step) * step;
}
