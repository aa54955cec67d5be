//! Lanes on WASM SIMD128; multiply-add is fused where the build has relaxed SIMD.

use core::arch::wasm32::*;

/// Four floats.
#[derive(Clone, Copy, Debug)]
pub struct F32x4(pub v128);

/// Four integers; a comparison gives all ones or all zeros per lane.
#[derive(Clone, Copy, Debug)]
pub struct I32x4(pub v128);

impl F32x4 {
    #[inline(always)]
    pub fn splat(x: f32) -> Self {
        Self(f32x4_splat(x))
    }
    #[inline(always)]
    pub fn new(x: [f32; 4]) -> Self {
        Self(f32x4(x[0], x[1], x[2], x[3]))
    }
    #[inline(always)]
    pub fn array(self) -> [f32; 4] {
        [
            f32x4_extract_lane::<0>(self.0),
            f32x4_extract_lane::<1>(self.0),
            f32x4_extract_lane::<2>(self.0),
            f32x4_extract_lane::<3>(self.0),
        ]
    }
    /// # Safety
    /// Four floats can be read at `p`.
    #[inline(always)]
    pub unsafe fn load(p: *const f32) -> Self {
        // SAFETY: by contract; v128.load takes any alignment.
        Self(unsafe { v128_load(p.cast()) })
    }
    /// # Safety
    /// One float can be read at `p`.
    #[inline(always)]
    pub unsafe fn load_splat(p: *const f32) -> Self {
        // SAFETY: by contract.
        Self(unsafe { v128_load32_splat(p.cast()) })
    }
    /// # Safety
    /// Four floats can be written at `p`.
    #[inline(always)]
    pub unsafe fn store(self, p: *mut f32) {
        // SAFETY: by contract.
        unsafe { v128_store(p.cast(), self.0) }
    }
    #[inline(always)]
    pub fn add(self, b: Self) -> Self {
        Self(f32x4_add(self.0, b.0))
    }
    #[inline(always)]
    pub fn sub(self, b: Self) -> Self {
        Self(f32x4_sub(self.0, b.0))
    }
    #[inline(always)]
    pub fn mul(self, b: Self) -> Self {
        Self(f32x4_mul(self.0, b.0))
    }
    #[inline(always)]
    pub fn div(self, b: Self) -> Self {
        Self(f32x4_div(self.0, b.0))
    }
    /// `self * b + c`.
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    pub fn madd(self, b: Self, c: Self) -> Self {
        Self(f32x4_relaxed_madd(self.0, b.0, c.0))
    }
    /// `self * b + c`.
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    pub fn madd(self, b: Self, c: Self) -> Self {
        Self(f32x4_add(f32x4_mul(self.0, b.0), c.0))
    }
    /// The larger of the two; `self` where either is NaN.
    #[inline(always)]
    pub fn pmax(self, b: Self) -> Self {
        Self(f32x4_pmax(self.0, b.0))
    }
    /// The smaller of the two; `self` where either is NaN.
    #[inline(always)]
    pub fn pmin(self, b: Self) -> Self {
        Self(f32x4_pmin(self.0, b.0))
    }
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self(f32x4_sqrt(self.0))
    }
    #[inline(always)]
    pub fn nearest(self) -> Self {
        Self(f32x4_nearest(self.0))
    }
    #[inline(always)]
    pub fn to_int(self) -> I32x4 {
        I32x4(i32x4_trunc_sat_f32x4(self.0))
    }
    #[inline(always)]
    pub fn bits(self) -> I32x4 {
        I32x4(self.0)
    }
    #[inline(always)]
    pub fn lt(self, b: Self) -> I32x4 {
        I32x4(f32x4_lt(self.0, b.0))
    }
    #[inline(always)]
    pub fn eq(self, b: Self) -> I32x4 {
        I32x4(f32x4_eq(self.0, b.0))
    }
    /// Lanes of both in turn: a0 b0 a1 b1, a2 b2 a3 b3.
    #[inline(always)]
    pub fn zip(self, b: Self) -> [Self; 2] {
        [Self(i32x4_shuffle::<0, 4, 1, 5>(self.0, b.0)), Self(i32x4_shuffle::<2, 6, 3, 7>(self.0, b.0))]
    }
    /// Even lanes of both, odd lanes of both.
    #[inline(always)]
    pub fn unzip(self, b: Self) -> [Self; 2] {
        [Self(i32x4_shuffle::<0, 2, 4, 6>(self.0, b.0)), Self(i32x4_shuffle::<1, 3, 5, 7>(self.0, b.0))]
    }
    /// Rows of a 4 x 4 block to its columns.
    #[inline(always)]
    pub fn transpose(r: [Self; 4]) -> [Self; 4] {
        let lo = i32x4_shuffle::<0, 4, 1, 5>(r[0].0, r[1].0);
        let hi = i32x4_shuffle::<2, 6, 3, 7>(r[0].0, r[1].0);
        let lo2 = i32x4_shuffle::<0, 4, 1, 5>(r[2].0, r[3].0);
        let hi2 = i32x4_shuffle::<2, 6, 3, 7>(r[2].0, r[3].0);
        [
            Self(i64x2_shuffle::<0, 2>(lo, lo2)),
            Self(i64x2_shuffle::<1, 3>(lo, lo2)),
            Self(i64x2_shuffle::<0, 2>(hi, hi2)),
            Self(i64x2_shuffle::<1, 3>(hi, hi2)),
        ]
    }
}

