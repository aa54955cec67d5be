/**
 * The newest keys and values of a cache.
 *
 * @module
 */
import type { KVCache } from "../cache/kv_cache.ts";
import type { Device } from "../device/device.ts";
import { readRows } from "../device/ops/cached_rows.ts";
import { concat } from "../device/ops/concat.ts";
import type { Tensor } from "../device/tensor.ts";

/**
 * Reads the newest tokens of a cache, as its storage has them.
 *
 * @param d Receives them.
 * @param cache A cache that is not empty.
 * @param count How many at most.
 * @returns Keys and values f32 [heads, min(count, length), headDim].
 */
export function newestRows(
  d: Device,
  cache: KVCache,
  count: number,
): { readonly k: Tensor; readonly v: Tensor } {
  const begin = Math.max(0, cache.length - count);
  const sections = cache.sections().filter(({ first, rows }) => first + rows > begin);
  const read = (kind: "k" | "v"): Tensor => {
    const parts = sections.map((section) => {
      const skip = Math.max(0, begin - section.first);
      return readRows(d, section, kind, skip, section.rows - skip);
    });
    return parts.length === 1 ? parts[0]! : concat(d, parts, 1);
  };
  return { k: read("k"), v: read("v") };
}
