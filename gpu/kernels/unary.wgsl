// out = f(x), element by element. One thread owns one element.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [n]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [n]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.n) { return; }
  out[i] = f(x[i]);
}

/// Functions by their number in sdk/device/ops.ts.
fn f(x: f32) -> f32 {
  switch KIND {
    case 0u: { return gelu(x); }
    case 1u: { return silu(x); }
    case 2u: { return max(x, 0.0); }
    case 3u: { return sigmoid(x); }
    // Some drivers overflow far out, where the result is 1 or -1 anyway.
    case 4u: { return tanh(clamp(x, -20.0, 20.0)); }
    case 5u: { return exp(x); }
    case 6u: { return log(x); }
    case 7u: { return -x; }
    default: { return sqrt(x); }
  }
}
