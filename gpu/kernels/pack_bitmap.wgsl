// Pruned rows as bitmap tiles, in three steps. LEAST: the smallest size that stays in each row, LANES threads own a row.
// BITS: the bits of each tile and the room that it takes; else its offset and elements. A thread owns a tile.
@group(0) @binding(0) var<storage, read> x: array<u32>; // [heads, p.xHead] float32, or float16 with HALF
const ROWS: u32 = 64u;

/// Element i as float16 bits.
fn half_at(i: u32) -> u32 {
//#if HALF
  return extractBits(x[i / 2u], 16u * (i % 2u), 16u);
//#else
  return half_of(x[i]);
//#end
}

//#if LEAST
@group(0) @binding(1) var<storage, read_write> least: array<u32>; // [heads, p.n]

/// How many of its part of a row each thread finds too small.
var<workgroup> counts: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at) * (THREADS / LANES) + me.local / LANES;
  let row = min(number, p.heads * p.n - 1u);
  let lane = me.local % LANES;
  let first = p.xBase + row / p.n * p.xHead + row % p.n * D + lane;
//#for i in 0..EACH
  let size$i = half_at(first + $iu * LANES) & 0x7fffu;
//#end
  // The largest number that fewer than `drop` are below, bit by bit.
  var smallest = 0u;
  for (var bit = 1u << 14u; bit > 0u; bit >>= 1u) {
    let tried = smallest | bit;
    var below = 0u;
//#for i in 0..EACH
    below += select(0u, 1u, size$i < tried);
//#end
    counts[me.local] = below;
    workgroupBarrier();
    below = 0u;
    for (var l = 0u; l < LANES; l++) { below += counts[me.local - lane + l]; }
    workgroupBarrier();
    if (below < p.drop) { smallest = tried; }
  }
  if (lane == 0u && number < p.heads * p.n) { least[row] = smallest; }
}
//#else
//#if BITS
@group(0) @binding(1) var<storage, read> least: array<u32>; // [heads, p.n]
@group(0) @binding(2) var<storage, read_write> tiles: array<u32>; // elements 0 to 31, 32 to 63, first in the highest bit; offset
@group(0) @binding(3) var<storage, read_write> rooms: array<u32>; // [heads, 1 + p.tiles]: where the first tile begins, pairs of elements of each
//#else
@group(0) @binding(1) var<storage, read> places: array<u32>; // [heads, 1 + p.tiles]: where each tile begins, and the next one
@group(0) @binding(2) var<storage, read_write> tiles: array<u32>; // elements 0 to 31, 32 to 63, first in the highest bit; offset
@group(0) @binding(3) var<storage, read_write> packed: array<u32>; // [heads, p.packedHead], two elements to a word
//#end

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at) * THREADS + me.local;
  if (number >= p.heads * p.tiles) { return; }
  let head = number / p.tiles;
  let tile = number % p.tiles;
  let notes = p.notesBase + head * p.notesHead + 3u * (p.tile0 + tile);
  // Keys: a column of 64 rows. Values: 64 columns of a row.
  let inner = tile % D;
  let row = tile / D * ROWS + select(inner % ROWS, 0u, p.kind == 0u);
  let column = select(inner / ROWS * ROWS, inner, p.kind == 0u);
  let step = select(1u, D, p.kind == 0u);
  let first = p.xBase + head * p.xHead + row * D + column;
//#if BITS
  let rows_step = select(0u, 1u, p.kind == 0u);
  var bits = vec2u();
  for (var e = 0u; e < ROWS; e++) {
    let size = half_at(first + e * step) & 0x7fffu;
    let stays = size > 0u && size >= least[head * p.n + row + e * rows_step];
    bits[e / 32u] |= select(0u, 1u, stays) << (31u - e % 32u);
  }
  tiles[notes] = bits.x;
  tiles[notes + 1u] = bits.y;
  let room = head * (p.tiles + 1u) + tile;
  rooms[room + 1u] = (countOneBits(bits.x) + countOneBits(bits.y) + 7u) / 8u * 4u;
  if (tile == 0u) { rooms[room] = tiles[notes + 2u]; }
//#else
  let place = head * (p.tiles + 1u) + tile;
  let begin = places[place];
  let end = places[place + 1u];
  tiles[notes + 2u] = begin;
  if (tile == p.tiles - 1u) {
    tiles[notes + 3u] = 0u;
    tiles[notes + 4u] = 0u;
    tiles[notes + 5u] = end;
  }
  if (2u * end > p.packedHead) { return; }
  let bits = vec2u(tiles[notes], tiles[notes + 1u]);
  let to = (p.packedBase + head * p.packedHead) / 2u + begin;
  var word = 0u;
  var count = 0u;
  for (var e = 0u; e < ROWS; e++) {
    if (extractBits(bits[e / 32u], 31u - e % 32u, 1u) == 1u) {
      word |= half_at(first + e * step) << (16u * (count % 2u));
      count++;
      if (count % 2u == 0u) {
        packed[to + count / 2u - 1u] = word;
        word = 0u;
      }
    }
  }
  for (var i = count / 2u; i < end - begin; i++) {
    packed[to + i] = word;
    word = 0u;
  }
//#end
}
//#end
