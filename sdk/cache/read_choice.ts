/**
 * A choice as token numbers on the host.
 *
 * @module
 */
import type { Choice } from "../methods/selector.ts";

/**
 * The tokens that each list names, ascending and each once, within the band of its key head.
 *
 * @returns One list for all key heads, one per key head or one per query head; nothing where everything is named.
 */
export async function readChoice(
  { list, step = 1, band }: Choice,
  { heads, queryHeads, length }: {
    readonly heads: number;
    readonly queryHeads: number;
    readonly length: number;
  },
): Promise<number[][] | undefined> {
  if (!list && !band) return undefined;
  const [entries, bands] = await Promise.all([list?.read("i32"), band?.read("i32")]);
  const count = list?.shape[0] ?? heads;
  const cap = list?.shape[1] ?? 0;
  // A band is of one key head.
  const lists = bands && count === 1 ? heads : count;
  return Array.from({ length: lists }, (_, at) => {
    const own = count === 1 ? 0 : at;
    const named = entries ? expand(entries.subarray(own * cap, (own + 1) * cap), step, length) : all(length);
    if (!bands) return named;
    const head = lists === queryHeads ? Math.floor(at * heads / queryHeads) : at;
    const [sink, window] = [bands[2 * head]!, bands[2 * head + 1]!];
    return named.filter((token) => token < sink || length - 1 - token < window);
  });
}

function all(length: number): number[] {
  return Array.from({ length }, (_, token) => token);
}

function expand(entries: Int32Array, step: number, length: number): number[] {
  const end = entries.indexOf(-1);
  // Typed arrays sort numbers without calling back.
  const sorted = entries.slice(0, end < 0 ? undefined : end).sort();
  const named: number[] = [];
  for (let i = 0; i < sorted.length; i++) {
    if (i > 0 && sorted[i] === sorted[i - 1]) continue;
    const [from, to] = [sorted[i]! * step, Math.min(length, (sorted[i]! + 1) * step)];
    for (let token = from; token < to; token++) named.push(token);
  }
  return named;
}
