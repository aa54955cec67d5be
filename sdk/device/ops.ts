/**
 * The operations that every device runs, as data.
 *
 * An operation is a flat record: tensors by number, integers and floats. The schema below names the fields and their
 * order once; the free functions in `ops/` check shapes and fill a record, the reference device interprets it, the WASM
 * device writes it as 32-bit words in this order (the Rust side reads the same order as a `repr(C)` struct), an
 * off-thread device posts it as it is.
 *
 * Field kinds: `t` tensor (never 0), `o` optional tensor (0 = none), `u` unsigned integer, `f` float.
 * All tensors are dense and row-major, float32 unless said; sizes and strides count elements.
 *
 * @module
 */

/** Element types that a tensor can have; `f16` is held as raw bits in a `Uint16Array`. */
export type DType = "f32" | "f16" | "i32" | "i8" | "u8";

/** Bytes of one element of each type. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = { f32: 4, f16: 2, i32: 4, i8: 1, u8: 1 };

/** Number that stands for an element type inside an operation. */
export const DTYPE_CODE: Readonly<Record<DType, number>> = { f32: 0, f16: 1, i8: 2, i32: 3, u8: 4 };

/** Element types that a weight can have; `i4` are numbers from -8 to 7, two to a byte, low nibble first, stored plus 8. */
export type WeightType = "f32" | "f16" | "i8" | "i4";

/** Number that stands for the element type of a weight inside an operation; the same as a tensor's where tensors have it. */
export const WEIGHT_CODE: Readonly<Record<WeightType, number>> = { f32: 0, f16: 1, i8: 2, i4: 5 };

/** Bits of one element of a weight. */
export const WEIGHT_BITS: Readonly<Record<WeightType, number>> = { f32: 32, f16: 16, i8: 8, i4: 4 };

/** What a linear layer does to its sums: nothing, exact (erf) GELU, SiLU or ReLU. */
export type Activation = "none" | "gelu" | "silu" | "relu";

/** Number that stands for an activation inside an operation. */
export const ACTIVATION_CODE: Readonly<Record<Activation, number>> = { none: 0, gelu: 1, silu: 2, relu: 3 };

/** Number that stands for an elementwise operation of two tensors. */
export const BINARY_CODE = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  max: 4,
  min: 5,
  greater: 6,
  greaterEqual: 7,
  less: 8,
  lessEqual: 9,
  equal: 10,
} as const;

/** Offset of a part that a plan does not have. */
export const NO_PART = 0xffff_ffff;

/** How cached rows are stored; see the operations below. */
export const FORM = { f32: 0, f16: 1, int8: 2, int4: 3, bitmap: 4 } as const;

/** Number that stands for an elementwise operation of one tensor. */
export const UNARY_CODE = {
  gelu: 0,
  silu: 1,
  relu: 2,
  sigmoid: 3,
  tanh: 4,
  exp: 5,
  log: 6,
  neg: 7,
  sqrt: 8,
} as const;

/** Number that stands for a reduction of rows. */
export const REDUCE_CODE = { sum: 0, mean: 1, max: 2, min: 3 } as const;

