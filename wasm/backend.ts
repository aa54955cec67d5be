/**
 * The backend over one instance of the kernels.
 *
 * @module
 */
import type { Backend, BackendReport } from "../sdk/device/backend.ts";
import { DeviceLostError, OutOfMemoryError } from "../sdk/device/errors.ts";
import { type Op, WEIGHT_CODE, type WeightType } from "../sdk/device/ops.ts";
import { encodeOp, type RecordArea } from "./encode.ts";
import type { KernelInstance, Kernels } from "./instance.ts";
import { breathe } from "../sdk/device/breathe.ts";

/** A backend over WebAssembly that says how much memory it uses. */
export interface WasmBackend extends Backend {
  /** Bytes that live buffers take. */
  readonly heldBytes: number;
  /** Bytes of the module's whole memory; it grows and never shrinks. */
  readonly memoryBytes: number;
}

/** What a backend is made of. */
export interface WasmParts extends KernelInstance {
  readonly report: BackendReport;
  /** Ends the workers. */
  end(): void;
}

/** The largest address. */
const MAX_BYTES = 0xffff_ffff;
const RECORD_WORDS = 64;
/** Milliseconds that the caller's thread computes before `flush` lets others have it. */
const TURN = 12;

/** Stands for the record area of a device that is disposed. */
const NO_AREA: RecordArea = { words: new Uint32Array(0), floats: new Float32Array(0) };

interface Buffer {
  readonly pointer: number;
  readonly bytes: number;
}

/**
 * Makes the backend over one instance of the kernels.
 *
 * @param parts The instance, what to report and how to end.
 * @returns The backend, and how to tell it that a worker is lost.
 */
