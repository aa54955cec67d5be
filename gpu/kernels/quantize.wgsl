// Codes of rows. RANGES: step and minimum of every group, and what a distance from the minimum is multiplied by to become a code;
// LANES threads own a group. Else a thread owns one word of codes, 32 / BITS of them.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [groups, p.group]
//#if RANGES
@group(0) @binding(1) var<storage, read_write> ranges: array<vec2f>; // [groups]: step, minimum
@group(0) @binding(2) var<storage, read_write> factors: array<f32>; // [groups]

const TOP: f32 = f32((1u << BITS) - 1u);

/// a / b rounded once: codes must come out as on other devices.
fn divide(a: f32, b: f32) -> f32 {
  let quotient = a / b;
  return quotient + fma(-quotient, b, a) / b;
}

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at) * (THREADS / LANES) + me.local / LANES;
  let first = min(number, p.groups - 1u) * p.group;
  var least = x[first];
  var largest = least;
  for (var i = me.local % LANES; i < p.group; i += LANES) {
    least = min(least, x[first + i]);
    largest = max(largest, x[first + i]);
  }
  least = fold(least, me, 3u);
  largest = fold(largest, me, 2u);
  if (number >= p.groups || me.local % LANES != 0u) { return; }
  let range = largest - least;
  let flat = largest == least;
  ranges[number] = vec2f(divide(select(range, 1.0, flat), TOP), least);
  factors[number] = select(divide(TOP, select(range, 1.0, flat)), 0.0, flat);
}
//#else
@group(0) @binding(1) var<storage, read> ranges: array<vec2f>; // [groups]: step, minimum
@group(0) @binding(2) var<storage, read> factors: array<f32>; // [groups]
@group(0) @binding(3) var<storage, read_write> codes: array<u32>; // [groups, p.group] of BITS bits

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  let n = p.groups * p.group;
  var word = 0u;
  for (var j = 0u; j < 32u / BITS && i * (32u / BITS) + j < n; j++) {
    let c = i * (32u / BITS) + j;
    let code = round((x[c] - ranges[c / p.group].y) * factors[c / p.group]);
    word |= u32(clamp(code, 0.0, f32((1u << BITS) - 1u))) << (BITS * j);
  }
  if (i * (32u / BITS) < n) { codes[i] = word; }
}
//#end
