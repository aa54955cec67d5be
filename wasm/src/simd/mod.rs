//! Four lanes at a time: WASM SIMD on `wasm32`, plain Rust elsewhere, one interface for the kernels.

#[cfg(not(target_arch = "wasm32"))]
mod portable;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub use portable::{F32x4, I32x4};
#[cfg(target_arch = "wasm32")]
pub use wasm::{F32x4, I32x4};

impl F32x4 {
    /// Where `mask` is all ones `self`, elsewhere `other`.
    #[inline(always)]
    pub fn select(self, other: Self, mask: I32x4) -> Self {
        self.bits().and(mask).or(other.bits().and_not(mask)).float_bits()
    }

    /// `self` where `mask` is all ones, elsewhere 0.
    #[inline(always)]
    pub fn keep(self, mask: I32x4) -> Self {
        self.bits().and(mask).float_bits()
    }

    /// Sum of the lanes, in one fixed order.
    #[inline(always)]
    pub fn sum(self) -> f32 {
        let [a, b, c, d] = self.array();
        (a + c) + (b + d)
    }

    /// Largest lane; NaN if there is one.
    #[inline(always)]
    pub fn max_lane(self) -> f32 {
        let [a, b, c, d] = self.array();
        larger(larger(a, b), larger(c, d))
    }

    /// The first `n` (at most 4) floats at `p`, then `rest`.
    ///
    /// # Safety
    /// `n` floats can be read at `p`.
    #[inline(always)]
    pub unsafe fn load_part(p: *const f32, n: usize, rest: f32) -> Self {
        let mut lanes = [rest; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: `i < n`, by contract.
            *lane = unsafe { p.add(i).read() };
        }
        Self::new(lanes)
    }

    /// Writes the first `n` (at most 4) lanes.
    ///
    /// # Safety
    /// `n` floats can be written at `p`.
    #[inline(always)]
    pub unsafe fn store_part(self, p: *mut f32, n: usize) {
        for (i, lane) in self.array().into_iter().enumerate().take(n) {
            // SAFETY: `i < n`, by contract.
            unsafe { p.add(i).write(lane) };
        }
    }
}

/// The larger of two floats; NaN if either is.
#[inline(always)]
pub fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpose_turns_rows_into_columns() {
        let rows = std::array::from_fn(|i| F32x4::new(std::array::from_fn(|j| (4 * i + j) as f32)));
        let columns = F32x4::transpose(rows);
        for (i, column) in columns.iter().enumerate() {
            assert_eq!(column.array(), std::array::from_fn(|j| (4 * j + i) as f32));
        }
    }

    #[test]
    fn unzip_undoes_zip() {
        let [a, b] = [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]].map(F32x4::new);
        let [low, high] = a.zip(b);
        assert_eq!((low.array(), high.array()), ([0.0, 4.0, 1.0, 5.0], [2.0, 6.0, 3.0, 7.0]));
        assert_eq!(low.unzip(high).map(F32x4::array), [a, b].map(F32x4::array));
    }

    #[test]
    fn swizzle_takes_bytes_by_their_index() {
        let bytes: [u8; 16] = std::array::from_fn(|i| 200 + i as u8);
        let mut from: [u8; 16] = std::array::from_fn(|i| 15 - i as u8);
        from[2] = 0x80;
        // SAFETY: both have 16 bytes.
        let [x, from] = [bytes, from].map(|b| unsafe { I32x4::load(b.as_ptr()) });
        let got = x.swizzle(from).array().map(i32::to_le_bytes).concat();
        let want: Vec<u8> = (0..16).map(|i| if i == 2 { 0 } else { 215 - i }).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn signs_are_bits() {
        assert_eq!(I32x4::new([-1, 0, i32::MIN, i32::MAX]).signs(), 0b0101);
    }

    #[test]
    fn max_lane_is_nan_when_any_lane_is() {
        for i in 0..4 {
            let mut lanes = [1.0, 2.0, 3.0, 4.0];
            lanes[i] = f32::NAN;
            assert!(F32x4::new(lanes).max_lane().is_nan());
        }
        assert_eq!(F32x4::new([1.0, 5.0, 3.0, 4.0]).max_lane(), 5.0);
    }

    #[test]
    fn part_loads_and_stores_touch_only_their_lanes() {
        let from = [1.0f32, 2.0, 3.0];
        let mut to = [9.0f32; 4];
        for n in 0..=3 {
            // SAFETY: `n` is at most the length of both.
            unsafe { F32x4::load_part(from.as_ptr(), n, -1.0).store_part(to.as_mut_ptr(), n) };
            assert_eq!(to[..n], from[..n]);
            assert_eq!(to[n..], [9.0; 4][n..]);
        }
    }
}
