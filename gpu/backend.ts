/**
 * The backend over one WebGPU device.
 *
 * Everything is queued; what the device refuses is known later. Out of memory is told by the next `read` or `flush`, once;
 * anything else that fails there means that results cannot be trusted, so that the device counts as lost.
 *
 * @module
 */
import type { Backend, BackendReport } from "../sdk/device/backend.ts";
import { breathe } from "../sdk/device/breathe.ts";
import { DeviceLostError, OutOfMemoryError } from "../sdk/device/errors.ts";
import { type Op, WEIGHT_CODE, type WeightType } from "../sdk/device/ops.ts";
import type { Caps, Context } from "./kernel.ts";
import { dispatchesOf, packedBytes } from "./kernels/mod.ts";
import { BufferPool, type Pooled, sizeClass } from "./pool.ts";
import { CommandQueue } from "./queue.ts";

/** A backend over WebGPU, with what tests and benches ask. */
export interface WebGPUBackend extends Backend {
  /** Bytes of all buffers on the device, idle ones of the pool included. */
  readonly deviceBytes: number;
  /** Variants that were compiled. */
  readonly pipelines: number;
  /** Gives idle buffers of the pool back to the GPU. */
  trim(): void;
  /** Milliseconds that the GPU spends on what `run` queues; needs the feature `timestamp-query`. */
  time(run: () => void): Promise<number>;
}

interface Held {
  readonly pooled: Pooled;
  readonly bytes: number;
}

/** Batches that may be under way when `flush` lets the caller go on; many, as Deno hears of their end in steps of 11 ms. */
const MOST_UNDER_WAY = 32;
/** Buffers for readbacks that are kept. */
const MOST_STAGING = 4;
/** Milliseconds that the caller records before others have its thread. */
const TURN = 12;
/** MAP_READ | COPY_DST, and QUERY_RESOLVE | COPY_SRC. */
const READ = 0x1 | 0x8;
const RESOLVE = 0x200 | 0x4;

/**
 * Makes the backend over a device.
 *
 * @param device Owned by the backend from now on.
 * @param caps What kernels may use of it.
 * @param report What it says of itself; asked at every access.
 */
