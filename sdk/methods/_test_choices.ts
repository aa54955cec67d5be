/**
 * What a choice reads, spelled out.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { random } from "../testing/random.ts";
import type { Choice, Selection } from "./selector.ts";

/** Heads of a cache. */
export interface CacheHeads {
  readonly queryHeads: number;
  readonly heads: number;
}

/** The tokens that every query head reads, in order; one that is named twice comes twice. Frees the choice. */
export async function tokensRead(
  choice: Choice | undefined,
  { queryHeads, heads }: CacheHeads,
  length: number,
): Promise<number[][]> {
  const { list, band, step = 1 } = choice ?? {};
  const entries = await list?.read("i32");
  const bands = await band?.read("i32");
  const [lists = 1, cap = 0] = list?.shape ?? [];
  list?.dispose();
  band?.dispose();
  return Array.from({ length: queryHeads }, (_, h) => {
    const at = Math.floor(h * lists / queryHeads) * cap;
    const own = entries && [...entries.subarray(at, at + cap)];
    const named = own?.slice(0, own.includes(-1) ? own.indexOf(-1) : cap)
      .flatMap((entry) => Array.from({ length: step }, (_, i) => entry * step + i))
      .filter((token) => token < length) ?? Array.from({ length }, (_, token) => token);
    const g = Math.floor(h * heads / queryHeads);
    const [sink, window] = bands ? [bands[2 * g]!, bands[2 * g + 1]!] : [length, 0];
    return named.filter((token) => token < sink || length - 1 - token < window).sort((a, b) => a - b);
  });
}

/** The tokens below `length` for which a condition holds. */
export function tokensWhere(length: number, sees: (token: number) => boolean): number[] {
  return Array.from({ length }, (_, token) => token).filter(sees);
}

/** Random keys that a selection is fed with, piece by piece. */
export class KeyStream {
  readonly #data: Float32Array<ArrayBuffer>;

  constructor(
    readonly shape: readonly [heads: number, tokens: number, headDim: number],
    seed: number,
  ) {
    this.#data = random(seed).normals(shape[0] * shape[1] * shape[2]);
  }

  /** Other keys from a token on. */
  branch(from: number, seed: number): KeyStream {
    const other = new KeyStream(this.shape, seed);
    const [heads, tokens, headDim] = this.shape;
    for (let g = 0; g < heads; g++) {
      const at = g * tokens * headDim;
      other.#data.set(this.#data.subarray(at, at + from * headDim), at);
    }
    return other;
  }

  /** Column c of the key of a token. */
  at(head: number, token: number, c: number): number {
    const [, tokens, headDim] = this.shape;
    return this.#data[(head * tokens + token) * headDim + c]!;
  }

  /** The keys of tokens `from` to `to - 1`. */
  tensor(device: Device, from: number, to: number): Tensor {
    const [heads, , headDim] = this.shape;
    const n = to - from;
    const data = Float32Array.from({ length: heads * n * headDim }, (_, i) => {
      const row = Math.floor(i / headDim);
      return this.at(Math.floor(row / n), from + row % n, i % headDim);
    });
    return device.tensor(data, [heads, n, headDim]);
  }

  /** Appends these keys. */
  feed(device: Device, selection: Pick<Selection, "append">, from: number, to: number): void {
    const k = this.tensor(device, from, to);
    selection.append(k);
    k.dispose();
  }
}
