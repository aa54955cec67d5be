// The `take` largest of each run of `width` columns, descending, lower index first among equals. One workgroup owns one run:
// it sorts SIZE pairs (bitonic), of which those beyond the run are the smallest. The first round reads x, later rounds pairs.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols]
@group(0) @binding(1) var<storage, read> pairs: array<vec2u>; // [rows, cols] if FROM_PAIRS: order-keeping bits and column
@group(0) @binding(2) var<storage, read_write> merged: array<vec2u>; // [rows, runs * take] unless LAST
@group(0) @binding(3) var<storage, read_write> values: array<f32>; // [rows, take] if LAST
@group(0) @binding(4) var<storage, read_write> indices: array<i32>; // [rows, take] if LAST

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at);
  let row = number / p.runs;
  let begin = number % p.runs * p.width;
  let end = select(0u, min(begin + p.width, p.cols), row < p.rows);
  for (var i = me.local; i < SIZE; i += THREADS) {
    let c = begin + i;
    var entry = vec2u(0u, 0xffffffffu);
    if (i < p.width && c < end) {
//#if FROM_PAIRS
      entry = pairs[row * p.cols + c];
//#else
      entry = vec2u(key_of(x[row * p.cols + c]), c);
//#end
    }
    sorted[i] = entry;
  }
  workgroupBarrier();
  for (var size = 2u; size <= SIZE; size *= 2u) { merge_blocks(size, 0u, me); }
  for (var i = me.local; row < p.rows && i < p.take; i += THREADS) {
//#if LAST
    values[row * p.take + i] = value_of(sorted[i].x);
    indices[row * p.take + i] = i32(sorted[i].y);
//#else
    merged[number * p.take + i] = sorted[i];
//#end
  }
}
