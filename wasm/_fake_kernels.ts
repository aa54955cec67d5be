/**
 * A tiny module with the exports of the kernels, made by hand, for tests of faults that the real ones do not have.
 *
 * @module
 */
import { OPS } from "../sdk/device/ops.ts";

/** What the fake does. */
export interface FakeOptions {
  /** What `run` does: a status to return, or `"trap"`. @default 0 */
  readonly run?: number | "trap";
  /** What `alloc` does: an address, or `"trap"`. @default 4096, always */
  readonly alloc?: number | "trap";
  /** Names of exports to leave out. */
  readonly without?: readonly string[];
  /** Words that `op_words` answers for every operation, instead of the schema's. */
  readonly words?: number;
}

const I32 = 0x7f;

/**
 * Compiles the fake.
 *
 * @param options What it does.
 * @returns The module; it has one page of memory.
 */
export function fakeKernels(options: FakeOptions = {}): WebAssembly.Module {
  const { run = 0, alloc = 4096, without = [], words } = options;
  const value = (result: number | "trap"): number[] => result === "trap" ? [0x00] : [0x41, ...signed(result)];
  const table = Object.values(OPS).flatMap(({ code, fields }) => [
    ...[0x20, 0, 0x41, ...signed(code), 0x46, 0x04, 0x40], // if the operation is this one
    ...[0x41, ...signed(words ?? Object.keys(fields).length), 0x0f, 0x0b], // return its words
  ]);
  const functions: [name: string, inputs: number, outputs: number, body: number[]][] = [
    ["alloc", 1, 1, value(alloc)],
    ["dealloc", 2, 0, []],
    ["args", 0, 1, value(1024)],
    ["op_words", 1, 1, [...table, ...value(0)]],
    ["run", 1, 1, value(run)],
    ["weight_bytes", 3, 1, value(64)],
    ["relaxed", 0, 1, value(0)],
  ];
  const exported = functions.map(([name], i) => ({ name, kind: 0, i })).concat({
    name: "memory",
    kind: 2,
    i: 0,
  })
    .filter(({ name }) => !without.includes(name));
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, functions.map(([, ins, outs]) => [0x60, ...list(fill(ins)), ...list(fill(outs))])),
    ...section(3, functions.map((_, i) => [i])),
    ...section(5, [[0, 1]]),
    ...section(7, exported.map(({ name, kind, i }) => [...text(name), kind, i])),
    ...section(10, functions.map(([, , , body]) => sized([0, ...body, 0x0b]))),
  ];
  return new WebAssembly.Module(new Uint8Array(bytes));
}

function fill(count: number): number[][] {
  return Array.from({ length: count }, () => [I32]);
}

function section(id: number, items: number[][]): number[] {
  return [id, ...sized(list(items))];
}

function list(items: number[][]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(bytes: number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function text(name: string): number[] {
  return sized([...new TextEncoder().encode(name)]);
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...unsigned(Math.floor(value / 128))];
}

/** Signed LEB128. */
function signed(value: number): number[] {
  const low = value & 127;
  const rest = value >> 7;
  const last = rest === 0 && (low & 64) === 0 || rest === -1 && (low & 64) !== 0;
  return last ? [low] : [low | 128, ...signed(rest)];
}
