/**
 * Collects what a planner names on its way.
 *
 * @module
 */
import type { Tensor } from "../../device/tensor.ts";

/** Intermediate results, read back. */
export interface Collector {
  /** To be given to `plan`. */
  readonly inspect: (name: string, tensor: Tensor) => void;
  /** All that was named; the results may not be disposed before. */
  read(): Promise<(name: string) => Float32Array | Int32Array>;
}

/** Begins to collect. */
export function collector(): Collector {
  const reads = new Map<string, Promise<Float32Array | Int32Array>>();
  return {
    inspect(name, tensor) {
      reads.set(name, tensor.dtype === "i32" ? tensor.read("i32") : tensor.read());
    },
    async read() {
      const found = new Map<string, Float32Array | Int32Array>();
      for (const [name, read] of reads) found.set(name, await read);
      return (name) => {
        const data = found.get(name);
        if (data) return data;
        throw new RangeError(`Cannot replay the golden file: the planner names no result "${name}"`);
      };
    },
  };
}
