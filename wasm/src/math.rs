//! Elementary functions, four lanes at a time.

use crate::simd::{F32x4, I32x4};

/// Constants of the functions in loops.
pub struct Constants {
    log2_e: f32,
    /// -ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
    ln2: [f32; 2],
    exp: [f32; 5],
    erf_p: [f32; 6],
    erf_q: [f32; 6],
    erf_limit: f32,
    one: f32,
    /// 1.5 * 2^23
    magic: f32,
    /// Below this, `exp_down` gives 0.
    lowest: f32,
}

#[allow(
    clippy::approx_constant,
    reason = "the fit's first coefficient is near 2 / sqrt(pi), not equal to it"
)]
static CONSTANTS: Constants = Constants {
    log2_e: std::f32::consts::LOG2_E,
    ln2: [-LN2_HIGH, -LN2_LOW],
    exp: [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_745, 0.001_381_454],
    erf_p: [1.128_379, 0.194_035_98, 0.053_207_096, 0.003_917_330_4, 0.000_287_600_9, 2.011_739_5e-6],
    erf_q: [1.0, 0.505_291_4, 0.115_590_87, 0.015_270_726, 0.001_198_203_9, 3.783_969_8e-5],
    erf_limit: 3.95,
    one: 1.0,
    magic: 12_582_912.0,
    lowest: -87.0,
};

const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Where the constants are, hidden from the compiler: engines build every vector constant anew in each round of a loop
/// (three instructions), while a load from memory is one.
pub type Table = &'static Constants;

/// The constants; to be called outside of loops.
#[inline(always)]
pub fn table() -> Table {
    std::hint::black_box(&CONSTANTS)
}

#[inline(always)]
fn splat(x: &f32) -> F32x4 {
    // SAFETY: a reference can be read.
    unsafe { F32x4::load_splat(x) }
}

#[inline(always)]
fn horner<const N: usize>(x: F32x4, c: &[f32; N]) -> F32x4 {
    let mut sum = splat(&c[N - 1]);
    for i in (0..N - 1).rev() {
        sum = sum.madd(x, splat(&c[i]));
    }
    sum
}

/// `e^r` and the exponent `n` with `e^x = e^r 2^n`; minimax polynomial on |r| <= ln 2 / 2, relative error 3e-9.
#[inline(always)]
fn reduced_exp(t: Table, x: F32x4) -> (F32x4, I32x4) {
    let n = x.mul(splat(&t.log2_e)).nearest();
    let r = n.madd(splat(&t.ln2[0]), x);
    let r = n.madd(splat(&t.ln2[1]), r);
    (horner(r, &t.exp).madd(r.mul(r), r).add(splat(&t.one)), n.to_int())
}

/// `e^x` within 2 ulp over the whole range: subnormal results, infinities and NaN included.
#[inline(always)]
pub fn exp(t: Table, x: F32x4) -> F32x4 {
    let inside = x.pmax(F32x4::splat(-104.0)).pmin(F32x4::splat(89.0));
    let (p, n) = reduced_exp(t, inside);
    let half = n.shr(1);
    let power = |n: I32x4| n.add(I32x4::splat(127)).shl(23).float_bits();
    p.mul(power(half)).mul(power(n.sub(half)))
}

/// `e^x` for `x` at most 0, as a softmax needs it: results below the normal range are 0, NaN stays.
#[inline(always)]
pub fn exp_down(t: Table, x: F32x4) -> F32x4 {
    // 2^n by the sum's own bits: adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    let magic = splat(&t.magic);
    let shifted = x.madd(splat(&t.log2_e), magic);
    let n = shifted.sub(magic);
    let r = n.madd(splat(&t.ln2[0]), x);
    let r = n.madd(splat(&t.ln2[1]), r);
    let p = horner(r, &t.exp).madd(r.mul(r), r).add(splat(&t.one));
    let y = p.bits().add(shifted.bits().shl(23)).float_bits();
    y.bits().and_not(x.lt(splat(&t.lowest))).float_bits()
}

