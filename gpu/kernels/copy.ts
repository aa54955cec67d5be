/**
 * Copies over strides: slices, concatenations, transpositions, repeats.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import small from "../parts/small.wgsl" with { type: "text" };
import { fits, type Span, span } from "../windows.ts";
import source from "./copy.wgsl" with { type: "text" };

const params = {
  n0: "u",
  n1: "u",
  n2: "u",
  n3: "u",
  xOffset: "u",
  x0: "u",
  x1: "u",
  x2: "u",
  x3: "u",
  outOffset: "u",
  out0: "u",
  out1: "u",
  out2: "u",
  out3: "u",
} as const;

const words: Kernel = { name: "copy", source, bindings: { x: "read", out: "write" }, params };
const parts: Kernel = { ...words, source: small + source };

/** The numbers of a copy: sizes, strides and offsets in elements of `size` bytes. */
type Loops = Omit<OpOf<"copy">, "op">;

const AXES = [0, 1, 2, 3] as const;

/** `copy` as dispatches. */
export function copy(op: OpOf<"copy">, { caps }: Context): Dispatch[] {
  const whole = (loops: Loops): Dispatch[] => {
    const [x, out] = spans(loops);
    if (!fits(caps, x, out)) return halves(loops).flatMap(whole);
    const { x: _x, out: _out, size, ...numbers } = loops;
    const rank = 4 - AXES.findIndex((a) => a === 3 || loops[`n${a}`] > 1);
    const ranks = Object.fromEntries([2, 3, 4].filter((r) => r <= rank).map((r) => [`RANK_${r}`, 1]));
    const sizes = size === 16 ? { SIZE_16: 1 } : size === 4 ? { WORDS: 1 } : { SIZE: size };
    return [{
      kernel: size >= 4 ? words : parts,
      constants: { THREADS, ...sizes, ...ranks },
      bind: [x, out],
      params: { ...numbers, xOffset: x.base, outOffset: out.base },
      groups: Math.ceil(loops.n0 * loops.n1 * loops.n2 * loops.n3 / THREADS),
    }];
  };
  return whole(widen(merge(op)));
}

/** The same copy with loops of one round dropped and loops that continue each other merged. */
export function merge(op: Loops): Loops {
  const loops: { n: number; x: number; out: number }[] = [];
  for (const a of AXES) {
    const own = { n: op[`n${a}`], x: op[`x${a}`], out: op[`out${a}`] };
    const outer = loops.at(-1);
    if (own.n === 1) continue;
    if (outer && outer.x === own.n * own.x && outer.out === own.n * own.out) {
      loops[loops.length - 1] = { ...own, n: outer.n * own.n };
    } else loops.push(own);
  }
  while (loops.length < 4) loops.unshift({ n: 1, x: 0, out: 0 });
  const merged = { ...op };
  for (const a of AXES) {
    [merged[`n${a}`], merged[`x${a}`], merged[`out${a}`]] = Object.values(loops[a]!) as [
      number,
      number,
      number,
    ];
  }
  return merged;
}

/** The same copy by vectors or words, if all its runs of elements begin and end there. */
export function widen(op: Loops): Loops {
  const outer = AXES.slice(0, 3);
  const numbers = [op.n3, op.xOffset, op.outOffset, ...outer.flatMap((a) => [op[`x${a}`], op[`out${a}`]])];
  const fitting = [16, 4].find((size) =>
    size > op.size && numbers.every((number) => number * op.size % size === 0)
  );
  if (fitting === undefined || op.x3 !== 1 || op.out3 !== 1) return op;
  const each = fitting / op.size;
  const wide = {
    ...op,
    size: fitting,
    n3: op.n3 / each,
    xOffset: op.xOffset / each,
    outOffset: op.outOffset / each,
  };
  for (const a of outer) {
    wide[`x${a}`] /= each;
    wide[`out${a}`] /= each;
  }
  return wide;
}

/** What the loops reach in both tensors. */
function spans(op: Loops): [x: Span, out: Span] {
  const reach = (name: "x" | "out") =>
    AXES.reduce<number>((sum, a) => sum + (op[`n${a}`] - 1) * op[`${name}${a}`], 1);
  return [
    span(op.x, op.xOffset, reach("x"), op.size),
    span(op.out, op.outOffset, reach("out"), op.size),
  ];
}

/** The same copy in two halves: cut where it shortens what is reached most. */
function halves(op: Loops): [Loops, Loops] {
  const saved = (a: (typeof AXES)[number]): number =>
    (op[`n${a}`] - 1) * Math.max(op[`x${a}`], op[`out${a}`]);
  const axis = AXES.reduce((best, a) => saved(a) > saved(best) ? a : best);
  const n = op[`n${axis}`];
  const first = Math.ceil(n / 2);
  const second = {
    ...op,
    xOffset: op.xOffset + first * op[`x${axis}`],
    outOffset: op.outOffset + first * op[`out${axis}`],
  };
  return [{ ...op, [`n${axis}`]: first }, { ...second, [`n${axis}`]: n - first }];
}
