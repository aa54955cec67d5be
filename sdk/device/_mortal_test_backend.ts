/**
 * A backend for tests that is lost at a call of choice.
 *
 * @module
 */
import type { Backend } from "./backend.ts";
import { DeviceLostError } from "./errors.ts";

/** How a backend dies. */
export interface Death {
  /** Operations and reads that it does before. @default it never dies by itself */
  readonly after?: number;
  /** Operations fail in silence, and only the next read or flush tells, as a GPU does. @default false */
  readonly quiet?: boolean;
}

/** A backend that counts its calls and may die. */
export interface MortalBackend extends Backend {
  /** Operations and reads so far. */
  readonly calls: number;
  /** Buffers that it holds. */
  readonly buffers: number;
  /** Whether it was disposed of. */
  readonly disposed: boolean;
  /** Loses it now. */
  die(): void;
}

/** Makes a backend mortal. */
export function mortal(inner: Backend, { after = Infinity, quiet = false }: Death = {}): MortalBackend {
  const held = new Set<number>();
  let calls = 0;
  let disposed = false;
  let lost: DeviceLostError | undefined;
  const die = (): DeviceLostError => lost ??= new DeviceLostError("The test lost this device");
  /** Counts a call; tells whether it may be done. */
  const lives = (tells: boolean): boolean => {
    if (lost) throw new DeviceLostError(lost.message, { cause: lost });
    if (calls >= after) {
      if (tells || !quiet) throw die();
      return false;
    }
    calls++;
    return true;
  };
  const check = (): void => {
    if (disposed) throw new Error("The test's backend is disposed");
    if (lost) throw new DeviceLostError(lost.message, { cause: lost });
  };
  return {
    kind: inner.kind,
    report: inner.report,
    get lost(): DeviceLostError | undefined {
      return lost;
    },
    get calls(): number {
      return calls;
    },
    get buffers(): number {
      return held.size;
    },
    get disposed(): boolean {
      return disposed;
    },
    die: () => void die(),
    weightBytes: (n, k, dtype) => inner.weightBytes(n, k, dtype),
    create(id, bytes, data) {
      check();
      inner.create(id, bytes, data);
      held.add(id);
    },
    write(id, byteOffset, data) {
      check();
      inner.write(id, byteOffset, data);
    },
    run(op) {
      check();
      if (lives(false)) inner.run(op);
    },
    async read(id, byteOffset, bytes) {
      check();
      await Promise.resolve();
      lives(true);
      return await inner.read(id, byteOffset, bytes);
    },
    free(id) {
      held.delete(id);
      if (!lost) inner.free(id);
    },
    async flush() {
      check();
      if (calls >= after) throw die();
      await inner.flush();
      check();
    },
    dispose() {
      if (disposed) throw new Error("The test's backend is disposed twice");
      disposed = true;
      held.clear();
      inner.dispose();
    },
  };
}
