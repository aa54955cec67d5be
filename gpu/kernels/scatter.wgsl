// Row index[i] of out = row i of x; an index below 0 is left out. One thread owns one element.
// out holds rows p.first to p.first + p.count; rows elsewhere are left to other runs.
@group(0) @binding(0) var<storage, read> x: array<u32>; // [n, width]
@group(0) @binding(1) var<storage, read> index: array<i32>; // [n]
//#if WORDS
@group(0) @binding(2) var<storage, read_write> out: array<u32>; // [count, width]
//#else
@group(0) @binding(2) var<storage, read_write> out: array<atomic<u32>>; // [count, width] of SIZE bytes
//#end

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.n * p.width) { return; }
  let row = index[i / p.width];
  if (row < i32(p.first) || row >= i32(p.first + p.count)) { return; }
  let to = u32(row - i32(p.first)) * p.width + i % p.width;
//#if WORDS
  out[to] = x[i];
//#else
  put(to, element(i));
//#end
}