/**
 * Every operation: its number and its fields in order.
 *
 * - `pack`: row-major weight src [n, k] of `dtype` (a WEIGHT_CODE) to the device's own weight layout; i4: the nibbles [n * k / 2], low first, value + 8.
 * - `linear`: out [m, n] = act(x [m, k] (W * scales)^T + bias [n]) + residual [m, n]; w is packed, `wtype` its WEIGHT_CODE. Scales [n, k / group] only for i8
 *   and i4: `group` consecutive inputs share one; group divides k, is k for one scale per output and for types without scales, and is even for i4.
 * - `matmul`: out [batch, m, n] = alpha * a [batch, m, k] b^T, b [batch, n, k]; a batch stride of 0 shares a or b.
 * - `layerNorm`: rows of cols; biased variance, two passes; weight and bias [cols]. `rmsNorm`: x / sqrt(mean(x^2) + eps) * weight.
 * - `softmax`: softmax(scale * x) over rows of cols, with maximum subtraction; a row of -inf gives zeros. With lens (i32 [period]) row r has only its first
 *   lens[r mod period] columns, the rest become 0.
 * - `rope`: rotates in place: row r of [rows, stride] has position start + r mod length; heads of headDim at column offset; frequencies [headDim / 2];
 *   interleaved 1: pairs (2i, 2i+1), 0: pairs (i, i + headDim / 2).
 * - `attention`: for batch b, head h (kv head = floor(h * kvHeads / heads)): softmax(scale * q k^T) v by online softmax. Element (b, h, i, d) of q lies at
 *   qOffset + b * qBatch + h * qHead + i * qRow + d, likewise k, v and out. `kvtype`: f32 or f16 keys and values. Key j is visible to query i if j < lens[b] (if
 *   given; i32 [batch]), mask[i * lk + j] != 0 (if given; u8 [lq, lk], shared by all batches and heads) and, if causal, j <= i + lk - lq. Query rows that see nothing give zeros.
 *   lse (if given) [batch, heads, lq] receives the log-sum-exp (-inf for such rows).
 * - `unary`, `binary`: elementwise over n; b is read at floor(i / div) mod mod, so (div 1, mod cols) adds a row vector and (div cols, mod rows) scales rows. Comparisons give 1 or 0.
 * - `embed`: out [n, e] = x[i] * w [e] + bias [e]; where useSkip is 1 and x[i] equals skip exactly, the whole row becomes skip.
 * - `scaleAdd`: out [n, e] = x[i] * w [n, e] + bias [n, e].
 * - `copy`: four nested loops; element size in bytes (1, 2 or 4): out[outOffset + sum i_a outStride_a] = x[xOffset + sum i_a xStride_a]. A stride of 0 repeats.
 * - `gather`: out row i = x row index[i] (width elements of size bytes); index below 0 gives zeros. `scatter`: out row index[i] = x row i; below 0 is skipped.
 * - `groupMean`: x [rows, h, e] to out [rows, ceil(h / g), e]: mean of g consecutive members; divisor 0: always g (missing members count as zeros), 1: the real
 *   size of the group. `kind` (a REDUCE_CODE): sum and mean as said; max and min are those of the real members (0 if none). With counts (i32 [rows / rowsPerCount]) only members below the row's count are added and divided by their number (zero if none).
 * - `reduce`: rows of cols to one value each. `topk`: the k largest of each row, descending, lower index first among equals; NaN is below all numbers. With `sorted` 0 the same elements in any order.
 * - `cast`: n elements from one type to another (f32 <-> f16, i8 -> f32, u8 -> f32, i32 <-> f32), to nearest even.
 * - `fill`: n float32 elements set to value.
 * - `scan`: prefix sums of rows: out[r, c] = sum of x[r, 0..c], or of x[r, 0..c-1] with `exclusive` 1; `dtype` f32 or i32 (wrapping) for x and out.
 * - `compact`: x i32 [rows, cols] to out i32 [rows, capacity]: the columns where x is not 0, ascending, the first `capacity` of them, then -1; counts i32 [rows]
 *   gets how many were written. What is written is the column times `step`.
 * - `sample`: draws from softmax(scale * x) of rows by the Gumbel-max trick: out i32 [rows] = argmax over c of scale * x[r, c] - ln(-ln(u)), lower index first
 *   among equals; u = ((h >>> 9) + 0.5) * 2^-23, h = pcg(c + pcg(r + pcg(draw + pcg(seed)))) in wrapping 32-bit arithmetic, where pcg(v) is
 *   s = v * 747796405 + 2891336453, w = ((s >>> ((s >>> 28) + 4)) ^ s) * 277803737, (w >>> 22) ^ w (Jarzynski and Olano 2020). -Infinity is drawn only
 *   from rows that have nothing else: index 0 then.
 * - `planned`: attention as a plan says; q and out [heads, lq, headDim], k and v [kvHeads, lk, headDim] of `kvtype`. The plan is an i32 matrix; the part at `xAt`
 *   (NO_PART: there is none) of head h begins at h * planHead + xAt. Row r of the plan is query qOrder[r], slot s is key kOrder[s] (identities without the parts);
 *   row block n holds rows n * blockQ to n * blockQ + blockQ - 1, nQ = ceil(lq / blockQ). tiles [nQ, tileCap]: slots t to t + tileK - 1 for every t >= 0, up to
 *   the first -1; bits [nQ, tileCap, blockQ, ceil(tileK / 32)]: bit s mod 32 of word floor(s / 32), low first, says whether slot t + s is visible to the
 *   row (all are without the part). columnOf [nQ]: which of the lists [lists, columnCap] the block reads, -1 none; a list holds slots up to the first -1. A slot is
 *   visible if it is listed, below lk, and key j = kOrder[s] is visible to query i by position p = i + lk - lq: j <= p if causal; j < sink or p - j < window by band
 *   [2] = sink, window. bias [kvHeads, lk] (if given) is added to the scaled scores. Rows that see nothing give zeros. stat [heads, lq] (if given) receives
 *   the log-sum-exp (statKind 0) or the largest score (1), -inf for such rows. Without out, v is not read. Slots out of range are not visible.
 * - `lineSums`: x [batch, n, length] to columns [batch, length] = sums over n, and (if given) diagonals [batch, length]: sum of x[r, j] with starts[r] - j = d, starts i32 [n].
 * - `mark`: out [rows, cols] = 1 at index[r, 0..k-1] (i32; only the first counts[r] of them if given; below 0 or from cols on is skipped), 0 elsewhere.
 * - `mergeLines`: MInference's range merge. columns i32 [heads, columnCount] ascending and diagonals i32 [heads, diagonalCount] descending, both up to the first -1, to tiles
 *   i32 [heads, blocks, tileCap] and lists i32 [heads, blocks, columnCap], -1 padded. With E = offset + block * (r + 1) of block r: diagonals d >= E are
 *   skipped; another has e = max(E - d, block). The first starts the range [e - block, e); each next one: e > hi + block flushes the range as tiles lo, lo + block, ... < hi
 *   and starts anew, else e > hi extends hi by block. Columns below lo of the current range are listed, those in a range or past the last one are not.
 * - `lineTiles`: what lines make visible. queries i32 [*, 1 + keyClasses, lq]: class a, then seen[b] of every key class; keys i32 [*, 2, lk]: class b, rank;
 *   the leading axes have strides queryHead and keyHead. lines [heads, 3, queryClasses, keyClasses, length]: with r = rank, c = seen[b] and d = c - r >= 0 a slot is visible if
 *   lines 0 at r, lines 1 at d or lines 2 at c of (a, b) is not 0. Without tiles: out i32 [heads, nQ, ceil(lk / tileK)] = 1 where a tile has a
 *   visible slot. With tiles (i32 [heads, nQ, tileCap]): out = the bits of these tiles, as in `planned`; 0 past the first -1.
 *
 * Cached rows, the operand of the operations below: `form` says how the row of a key head at place p is stored. F32 (0), F16 (1): headDim elements. INT8 (2), INT4 (3): headDim
 * codes in u8, int4 two to a byte, low nibble first; meta f32 holds (step, min) of each `group` consecutive elements, headDim / group pairs a row: the value is
 * min + code * step. BITMAP (4, Mustafar): tiles of 64 elements, headDim tiles per 64 rows; meta i32 holds (bits 0 to 31, bits 32 to 63, offset) of each tile,
 * first element in the highest bit; its elements that are not 0 lie one after the other in the f16 data from element 2 * offset on, filled up with zeros to a multiple of 8.
 * Key tile g * headDim + c is column c of rows 64 g to 64 g + 63; value tile g * headDim + 64 j + t is columns 64 j to 64 j + 63 of row 64 g + t. Data and meta of head g begin at
 * g * kHead (vHead) and kMetaAt (vMetaAt) + g * metaHead, in elements. With a table (i32 [kvHeads, tableHead]) row t of head g lies at place table[g, floor(t / page)] * page + t mod
 * page, and is missing if that entry is below 0; else at place t.
 *
 * - `decode`: attention of one query token. q, out [heads, headDim], lse [heads]. The rows hold tokens first to first + rows - 1 of a cache of `total`. A list (i32 [lists, listCap]; lists is 1,
 *   kvHeads or heads; head h reads list floor(h * lists / heads)) names tokens e * step to e * step + step - 1 for every entry e up to the first -1; without, all are named. Token t is
 *   read if it is named, among the rows, not missing and, with band (i32 [kvHeads, 2] = sink, window), t < sink or total - 1 - t < window. Heads that read nothing give zeros and -inf. With `merge` 1 out
 *   and lse hold the attention over other tokens and become that over both. A token that is named twice counts twice.
 * - `scoreRows`: out [heads, outHead] = scale * q . row for rows 0 to rows - 1 of key head floor(h * kvHeads / heads), any form but BITMAP, no table; out past `rows` stays. q [heads, headDim].
 * - `readRows`: out f32 [heads, count, headDim] = rows first to first + count - 1 (zeros where missing); `kind` 0 reads keys, 1 values, which differ for BITMAP alone.
 * - `quantize`: x [rows, cols] to codes u8 (`bits` 8 or 4) and meta f32 [rows, cols / group, 2] = (step, min): step = (max - min) / (2^bits - 1), code = (x - min) * ((2^bits - 1) / (max - min)) to
 *   nearest even, within 0 to 2^bits - 1; where max = min, step = 1 / (2^bits - 1) and the codes are 0.
 * - `packBitmap`: prunes n rows (a multiple of 64) and appends them to the tiles of every head. x [heads, xHead] of `xtype` (f32, rounded to f16 first, or f16), rows of headDim one after the
 *   other. Of each row the elements with |x| >= its drop-th smallest |x| stay (drop from 1 to headDim); all others, and zeros, leave no bit. Tiles tile0 to tile0 + n * headDim / 64 - 1 are
 *   written; meta has one more entry than tiles, whose offset is where the next tile begins: entry tile0 tells where to go on (0 at the start), entry tile0 + n * headDim / 64 is
 *   written with the bits 0. `kind` 0 packs key tiles, 1 value tiles. headDim is a multiple of 64. Tiles that would pass packedHead elements are not written (the offsets are).
 */
