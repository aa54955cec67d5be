// out = 1 where x is not 0, else 0. One thread owns one element.
@group(0) @binding(0) var<storage, read> x: array<i32>; // [n]
@group(0) @binding(1) var<storage, read_write> out: array<i32>; // [n]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i < p.n) { out[i] = select(0, 1, x[i] != 0); }
}
