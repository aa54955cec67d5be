/**
 * Takes the queries, keys and values of a model's attention from the operations that it runs.
 *
 * @module
 */
import type { Backend } from "../device/backend.ts";
import { DTYPE_CODE, type OpOf } from "../device/ops.ts";
import type { Sample } from "./structured.ts";

/** A backend that copies what goes into attention. */
export interface Capture {
  /** Give it to `createDevice`. */
  readonly backend: Backend;
  /** One sample for every attention of a single sequence that was wanted, in the order in which they ran. */
  samples(): Promise<Sample[]>;
}

/**
 * Watches a backend.
 *
 * @param inner Runs the operations.
 * @param wanted Which attention to copy; only the first batch entry is taken, and only float32 keys.
 */
export function captureAttention(inner: Backend, wanted: (op: OpOf<"attention">) => boolean): Capture {
  const taken: Promise<Sample>[] = [];
  const backend: Backend = {
    kind: inner.kind,
    get report() {
      return inner.report;
    },
    get lost() {
      return inner.lost;
    },
    weightBytes: (n, k, dtype) => inner.weightBytes(n, k, dtype),
    create: (id, bytes, data) => inner.create(id, bytes, data),
    write: (id, byteOffset, data) => inner.write(id, byteOffset, data),
    run(op) {
      if (op.op === "attention" && op.kvtype === DTYPE_CODE.f32 && wanted(op)) taken.push(take(inner, op));
      inner.run(op);
    },
    read: (id, byteOffset, bytes) => inner.read(id, byteOffset, bytes),
    free: (id) => inner.free(id),
    flush: () => inner.flush(),
    dispose: () => inner.dispose(),
  };
  return { backend, samples: () => Promise.all(taken) };
}

async function take(backend: Backend, op: OpOf<"attention">): Promise<Sample> {
  const { heads, kvHeads, headDim, lq, lk } = op;
  // Asked for at once, before later operations change the buffers.
  const reads = [
    read(backend, op.q, op.qOffset, [heads, op.qHead], [lq, op.qRow], headDim),
    read(backend, op.k, op.kOffset, [kvHeads, op.kHead], [lk, op.kRow], headDim),
    read(backend, op.v, op.vOffset, [kvHeads, op.vHead], [lk, op.vRow], headDim),
  ] as const;
  const [q, k, v] = await Promise.all(reads);
  return { heads, kvHeads, length: lk, headDim, q, k, v };
}

async function read(
  backend: Backend,
  id: number,
  offset: number,
  [heads, headStride]: readonly [number, number],
  [rows, rowStride]: readonly [number, number],
  width: number,
): Promise<Float32Array<ArrayBuffer>> {
  const end = (heads - 1) * headStride + (rows - 1) * rowStride + width;
  const all = new Float32Array(await backend.read(id, 4 * offset, 4 * end));
  const out = new Float32Array(heads * rows * width);
  for (let h = 0; h < heads; h++) {
    for (let r = 0; r < rows; r++) {
      const from = h * headStride + r * rowStride;
      out.set(all.subarray(from, from + width), (h * rows + r) * width);
    }
  }
  return out;
}
