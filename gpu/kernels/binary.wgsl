// out = f(a, b[floor(i / div) mod mod]), element by element. One thread owns one element.
@group(0) @binding(0) var<storage, read> a: array<f32>; // [n], from element p.base on
@group(0) @binding(1) var<storage, read> b: array<f32>; // from element p.first on
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [n], from element p.base on

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.n) { return; }
  out[i] = f(a[i], b[((p.base + i) / p.div) % p.period - p.first]);
}

/// Functions by their number in sdk/device/ops.ts.
fn f(a: f32, b: f32) -> f32 {
  switch KIND {
    case 0u: { return a + b; }
    case 1u: { return a - b; }
    case 2u: { return a * b; }
    case 3u: { return a / b; }
    case 4u: { return max(a, b); }
    case 5u: { return min(a, b); }
    case 6u: { return f32(a > b); }
    case 7u: { return f32(a >= b); }
    case 8u: { return f32(a < b); }
    case 9u: { return f32(a <= b); }
    default: { return f32(a == b); }
  }
}
