// Row i of out = row index[i] of x; zeros for an index below 0. One thread owns one element.
// x holds rows p.first to p.first + p.count; rows elsewhere are left to other runs, zeros to the one with p.zeros.
@group(0) @binding(0) var<storage, read> x: array<u32>; // [count, width]
@group(0) @binding(1) var<storage, read> index: array<i32>; // [n]
//#if WORDS
@group(0) @binding(2) var<storage, read_write> out: array<u32>; // [n, width]
//#else
@group(0) @binding(2) var<storage, read_write> out: array<atomic<u32>>; // [n, width] of SIZE bytes
//#end

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.n * p.width) { return; }
  let row = index[i / p.width];
  let inside = row >= i32(p.first) && row < i32(p.first + p.count);
  if (!inside && !(row < 0 && p.zeros == 1u)) { return; }
  let from_ = select(0u, u32(row - i32(p.first)) * p.width + i % p.width, inside);
//#if WORDS
  out[i] = select(0u, x[from_], inside);
//#else
  put(i, select(0u, element(from_), inside));
//#end
}
