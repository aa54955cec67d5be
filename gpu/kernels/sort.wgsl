// One step of a bitonic sort of rows of pairs in memory, descending, for a top-k that no workgroup can hold.
// One thread owns one exchange. With FIRST it makes the pairs, with LAST it takes the first `take` apart.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols] if FIRST
@group(0) @binding(1) var<storage, read_write> pairs: array<vec2u>; // [rows, size], size a power of two
@group(0) @binding(2) var<storage, read_write> values: array<f32>; // [rows, take] if LAST
@group(0) @binding(3) var<storage, read_write> indices: array<i32>; // [rows, take] if LAST

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at) * THREADS + me.local;
//#if FIRST
  if (number >= p.rows * p.size) { return; }
  let c = number % p.size;
  var entry = vec2u(0u, 0xffffffffu);
  if (c < p.cols) { entry = vec2u(key_of(x[number / p.size * p.cols + c]), c); }
  pairs[number] = entry;
//#else
//#if LAST
  if (number >= p.rows * p.take) { return; }
  let entry = pairs[number / p.take * p.size + number % p.take];
  values[number] = value_of(entry.x);
  indices[number] = i32(entry.y);
//#else
  let half = p.size / 2u;
  if (number >= p.rows * half) { return; }
  let i = number % half;
  let a = 2u * i - i % p.step;
  let base = number / half * p.size;
  let first = pairs[base + a];
  let second = pairs[base + a + p.step];
  if (before(second, first) == ((a & p.block) == 0u)) {
    pairs[base + a] = second;
    pairs[base + a + p.step] = first;
  }
//#end
//#end
}
