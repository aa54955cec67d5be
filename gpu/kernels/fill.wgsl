// out = value, given by its bits: it may be infinite or NaN. One thread owns one element.
@group(0) @binding(0) var<storage, read_write> out: array<u32>; // [n]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i < p.n) { out[i] = p.bits; }
}
