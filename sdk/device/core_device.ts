/**
 * Builds devices and scopes on a backend: numbers, memory accounting, lifetimes. No mathematics.
 *
 * @module
 */
import { checkWeight, type WeightForm } from "./_check_weight.ts";
import {
  type Handle,
  type HeldBuffer,
  type Owned,
  type Store,
  TensorHandle,
  WeightHandle,
} from "./_handles.ts";
import { Life } from "./_life.ts";
import type { Backend, DeviceKind, Reopen } from "./backend.ts";
import type { Device, DeviceAttempt, DeviceReport, Scope, TensorData, WeightData } from "./device.ts";
import { type DType, DTYPE_BYTES, WEIGHT_CODE } from "./ops.ts";
import { sizeOf } from "./shape.ts";
import type { Tensor, Weight } from "./tensor.ts";

/**
 * Builds a root device on a backend.
 *
 * @param backend Holds buffers and runs operations; the device owns it from now on.
 * @param tried What was tried before, for the report; what is lost and tried later is added.
 * @param reopen Opens the next backend when one is lost. @default none: a loss is for good
 * @returns The device.
 */
export function createDevice(backend: Backend, tried: DeviceAttempt[] = [], reopen?: Reopen): Device {
  return createScope(new Life(backend, tried, reopen), undefined);
}

/** A scope below its parent, or the root device without one (whose handles need no owner: the backend frees all at once). */
function createScope(
  life: Life,
  parent: { root: Device; owned: Owned | undefined; scopes: Set<Scope>; check: () => Store } | undefined,
): Scope {
  /** A scope ends with the backend that it was made on; the root goes on with the next one. */
  const born = parent && life.store;
  const owned: Owned | undefined = parent && new Set<Handle>();
  const scopes = new Set<Scope>();
  let disposed = false;

  const check = (): Store => {
    const store = born ?? life.store;
    store.check();
    if (disposed) throw new Error("Cannot use this scope: it is disposed");
    return store;
  };
  const ownTensor = (
    store: Store,
    buffer: HeldBuffer,
    shape: readonly number[],
    dtype: DType,
    size: number,
  ): Tensor => new TensorHandle(store, buffer, owned, { device: root, shape, dtype, size });

  const scope: Scope = {
    get kind(): DeviceKind {
      return life.store.backend.kind;
    },
    get root(): Device {
      return root;
    },
    get generation(): number {
      return life.generation;
    },
    get report(): DeviceReport {
      const { backend, bytes, peakBytes, tensors } = life.store;
      const { adapter, features, variants, measured } = backend.report;
      const tried = [...life.tried];
      return { adapter, features, variants, ...(measured && { measured }), tried, bytes, peakBytes, tensors };
    },
    tensor(data: TensorData, shape: readonly number[]): Tensor {
      const store = check();
      const dtype = dtypeOf(data);
      const size = sizeOf(shape);
      if (data.length !== size) {
        throw new RangeError(
          `Cannot make a tensor of shape [${shape}]: it has ${size} elements but the data has ${data.length}`,
        );
      }
      return ownTensor(store, store.create(size * DTYPE_BYTES[dtype], data), shape, dtype, size);
    },
    empty(shape: readonly number[], dtype: DType = "f32"): Tensor {
      const store = check();
      const size = sizeOf(shape);
      if (!Object.hasOwn(DTYPE_BYTES, dtype)) {
        throw new TypeError(`Cannot make a tensor of type "${dtype}": expected f32, f16, i32, i8 or u8`);
      }
      return ownTensor(store, store.create(size * DTYPE_BYTES[dtype]), shape, dtype, size);
    },
    weight(data: WeightData, shape: readonly [number, number], scales?: Float32Array): Weight {
      const store = check();
      const form = checkWeight(data, shape, scales);
      const buffers = packWeight(store, data, shape, form, scales);
      return new WeightHandle(store, buffers, owned, { device: root, shape, ...form });
    },
    view(tensor: Tensor, shape: readonly number[]): Tensor {
      check();
      const handle = ownHandle(tensor, root);
      if (!(handle instanceof TensorHandle)) {
        throw new TypeError("Cannot reshape a weight: expected a tensor");
      }
      const size = sizeOf(shape);
      if (size !== handle.size) {
        throw new RangeError(
          `Cannot reshape [${handle.shape}] to [${shape}]: it has ${handle.size} elements, the shape has ${size}`,
        );
      }
      return handle.share(owned, shape);
    },
    submit(op) {
      check().backend.run(op);
    },
    async flush(signal?: AbortSignal): Promise<void> {
      const store = check();
      signal?.throwIfAborted();
      await store.wait(store.backend.flush());
      signal?.throwIfAborted();
    },
    recover: (signal?: AbortSignal) => life.recover(signal),
    scope(): Scope {
      check();
      const child = createScope(life, { root, owned, scopes, check });
      scopes.add(child);
      return child;
    },
    keep<T extends Tensor | Weight>(tensor: T): T {
      check();
      const handle = ownHandle(tensor, root);
      if (owned) handle.handOver(owned, parent?.owned);
      return tensor;
    },
    dispose(): void {
      if (disposed) return;
      disposed = true;
      for (const child of [...scopes]) child.dispose();
      parent?.scopes.delete(scope);
      if (owned) { for (const handle of [...owned]) handle.dispose(); }
      else life.dispose();
    },
    [Symbol.dispose](): void {
      scope.dispose();
    },
  };
  const root: Device = parent?.root ?? scope;
  return scope;
}

/** The buffers of a weight: packed, then scales if it has any. */
function packWeight(
  store: Store,
  data: WeightData,
  [n, k]: readonly [number, number],
  { dtype }: WeightForm,
  scales: Float32Array | undefined,
): HeldBuffer[] {
  const held: HeldBuffer[] = [];
  let raw: HeldBuffer | undefined;
  try {
    raw = store.create(data.byteLength, data);
    const packed = store.create(n === 0 ? 0 : store.backend.weightBytes(n, k, dtype));
    held.push(packed);
    if (scales) held.push(store.create(scales.byteLength, scales));
    if (n > 0) {
      store.backend.run({ op: "pack", src: raw.id, out: packed.id, n, k, dtype: WEIGHT_CODE[dtype] });
    }
    return held;
  } catch (error) {
    for (const buffer of held) store.release(buffer);
    throw error;
  } finally {
    if (raw) store.release(raw);
  }
}

function dtypeOf(data: unknown): DType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Uint16Array) return "f16";
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Int8Array) return "i8";
  if (data instanceof Uint8Array) return "u8";
  throw new TypeError(
    "Cannot make a tensor of this data: expected Float32Array, Uint16Array (float16 bits), Int32Array, Int8Array or Uint8Array",
  );
}

/** The handle behind a tensor, if it lives on this device. */
function ownHandle(tensor: Tensor | Weight, root: Device): TensorHandle | WeightHandle {
  if (!(tensor instanceof TensorHandle || tensor instanceof WeightHandle)) {
    throw new TypeError("Cannot use this value: expected a tensor that a device made");
  }
  if (tensor.device !== root) throw new Error("Cannot use this tensor: it belongs to another device");
  tensor.check();
  if (tensor.disposed) throw new Error("Cannot use this tensor: it is disposed");
  return tensor;
}
