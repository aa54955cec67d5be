// One number for each row of cols: sum, mean, largest or smallest.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [rows]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let row = number_of(at) * (THREADS / LANES) + me.local / LANES;
  let lane = me.local % LANES;
  let inside = row < p.rows;
  let base = row * p.cols;
  // Lanes without a column start like the first one; a sum starts at 0.
  var value = 0.0;
  if (KIND >= 2u && inside) { value = x[base + min(lane, p.cols - 1u)]; }
  for (var c = lane; inside && c < p.cols; c += LANES) { value = pick(value, x[base + c], KIND); }
  value = fold(value, me, KIND);
  if (inside && lane == 0u) { out[row] = select(value, value / f32(p.cols), KIND == 1u); }
}