export function createWebGPUBackend(
  device: GPUDevice,
  caps: Caps,
  report: () => BackendReport,
): WebGPUBackend {
  const { maxBufferSize } = device.limits;
  const buffers = new Map<number, Held>();
  let held = 0;
  let lastScratch = 0;
  let disposed = false;
  let lost: DeviceLostError | undefined;
  /** Out of memory, not told yet; and buffers that do not exist for it. */
  let failure: OutOfMemoryError | undefined;
  let broken = new Set<number>();
  /** The last batch that may have used such a buffer. */
  let brokenUntil = -1;
  /** Ends the waits of those who wait when the device is lost. */
  const losing = Promise.withResolvers<never>();
  losing.promise.catch(() => {});
  let underWay: Promise<void>[] = [];
  /** Buffers for readbacks. */
  const idle: GPUBuffer[] = [];
  let turn = performance.now();

  const lose = (reason: string, cause?: unknown): DeviceLostError => {
    if (lost === undefined) {
      lost = new DeviceLostError(`The WebGPU device is lost: ${reason}`, { cause });
      losing.reject(lost);
      device.destroy();
    }
    return lost;
  };
  const check = (): void => {
    if (disposed) throw new Error("Cannot use this device: it is disposed");
    if (lost) throw new DeviceLostError(lost.message, { cause: lost });
  };
  /** What the device throws at once means the same as what it tells later. */
  const attempt = <T>(what: string, run: () => T): T => {
    try {
      return run();
    } catch (error) {
      if (error instanceof OutOfMemoryError || error instanceof DeviceLostError) throw error;
      throw lose(`${what} failed with "${messageOf(error)}"`, error);
    }
  };
  const queue = new CommandQueue(device, (error, batch) => {
    if (disposed) return;
    if (isOutOfMemory(error)) outOfMemory(0, error.message);
    // Work on buffers that could not be made cannot be valid either.
    else if (broken.size === 0 && batch > brokenUntil) lose(`it refused a command: ${error.message}`);
  });
  const outOfMemory = (requested: number, reason: string): OutOfMemoryError =>
    failure ??= new OutOfMemoryError(
      `Cannot make a buffer of ${requested} bytes on the GPU: ${reason}; ${held} bytes are held; dispose of tensors or use smaller batches`,
      { requested, held },
    );
  const pool = new BufferPool((size, usage) => {
    if (size > maxBufferSize) {
      throw new OutOfMemoryError(
        `Cannot make a buffer of ${size} bytes: this GPU allows ${maxBufferSize}; use smaller batches`,
        { requested: size, held },
      );
    }
    const made = attempt("making a buffer", () => {
      device.pushErrorScope("out-of-memory");
      const buffer = device.createBuffer({ size, usage });
      return { buffer, scope: device.popErrorScope() };
    });
    const known = made.scope.then((error) => {
      if (error === null || disposed) return;
      outOfMemory(size, error.message || "it is out of memory");
      for (const [id, { pooled }] of buffers) if (pooled.buffer === made.buffer) broken.add(id);
      pool.forget(made.buffer);
      brokenUntil = queue.batch;
    }, () => {});
    scopes.add(known);
    known.finally(() => scopes.delete(known));
    return made.buffer;
  }, maxBufferSize);
  const scopes = new Set<Promise<void>>();
  pool.onDestroy = ({ batch }) => {
    // What is recorded must not find its buffers gone when it is submitted.
    if (batch === queue.batch && !lost && !disposed) submit();
    queue.forget();
  };
  device.addEventListener?.("uncapturederror", (event) => {
    event.preventDefault();
    if (!disposed) lose(`it reported an error: ${(event as GPUUncapturedErrorEvent).error.message}`);
  });
  device.lost.then(({ message, reason }) => {
    if (!disposed) lose(message || reason || "it went away");
  });

  const find = (id: number): Held => {
    const found = buffers.get(id);
    if (found === undefined) throw new Error(`Cannot use buffer ${id}: there is none`);
    return found;
  };
  const use = (id: number): Pooled => {
    const { pooled } = find(id);
    pooled.batch = queue.batch;
    return pooled;
  };
  const hold = (id: number, bytes: number, before?: number): Pooled => {
    const pooled = pool.take(bytes, before);
    buffers.set(id, { pooled, bytes });
    held += bytes;
    return pooled;
  };
  const release = (id: number): void => {
    const { pooled, bytes } = find(id);
    buffers.delete(id);
    held -= bytes;
    if (broken.delete(id)) {
      brokenUntil = queue.batch;
      pool.destroy(pooled);
    } else pool.give(pooled);
  };
  /** Uploads whole words; the rest of the last word is zeros. */
  const upload = (pooled: Pooled, byteOffset: number, data: ArrayBufferView): void => {
    const whole = data.byteLength - data.byteLength % 4;
    const { queue: commands } = device;
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    if (whole > 0) commands.writeBuffer(pooled.buffer, byteOffset, bytes.subarray(0, whole));
    if (whole < data.byteLength) {
      const last = new Uint8Array(4);
      last.set(bytes.subarray(whole));
      commands.writeBuffer(pooled.buffer, byteOffset + whole, last);
    }
  };
  const run = (op: Op): void => {
    const temporary: number[] = [];
    const context: Context = {
      caps,
      scratch(bytes) {
        const id = --lastScratch;
        hold(id, bytes);
        temporary.push(id);
        return id;
      },
    };
    try {
      const dispatches = dispatchesOf(op, context, (id) => find(id).bytes);
      attempt(`operation "${op.op}"`, () => {
        for (const dispatch of dispatches) queue.dispatch(dispatch, use);
      });
    } finally {
      for (const id of temporary) release(id);
    }
  };
  const submit = (): void => {
    if (!queue.submit()) return;
    const done = device.queue.onSubmittedWorkDone().then(() => {}, () => {});
    underWay.push(done);
    done.then(() => underWay = underWay.filter((other) => other !== done));
  };
  /** Tells what failed up to now. */
  const settle = async (): Promise<void> => {
    await Promise.race([Promise.all([...scopes, queue.settled()]), losing.promise]);
    check();
    const error = failure;
    failure = undefined;
    if (error) throw new OutOfMemoryError(error.message, error);
  };
  /** Copies bytes into a buffer that the host can read. */
  const copyOut = async (
    record: (encoder: GPUCommandEncoder, to: GPUBuffer) => void,
    bytes: number,
  ): Promise<ArrayBuffer> => {
    const staging = attempt("reading back", () => {
      const at = idle.findIndex(({ size }) => size >= bytes && size <= 4 * bytes + 4096);
      const buffer = at < 0
        ? device.createBuffer({ size: sizeClass(bytes), usage: READ })
        : idle.splice(at, 1)[0]!;
      queue.copy((encoder) => record(encoder, buffer));
      submit();
      return buffer;
    });
    try {
      await Promise.race([staging.mapAsync(1, 0, bytes), losing.promise]);
      await settle();
      const data = staging.getMappedRange(0, bytes).slice(0);
      staging.unmap();
      if (idle.length < MOST_STAGING) idle.push(staging);
      else staging.destroy();
      return data;
    } catch (error) {
      check();
      if (error instanceof OutOfMemoryError) throw error;
      // What was not made cannot be read either; that is no fault of the device.
      await settle();
      throw lose(`a readback failed with "${messageOf(error)}"`, error);
    }
  };

  return {
    kind: "webgpu",
    get report() {
      return report();
    },
    get lost() {
      return lost;
    },
    get deviceBytes() {
      return pool.bytes;
    },
    get pipelines() {
      return queue.pipelines.size;
    },
    weightBytes: (n: number, k: number, type: WeightType) => packedBytes(n, k, WEIGHT_CODE[type]),
    create(id, bytes, data) {
      check();
      if (data && data.byteLength > bytes) {
        throw new RangeError(`Cannot fill a buffer of ${bytes} bytes with ${data.byteLength}`);
      }
      if (buffers.has(id)) throw new Error(`Cannot make buffer ${id}: there is one of that number`);
      // An upload runs before the work that is recorded now, so it needs a buffer which that does not use.
      const pooled = hold(id, bytes, data && queue.batch);
      if (data) attempt("an upload", () => upload(pooled, 0, data));
    },
    write(id, byteOffset, data) {
      check();
      const { pooled, bytes } = find(id);
      const end = byteOffset + data.byteLength;
      if (!(byteOffset >= 0 && end <= bytes)) {
        throw new RangeError(`Cannot write bytes ${byteOffset} to ${end} of buffer ${id}: it has ${bytes}`);
      }
      if (byteOffset % 4 !== 0 || (end % 4 !== 0 && end !== bytes)) {
        throw new RangeError(`Cannot write bytes ${byteOffset} to ${end} on a GPU: expected multiples of 4`);
      }
      attempt("an upload", () => {
        if (pooled.batch === queue.batch) submit();
        upload(pooled, byteOffset, data);
      });
    },
    run(op) {
      check();
      run(op);
    },
    async read(id, byteOffset, bytes) {
      check();
      const { buffer } = use(id);
      const begin = Math.floor(byteOffset / 4) * 4;
      const size = Math.ceil((byteOffset + bytes - begin) / 4) * 4;
      const data = await copyOut(
        (encoder, to) => encoder.copyBufferToBuffer(buffer, begin, to, 0, size),
        size,
      );
      return byteOffset === begin && size === bytes
        ? data
        : data.slice(byteOffset - begin, byteOffset - begin + bytes);
    },
    free(id) {
      // Clean-up after a loss must not hide the error that told of it.
      if (lost || disposed) return;
      release(id);
    },
    async flush() {
      check();
      attempt("a submit", submit);
      if (performance.now() - turn > TURN) {
        await breathe();
        turn = performance.now();
      }
      while (underWay.length > MOST_UNDER_WAY && !lost) await Promise.race([underWay[0], losing.promise]);
      await settleKnown();
    },
    trim: () => pool.trim(0),
    async time(work) {
      check();
      submit();
      const set = device.createQuerySet({ type: "timestamp", count: 2 });
      const times = device.createBuffer({ size: 16, usage: RESOLVE });
      queue.timestamps = set;
      try {
        work();
        const data = await copyOut((encoder, to) => {
          encoder.resolveQuerySet(set, 0, 2, times, 0);
          encoder.copyBufferToBuffer(times, 0, to, 0, 16);
        }, 16);
        const [begin, end] = new BigUint64Array(data);
        return Number(end! - begin!) / 1e6;
      } finally {
        queue.timestamps = undefined;
        set.destroy();
        times.destroy();
      }
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      losing.reject(new Error("The device was disposed of before this was done"));
      buffers.clear();
      broken = new Set();
      pool.bytes = 0;
      held = 0;
      idle.length = 0;
      if (lost === undefined) device.destroy();
    },
  };

  /** Tells what is known to have failed, without waiting for more. */
  async function settleKnown(): Promise<void> {
    await Promise.resolve();
    check();
    if (failure) await settle();
  }
}

function isOutOfMemory(error: GPUError): boolean {
  return error.constructor.name === "GPUOutOfMemoryError";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
