/**
 * Dense attention over heads that lie side by side in the columns of a matrix.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectFinite, expectInt, expectRank, expectShape, live, use, useOptional } from "./_check.ts";
import { fill } from "./fill.ts";

/** Where heads lie: in the columns of a tensor [batch or 1, L, width], from column `offset`. */
export interface HeadView {
  /** What holds the heads. */
  readonly tensor: Tensor;
  /** Column of the first head. @default 0 */
  readonly offset?: number;
}

/** Options of {@linkcode attend}. */
export interface AttendOptions {
  /** Number of query heads. */
  readonly heads: number;
  /** Number of key and value heads; divides `heads`. @default heads */
  readonly kvHeads?: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Factor of every score. @default 1 / sqrt(headDim) */
  readonly scale?: number;
  /** u8 [Lq, keys]: query i sees key j where it is not 0; the same for all batches and heads. */
  readonly mask?: Tensor;
  /** i32 [batch]: only the first so many keys of an entry are seen. */
  readonly lens?: Tensor;
  /** Query i sees keys up to i + keys - Lq. @default false */
  readonly causal?: boolean;
  /** Number of key rows in use, the first ones. @default Lk */
  readonly keys?: number;
  /** Also return the log-sum-exp of the scores. @default false */
  readonly lse?: boolean;
}

/** What {@linkcode attend} returns with `lse: true`. */
export interface Attended {
  /** [batch, Lq, heads * headDim]. */
  readonly out: Tensor;
  /** [batch, heads, Lq]; -Infinity for queries that see nothing. */
  readonly lse: Tensor;
}

/**
 * Computes softmax(scale * q k^T) v for every batch entry and head; a query that sees no key gives zeros.
 *
 * @param d Receives the result.
 * @param q Queries [batch or 1, Lq, width], float32.
 * @param k Keys [batch or 1, Lk, width], float32 or float16.
 * @param v Values, of the type of `k`.
 * @returns [batch, Lq, heads * headDim], with the log-sum-exp if asked.
 * @throws RangeError if shapes do not fit.
 */
export function attend(
  d: Device,
  q: Tensor | HeadView,
  k: Tensor | HeadView,
  v: Tensor | HeadView,
  options: AttendOptions & { readonly lse: true },
): Attended;
/** The same without the log-sum-exp. */
export function attend(
  d: Device,
  q: Tensor | HeadView,
  k: Tensor | HeadView,
  v: Tensor | HeadView,
  options: AttendOptions & { readonly lse?: false },
): Tensor;
export function attend(
  d: Device,
  q: Tensor | HeadView,
  k: Tensor | HeadView,
  v: Tensor | HeadView,
  options: AttendOptions,
): Tensor | Attended {
  const { heads, kvHeads = heads, headDim, scale = 1 / Math.sqrt(headDim), mask, lens, causal = false } =
    options;
  expectInt("attend", "heads", heads, 1);
  expectInt("attend", "kvHeads", kvHeads, 1);
  expectInt("attend", "headDim", headDim, 1);
  expectFinite("attend", "scale", scale);
  if (heads % kvHeads !== 0) {
    throw new RangeError(
      `Cannot run attend: "kvHeads" is ${kvHeads}, expected a divisor of "heads" ${heads}`,
    );
  }
  const from = {
    q: headsOf("q", q, heads, headDim),
    k: headsOf("k", k, kvHeads, headDim),
    v: headsOf("v", v, kvHeads, headDim),
  };
  const kvtype = from.k.tensor.dtype;
  const ids = {
    q: use(d, "attend", "q", from.q.tensor),
    k: live(d, "attend", "k", from.k.tensor),
    v: use(d, "attend", "v", from.v.tensor, kvtype),
    mask: useOptional(d, "attend", "mask", mask, "u8"),
    lens: useOptional(d, "attend", "lens", lens, "i32"),
  };
  if (kvtype !== "f32" && kvtype !== "f16") {
    throw new TypeError(`Cannot run attend: "k" has type "${kvtype}", expected "f32" or "f16"`);
  }
  const batch = batchOf(from.q.tensor, from.k.tensor, from.v.tensor);
  const lq = from.q.tensor.shape[1]!;
  const rows = from.k.tensor.shape[1]!;
  if (from.v.tensor.shape[1] !== rows) {
    throw new RangeError(
      `Cannot run attend: "k" has shape [${from.k.tensor.shape}] but "v" has shape [${from.v.tensor.shape}], expected as many rows`,
    );
  }
  const { keys: lk = rows } = options;
  expectInt("attend", "keys", lk, 0, rows);
  if (mask) expectShape("attend", "mask", mask, [lq, lk], "(queries, keys)");
  if (lens) expectShape("attend", "lens", lens, [batch], "(batch)");

  const out = d.empty([batch, lq, heads * headDim]);
  const lse = options.lse ? d.empty([batch, heads, lq]) : undefined;
  if (lk === 0) {
    fill(d, out, 0);
    if (lse) fill(d, lse, -Infinity);
  } else if (out.size > 0) {
    const stride = (view: { tensor: Tensor; offset: number }) => {
      const [count, length, width] = view.tensor.shape as [number, number, number];
      return { offset: view.offset, batch: count === 1 ? 0 : length * width, row: width };
    };
    const [sq, sk, sv] = [stride(from.q), stride(from.k), stride(from.v)];
    d.submit({
      op: "attention",
      ...ids,
      out: out.id,
      lse: lse?.id ?? 0,
      batch,
      heads,
      kvHeads,
      headDim,
      lq,
      lk,
      qOffset: sq.offset,
      qBatch: sq.batch,
      qHead: headDim,
      qRow: sq.row,
      kOffset: sk.offset,
      kBatch: sk.batch,
      kHead: headDim,
      kRow: sk.row,
      vOffset: sv.offset,
      vBatch: sv.batch,
      vHead: headDim,
      vRow: sv.row,
      outBatch: lq * heads * headDim,
      outHead: headDim,
      outRow: heads * headDim,
      kvtype: DTYPE_CODE[kvtype],
      causal: causal ? 1 : 0,
      scale,
    });
  }
  return lse ? { out, lse } : out;
}

function headsOf(
  name: string,
  view: Tensor | HeadView,
  heads: number,
  headDim: number,
): { tensor: Tensor; offset: number } {
  const { tensor, offset = 0 } = "tensor" in view ? view : { tensor: view };
  expectRank("attend", name, tensor, 3, 3);
  expectInt("attend", `${name}.offset`, offset, 0);
  if (offset + heads * headDim > tensor.shape[2]!) {
    throw new RangeError(
      `Cannot run attend: ${heads} heads of ${headDim} from column ${offset} do not fit into "${name}" [${tensor.shape}]`,
    );
  }
  return { tensor, offset };
}

/** The batch size that all agree on, where a batch of 1 agrees with any. */
function batchOf(q: Tensor, k: Tensor, v: Tensor): number {
  const sizes = [q, k, v].map((x) => x.shape[0]!);
  const batch = sizes.find((size) => size !== 1) ?? 1;
  if (sizes.some((size) => size !== 1 && size !== batch)) {
    throw new RangeError(
      `Cannot run attend: the batches of "q" [${q.shape}], "k" [${k.shape}] and "v" [${v.shape}] do not fit`,
    );
  }
  return batch;
}