export const OPS = {
  pack: { code: 1, fields: { src: "t", out: "t", n: "u", k: "u", dtype: "u" } },
  linear: {
    code: 2,
    fields: {
      x: "t",
      w: "t",
      scales: "o",
      bias: "o",
      residual: "o",
      out: "t",
      m: "u",
      n: "u",
      k: "u",
      wtype: "u",
      group: "u",
      activation: "u",
    },
  },
  matmul: {
    code: 3,
    fields: {
      a: "t",
      b: "t",
      out: "t",
      batch: "u",
      m: "u",
      n: "u",
      k: "u",
      aBatch: "u",
      bBatch: "u",
      alpha: "f",
    },
  },
  layerNorm: {
    code: 4,
    fields: { x: "t", weight: "t", bias: "t", out: "t", rows: "u", cols: "u", eps: "f" },
  },
  rmsNorm: { code: 5, fields: { x: "t", weight: "t", out: "t", rows: "u", cols: "u", eps: "f" } },
  softmax: {
    code: 6,
    fields: { x: "t", lens: "o", out: "t", rows: "u", cols: "u", period: "u", scale: "f" },
  },
  rope: {
    code: 7,
    fields: {
      x: "t",
      freqs: "t",
      rows: "u",
      stride: "u",
      offset: "u",
      heads: "u",
      headDim: "u",
      length: "u",
      start: "u",
      interleaved: "u",
    },
  },
  attention: {
    code: 8,
    fields: {
      q: "t",
      k: "t",
      v: "t",
      mask: "o",
      lens: "o",
      out: "t",
      lse: "o",
      batch: "u",
      heads: "u",
      kvHeads: "u",
      headDim: "u",
      lq: "u",
      lk: "u",
      qOffset: "u",
      qBatch: "u",
      qHead: "u",
      qRow: "u",
      kOffset: "u",
      kBatch: "u",
      kHead: "u",
      kRow: "u",
      vOffset: "u",
      vBatch: "u",
      vHead: "u",
      vRow: "u",
      outBatch: "u",
      outHead: "u",
      outRow: "u",
      kvtype: "u",
      causal: "u",
      scale: "f",
    },
  },
  unary: { code: 9, fields: { x: "t", out: "t", n: "u", kind: "u" } },
  binary: { code: 10, fields: { a: "t", b: "t", out: "t", n: "u", div: "u", mod: "u", kind: "u" } },
  embed: {
    code: 11,
    fields: { x: "t", w: "t", bias: "t", out: "t", n: "u", e: "u", useSkip: "u", skip: "f" },
  },
  scaleAdd: { code: 12, fields: { x: "t", w: "t", bias: "t", out: "t", n: "u", e: "u" } },
  copy: {
    code: 13,
    fields: {
      x: "t",
      out: "t",
      size: "u",
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
    },
  },
  gather: { code: 14, fields: { x: "t", index: "t", out: "t", n: "u", width: "u", size: "u" } },
  scatter: { code: 15, fields: { x: "t", index: "t", out: "t", n: "u", width: "u", size: "u" } },
  groupMean: {
    code: 16,
    fields: {
      x: "t",
      counts: "o",
      out: "t",
      rows: "u",
      h: "u",
      e: "u",
      g: "u",
      divisor: "u",
      rowsPerCount: "u",
      kind: "u",
    },
  },
  reduce: { code: 17, fields: { x: "t", out: "t", rows: "u", cols: "u", kind: "u" } },
  topk: {
    code: 18,
    fields: { x: "t", values: "t", indices: "t", rows: "u", cols: "u", k: "u", sorted: "u" },
  },
  cast: { code: 19, fields: { x: "t", out: "t", n: "u", from: "u", to: "u" } },
  fill: { code: 20, fields: { out: "t", n: "u", value: "f" } },
  scan: { code: 21, fields: { x: "t", out: "t", rows: "u", cols: "u", exclusive: "u", dtype: "u" } },
  compact: {
    code: 22,
    fields: { x: "t", out: "t", counts: "t", rows: "u", cols: "u", capacity: "u", step: "u" },
  },
  sample: {
    code: 23,
    fields: { x: "t", out: "t", rows: "u", cols: "u", scale: "f", seed: "u", draw: "u" },
  },
  planned: {
    code: 24,
    fields: {
      q: "t",
      k: "t",
      v: "o",
      plan: "t",
      bias: "o",
      out: "o",
      stat: "o",
      heads: "u",
      kvHeads: "u",
      headDim: "u",
      lq: "u",
      lk: "u",
      planHead: "u",
      blockQ: "u",
      tileK: "u",
      tilesAt: "u",
      tileCap: "u",
      bitsAt: "u",
      columnOfAt: "u",
      columnsAt: "u",
      columnCap: "u",
      lists: "u",
      qOrderAt: "u",
      kOrderAt: "u",
      bandAt: "u",
      kvtype: "u",
      causal: "u",
      statKind: "u",
      scale: "f",
    },
  },
  lineSums: {
    code: 25,
    fields: { x: "t", starts: "t", columns: "t", diagonals: "o", batch: "u", n: "u", length: "u" },
  },
  mark: { code: 26, fields: { index: "t", counts: "o", out: "t", rows: "u", k: "u", cols: "u" } },
  mergeLines: {
    code: 27,
    fields: {
      columns: "t",
      diagonals: "t",
      tiles: "t",
      lists: "t",
      heads: "u",
      columnCount: "u",
      diagonalCount: "u",
      blocks: "u",
      tileCap: "u",
      columnCap: "u",
      block: "u",
      offset: "u",
    },
  },
  lineTiles: {
    code: 28,
    fields: {
      queries: "t",
      keys: "t",
      lines: "t",
      tiles: "o",
      out: "t",
      heads: "u",
      queryHead: "u",
      keyHead: "u",
      queryClasses: "u",
      keyClasses: "u",
      lq: "u",
      lk: "u",
      length: "u",
      blockQ: "u",
      tileK: "u",
      tileCap: "u",
    },
  },
  decode: {
    code: 29,
    fields: {
      q: "t",
      k: "t",
      v: "t",
      meta: "o",
      table: "o",
      list: "o",
      band: "o",
      out: "t",
      lse: "t",
      heads: "u",
      kvHeads: "u",
      headDim: "u",
      first: "u",
      rows: "u",
      total: "u",
      kHead: "u",
      vHead: "u",
      kMetaAt: "u",
      vMetaAt: "u",
      metaHead: "u",
      form: "u",
      group: "u",
      page: "u",
      tableHead: "u",
      lists: "u",
      listCap: "u",
      step: "u",
      merge: "u",
      scale: "f",
    },
  },
  scoreRows: {
    code: 30,
    fields: {
      q: "t",
      k: "t",
      meta: "o",
      out: "t",
      heads: "u",
      kvHeads: "u",
      headDim: "u",
      rows: "u",
      kHead: "u",
      metaHead: "u",
      form: "u",
      group: "u",
      outHead: "u",
      scale: "f",
    },
  },
  readRows: {
    code: 31,
    fields: {
      k: "t",
      meta: "o",
      table: "o",
      out: "t",
      heads: "u",
      headDim: "u",
      first: "u",
      count: "u",
      kHead: "u",
      kMetaAt: "u",
      metaHead: "u",
      form: "u",
      group: "u",
      page: "u",
      tableHead: "u",
      kind: "u",
    },
  },
  quantize: {
    code: 32,
    fields: { x: "t", codes: "t", meta: "t", rows: "u", cols: "u", bits: "u", group: "u" },
  },
  packBitmap: {
    code: 33,
    fields: {
      x: "t",
      packed: "t",
      meta: "t",
      heads: "u",
      n: "u",
      headDim: "u",
      xHead: "u",
      packedHead: "u",
      metaAt: "u",
      metaHead: "u",
      tile0: "u",
      drop: "u",
      kind: "u",
      xtype: "u",
    },
  },
} as const satisfies Record<string, { code: number; fields: Record<string, "t" | "o" | "u" | "f"> }>;

/** Name of an operation. */
export type OpName = keyof typeof OPS;

/** The record of one operation: its name and a number for every field of its schema. */
export type OpOf<N extends OpName> =
  & { readonly op: N }
  & { readonly [F in keyof (typeof OPS)[N]["fields"]]: number };

/** The record of any operation. */
export type Op = { [N in OpName]: OpOf<N> }[OpName];
