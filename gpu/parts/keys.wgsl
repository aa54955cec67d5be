// Pairs of a number and its column, in the order of a top-k: larger first, lower column first among equals.

/// Bits that sort as the numbers do: -0 like 0, NaN below all.
fn key_of(value: f32) -> u32 {
  var bits = bitcast<u32>(value);
  let size = bits & 0x7fffffffu;
  if (size == 0u) { bits = 0u; }
  if (size > 0x7f800000u) { bits = 0xffffffffu; }
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

fn value_of(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, (key & 0x80000000u) != 0u)); }

fn before(a: vec2u, b: vec2u) -> bool { return a.x > b.x || (a.x == b.x && a.y < b.y); }
