// Functions that WGSL lacks or leaves to the driver.

/// Hidden from the compiler, which refuses infinities as constants.
var<private> infinity_bits: u32 = 0x7f800000u;

fn infinity() -> f32 { return bitcast<f32>(infinity_bits); }

/// The error function within 5e-7: a rational minimax fit on |x| <= 3.95, 1 or -1 beyond.
fn erf(x: f32) -> f32 {
  let a = min(abs(x), 4.0);
  let s = a * a;
  let above = a * fma(fma(fma(fma(fma(2.0117395e-6, s, 2.876009e-4), s, 3.9173304e-3), s, 5.3207096e-2), s, 0.19403598), s, 1.128379);
  let below = fma(fma(fma(fma(fma(3.7839698e-5, s, 1.1982039e-3), s, 1.5270726e-2), s, 0.11559087), s, 0.5052914), s, 1.0);
  return sign(x) * select(above / below, 1.0, a > 3.95);
}

/// x Phi(x), the exact GELU.
fn gelu(x: f32) -> f32 { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(clamp(-x, -88.0, 88.0))); }

fn silu(x: f32) -> f32 { return x * sigmoid(x); }

/// Activations by their number in sdk/device/ops.ts.
fn activate(kind: u32, x: f32) -> f32 {
  switch kind {
    case 1u: { return gelu(x); }
    case 2u: { return silu(x); }
    case 3u: { return max(x, 0.0); }
    default: { return x; }
  }
}
