import fc from "fast-check";
import { describe, test } from "node:test";
import type { OpOf } from "../../sdk/device/ops.ts";
import { openReference } from "../../sdk/device/reference/mod.ts";
import { assert, assertEquals } from "../../sdk/testing/assert.ts";
import type { Caps, Dispatch } from "../kernel.ts";
import { copy, merge, widen } from "./copy.ts";

type Copy = OpOf<"copy">;

const [X, OUT] = [1, 2];
const AXES = [0, 1, 2, 3] as const;

const capsOf = (maxBinding: number): Caps => ({
  maxBinding,
  workgroupBytes: 1 << 14,
  invocations: 256,
  f16: false,
  subgroups: false,
});

/** A copy with sizes and strides as lists. */
function copyOf(
  n: readonly number[],
  x: readonly number[],
  out: readonly number[],
  { size = 4, xOffset = 0, outOffset = 0 } = {},
): Copy {
  const lists = { n, x, out };
  const fields = Object.entries(lists).flatMap(([name, list]) => AXES.map((a) => [`${name}${a}`, list[a]!]));
  return { op: "copy", x: X, out: OUT, size, xOffset, outOffset, ...Object.fromEntries(fields) } as Copy;
}

const sizesOf = ({ n0, n1, n2, n3 }: Omit<Copy, "op">): number[] => [n0, n1, n2, n3];

/** Does what copy.wgsl says, with the bytes of the windows only. */
function interpret({ constants, bind, params }: Dispatch, x: Uint8Array, out: Uint8Array): void {
  const size = constants["SIZE_16"] ? 16 : constants["WORDS"] ? 4 : constants["SIZE"]!;
  const rank = [4, 3, 2].find((r) => constants[`RANK_${r}`]) ?? 1;
  const at = (name: string): number => params[name]!;
  const loops = AXES.map((a) => a >= 4 - rank ? at(`n${a}`) : 1);
  const place = (tensor: "x" | "out", index: readonly number[]): number =>
    index.reduce((sum, i, a) => sum + i * at(`${tensor}${a}`), at(`${tensor}Offset`)) * size;
  const [from, to] = bind.map(({ offset, bytes }, i) => (i === 0 ? x : out).subarray(offset, offset + bytes));
  const count = AXES.reduce<number>((product, a) => product * at(`n${a}`), 1);
  for (let i = 0; i < count; i++) {
    let rest = i;
    const index = loops.map(() => 0);
    for (const a of [3, 2, 1, 0]) {
      index[a] = rest % loops[a]!;
      rest = Math.floor(rest / loops[a]!);
    }
    const [source, target] = [place("x", index), place("out", index)];
    assert(
      source + size <= from!.length && target + size <= to!.length,
      "an element lies outside of its window",
    );
    to!.set(from!.subarray(source, source + size), target);
  }
}

/** Strides of a dense tensor whose axes lie in some order, the last the innermost, with gaps between rows. */
function stridesOf(
  n: readonly number[],
  order: readonly number[],
  gap: number,
): { strides: number[]; reach: number } {
  const strides = [0, 0, 0, 0];
  let reach = 1;
  for (const a of [...order].reverse()) {
    strides[a] = reach;
    reach = reach * n[a]! + (n[a]! > 1 ? gap : 0);
  }
  return { strides, reach };
}

const axes = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
const inOrder = fc.constant([0, 1, 2, 3]);
const order = fc.oneof(inOrder, axes);
const count = fc.oneof(fc.constantFrom(1, 4, 8, 16), fc.integer({ min: 1, max: 9 }));
const gap = fc.constantFrom(0, 0, 1, 4, 16);
const offset = fc.constantFrom(0, 0, 1, 3, 4, 64, 500);

/** Copies between tensors of any layout, some of whose axes repeat. */
const copies = fc.record({
  n: fc.tuple(count, count, count, count),
  orders: fc.tuple(order, inOrder),
  gaps: fc.tuple(gap, gap),
  offsets: fc.tuple(offset, offset),
  repeats: fc.tuple(fc.boolean(), fc.constant(false), fc.boolean(), fc.constant(false)),
  size: fc.constantFrom(1, 2, 4),
}).map(({ n, orders, gaps, offsets, repeats, size }) => {
  const x = stridesOf(n, orders[0], gaps[0]);
  const out = stridesOf(n, orders[1], gaps[1]);
  const strides = x.strides.map((stride, a) => repeats[a] ? 0 : stride);
  const op = copyOf(n, strides, out.strides, { size, xOffset: offsets[0], outOffset: offsets[1] });
  const bytesOf = (i: 0 | 1, reach: number): number => Math.ceil((offsets[i] + reach) * size / 4) * 4;
  return { op, xBytes: bytesOf(0, x.reach), outBytes: bytesOf(1, out.reach) };
});

