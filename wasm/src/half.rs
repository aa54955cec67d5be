//! IEEE half precision to and from float32.

use crate::simd::{F32x4, I32x4};

/// Constants of `widen`, hidden from the compiler as those of `math::table` are.
#[derive(Clone, Copy)]
pub struct Moves {
    keep: I32x4,
    top: I32x4,
    infinite: I32x4,
    scale: F32x4,
}

/// The constants of `widen`; to be called outside of loops.
#[inline(always)]
pub fn moves() -> Moves {
    let [keep, top, infinite, scale] =
        std::hint::black_box([0x8fff_e000u32, 0x0f80_0000, 0x7f80_0000, 0x7780_0000])
            .map(|bits| I32x4::splat(bits as i32));
    Moves { keep, top, infinite, scale: scale.float_bits() }
}

/// Bits of four halves (each lane sign-extended from 16 bits) to floats; subnormals, infinities and NaN included.
///
/// Sign, exponent and mantissa move into place and a multiplication by 2^112 corrects the bias, which also normalises
/// subnormals.
#[inline(always)]
pub fn widen(t: Moves, h: I32x4) -> F32x4 {
    let moved = h.shl(13).and(t.keep);
    let special = moved.and(t.top).eq(t.top).and(t.infinite);
    moved.float_bits().mul(t.scale).bits().or(special).float_bits()
}

/// Bits of one half to a float.
#[inline(always)]
pub fn widen_one(h: u16) -> f32 {
    widen(moves(), I32x4::splat(i32::from(h as i16))).array()[0]
}

/// Four floats to the bits of halves (lower 16 bits of each lane), to nearest even; too large becomes infinite.
#[inline(always)]
pub fn narrow(x: F32x4) -> I32x4 {
    let sign = x.bits().and(I32x4::splat(i32::MIN));
    let a = x.bits().xor(sign);
    // Normal results: rebias, then round at bit 13 with ties to even.
    let odd = a.shr_u(13).and(I32x4::splat(1));
    let normal = a.add(I32x4::splat(0xc800_0fffu32 as i32)).add(odd).shr_u(13);
    // Subnormal results: adding 0.5 puts the last bit of a half where the sum is rounded.
    let magic = F32x4::splat(0.5);
    let subnormal = a.float_bits().add(magic).bits().sub(magic.bits());
    let tiny = I32x4::splat(0x3880_0000).gt(a);
    let y = subnormal.and(tiny).or(normal.and_not(tiny));
    let huge = a.gt(I32x4::splat(0x477f_efff));
    let nan = a.gt(I32x4::splat(0x7f80_0000)).and(I32x4::splat(0x0200));
    let y = I32x4::splat(0x7c00).or(nan).and(huge).or(y.and_not(huge));
    y.or(sign.shr_u(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(h: u16) -> f32 {
        let (e, m) = (i32::from(h >> 10 & 31), f32::from(h & 1023));
        let a = match e {
            0 => m * 2f32.powi(-24),
            31 if m > 0.0 => f32::NAN,
            31 => f32::INFINITY,
            _ => (1.0 + m / 1024.0) * 2f32.powi(e - 15),
        };
        if h >> 15 == 1 { -a } else { a }
    }

    #[test]
    fn widen_is_exact_for_every_half() {
        for h in 0..=u16::MAX {
            let (got, want) = (widen_one(h), exact(h));
            assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{h:#x}: {got} {want}");
        }
    }

    #[test]
    fn narrow_gives_every_half_back() {
        for h in 0..=u16::MAX {
            let got = narrow(F32x4::splat(exact(h))).array()[0] as u16;
            assert!(got == h || exact(h).is_nan() && exact(got).is_nan(), "{h:#x}: {got:#x}");
        }
    }

    #[test]
    fn narrow_rounds_ties_to_even_and_overflows_to_infinity() {
        for h in 0..0x7bffu16 {
            let (low, high) = (exact(h), exact(h + 1));
            let tie = narrow(F32x4::splat((low + high) / 2.0)).array()[0] as u16;
            assert_eq!(tie, h + (h & 1), "{h:#x}");
            let above = f32::from_bits(((low + high) / 2.0).to_bits() + 1);
            assert_eq!(narrow(F32x4::splat(above)).array()[0] as u16, h + 1, "{h:#x}");
        }
        assert_eq!(narrow(F32x4::splat(65519.9)).array()[0], 0x7bff);
        assert_eq!(narrow(F32x4::splat(65520.0)).array()[0], 0x7c00);
        assert_eq!(narrow(F32x4::splat(1e38)).array()[0], 0x7c00);
    }
}
