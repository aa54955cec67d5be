// Another element type, to nearest even. One thread owns one 32-bit word of the result: two halves or one number.
@group(0) @binding(0) var<storage, read> x: array<u32>; // [n] of the type FROM
@group(0) @binding(1) var<storage, read_write> out: array<u32>; // [n] of the type TO

// Element types by their number in sdk/device/ops.ts.
const F32 = 0u;
const HALF = 1u;
const I8 = 2u;
const I32 = 3u;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (TO == HALF) {
    if (2u * i >= p.n) { return; }
    let high = select(0u, half_of(bits_at(2u * i + 1u)), 2u * i + 1u < p.n);
    out[i] = half_of(bits_at(2u * i)) | (high << 16u);
  } else if (i < p.n) {
    let bits = bits_at(i);
    out[i] = select(bits, bitcast<u32>(whole(bitcast<f32>(bits))), TO == I32);
  }
}

/// Element i as the bits of a float32.
fn bits_at(i: u32) -> u32 {
  switch FROM {
    case F32: { return x[i]; }
    case HALF: { return float_of((x[i / 2u] >> (16u * (i % 2u))) & 0xffffu); }
    case I8: { return bitcast<u32>(f32(extractBits(bitcast<i32>(x[i / 4u]), 8u * (i % 4u), 8u))); }
    case I32: { return bitcast<u32>(f32(bitcast<i32>(x[i]))); }
    default: { return bitcast<u32>(f32(extractBits(x[i / 4u], 8u * (i % 4u), 8u))); }
  }
}

fn whole(value: f32) -> i32 {
  if (value >= 2147483648.0) { return 2147483647; }
  return i32(clamp(round(value), -2147483648.0, 2147483520.0));
}

/// Half bits to float32 bits.
fn float_of(half: u32) -> u32 {
  let sign = (half & 0x8000u) << 16u;
  let a = half & 0x7fffu;
  if (a >= 0x7c00u) { return sign | 0x7f800000u | ((a & 0x3ffu) << 13u); }
  if (a >= 0x400u) { return sign | ((a << 13u) + 0x38000000u); }
  return sign | bitcast<u32>(f32(a) * 5.9604645e-8);
}
