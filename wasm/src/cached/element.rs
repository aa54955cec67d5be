//! Elements of rows as factors: floats, or halves whose exponents are left as they are.

use crate::simd::{F32x4, I32x4};
use crate::view::View;

/// What a half that only moved into place (`Element::four`) must be multiplied with: the difference of the exponents' biases.
const BIAS: f32 = f32::from_bits((127 + 112) << 23);

/// Powers of two by which queries, scores and weights make up for what elements lack, without leaving the range of floats.
#[derive(Clone, Copy)]
pub struct Lift {
    pub query: f32,
    pub score: f32,
    pub weight: f32,
}

impl Lift {
    pub const NONE: Self = Self { query: 1.0, score: 1.0, weight: 1.0 };
    pub const HALVES: Self = Self {
        query: f32::from_bits((127 + 64) << 23),
        score: f32::from_bits((127 + 48) << 23),
        weight: BIAS,
    };
}

/// Elements that are read as factors.
pub trait Element: Copy + Sync + Send {
    /// Four elements, up to the factor of `Lift`. Infinite halves count as 65536.
    fn four(mask: I32x4, x: View<Self>, i: usize) -> F32x4;
    /// The first `n` of four elements, then zeros.
    fn part(mask: I32x4, x: View<Self>, i: usize, n: usize) -> F32x4;
}

/// What `Element::four` needs, hidden from the compiler as the constants of `math::table` are.
#[inline(always)]
pub fn mask() -> I32x4 {
    I32x4::splat(std::hint::black_box(0x8fff_e000u32) as i32)
}

/// A half, sign-extended, with its sign, exponent and mantissa where a float has them.
#[inline(always)]
pub fn move_half(mask: I32x4, half: I32x4) -> F32x4 {
    half.shl(13).and(mask).float_bits()
}

impl Element for f32 {
    #[inline(always)]
    fn four(_: I32x4, x: View<f32>, i: usize) -> F32x4 {
        x.four(i)
    }
    #[inline(always)]
    fn part(_: I32x4, x: View<f32>, i: usize, n: usize) -> F32x4 {
        x.part(i, n, 0.0)
    }
}

impl Element for u16 {
    #[inline(always)]
    fn four(mask: I32x4, x: View<u16>, i: usize) -> F32x4 {
        // SAFETY: `ptr` has checked the extent.
        move_half(mask, unsafe { I32x4::load_halves(x.ptr(i, 4)) })
    }
    #[inline(always)]
    fn part(mask: I32x4, x: View<u16>, i: usize, n: usize) -> F32x4 {
        if n >= 4 {
            return Self::four(mask, x, i);
        }
        let half = |lane: usize| if lane < n { i32::from(x.at(i + lane) as i16) } else { 0 };
        move_half(mask, I32x4::new(std::array::from_fn(half)))
    }
}
