// out [n, e] = x[i] w + bias. One thread owns one element.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [n]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [n, e]
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [n, e]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [n, e]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i < p.n * p.e) { out[i] = fma(x[i / p.e], w[i], bias[i]); }
}
