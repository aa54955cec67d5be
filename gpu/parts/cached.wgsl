// Cached rows: how the row of D columns of a key head at a place is stored. One of HALF, CODES (INT8 or INT4) and BITMAP, else
// float32. A lane takes 4 C4 neighbouring columns. VEC: they lie in one load and share one pair (step, min);
// else a word holds EACH elements.
// The kernel also has the columns of a pair (p.columns) and, with TABLE, p.paged, p.page, p.tableBase and p.tableHead.

//#if VEC
//#if HALF
//#if WIDE
alias Raw = vec4u;
//#else
alias Raw = vec2u;
//#end
//#else
//#if INT8
//#if WIDE
alias Raw = vec2u;
//#else
alias Raw = u32;
//#end
//#else
//#if INT4
alias Raw = u32;
//#else
alias Raw = vec4f;
//#end
//#end
//#end
alias Stored = Raw;
//#else
alias Raw = vec4f;
alias Stored = u32;
//#end
@group(0) @binding(0) var<storage, read> k: array<Stored>;
//#if CODES
@group(0) @binding(1) var<storage, read> pairs: array<f32>; // step and min of each p.columns columns
//#end
//#if BITMAP
@group(0) @binding(1) var<storage, read> tiles: array<u32>; // elements 0 to 31, 32 to 63, first in the highest bit; offset
//#end
//#if TABLE
@group(0) @binding(2) var<storage, read> table: array<i32>; // [heads, p.tableHead] pages if p.paged
//#end

/// The place of a row that is not there.
const MISSING = 0xffffffffu;

/// What a lane holds of a row.
struct Row {
  raw: Raw,
  pair: vec2f,
}

//#if TABLE
fn place_of(head: u32, t: u32) -> u32 {
  if (p.paged == 0u) { return t; }
  let page = table[p.tableBase + head * p.tableHead + t / p.page];
  return select(u32(page) * p.page + t % p.page, MISSING, page < 0);
}

//#end

/// Step and minimum of a column of a row; those of the head's rows begin at `notes`.
fn pair_of(notes: u32, place: u32, column: u32) -> vec2f {
//#if CODES
  let i = notes + 2u * (place * (D / p.columns) + column / p.columns);
  return vec2f(pairs[i], pairs[i + 1u]);
//#else
  return vec2f();
//#end
}

//#if VEC
/// The j-th four columns of what a lane holds from `column` on.
fn four(row: Row, column: u32, j: u32) -> vec4f {
//#if HALF
  return vec4f(unpack2x16float(row.raw[2u * j]), unpack2x16float(row.raw[2u * j + 1u]));
//#else
//#if CODES
//#if INT4
  let codes = (vec4u(row.raw >> (4u * (column % 8u) + 16u * j)) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u);
//#else
//#if WIDE
  let codes = (vec4u(row.raw[j]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
//#else
  let codes = (vec4u(row.raw) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
//#end
//#end
  return fma(vec4f(codes), vec4f(row.pair.x), vec4f(row.pair.y));
//#else
  return row.raw;
//#end
//#end
}
//#else
fn four(row: Row, column: u32, j: u32) -> vec4f { return row.raw; }

/// Where an element of a row lies; MISSING for one that a bitmap leaves out.
fn element_of(base: u32, notes: u32, place: u32, column_: u32, values: bool) -> u32 {
  let column = min(column_, D - 1u);
//#if BITMAP
  let inner = select(place % 64u, column % 64u, values);
  let tile = place / 64u * D + select(column, column / 64u * 64u + place % 64u, values);
  let first = tiles[notes + 3u * tile];
  let above = select(first, tiles[notes + 3u * tile + 1u], inner >= 32u) >> (31u - inner % 32u);
  if ((above & 1u) == 0u) { return MISSING; }
  let rank = countOneBits(above) - 1u + select(0u, countOneBits(first), inner >= 32u);
  return base + 2u * tiles[notes + 3u * tile + 2u] + rank;
//#else
  return base + place * D + column;
//#end
}

/// An element out of its word.
fn element(word: u32, i: u32, pair: vec2f) -> f32 {
//#if CODES
  return fma(f32(extractBits(word, 32u / EACH * (i % EACH), 32u / EACH)), pair.x, pair.y);
//#else
  if (EACH == 1u) { return bitcast<f32>(word); }
  return select(unpack2x16float(word >> (16u * (i % 2u))).x, 0.0, i == MISSING);
//#end
}
//#end

/// What a lane holds of the row of k at a place: columns from `column` on. Data and notes of the head begin at `base` and `notes`.
fn load_k(base: u32, notes: u32, place: u32, column: u32, values: bool) -> Row {
//#if VEC
  return Row(k[(base + place * D + column) / UNIT], pair_of(notes, place, column));
//#else
  var row = Row();
  for (var j = 0u; j < 4u; j++) {
    let i = element_of(base, notes, place, column + j, values);
    row.raw[j] = element(k[select(i, base, i == MISSING) / EACH], i, pair_of(notes, place, min(column + j, D - 1u)));
  }
  return row;
//#end
}
