// The result of attention.
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

/// Writes columns d to d + 3 of the row that begins at element i.
fn store(i: u32, d: u32, four: vec4f) {
//#for j in 0..4
  if (d + $ju < D) { out[i + d + $ju] = four[$j]; }
//#end
}
