// out = softmax(scale x) over rows of cols, with the maximum taken off; a row of -infinity gives zeros.
// With HAS_LENS only the first lens[row mod period] columns of a row count, the rest become 0.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols]
@group(0) @binding(1) var<storage, read> lens: array<i32>; // [period] if HAS_LENS; the rows are those from p.first on
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [rows, cols]

/// Below every score; stands for -infinity, with which drivers may not calculate.
const LOWEST = -3.4e38;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let row = number_of(at) * (THREADS / LANES) + me.local / LANES;
  let lane = me.local % LANES;
  // A row too many has no columns, but waits with the others.
//#if HAS_LENS
  let cols = select(0u, u32(clamp(lens[(p.first + row) % p.period], 0, i32(p.cols))), row < p.rows);
//#else
  let cols = select(0u, p.cols, row < p.rows);
//#end
  let base = row * p.cols;
  var top = LOWEST;
  for (var c = lane; c < cols; c += LANES) { top = max(top, x[base + c] * p.scale); }
  top = fold(top, me, 2u);
  var sum = 0.0;
  for (var c = lane; c < cols; c += LANES) { sum += power(x[base + c] * p.scale, top); }
  sum = fold(sum, me, 0u);
  let factor = select(1.0 / sum, 0.0, top <= LOWEST);
  for (var c = lane; c < cols; c += LANES) { out[base + c] = power(x[base + c] * p.scale, top) * factor; }
//#if HAS_LENS
  for (var c = cols + lane; c < p.cols && row < p.rows; c += LANES) { out[base + c] = 0.0; }
//#end
}

fn power(score: f32, top: f32) -> f32 { return select(0.0, exp(score - top), score > LOWEST); }
