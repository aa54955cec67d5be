// Rotates pairs of columns in place by position * frequency. One thread owns one pair.
@group(0) @binding(0) var<storage, read> freqs: array<f32>; // [headDim / 2], radians per position
@group(0) @binding(1) var<storage, read_write> x: array<f32>; // [rows, stride]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  let pairs = p.headDim / 2u;
  if (i >= p.rows * p.heads * pairs) { return; }
  let pair = i % pairs;
  let head = (i / pairs) % p.heads;
  let row = i / (pairs * p.heads);
  let angle = turn(p.start + (p.first + row) % p.length, freqs[pair]);
  let base = row * p.stride + p.offset + head * p.headDim;
  let a = base + select(pair, 2u * pair, p.interleaved == 1u);
  let b = a + select(pairs, 1u, p.interleaved == 1u);
  let v = vec2f(x[a], x[b]);
  x[a] = v.x * angle.x - v.y * angle.y;
  x[b] = v.y * angle.x + v.x * angle.y;
}

/// Cosine and sine of position * frequency. Both factors are cut into parts of twelve bits, whose products are exact; each is
/// taken modulo 2 pi, and the series are for small angles only.
fn turn(position: u32, frequency: f32) -> vec2f {
  let f_high = bitcast<f32>(bitcast<u32>(frequency) & 0xfffff000u);
  let f_low = frequency - f_high;
  let p_high = f32(position & 0xfffff000u);
  let p_low = f32(position & 0xfffu);
  let angle = wrap(p_high * f_high) + wrap(p_high * f_low) + wrap(p_low * f_high) + wrap(p_low * f_low);
  // Drivers' own functions are off by up to 1e-4. A quarter turn at most is left for the series.
  let quarters = round(angle * 0.63661977);
  let r = ((angle - quarters * 1.5703125) - quarters * 4.8375129699707e-4) - quarters * 7.549790126e-8;
  let s = r * r;
  let sine = r * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s / 362880.0))));
  let cosine = 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s * (1.0 / 40320.0 - s / 3628800.0))));
  switch u32(i32(quarters) & 3) {
    case 0u: { return vec2f(cosine, sine); }
    case 1u: { return vec2f(-sine, cosine); }
    case 2u: { return vec2f(-cosine, -sine); }
    default: { return vec2f(sine, -cosine); }
  }
}

/// a modulo 2 pi, which is 6.28125 + 0.00193500519 + 3.0199159e-7 in parts of few bits (Cody and Waite).
fn wrap(a: f32) -> f32 {
  let turns = round(a * 0.15915494);
  return ((a - turns * 6.28125) - turns * 0.0019350051879882812) - turns * 3.0199159e-7;
}