export function createWasmBackend(parts: WasmParts): { backend: WasmBackend; lose(reason: string): void } {
  const { report, end } = parts;
  // Let go of when disposed, so that a device that is still referred to keeps no memory.
  let live: KernelInstance | undefined = { kernels: parts.kernels, memory: parts.memory };
  const buffers = new Map<number, Buffer>();
  const recordStart = live.kernels.args() >>> 0;
  let area = viewRecord(live.memory, recordStart);
  let held = 0;
  let busy = false;
  let lost: DeviceLostError | undefined;
  /** When the work since the last flush began, 0 if there was none; and how much there was before that. */
  let began = 0;
  let worked = 0;

  const lose = (reason: string, cause?: unknown): DeviceLostError => {
    if (lost === undefined) {
      lost = new DeviceLostError(`The WASM device is lost: ${reason}`, { cause });
      end();
    }
    return lost;
  };
  const use = (): KernelInstance => {
    if (live === undefined) throw new Error("Cannot use this device: it is disposed");
    if (lost) throw new DeviceLostError(lost.message, { cause: lost });
    if (busy) throw new Error("Cannot use this device inside one of its own operations");
    return live;
  };
  /** Calls a kernel; whatever it throws ends the device, as its memory may be half written. */
  const call = (kernel: () => number): number => {
    busy = true;
    try {
      return kernel() >>> 0;
    } catch (error) {
      throw lose(`a kernel stopped with "${messageOf(error)}"`, error);
    } finally {
      busy = false;
    }
  };
  const find = (id: number): Buffer => {
    const buffer = buffers.get(id);
    if (buffer === undefined) throw new Error(`Cannot use buffer ${id}: there is none`);
    return buffer;
  };
  const pointerOf = (id: number): number => find(id).pointer;
  const slice = (id: number, byteOffset: number, bytes: number): number => {
    const buffer = find(id);
    if (!(byteOffset >= 0 && bytes >= 0 && byteOffset + bytes <= buffer.bytes)) {
      throw new RangeError(
        `Cannot reach bytes ${byteOffset} to ${byteOffset + bytes} of buffer ${id}: it has ${buffer.bytes}`,
      );
    }
    return buffer.pointer + byteOffset;
  };
  const put = (memory: WebAssembly.Memory, address: number, data: ArrayBufferView): void => {
    new Uint8Array(memory.buffer).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
  };

  const backend: WasmBackend = {
    kind: "wasm",
    report,
    get lost(): DeviceLostError | undefined {
      return lost;
    },
    get heldBytes(): number {
      return held;
    },
    get memoryBytes(): number {
      return live?.memory.buffer.byteLength ?? 0;
    },
    weightBytes(n: number, k: number, dtype: WeightType): number {
      const { kernels } = use();
      const bytes = n > MAX_BYTES || k > MAX_BYTES
        ? MAX_BYTES
        : call(() => kernels.weight_bytes(n, k, WEIGHT_CODE[dtype]));
      if (bytes === MAX_BYTES) throw tooLarge(`a weight of ${n} x ${k}`, n * k * 4, held);
      return bytes;
    },
    create(id: number, bytes: number, data?: ArrayBufferView): void {
      const { kernels, memory } = use();
      if (data && data.byteLength > bytes) {
        throw new RangeError(`Cannot fill a buffer of ${bytes} bytes with ${data.byteLength}`);
      }
      if (bytes > MAX_BYTES) throw tooLarge(`a buffer of ${bytes} bytes`, bytes, held);
      if (buffers.has(id)) throw new Error(`Cannot make buffer ${id}: there is one of that number`);
      const size = Math.max(bytes, 1);
      const pointer = call(() => kernels.alloc(size));
      if (pointer === 0) {
        throw new OutOfMemoryError(
          `Cannot make a buffer of ${bytes} bytes: the WASM memory of ${memory.buffer.byteLength} bytes cannot grow enough, ` +
            `${held} bytes are held; dispose of tensors or use smaller batches`,
          { requested: bytes, held },
        );
      }
      buffers.set(id, { pointer, bytes: size });
      held += size;
      if (data) put(memory, pointer, data);
    },
    write(id: number, byteOffset: number, data: ArrayBufferView): void {
      const { memory } = use();
      put(memory, slice(id, byteOffset, data.byteLength), data);
    },
    run(op: Op): void {
      const { kernels, memory } = use();
      if (began === 0) began = performance.now();
      if (area.words.buffer !== memory.buffer) area = viewRecord(memory, recordStart);
      busy = true;
      let status: number;
      try {
        const code = encodeOp(op, area, pointerOf);
        status = runKernel(kernels, code);
      } finally {
        busy = false;
      }
      if (status !== 0) throw failureOf(status, op.op);
    },
    // The copy is made now, so that operations queued later cannot change it.
    read(id: number, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
      try {
        const { memory } = use();
        const address = slice(id, byteOffset, bytes);
        const copy = new Uint8Array(bytes);
        copy.set(new Uint8Array(memory.buffer, address, bytes));
        return Promise.resolve(copy.buffer);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    free(id: number): void {
      // Clean-up after a loss must not hide the error that told of it.
      if (lost) return;
      const { kernels } = use();
      const buffer = find(id);
      buffers.delete(id);
      held -= buffer.bytes;
      call(() => (kernels.dealloc(buffer.pointer, buffer.bytes), 0));
    },
    async flush(): Promise<void> {
      use();
      if (began === 0) return;
      worked += performance.now() - began;
      began = 0;
      if (worked < TURN) return;
      worked = 0;
      await breathe();
      use();
    },
    dispose(): void {
      if (live === undefined) return;
      if (busy) throw new Error("Cannot dispose of this device inside one of its own operations");
      live = undefined;
      area = NO_AREA;
      buffers.clear();
      held = 0;
      if (lost === undefined) end();
    },
  };
  return { backend, lose: (reason) => void lose(reason) };

  function runKernel(kernels: Kernels, code: number): number {
    try {
      return kernels.run(code) >>> 0;
    } catch (error) {
      throw lose(`a kernel stopped with "${messageOf(error)}"`, error);
    }
  }

  function failureOf(status: number, op: string): Error {
    switch (status) {
      case 1:
        return new TypeError(`Cannot run operation "${op}": this build of the kernels does not know it`);
      case 2:
        return new OutOfMemoryError(
          `Cannot run operation "${op}": the WASM memory has no room for its temporaries, ${held} bytes are held; ` +
            `dispose of tensors or use smaller batches`,
          { requested: 0, held },
        );
      case 3:
        return new RangeError(`Cannot run operation "${op}": its sizes do not fit its buffers`);
      case 4:
        return lose(`a worker did not finish its part of operation "${op}"`);
      default:
        return lose(`operation "${op}" ended with the unknown status ${status}`);
    }
  }
}

function viewRecord(memory: WebAssembly.Memory, start: number): RecordArea {
  return {
    words: new Uint32Array(memory.buffer, start, RECORD_WORDS),
    floats: new Float32Array(memory.buffer, start, RECORD_WORDS),
  };
}

function tooLarge(what: string, requested: number, held: number): OutOfMemoryError {
  return new OutOfMemoryError(
    `Cannot make ${what}: WebAssembly addresses at most 4 GiB; use smaller batches`,
    { requested, held },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
