// Covers the diagonals of each block of queries with ranges of tiles and lists the columns before and between them, by the rule
// in sdk/device/ops.ts. tiles and lists are -1 beforehand. One thread owns one block; all blocks of a head walk the same lists.
@group(0) @binding(0) var<storage, read> columns: array<i32>; // [heads, columnCount], ascending, up to the first -1
@group(0) @binding(1) var<storage, read> diagonals: array<i32>; // [heads, diagonalCount], descending, up to the first -1
@group(0) @binding(2) var<storage, read_write> tiles: array<i32>; // [rows, tileCap], from block p.first of all heads' on
@group(0) @binding(3) var<storage, read_write> lists: array<i32>; // [rows, columnCap], the same

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.rows) { return; }
  let head = (p.first + i) / p.blocks;
  let end = p.offset + p.block * ((p.first + i) % p.blocks + 1u);
  let lastTile = (i + 1u) * p.tileCap;
  let lastList = (i + 1u) * p.columnCap;
  let lastColumn = (head + 1u) * p.columnCount;
  var tile = i * p.tileCap;
  var list = i * p.columnCap;
  var column = head * p.columnCount;
  // The current range; empty before the first.
  var lo = 0u;
  var hi = 0u;
  for (var n = 0u; n < p.diagonalCount; n++) {
    let d = diagonals[head * p.diagonalCount + n];
    if (d < 0) { break; }
    if (u32(d) >= end) { continue; }
    let e = max(end - u32(d), p.block);
    if (hi == 0u || e > hi + p.block) {
      tile = put_range(lo, hi, tile, lastTile);
      lo = e - p.block;
      hi = e;
    } else if (e > hi) {
      hi += p.block;
    }
    for (; column < lastColumn; column++) {
      let c = columns[column];
      if (c < 0 || u32(c) >= hi) { break; }
      if (u32(c) < lo && list < lastList) {
        lists[list] = c;
        list++;
      }
    }
  }
  put_range(lo, hi, tile, lastTile);
}

/// Writes the tiles of a range from `tile` on and returns where the next one goes.
fn put_range(lo: u32, hi: u32, tile: u32, last: u32) -> u32 {
  var next = tile;
  for (var start = lo; start < hi && next < last; start += p.block) {
    tiles[next] = i32(start);
    next++;
  }
  return next;
}
