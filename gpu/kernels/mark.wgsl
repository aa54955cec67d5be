// out[r, index[r, i]] = 1, where out is zeros. One thread owns one index.
@group(0) @binding(0) var<storage, read> index: array<i32>; // [rows, k]
@group(0) @binding(1) var<storage, read> counts: array<i32>; // [rows] if HAS_COUNTS
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [rows, cols]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.rows * p.k) { return; }
  let row = i / p.k;
//#if HAS_COUNTS
  if (i32(i % p.k) >= counts[row]) { return; }
//#end
  let c = index[i];
  if (c >= 0 && c < i32(p.cols)) { out[row * p.cols + u32(c)] = 1.0; }
}
