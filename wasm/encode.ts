/**
 * Writes operations as the words that the kernels read.
 *
 * @module
 */
import { type Op, type OpName, OPS } from "../sdk/device/ops.ts";

/** What the encoder of one operation knows. */
interface Layout {
  readonly code: number;
  readonly names: readonly string[];
  readonly kinds: readonly string[];
}

const LAYOUTS: ReadonlyMap<string, Layout> = new Map(
  Object.entries(OPS).map(([op, { code, fields }]) => [
    op,
    { code, names: Object.keys(fields), kinds: Object.values(fields) },
  ]),
);

/** The area where a record is written: the same words, seen as integers and as floats. */
export interface RecordArea {
  readonly words: Uint32Array;
  readonly floats: Float32Array;
}

/**
 * Writes an operation's record.
 *
 * @param op The operation.
 * @param area Where to write.
 * @param pointerOf Gives the address of a buffer by its number.
 * @returns The operation's number.
 * @throws TypeError if there is no such operation; what `pointerOf` throws.
 */
export function encodeOp(op: Op, area: RecordArea, pointerOf: (id: number) => number): number {
  const layout = LAYOUTS.get(op.op);
  if (layout === undefined) {
    throw new TypeError(`Cannot run operation "${op.op}": there is none of that name`);
  }
  const { names, kinds } = layout;
  const values = op as unknown as Readonly<Record<string, number>>;
  const { words, floats } = area;
  for (let i = 0; i < names.length; i++) {
    const value = values[names[i]!]!;
    switch (kinds[i]) {
      case "f":
        floats[i] = value;
        break;
      case "u":
        words[i] = value;
        break;
      default:
        words[i] = value === 0 ? 0 : pointerOf(value);
    }
  }
  return layout.code;
}

/**
 * Compares the builds' operations with the schema.
 *
 * @param opWords Gives the number of words of an operation of the build, 0 for unknown ones.
 * @returns Names of the operations that differ.
 */
export function differingOps(opWords: (code: number) => number): OpName[] {
  const differing: OpName[] = [];
  for (const [name, { code, names }] of LAYOUTS) {
    if (opWords(code) !== names.length) differing.push(name as OpName);
  }
  return differing;
}
