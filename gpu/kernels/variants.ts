/**
 * The WGSL of every kernel in every variant that operations lead to, for checks without a GPU.
 *
 * @module
 */
import { FORM, type Op, type OpName, type OpOf, OPS } from "../../sdk/device/ops.ts";
import { type Caps, sourceOf, variantOf } from "../kernel.ts";
import { dispatchesOf } from "./mod.ts";

/** The complete text of one variant. */
export interface Variant {
  readonly name: string;
  readonly source: string;
}

const PORTABLE: Caps = {
  maxBinding: 1 << 27,
  workgroupBytes: 1 << 14,
  invocations: 256,
  f16: false,
  subgroups: false,
};
const ADAPTERS: readonly Caps[] = [
  PORTABLE,
  { ...PORTABLE, workgroupBytes: 1 << 15, f16: true },
  { ...PORTABLE, workgroupBytes: 49_152, f16: true, subgroups: true, invocations: 1024 },
];

/** An operation whose fields are 1 unless given. */
function one<N extends OpName>(name: N, fields: Partial<OpOf<N>> = {}): Op {
  const ones = Object.keys(OPS[name].fields).map((field, i) => [field, /^[a-z]+$/.test(field) ? 1 + i : 1]);
  return { op: name, ...Object.fromEntries(ones), ...fields } as unknown as Op;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function* operations(): Generator<Op> {
  for (const kind of range(9)) yield one("unary", { kind });
  for (const kind of range(11)) yield one("binary", { kind });
  yield one("fill");
  yield one("embed");
  yield one("scaleAdd");
  for (const from of range(5)) for (const to of range(4)) yield one("cast", { from, to, n: 9 });
  for (const size of [1, 2, 4]) {
    yield one("copy", { size });
    yield one("gather", { size, width: 1, n: 1 });
    yield one("scatter", { size, width: 1, n: 1 });
  }
  for (const counts of [0, 9]) {
    for (const divisor of [0, 1]) {
      for (const kind of range(4)) yield one("groupMean", { counts, divisor, g: 2, kind });
    }
  }
  yield one("rope", { headDim: 4 });
  for (const cols of [1, 8, 128, 4096]) {
    yield one("layerNorm", { cols });
    yield one("rmsNorm", { cols });
    for (const lens of [0, 9]) yield one("softmax", { cols, lens });
    for (const kind of range(4)) yield one("reduce", { cols, kind });
    for (const dtype of [0, 3]) for (const c of [cols, 5000]) yield one("scan", { cols: c, dtype });
  }
  yield one("compact");
  yield one("sample");
  for (const diagonals of [0, 9]) yield one("lineSums", { diagonals, batch: 9 });
  for (const counts of [0, 9]) yield one("mark", { counts });
  yield one("mergeLines");
  for (const tiles of [0, 9]) yield one("lineTiles", { tiles });
  for (const cols of [1, 3, 100, 2000, 5000]) {
    for (const k of [1, 1500]) {
      for (const sorted of [0, 1]) yield one("topk", { cols, k, rows: 2, sorted });
    }
  }
  yield one("topk", { cols: 5000, k: 4500, rows: 2, sorted: 1 });
  yield* products();
  yield* attentions();
  yield* plans();
  yield* caches();
}

function* products(): Generator<Op> {
  for (const wtype of [0, 1, 2, 5]) {
    for (const m of [1, 3, 20, 2000]) {
      for (const [n, k] of [[1000, 64], [999, 62], [1000, 62]] as const) {
        for (const group of wtype > 1 ? [k, 2] : [k]) {
          const base = {
            wtype,
            m,
            n,
            k,
            group,
            scales: wtype > 1 ? 9 : 0,
            bias: 0,
            residual: 0,
            activation: 0,
          };
          yield one("linear", base);
          yield one("linear", { ...base, bias: 8, residual: 7, out: 6, activation: 1 });
          yield one("linear", { ...base, bias: 8, residual: 6, out: 6, activation: 2 });
        }
      }
    }
  }
  for (const m of [5, 300, 5000]) {
    for (const k of [3, 64]) yield one("matmul", { m, n: 512, k, aBatch: m * k, bBatch: 512 * k });
  }
}

function* attentions(): Generator<Op> {
  for (const headDim of [1, 8, 33, 64, 128, 256, 300]) {
    for (const lq of [1, 3, 20, 300]) {
      for (const kvtype of [0, 1]) {
        for (const [heads, kvHeads] of [[1, 1], [8, 2]] as const) {
          const row = heads * headDim;
          const base = {
            headDim,
            lq,
            lk: 2000,
            heads,
            kvHeads,
            kvtype,
            mask: 0,
            lens: 0,
            lse: 0,
            causal: 0,
            qOffset: 0,
            kOffset: 0,
            vOffset: 0,
            qRow: row,
            kRow: row,
            vRow: row,
            outRow: row,
            qHead: headDim,
            kHead: headDim,
            vHead: headDim,
            outHead: headDim,
            qBatch: row * lq,
            kBatch: row * 2000,
            vBatch: row * 2000,
            outBatch: row * lq,
          };
          yield one("attention", base);
          yield one("attention", { ...base, mask: 20, lens: 21, lse: 22, causal: 1 });
        }
      }
    }
  }
}

function* plans(): Generator<Op> {
  for (const headDim of [1, 33, 64, 128, 256]) {
    for (const blockQ of [16, 64, 128]) {
      for (const kvtype of [0, 1]) {
        const base = { headDim, blockQ, kvtype, heads: 8, kvHeads: 2, lq: 300, lk: 300, planHead: 0 };
        yield one("planned", base);
        yield one("planned", { ...base, v: 0, out: 0 });
      }
    }
  }
}

function* caches(): Generator<Op> {
  for (const headDim of [8, 16, 20, 32, 64, 128, 256, 512]) {
    for (const form of Object.values(FORM)) {
      if (form === FORM.bitmap && headDim % 64 !== 0) continue;
      for (const shared of [1, 2, 4, 8]) {
        const base = { form, headDim, group: headDim, heads: shared, kvHeads: 1, rows: 300 };
        const sizes = { ...base, kHead: 0, vHead: 0, metaHead: 0, table: 0, list: 0, band: 0, lists: 1 };
        yield one("decode", sizes);
        yield one("decode", { ...sizes, band: 24, merge: 1 });
        yield one("decode", { ...sizes, list: 23, listCap: 9, step: 16, table: 22 });
        yield one("decode", { ...sizes, list: 23, listCap: 9, step: 1, band: 24 });
        if (form === FORM.bitmap) continue;
        for (const head of [0, 1]) yield one("scoreRows", { ...base, kHead: head, metaHead: head });
      }
      for (const table of [0, 9]) yield one("readRows", { form, headDim, group: headDim, table, kHead: 0 });
    }
  }
  for (const bits of [4, 8]) {
    for (const group of [2, 8, 128]) yield one("quantize", { rows: 9, cols: 128, bits, group });
  }
  for (const headDim of [64, 128, 192, 1024]) {
    for (const xtype of [0, 1]) yield one("packBitmap", { n: 64, headDim, xtype, xHead: 64 * headDim });
  }
}

/** Every variant once. */
export function* variants(): Generator<Variant> {
  const seen = new Set<string>();
  for (const caps of ADAPTERS) {
    let last = 0;
    const context = { caps, scratch: (): number => --last };
    for (const op of operations()) {
      for (const { kernel, constants } of dispatchesOf(op, context, () => 1 << 20)) {
        const name = variantOf(kernel, constants);
        if (seen.has(name)) continue;
        seen.add(name);
        yield { name, source: sourceOf(kernel, constants) };
      }
    }
  }
}
