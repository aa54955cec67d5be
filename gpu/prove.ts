/**
 * Trust and speed: known-answer kernels, and what the way to the GPU and back costs.
 *
 * @module
 */
import type { Backend, MeasuredSpeed } from "../sdk/device/backend.ts";
import { createDevice } from "../sdk/device/core_device.ts";
import type { Device } from "../sdk/device/device.ts";
import { attend } from "../sdk/device/ops/attend.ts";
import { cast } from "../sdk/device/ops/cast.ts";
import { linear } from "../sdk/device/ops/linear.ts";
import { reduce } from "../sdk/device/ops/reduce.ts";
import type { Tensor } from "../sdk/device/tensor.ts";
import { openReference } from "../sdk/device/reference/mod.ts";
import type { WebGPUBackend } from "./backend.ts";

/** Largest error of a known answer, relative to its largest number. */
const MOST_ERROR = 1e-3;

/** Numbers between -1 and 1 that look like noise. */
function noise(count: number, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898 + seed) * 43758.5453 % 1);
}

/** Small problems whose answers the reference device knows. */
const PROBLEMS: Readonly<Record<string, (device: Device, f16: boolean) => Tensor>> = {
  "matrix product": (d) =>
    linear(d, d.tensor(noise(20 * 36, 1), [20, 36]), d.weight(noise(24 * 36, 2), [24, 36])),
  reduction: (d) => reduce(d, "sum", d.tensor(noise(1500, 3), [1, 1500])),
  attention(d, f16) {
    const [q, kv] = [d.tensor(noise(20 * 40, 4), [1, 20, 40]), d.tensor(noise(33 * 40, 5), [1, 33, 40])];
    const stored = f16 ? cast(d, kv, "f16") : kv;
    return attend(d, q, stored, stored, { heads: 1, headDim: 40, causal: true });
  },
};

/**
 * Runs known-answer kernels.
 *
 * @throws Error that says which answer was wrong.
 */
export async function prove(backend: Backend, f16: boolean): Promise<void> {
  const [device, oracle] = [createDevice(unowned(backend)), createDevice(openReference())];
  const [own, other] = [device.scope(), oracle.scope()];
  try {
    for (const [name, solve] of Object.entries(PROBLEMS)) {
      const [actual, expected] = await Promise.all([solve(own, f16).read(), solve(other, f16).read()]);
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(actual[i]! - value)), 0);
      if (!(worst <= MOST_ERROR * largest)) {
        throw new Error(
          `The GPU computes wrong: a known ${name} is off by ${worst} beside values up to ${largest}`,
        );
      }
    }
  } finally {
    own.dispose();
    oracle.dispose();
  }
}

/** Bytes that are copied to measure the bandwidth, at least and at most. */
const LEAST_COPY = 1 << 22;
const MOST_COPY = 1 << 27;

/**
 * Measures a readback and the bandwidth.
 *
 * @param timed Whether the GPU has timestamps; else copies are repeated until they outlast a readback.
 */
export async function measure(backend: WebGPUBackend, timed: boolean): Promise<MeasuredSpeed> {
  const device = createDevice(unowned(backend));
  const scope = device.scope();
  try {
    const few = scope.tensor(Float32Array.of(1, 2, 3, 4), [4]);
    let readbackMs = Infinity;
    for (let i = 0; i < 3; i++) {
      const begin = performance.now();
      await reduce(scope, "sum", few).read();
      readbackMs = Math.min(readbackMs, performance.now() - begin);
    }
    let bytes = LEAST_COPY;
    let ms = 0;
    // A small copy first: software needs a second for a large one.
    for (;;) {
      const [x, out] = [scope.empty([bytes / 4]), scope.empty([bytes / 4])];
      const copy = (): void => backend.run(wholeCopy(x.id, out.id, bytes / 4));
      if (timed) ms = await backend.time(copy);
      else {
        copy();
        const begin = performance.now();
        copy();
        await reduce(scope, "sum", few).read();
        ms = performance.now() - begin - readbackMs;
      }
      x.dispose();
      out.dispose();
      if (bytes >= MOST_COPY || ms > (timed ? 0.2 : 2 * readbackMs)) break;
      bytes *= 4;
      if (bytes > MOST_COPY) bytes = MOST_COPY;
    }
    // A copy reads and writes.
    return { readbackMs, bytesPerSecond: ms > 0 ? 2 * bytes / ms * 1000 : 0 };
  } finally {
    scope.dispose();
    backend.trim();
  }
}

/** A device over a backend that somebody else disposes of, with numbers of its own. */
function unowned(backend: Backend): Backend {
  return Object.create(backend, { dispose: { value() {} } });
}

function wholeCopy(x: number, out: number, n3: number) {
  const zeros = { xOffset: 0, x0: 0, x1: 0, x2: 0, outOffset: 0, out0: 0, out1: 0, out2: 0 };
  return { op: "copy", x, out, size: 4, n0: 1, n1: 1, n2: 1, n3, ...zeros, x3: 1, out3: 1 } as const;
}