describe("copy()", () => {
  test("copy() moves the same elements as the reference device, in windows that can be bound", async () => {
    await fc.assert(
      fc.asyncProperty(
        copies,
        fc.constantFrom(512, 2048, 1 << 20),
        async ({ op, xBytes, outBytes }, maxBinding) => {
          const x = Uint8Array.from({ length: xBytes }, (_, i) => i * 89 + (i >> 8));
          const out = new Uint8Array(outBytes).fill(0xee);
          const reference = openReference();
          reference.create(X, xBytes, x);
          reference.create(OUT, outBytes, out);
          reference.run(op);
          const expected = new Uint8Array(await reference.read(OUT, 0, outBytes));
          reference.dispose();
          const context = { caps: capsOf(maxBinding), scratch: (): number => 9 };
          for (const dispatch of copy(op, context)) {
            for (const { bytes } of dispatch.bind) assert(bytes <= maxBinding);
            interpret(dispatch, x, out);
          }
          assertEquals(out, expected);
        },
      ),
      { seed: 1, numRuns: 150 },
    );
  });

  test("copy() of a dense tensor is one dispatch of vectors", () => {
    const dense = copyOf([2, 3, 4, 8], [96, 32, 8, 1], [96, 32, 8, 1]);
    const [dispatch, ...others] = copy(dense, { caps: capsOf(1 << 20), scratch: () => 9 });
    assertEquals(others, []);
    assertEquals([dispatch!.params["n3"], dispatch!.groups], [48, 1]);
    assertEquals(dispatch!.constants, { THREADS: 256, SIZE_16: 1 });
  });
});

describe("merge()", () => {
  test("merge() makes one loop of a dense copy", () => {
    const merged = merge(copyOf([2, 3, 4, 5], [60, 20, 5, 1], [60, 20, 5, 1]));
    assertEquals([sizesOf(merged), merged.x3, merged.out3], [[1, 1, 1, 120], 1, 1]);
  });

  test("merge() drops loops of one round, whatever their strides", () => {
    const merged = merge(copyOf([1, 3, 1, 5], [7, 10, 99, 1], [9, 20, 77, 1]));
    assertEquals([sizesOf(merged), merged.x2, merged.out2], [[1, 1, 3, 5], 10, 20]);
  });

  test("merge() keeps the loops of a transposition and of rows with gaps apart", () => {
    assertEquals(sizesOf(merge(copyOf([1, 1, 3, 5], [0, 0, 1, 3], [0, 0, 5, 1]))), [1, 1, 3, 5]);
    assertEquals(sizesOf(merge(copyOf([1, 1, 3, 5], [0, 0, 6, 1], [0, 0, 5, 1]))), [1, 1, 3, 5]);
  });

  test("merge() makes one loop of loops that repeat the same element", () => {
    const merged = merge(copyOf([1, 2, 3, 5], [0, 0, 0, 1], [0, 15, 5, 1]));
    assertEquals([sizesOf(merged), merged.x2, merged.out2], [[1, 1, 6, 5], 0, 5]);
  });
});

describe("widen()", () => {
  const rows = (width: number, options: { size?: number; xOffset?: number; outOffset?: number } = {}): Copy =>
    copyOf([1, 1, 3, width], [0, 0, 2 * width, 1], [0, 0, width, 1], options);

  test("widen() copies by 16 bytes where every run begins and ends there", () => {
    const wide = widen(rows(8, { xOffset: 4, outOffset: 12 }));
    assertEquals([wide.size, wide.n3, wide.x2, wide.out2, wide.xOffset, wide.outOffset], [16, 2, 4, 2, 1, 3]);
    assertEquals([wide.x3, wide.out3], [1, 1]);
    assertEquals(widen(rows(32, { size: 1 })).size, 16);
  });

  test("widen() copies by words where vectors do not fit", () => {
    const wide = widen(rows(12, { size: 1 }));
    assertEquals([wide.size, wide.n3, wide.x2, wide.out2], [4, 3, 6, 3]);
    assertEquals(widen(rows(8, { size: 2, xOffset: 2 })).size, 4);
  });

  test("widen() leaves a copy alone whose runs begin elsewhere or have steps", () => {
    const stepping = copyOf([1, 1, 4, 8], [0, 0, 32, 4], [0, 0, 8, 1]);
    for (const op of [rows(8, { size: 1, xOffset: 1 }), rows(3), rows(5, { size: 2 }), stepping]) {
      assertEquals(widen(op), op);
    }
  });
});