/// The error function within 5e-7 absolute: a rational minimax fit on |x| <= 3.95, exactly 1 or -1 beyond.
#[inline(always)]
pub fn erf(t: Table, x: F32x4) -> F32x4 {
    let sign = x.bits().and(I32x4::splat(i32::MIN));
    let limit = splat(&t.erf_limit);
    let a = x.bits().xor(sign).float_bits();
    let s = a.mul(a);
    let y = a.mul(horner(s, &t.erf_p)).div(horner(s, &t.erf_q));
    let y = splat(&t.one).select(y, limit.lt(a));
    y.bits().or(sign).float_bits()
}

/// `x Phi(x)`, the exact GELU.
#[inline(always)]
pub fn gelu(t: Table, x: F32x4) -> F32x4 {
    let half = x.mul(F32x4::splat(0.5));
    erf(t, x.mul(F32x4::splat(std::f32::consts::FRAC_1_SQRT_2))).madd(half, half)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(t: Table, x: F32x4) -> F32x4 {
    let one = F32x4::splat(1.0);
    one.div(one.add(exp(t, F32x4::splat(0.0).sub(x))))
}

/// `x / (1 + e^-x)`.
#[inline(always)]
pub fn silu(t: Table, x: F32x4) -> F32x4 {
    x.div(F32x4::splat(1.0).add(exp(t, F32x4::splat(0.0).sub(x))))
}

/// Hyperbolic tangent: an odd polynomial near 0, by `e^-2|x|` elsewhere.
#[inline(always)]
pub fn tanh(t: Table, x: F32x4) -> F32x4 {
    let sign = x.bits().and(I32x4::splat(i32::MIN));
    let a = x.bits().xor(sign).float_bits();
    let one = F32x4::splat(1.0);
    let e = exp(t, a.mul(F32x4::splat(-2.0)));
    let far = one.sub(e).div(one.add(e));
    let s = a.mul(a);
    let c = [-0.333_333_33, 0.133_333_33, -0.053_968_254, 0.021_869_488, -0.008_863_236, 0.003_592_128];
    let near = horner(s, &c).mul(s).madd(a, a);
    near.select(far, a.lt(F32x4::splat(0.35))).bits().or(sign).float_bits()
}

/// Natural logarithm: -inf at 0, NaN below, subnormals right.
#[inline(always)]
pub fn log(x: F32x4) -> F32x4 {
    let small = x.lt(F32x4::splat(f32::MIN_POSITIVE));
    let y = x.mul(F32x4::splat(8_388_608.0)).select(x, small);
    // The mantissa is taken in [sqrt(1/2), sqrt(2)), so that the result near 1 keeps its digits.
    let bits = y.bits().sub(I32x4::splat(0x3f35_04f3));
    let exponent = bits.shr(23).sub(I32x4::splat(23).and(small)).to_float();
    let mantissa = bits.and(I32x4::splat(0x007f_ffff)).add(I32x4::splat(0x3f35_04f3)).float_bits();
    // ln m = 2 artanh((m - 1) / (m + 1))
    let f = mantissa.sub(F32x4::splat(1.0));
    let s = f.div(f.add(F32x4::splat(2.0)));
    let t = s.mul(s);
    let series = horner(t, &[0.666_666_6, 0.400_000_1, 0.285_702_5, 0.222_7, 0.19]).mul(t);
    // 2 s = f - s f, which keeps the leading term exact.
    let tail = exponent.madd(F32x4::splat(LN2_LOW), s.mul(series.sub(f)));
    let result = exponent.madd(F32x4::splat(LN2_HIGH), f.add(tail));
    let zero = F32x4::splat(0.0);
    let infinite = F32x4::splat(f32::INFINITY);
    let result = infinite.select(result, x.eq(infinite));
    let result = F32x4::splat(f32::NEG_INFINITY).select(result, x.eq(zero));
    let bad = x.lt(zero).or(x.eq(x).xor(I32x4::splat(-1)));
    F32x4::splat(f32::NAN).select(result, bad)
}

/// What a linear layer does to its sums, by the number of the contract.
#[inline(always)]
pub fn activate(t: Table, kind: u32, x: F32x4) -> F32x4 {
    match kind {
        1 => gelu(t, x),
        2 => silu(t, x),
        3 => F32x4::splat(0.0).pmax(x),
        _ => x,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::erf_exact;

    fn one(f: impl Fn(F32x4) -> F32x4, x: f32) -> f32 {
        f(F32x4::splat(x)).array()[0]
    }

    fn ulps(got: f32, want: f64) -> f64 {
        let near = want as f32;
        let ulp = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
        (f64::from(got) - want).abs() / ulp
    }

    fn sweep(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..=100_000).map(move |i| from + (to - from) * (i as f32 / 100_000.0))
    }

    #[test]
    fn exp_is_within_two_ulp() {
        for x in sweep(-87.0, 88.7) {
            assert!(ulps(one(|x| exp(table(), x), x), f64::from(x).exp()) <= 2.0, "x {x}");
            assert!(x > 0.0 || ulps(one(|x| exp_down(table(), x), x), f64::from(x).exp()) <= 2.0, "x {x}");
        }
    }

    #[test]
    fn exp_is_right_at_the_edges() {
        assert_eq!(one(|x| exp(table(), x), f32::NEG_INFINITY), 0.0);
        assert_eq!(one(|x| exp(table(), x), f32::INFINITY), f32::INFINITY);
        assert_eq!(one(|x| exp(table(), x), 0.0), 1.0);
        assert!(
            one(|x| exp(table(), x), f32::NAN).is_nan() && one(|x| exp_down(table(), x), f32::NAN).is_nan()
        );
        assert!((one(|x| exp(table(), x), -95.0) - (-95f32).exp()).abs() < 1e-44);
        assert_eq!(one(|x| exp_down(table(), x), f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn erf_is_within_5e_7() {
        for x in sweep(-6.0, 6.0) {
            assert!((f64::from(one(|x| erf(table(), x), x)) - erf_exact(f64::from(x))).abs() < 5e-7, "x {x}");
        }
        assert!(one(|x| gelu(table(), x), f32::NAN).is_nan());
        assert_eq!(one(|x| gelu(table(), x), 100.0), 100.0);
    }

    #[test]
    fn tanh_sigmoid_and_silu_follow_double_precision() {
        for x in sweep(-30.0, 30.0) {
            let y = f64::from(x);
            assert!(
                (f64::from(one(|x| tanh(table(), x), x)) - y.tanh()).abs() <= 3e-7 * y.tanh().abs() + 1e-30,
                "x {x}"
            );
            let want = 1.0 / (1.0 + (-y).exp());
            assert!((f64::from(one(|x| sigmoid(table(), x), x)) - want).abs() < 3e-7 * want, "x {x}");
            assert!(
                (f64::from(one(|x| silu(table(), x), x)) - y * want).abs() <= 3e-7 * (y * want).abs(),
                "x {x}"
            );
        }
    }

    #[test]
    fn log_follows_double_precision() {
        for x in sweep(1e-3, 4.0).chain(sweep(1.0, 1e6)).chain([1e-40, 1e-45, 3e38]) {
            let want = f64::from(x).ln();
            assert!((f64::from(one(log, x)) - want).abs() <= 3e-7 * want.abs() + 1e-12, "x {x}");
        }
        assert_eq!(one(log, 0.0), f32::NEG_INFINITY);
        assert_eq!(one(log, f32::INFINITY), f32::INFINITY);
        assert!(one(log, -1.0).is_nan() && one(log, f32::NAN).is_nan());
    }
}
