/**
 * What tensors and weights are made of: counted buffers and handles to them.
 *
 * @module
 */
import type { Backend } from "./backend.ts";
import type { Device } from "./device.ts";
import { DeviceLostError } from "./errors.ts";
import { type DType, DTYPE_BYTES, type WeightType } from "./ops.ts";
import type { Tensor, Weight } from "./tensor.ts";

/** A buffer of a backend, freed when its last handle goes. */
export interface HeldBuffer {
  readonly id: number;
  readonly bytes: number;
  handles: number;
}

/** What a device and its scopes hold on one backend: buffers, and the count of what is alive. */
export class Store {
  readonly backend: Backend;
  bytes = 0;
  peakBytes = 0;
  tensors = 0;
  disposed = false;
  #lastId = 0;
  #abandoned: DeviceLostError | undefined;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** Why nothing here works any more, if that is so. */
  get lost(): DeviceLostError | undefined {
    return this.#abandoned ?? this.backend.lost;
  }

  /** Whether the backend was given up, so that nothing here counts any more. */
  get abandoned(): boolean {
    return this.#abandoned !== undefined;
  }

  create(bytes: number, data?: ArrayBufferView): HeldBuffer {
    this.check();
    const id = this.#lastId + 1;
    // Empty tensors hold a few bytes too, so that every buffer has an address.
    this.backend.create(id, Math.max(bytes, 4), bytes === 0 ? undefined : data);
    this.#lastId = id;
    this.bytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
    return { id, bytes, handles: 1 };
  }

  release(buffer: HeldBuffer): void {
    buffer.handles--;
    if (buffer.handles > 0 || this.disposed) return;
    this.bytes -= buffer.bytes;
    this.backend.free(buffer.id);
  }

  check(): void {
    if (this.disposed) throw new Error("Cannot use this device: it is disposed");
    const { lost } = this;
    if (lost) throw new DeviceLostError(lost.message, { cause: lost });
  }

  /** Waits for the backend; whatever fails on a lost one is told as its loss. */
  async wait<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const { lost } = this;
      if (!lost || error instanceof DeviceLostError) throw error;
      throw new DeviceLostError(lost.message, { cause: error });
    }
  }

  /** Gives a lost backend up: its memory goes back, and nothing here counts any more. */
  abandon(lost: DeviceLostError): void {
    this.#abandoned = lost;
    this.bytes = 0;
    this.tensors = 0;
    this.backend.dispose();
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.bytes = 0;
    this.tensors = 0;
    if (!this.abandoned) this.backend.dispose();
  }
}

/** The handles that one scope frees. */
export type Owned = Set<Handle>;

/** What tensors and weights have in common: a life that ends once, by hand or with its scope. */
export abstract class Handle {
  readonly #store: Store;
  readonly #buffers: readonly HeldBuffer[];
  #owner: Owned | undefined;
  #disposed = false;

  constructor(store: Store, buffers: readonly HeldBuffer[], owner: Owned | undefined) {
    this.#store = store;
    this.#buffers = buffers;
    this.#owner = owner;
    owner?.add(this);
    store.tensors++;
  }

  /** Its number means another buffer on the next backend. */
  get id(): number {
    this.check();
    return this.#buffers[0]!.id;
  }

  get bytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
  }

  get disposed(): boolean {
    return this.#disposed || this.#store.disposed;
  }

  /** The store, for a handle that is alive. */
  protected get store(): Store {
    this.check();
    if (this.disposed) throw new Error("Cannot use this tensor: it is disposed");
    return this.#store;
  }

  /** Refuses a handle whose backend is lost, disposed or not: clean-up after a loss must not hide it. */
  check(): void {
    const { lost } = this.#store;
    if (lost) {
      throw new DeviceLostError("Cannot use this tensor: it was lost with its device; make it again", {
        cause: lost,
      });
    }
  }

  dispose(): void {
    if (this.disposed) return;
    this.#disposed = true;
    this.#owner?.delete(this);
    if (this.#store.abandoned) return;
    this.#store.tensors--;
    for (const buffer of this.#buffers) this.#store.release(buffer);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Moves the duty to free this handle, if `from` has it. */
  handOver(from: Owned, to: Owned | undefined): void {
    if (this.#owner !== from || this.disposed) return;
    from.delete(this);
    to?.add(this);
    this.#owner = to;
  }
}

/** A {@linkcode Tensor}. */
export class TensorHandle extends Handle implements Tensor {
  readonly device: Device;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly size: number;
  readonly #buffer: HeldBuffer;

  constructor(
    store: Store,
    buffer: HeldBuffer,
    owner: Owned | undefined,
    parts: { device: Device; shape: readonly number[]; dtype: DType; size: number },
  ) {
    super(store, [buffer], owner);
    this.device = parts.device;
    this.shape = Object.freeze([...parts.shape]);
    this.dtype = parts.dtype;
    this.size = parts.size;
    this.#buffer = buffer;
  }

  /** A handle to the same buffer. */
  share(owner: Owned | undefined, shape: readonly number[]): TensorHandle {
    const { store, device, dtype, size } = this;
    this.#buffer.handles++;
    return new TensorHandle(store, this.#buffer, owner, { device, shape, dtype, size });
  }

  read(): Promise<Float32Array>;
  read(as: "f32"): Promise<Float32Array>;
  read(as: "f16"): Promise<Uint16Array>;
  read(as: "i32"): Promise<Int32Array>;
  read(as: "u8"): Promise<Uint8Array>;
  read(as: "i8"): Promise<Int8Array>;
  async read(as: DType = "f32"): Promise<Float32Array | Uint16Array | Int32Array | Uint8Array | Int8Array> {
    const { store } = this;
    if (as !== this.dtype) {
      throw new TypeError(
        `Cannot read the tensor as "${as}": its type is "${this.dtype}", use read("${this.dtype}")`,
      );
    }
    const bytes = this.size * DTYPE_BYTES[as];
    const data = bytes === 0 ? new ArrayBuffer(0) : await store.wait(store.backend.read(this.id, 0, bytes));
    switch (as) {
      case "f32":
        return new Float32Array(data);
      case "f16":
        return new Uint16Array(data);
      case "i32":
        return new Int32Array(data);
      case "u8":
        return new Uint8Array(data);
      case "i8":
        return new Int8Array(data);
    }
  }
}

/** A {@linkcode Weight}. */
export class WeightHandle extends Handle implements Weight {
  readonly device: Device;
  readonly shape: readonly [number, number];
  readonly dtype: WeightType;
  readonly scales: number;
  readonly group: number;

  constructor(
    store: Store,
    buffers: readonly HeldBuffer[],
    owner: Owned | undefined,
    parts: { device: Device; shape: readonly [number, number]; dtype: WeightType; group: number },
  ) {
    super(store, buffers, owner);
    this.device = parts.device;
    this.shape = Object.freeze([...parts.shape] as const);
    this.dtype = parts.dtype;
    this.scales = buffers[1]?.id ?? 0;
    this.group = parts.group;
  }
}
