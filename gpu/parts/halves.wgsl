// Float16 as the host rounds it.

/// Float32 bits to half bits; the built-in leaves rounding and overflow to the driver.
fn half_of(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let a = bits & 0x7fffffffu;
  if (a > 0x7f800000u) { return sign | 0x7e00u; }
  // From 65520 on the nearest half is infinite.
  if (a >= 0x477ff000u) { return sign | 0x7c00u; }
  if (a >= 0x38800000u) { return sign | ((a - 0x38000000u + 0xfffu + ((a >> 13u) & 1u)) >> 13u); }
  // A subnormal half counts steps of 2^-24.
  if (a < 0x33000000u) { return sign; }
  let shift = 126u - (a >> 23u);
  let digits = (a & 0x7fffffu) | 0x800000u;
  let steps = digits >> shift;
  let rest = digits & ((1u << shift) - 1u);
  let middle = 1u << (shift - 1u);
  return sign | (steps + select(0u, 1u, rest > middle || (rest == middle && (steps & 1u) == 1u)));
}
