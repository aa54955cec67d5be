// out = (x - mean) / sqrt(variance + eps) * weight + bias over rows of cols; the variance in a pass of its own.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols]
@group(0) @binding(1) var<storage, read> weight: array<f32>; // [cols]
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [cols]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [rows, cols]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let row = number_of(at) * (THREADS / LANES) + me.local / LANES;
  let lane = me.local % LANES;
  // A row too many has no columns, but waits with the others.
  let cols = select(0u, p.cols, row < p.rows);
  let base = row * p.cols;
  var sum = 0.0;
  for (var c = lane; c < cols; c += LANES) { sum += x[base + c]; }
  let mean = fold(sum, me, 0u) / f32(p.cols);
  var squares = 0.0;
  for (var c = lane; c < cols; c += LANES) {
    let d = x[base + c] - mean;
    squares = fma(d, d, squares);
  }
  let factor = inverseSqrt(fold(squares, me, 0u) / f32(p.cols) + p.eps);
  for (var c = lane; c < cols; c += LANES) { out[base + c] = fma((x[base + c] - mean) * factor, weight[c], bias[c]); }
}
