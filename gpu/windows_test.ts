import fc from "fast-check";
import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../sdk/testing/assert.ts";
import { ALIGNMENT, type Caps } from "./kernel.ts";
import { chunksOf, fits, looseChunksOf, rowsOf, span } from "./windows.ts";

const capsOf = (maxBinding: number): Caps => ({
  maxBinding,
  workgroupBytes: 1 << 14,
  invocations: 256,
  f16: false,
  subgroups: false,
});

/** Checks that chunks cover rows 0 to `rows` once, in order. */
function assertCovers(chunks: readonly (readonly [number, number])[], rows: number): void {
  let next = 0;
  for (const [from, to] of chunks) {
    assertEquals(from, next);
    assert(to > from, `the chunk ${from} to ${to} is empty`);
    next = to;
  }
  assertEquals(next, rows);
}

const widths = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 3 });

describe("span()", () => {
  test("span() begins at an aligned byte and tells how far behind it the elements begin", () => {
    assertEquals(span(3, 0, 10), { id: 3, offset: 0, bytes: 40, base: 0 });
    assertEquals(span(3, 63, 10), { id: 3, offset: 0, bytes: 292, base: 63 });
    assertEquals(span(3, 64, 10), { id: 3, offset: 256, bytes: 40, base: 0 });
    assertEquals(span(3, 300, 2, 1), { id: 3, offset: 256, bytes: 46, base: 44 });
    assertEquals(span(3, 17, 1, 16), { id: 3, offset: 256, bytes: 32, base: 1 });
  });

  test("span() of nothing is nothing", () => {
    assertEquals(span(0, 1000, 5), { id: 0, offset: 0, bytes: 0, base: 0 });
  });

  test("span() holds exactly up to the last of its elements, wherever they begin", () => {
    const numbers = fc.integer({ min: 0, max: 1_000_000 });
    fc.assert(
      fc.property(numbers, numbers, fc.constantFrom(1, 2, 4, 16), (start, count, size) => {
        const { offset, bytes, base } = span(1, start, count, size);
        assertEquals([offset % ALIGNMENT, offset + base * size], [0, start * size]);
        assertEquals(offset + bytes, (start + count) * size);
        assert(base * size < ALIGNMENT);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe("fits()", () => {
  test("fits() holds up to the largest binding", () => {
    assert(fits(capsOf(1024), span(1, 0, 256), span(0, 0, 0)));
    assert(!fits(capsOf(1024), span(1, 0, 8), span(2, 0, 257)));
  });
});

describe("chunksOf()", () => {
  test("chunksOf() gives all rows at once when they can be bound", () => {
    assertEquals([...chunksOf(capsOf(1200), 100, [4, 12])], [[0, 100]]);
  });

  test("chunksOf() cuts so that every chunk can be bound and begins at an aligned byte of every tensor", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        widths,
        fc.constantFrom(1, 3, 64),
        (rows, wide, multiple) => {
          const caps = capsOf(1 << 22);
          const chunks = [...chunksOf(caps, rows, wide, multiple)];
          assertCovers(chunks, rows);
          for (const [from, to] of chunks) {
            assertEquals(from % multiple, 0);
            for (const width of wide) {
              const { offset, bytes } = rowsOf(1, width, from, to);
              assert(offset % ALIGNMENT === 0 && bytes <= caps.maxBinding, `${offset}, ${bytes} bytes`);
            }
          }
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  test("chunksOf() says what is too wide", () => {
    const error = assertThrows(() => [...chunksOf(capsOf(1024), 2, [4, 2000])], RangeError);
    assertEquals(
      error.message,
      "Cannot run on this GPU: 64 rows of 2000 bytes are more than a binding of 1024; use narrower tensors",
    );
  });
});

describe("looseChunksOf()", () => {
  test("looseChunksOf() cuts so that every chunk's span can be bound", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 3 }),
        (rows, words) => {
          const caps = capsOf(4096);
          const chunks = [...looseChunksOf(caps, rows, words.map((n) => 4 * n))];
          assertCovers(chunks, rows);
          for (const [from, to] of chunks) {
            for (const n of words) assert(fits(caps, span(1, from * n, (to - from) * n)));
          }
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  test("looseChunksOf() says what is too wide", () => {
    assertThrows(() => [...looseChunksOf(capsOf(1024), 3, [4, 800])], RangeError, "1 rows of 800 bytes");
  });
});

describe("rowsOf()", () => {
  test("rowsOf() is the window of some rows, and nothing of nothing", () => {
    assertEquals(rowsOf(7, 512, 2, 5), { id: 7, offset: 1024, bytes: 1536 });
    assertEquals(rowsOf(0, 512, 2, 5), { id: 0, offset: 0, bytes: 0 });
  });
});
