// One step of a bitonic sort of rows of pairs in memory, descending, for a top-k that no workgroup can hold.
// With SIZE one workgroup owns SIZE neighbouring pairs of a row: with FIRST it makes and sorts them (FROM_PAIRS: there are p.cols
// pairs already), else it does all steps within them of merging blocks of p.block; with LAST it takes the first `take` of the row apart.
// Without SIZE one thread owns one exchange of pairs that are p.step apart.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols] if FIRST without FROM_PAIRS
@group(0) @binding(1) var<storage, read_write> pairs: array<vec2u>; // [rows, size], size a power of two
@group(0) @binding(2) var<storage, read_write> values: array<f32>; // [rows, take] if LAST
@group(0) @binding(3) var<storage, read_write> indices: array<i32>; // [rows, take] if LAST

//#if SIZE
@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let first = number_of(at) * SIZE;
  let row = first / p.size;
  let begin = first % p.size;
  if (row >= p.rows) { return; }
  for (var i = me.local; i < SIZE; i += THREADS) {
//#if FIRST
    let c = begin + i;
    var entry = vec2u(0u, 0xffffffffu);
//#if FROM_PAIRS
    if (c < p.cols) { entry = pairs[first + i]; }
//#else
    if (c < p.cols) { entry = vec2u(key_of(x[row * p.cols + c]), c); }
//#end
    sorted[i] = entry;
//#else
    sorted[i] = pairs[first + i];
//#end
  }
  workgroupBarrier();
//#if FIRST
  for (var size = 2u; size <= SIZE; size *= 2u) { merge_blocks(size, begin, me); }
//#else
  merge_blocks(p.block, begin, me);
//#end
  for (var i = me.local; i < SIZE; i += THREADS) {
//#if LAST
    if (begin + i < p.take) {
      values[row * p.take + begin + i] = value_of(sorted[i].x);
      indices[row * p.take + begin + i] = i32(sorted[i].y);
    }
//#else
    pairs[first + i] = sorted[i];
//#end
  }
}
//#else
@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at) * THREADS + me.local;
  let half = p.size / 2u;
  if (number >= p.rows * half) { return; }
  let i = number % half;
  let a = 2u * i - (i & (p.step - 1u));
  let base = number / half * p.size;
  let first = pairs[base + a];
  let second = pairs[base + a + p.step];
  if (before(second, first) == ((a & p.block) == 0u)) {
    pairs[base + a] = second;
    pairs[base + a + p.step] = first;
  }
}
//#end
