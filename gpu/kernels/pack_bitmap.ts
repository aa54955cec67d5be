/**
 * Pruned rows as bitmap tiles: what is too small in each row, the bits of the tiles, where each begins, and the elements.
 *
 * @module
 */
import { DTYPE_CODE, type OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, powerOfTwo, THREADS, type Window } from "../kernel.ts";
import halves from "../parts/halves.wgsl" with { type: "text" };
import { rowsOf, type Span, span } from "../windows.ts";
import { byHeads } from "./cached_rows.ts";
import source from "./pack_bitmap.wgsl" with { type: "text" };
import { scan } from "./scan.ts";

const where = { heads: "u", n: "u", xBase: "u", xHead: "u" } as const;
const tiled = { ...where, tiles: "u", tile0: "u", kind: "u", notesBase: "u", notesHead: "u" } as const;

const least: Kernel = {
  name: "pack_bitmap_least",
  source: halves + source,
  bindings: { x: "read", least: "write" },
  params: { ...where, drop: "u" },
};
const bits: Kernel = {
  name: "pack_bitmap_bits",
  source: halves + source,
  bindings: { x: "read", least: "read", meta: "write", rooms: "write" },
  params: tiled,
};
const pack: Kernel = {
  name: "pack_bitmap",
  source: halves + source,
  bindings: { x: "read", places: "read", meta: "write", packed: "write" },
  params: { ...tiled, packedBase: "u", packedHead: "u" },
};

/** Elements of a row that a thread holds at most. */
const MOST_EACH = 64;

/**
 * `packBitmap` as dispatches: as many heads at once as can be bound.
 *
 * @throws RangeError if one head cannot be bound.
 */
export function packBitmap(op: OpOf<"packBitmap">, context: Context): Dispatch[] {
  const { n, headDim, xHead, packedHead, metaHead, tile0 } = op;
  const tiles = n * headDim / 64;
  const size = op.xtype === DTYPE_CODE.f16 ? 2 : 4;
  return byHeads("packBitmap", context.caps, op.heads, (from, to) => {
    const others = to - from - 1;
    return {
      x: span(op.x, from * xHead, others * xHead + n * headDim, size),
      packed: span(packedHead === 0 ? 0 : op.packed, from * packedHead, (to - from) * packedHead, 2),
      meta: span(op.meta, op.metaAt + from * metaHead, others * metaHead + 3 * (tile0 + tiles + 1)),
    };
  }, (spans, from, to) => whole(op, context, spans, to - from, tiles));
}

/** Heads that can be bound. */
function whole(
  op: OpOf<"packBitmap">,
  context: Context,
  { x, packed, meta }: Readonly<Record<"x" | "packed" | "meta", Span>>,
  heads: number,
  tiles: number,
): Dispatch[] {
  const { n, headDim } = op;
  const row = 4 * (tiles + 1);
  const [sizes, rooms, places] = [4 * heads * n, heads * row, heads * row].map((bytes) =>
    rowsOf(context.scratch(bytes), bytes, 0, 1)
  ) as [Window, Window, Window];
  const constants = { THREADS, D: headDim, ...(op.xtype === DTYPE_CODE.f16 && { HALF: 1 }) };
  const lanes = 8 * Math.max(1, powerOfTwo(headDim / 8 / MOST_EACH));
  const rows = { heads, n, xBase: x.base, xHead: op.xHead };
  const all = {
    ...rows,
    tiles,
    tile0: op.tile0,
    kind: op.kind,
    notesBase: meta.base,
    notesHead: op.metaHead,
  };
  const groups = Math.ceil(heads * tiles / THREADS);
  const sums = {
    op: "scan",
    x: rooms.id,
    out: places.id,
    rows: heads,
    cols: tiles + 1,
    exclusive: 0,
    dtype: DTYPE_CODE.i32,
  } as const;
  return [
    {
      kernel: least,
      constants: { ...constants, LEAST: 1, LANES: lanes, EACH: headDim / lanes },
      bind: [x, sizes],
      params: { ...rows, drop: op.drop },
      groups: Math.ceil(heads * n * lanes / THREADS),
    },
    {
      kernel: bits,
      constants: { ...constants, BITS: 1 },
      bind: [x, sizes, meta, rooms],
      params: all,
      groups,
    },
    ...scan(sums, context),
    {
      kernel: pack,
      constants,
      bind: [x, places, meta, packed],
      params: { ...all, packedBase: packed.base, packedHead: op.packedHead },
      groups,
    },
  ];
}
