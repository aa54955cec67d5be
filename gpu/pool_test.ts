import fc from "fast-check";
import { beforeEach, describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../sdk/testing/assert.ts";
import { ALIGNMENT } from "./kernel.ts";
import { BufferPool, type Pooled, sizeClass } from "./pool.ts";

/** Buffers that exist, by their size. */
let live: Map<GPUBuffer, number>;
let pool: BufferPool;

beforeEach(() => {
  live = new Map();
  pool = new BufferPool((size) => {
    const buffer = {
      destroy(): void {
        assert(live.delete(buffer), "a buffer was destroyed twice");
      },
    } as unknown as GPUBuffer;
    live.set(buffer, size);
    return buffer;
  });
});

/** A buffer that was used by a batch and given back. */
function used(bytes: number, batch: number): Pooled {
  const pooled = pool.take(bytes);
  pooled.batch = batch;
  return pooled;
}

describe("sizeClass()", () => {
  test("sizeClass() wastes a quarter at most, or less than the alignment", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (bytes) => {
        const size = sizeClass(bytes);
        assertEquals(size % ALIGNMENT, 0);
        assert(size >= bytes && size - bytes <= Math.max(ALIGNMENT, bytes / 4), `${size} for ${bytes}`);
        assertEquals(sizeClass(size), size);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test("sizeClass() takes four steps per doubling", () => {
    assertEquals(new Set(Array.from({ length: 4096 }, (_, i) => sizeClass(4097 + i))).size, 4);
    assertEquals([0, 1, 256, 257].map(sizeClass), [256, 256, 256, 512]);
  });
});

describe("a pool of buffers", () => {
  test("gives a buffer of the same class again, the latest first", () => {
    const [a, b] = [used(1000, 0), used(1001, 0)];
    pool.give(a);
    pool.give(b);
    assertEquals(pool.take(1024), b);
    assertEquals(pool.take(900), a);
    assertEquals([live.size, pool.bytes], [2, 2048]);
  });

  test("makes a new buffer when no idle one has its class", () => {
    pool.give(used(1000, 0));
    assertEquals(pool.take(5000).size, 5120);
    assertEquals(pool.take(10).size, 256);
    assertEquals(live.size, 3);
  });

  test("never numbers two buffers alike", () => {
    const numbers = [1, 2, 3].map(() => pool.take(100).number);
    assertEquals(new Set(numbers).size, 3);
  });

  test("gives an upload no buffer that the current batch uses", () => {
    const batch = 5;
    const [old, current] = [used(1000, batch - 1), used(1000, batch)];
    pool.give(old);
    pool.give(current);
    assertEquals(pool.take(1000, batch), old);
    const fresh = pool.take(1000, batch);
    assert(fresh !== current && fresh.batch < batch);
    assertEquals(pool.take(1000, batch + 1), current);
  });

  test("gives work any buffer, also one that the current batch uses", () => {
    const current = used(1000, 5);
    pool.give(current);
    assertEquals(pool.take(1000), current);
  });

  test("destroys idle buffers down to what may stay, large ones first, and tells of each", () => {
    const told: number[] = [];
    pool.onDestroy = ({ number }) => void told.push(number);
    const [small, large, kept] = [used(256, 0), used(4096, 0), used(4096, 0)];
    pool.give(small);
    pool.give(large);
    pool.trim(256);
    assertEquals([told, pool.bytes], [[large.number], 4096 + 256]);
    pool.trim(0);
    assertEquals([told, pool.bytes], [[large.number, small.number], 4096]);
    assertEquals([...live.keys()], [kept.buffer]);
    assert(pool.take(4096) !== large);
  });

  test("keeps 256 MiB idle at most", () => {
    const all = Array.from({ length: 5 }, () => used(1 << 26, 0));
    for (const pooled of all) pool.give(pooled);
    assert(pool.bytes <= 1 << 28, `${pool.bytes} bytes are idle`);
    assertEquals([...live.values()].reduce((sum, size) => sum + size, 0), pool.bytes);
  });

  test("forgets an idle buffer that does not exist, and no other", () => {
    const [bad, good] = [used(1000, 0), used(1000, 0)];
    pool.give(bad);
    pool.give(good);
    pool.forget(bad.buffer);
    pool.forget(bad.buffer);
    assertEquals([pool.bytes, live.has(bad.buffer)], [1024, false]);
    assertEquals(pool.take(1000), good);
    assert(pool.take(1000) !== bad);
  });

  test("leaves a buffer alone that somebody holds when it is to be forgotten", () => {
    const held = used(1000, 0);
    pool.forget(held.buffer);
    assert(live.has(held.buffer));
  });

  test("counts nothing when a buffer cannot be made", () => {
    const broken = new BufferPool(() => {
      throw new RangeError("full");
    });
    assertThrows(() => broken.take(1), RangeError, "full");
    assertEquals(broken.bytes, 0);
  });
});
