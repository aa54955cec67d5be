// The columns of each row whose flag is not 0, times step, ascending, then -1. `places` holds the exclusive prefix sums of the flags.
// One thread owns one flag, or one entry of the result that stays empty.
@group(0) @binding(0) var<storage, read> flags: array<i32>; // [rows, cols]
@group(0) @binding(1) var<storage, read> places: array<i32>; // [rows, cols]
@group(0) @binding(2) var<storage, read_write> out: array<i32>; // [rows, capacity]
@group(0) @binding(3) var<storage, read_write> counts: array<i32>; // [rows]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  let wide = max(p.cols, p.capacity);
  if (i >= p.rows * wide) { return; }
  let row = i / wide;
  let c = i % wide;
  let last = (row + 1u) * p.cols - 1u;
  let count = min(u32(places[last]) + select(0u, 1u, flags[last] != 0), p.capacity);
  if (c == 0u) { counts[row] = i32(count); }
  if (c >= count && c < p.capacity) { out[row * p.capacity + c] = -1; }
  if (c < p.cols && flags[row * p.cols + c] != 0) {
    let place = u32(places[row * p.cols + c]);
    if (place < p.capacity) { out[row * p.capacity + place] = i32(c * p.step); }
  }
}
