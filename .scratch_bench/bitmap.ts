import type { Dispatch, Kernel } from "../gpu/kernel.ts";
import { bytesOf, alloc, caps, plan, read, run, done, show, upload, copy, free } from "./harness.ts";
import type { Op } from "../sdk/device/ops.ts";
import direct from "./bitmap.wgsl" with { type: "text" };
import old from "./old_bitmap.wgsl" with { type: "text" };

export interface Variant { source?: "direct" | "old"; warps?: number; ahead?: number; f16?: boolean; busy?: number; more?: Record<string, number>; patch?: [string, (s: string) => string] }
const kernels = new Map<string, Kernel>();
/** The reader and the merge of a decode over bitmaps, as a variant. */
export function variant(base: readonly Dispatch[], v: Variant): Dispatch[] {
  const [reader, merge] = base as [Dispatch, Dispatch];
  const source = v.source ?? "direct";
  if (!kernels.has(source)) {
    kernels.set(source, { ...reader.kernel, name: `bitmap_${source}`, source: { direct, old }[source] });
  }
  let kernel = kernels.get(source)!;
  if (v.patch) kernel = { ...kernel, name: kernel.name + v.patch[0], source: v.patch[1](kernel.source) };
  const { D, R } = reader.constants as { D: number; R: number };
  const { kvHeads, group, rows } = reader.params as Record<string, number>;
  const pairs = kvHeads! * Math.ceil(group! / R);
  const tiles = Math.ceil(rows! / 64);
  const chunk = Math.max(1, Math.ceil(tiles / Math.ceil((v.busy ?? 1024) / pairs)));
  const chunks = Math.ceil(tiles / chunk);
  const bytes = 16 * kvHeads! * group! * chunks * (D / 4 + 1);
  const parts = { id: alloc(bytes), offset: 0, bytes };
  const warps = Math.max(D / 64, v.warps ?? 4);
  const constants = source === "old" ? reader.constants : {
    D, R, WARPS: warps, AHEAD: Math.min(v.ahead ?? 8, D / warps),
    ...(R === 4 && { FOUR: 1 }), ...(R === 2 && { TWO: 1 }), ...(R > 1 && { MANY: 1 }),
    ...((v.f16 ?? caps.f16) && { F16: 1 }),
    ...v.more,
  };
  return [
    { kernel, constants, bind: [...reader.bind.slice(0, 5), parts], params: { ...reader.params, chunk, chunks }, groups: pairs * chunks },
    { ...merge, bind: [parts, ...merge.bind.slice(1)], params: { ...merge.params, chunks } },
  ];
}

/** A decode over random bitmaps; x [room, D] is the same for all heads. */
export function decodeOp(shape: { kv: number; group: number; D: number; rows: number; drop: readonly [number, number]; band?: readonly [number, number] }, normals: (n: number) => Float32Array): Op {
  const { kv, group, D, rows, drop, band } = shape;
  const room = Math.ceil(rows / 64) * 64;
  const metaHead = 3 * (room * D / 64 + 1);
  const meta = upload(new Int32Array(2 * kv * metaHead));
  const packed = drop.map((d, i) => {
    const x = upload(normals(room * D));
    const id = alloc(2 * kv * room * D);
    run(plan({ op: "packBitmap", x, packed: id, meta, heads: kv, n: room, headDim: D, xHead: 0, packedHead: room * D, metaAt: i * kv * metaHead, metaHead, tile0: 0, drop: d, kind: i, xtype: 0 } as unknown as Op));
    return id;
  });
  return {
    op: "decode", q: upload(normals(kv * group * D)), k: packed[0], v: packed[1], meta, table: 0, list: 0, band: band ? upload(Int32Array.from(Array.from({ length: kv }, () => band).flat())) : 0,
    out: alloc(4 * kv * group * D), lse: alloc(4 * kv * group), heads: kv * group, kvHeads: kv, headDim: D, form: 4, group: D,
    first: 0, rows, total: rows, kHead: room * D, vHead: room * D, kMetaAt: 0, vMetaAt: kv * metaHead, metaHead, page: 1, tableHead: 0,
    lists: 1, listCap: 0, step: 1, merge: 0, scale: D ** -0.5,
  } as unknown as Op;
}

export async function results(op: any, ds: readonly Dispatch[]): Promise<Float32Array> {
  run(ds);
  const out = new Float32Array(await read(op.out));
  const lse = new Float32Array(await read(op.lse));
  return Float32Array.from([...out, ...lse]);
}
export const far = (a: Float32Array, b: Float32Array) => a.reduce((m, x, i) => Math.max(m, Number.isNaN(x - b[i]!) ? Infinity : Math.abs(x - b[i]!)), 0);