impl I32x4 {
    #[inline(always)]
    pub fn splat(x: i32) -> Self {
        Self(i32x4_splat(x))
    }
    #[inline(always)]
    pub fn new(x: [i32; 4]) -> Self {
        Self(i32x4(x[0], x[1], x[2], x[3]))
    }
    #[inline(always)]
    pub fn array(self) -> [i32; 4] {
        [
            i32x4_extract_lane::<0>(self.0),
            i32x4_extract_lane::<1>(self.0),
            i32x4_extract_lane::<2>(self.0),
            i32x4_extract_lane::<3>(self.0),
        ]
    }
    /// 16 bytes.
    /// # Safety
    /// 16 bytes can be read at `p`.
    #[inline(always)]
    pub unsafe fn load(p: *const u8) -> Self {
        // SAFETY: by contract; v128.load takes any alignment.
        Self(unsafe { v128_load(p.cast()) })
    }
    /// # Safety
    /// 16 bytes can be written at `p`.
    #[inline(always)]
    pub unsafe fn store(self, p: *mut u8) {
        // SAFETY: by contract; v128.store takes any alignment.
        unsafe { v128_store(p.cast(), self.0) }
    }
    /// Bit i of the result is the sign of lane i.
    #[inline(always)]
    pub fn signs(self) -> u32 {
        u32::from(i32x4_bitmask(self.0))
    }
    /// Byte i of the result is byte `from[i]` of `self`, 0 where the upper bit of `from[i]` is set; other indices are below 16.
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    pub fn swizzle(self, from: Self) -> Self {
        Self(i8x16_relaxed_swizzle(self.0, from.0))
    }
    /// Byte i of the result is byte `from[i]` of `self`, 0 where the upper bit of `from[i]` is set; other indices are below 16.
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    pub fn swizzle(self, from: Self) -> Self {
        Self(i8x16_swizzle(self.0, from.0))
    }
    /// Four 16-bit values, sign-extended.
    /// # Safety
    /// Four 16-bit values can be read at `p`.
    #[inline(always)]
    pub unsafe fn load_halves(p: *const u16) -> Self {
        // SAFETY: by contract; reads 8 bytes at any alignment.
        Self(unsafe { i32x4_load_extend_i16x4(p.cast()) })
    }
    /// # Safety
    /// Four bytes can be read at `p`.
    #[inline(always)]
    pub unsafe fn load_i8(p: *const i8) -> Self {
        // SAFETY: by contract; reads 4 bytes.
        let x = unsafe { v128_load32_zero(p.cast()) };
        Self(i32x4_extend_low_i16x8(i16x8_extend_low_i8x16(x)))
    }
    /// # Safety
    /// Four bytes can be read at `p`.
    #[inline(always)]
    pub unsafe fn load_u8(p: *const u8) -> Self {
        // SAFETY: by contract; reads 4 bytes.
        let x = unsafe { v128_load32_zero(p.cast()) };
        Self(u32x4_extend_low_u16x8(u16x8_extend_low_u8x16(x)))
    }
    /// Lower 16 bits of each lane to memory.
    /// # Safety
    /// Four 16-bit values can be written at `p`.
    #[inline(always)]
    pub unsafe fn store_u16(self, p: *mut u16) {
        let x = i8x16_shuffle::<0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13>(self.0, self.0);
        // SAFETY: by contract; writes 8 bytes at any alignment.
        unsafe { v128_store64_lane::<0>(x, p.cast()) }
    }
    #[inline(always)]
    pub fn add(self, b: Self) -> Self {
        Self(i32x4_add(self.0, b.0))
    }
    #[inline(always)]
    pub fn sub(self, b: Self) -> Self {
        Self(i32x4_sub(self.0, b.0))
    }
    #[inline(always)]
    pub fn and(self, b: Self) -> Self {
        Self(v128_and(self.0, b.0))
    }
    #[inline(always)]
    pub fn or(self, b: Self) -> Self {
        Self(v128_or(self.0, b.0))
    }
    #[inline(always)]
    pub fn xor(self, b: Self) -> Self {
        Self(v128_xor(self.0, b.0))
    }
    /// `self` without the bits of `b`.
    #[inline(always)]
    pub fn and_not(self, b: Self) -> Self {
        Self(v128_andnot(self.0, b.0))
    }
    #[inline(always)]
    pub fn shl(self, n: u32) -> Self {
        Self(i32x4_shl(self.0, n))
    }
    #[inline(always)]
    pub fn shr(self, n: u32) -> Self {
        Self(i32x4_shr(self.0, n))
    }
    #[inline(always)]
    pub fn shr_u(self, n: u32) -> Self {
        Self(u32x4_shr(self.0, n))
    }
    #[inline(always)]
    pub fn gt(self, b: Self) -> Self {
        Self(i32x4_gt(self.0, b.0))
    }
    #[inline(always)]
    pub fn eq(self, b: Self) -> Self {
        Self(i32x4_eq(self.0, b.0))
    }
    #[inline(always)]
    pub fn to_float(self) -> F32x4 {
        F32x4(f32x4_convert_i32x4(self.0))
    }
    #[inline(always)]
    pub fn float_bits(self) -> F32x4 {
        F32x4(self.0)
    }
}
