//! The micro-kernel of all products: R rows times a panel of 4 C columns, all sums in registers.

use crate::simd::F32x4;
use crate::view::{View, ViewMut};

/// Columns of a panel.
pub const PANEL: usize = 8;
/// Most rows of a tile: with the panel's two vectors they fill the registers that engines leave to us.
#[cfg(target_feature = "relaxed-simd")]
pub const ROWS: usize = 6;
#[cfg(not(target_feature = "relaxed-simd"))]
pub const ROWS: usize = 4;

/// Sums of a tile.
pub type Sums<const R: usize, const C: usize> = [[F32x4; C]; R];

/// Adds the product of `R` rows of `x` (`stride` apart) and the `k` rows of a panel `w` to `sums`, in the order of k.
///
/// # Safety
/// `R` rows of `k` floats can be read at `x`, `k` rows of 8 floats at `w`.
#[inline(always)]
pub unsafe fn multiply<const R: usize, const C: usize>(
    x: *const f32,
    stride: usize,
    w: *const f32,
    k: usize,
    sums: &mut Sums<R, C>,
) {
    let mut w = w;
    for i in 0..k {
        // SAFETY: `i` is below `k`, by contract.
        unsafe {
            let panel: [F32x4; C] = std::array::from_fn(|c| F32x4::load(w.add(4 * c)));
            for r in 0..R {
                let a = F32x4::load_splat(x.add(r * stride + i));
                for c in 0..C {
                    sums[r][c] = a.madd(panel[c], sums[r][c]);
                }
            }
            w = w.add(PANEL);
        }
    }
}

/// As `multiply`, with the rows side by side: `R` values for each of the `k` steps, `stride` apart.
///
/// # Safety
/// `k` runs of `R` floats can be read at `x`, `k` rows of 8 floats at `w`.
#[inline(always)]
pub unsafe fn multiply_columns<const R: usize, const C: usize>(
    x: *const f32,
    stride: usize,
    w: *const f32,
    k: usize,
    sums: &mut Sums<R, C>,
) {
    let (mut x, mut w) = (x, w);
    for _ in 0..k {
        // SAFETY: fewer than `k` steps were done, by contract.
        unsafe {
            let panel: [F32x4; C] = std::array::from_fn(|c| F32x4::load(w.add(4 * c)));
            for r in 0..R {
                let a = F32x4::load_splat(x.add(r));
                for c in 0..C {
                    sums[r][c] = a.madd(panel[c], sums[r][c]);
                }
            }
            w = w.add(PANEL);
        }
        x = x.wrapping_add(stride);
    }
}

/// As `multiply`, with the rows packed: `R` values side by side for each of the `k` steps, and a panel of full width.
///
/// # Safety
/// `R k` floats can be read at `x`, `8 k` at `w`.
#[inline(always)]
pub unsafe fn multiply_packed<const R: usize>(x: *const f32, w: *const f32, k: usize, sums: &mut Sums<R, 2>) {
    let (mut x, mut w) = (x, w);
    let end = w.wrapping_add(PANEL * k);
    while w != end {
        // SAFETY: the panel has not ended, by contract.
        unsafe {
            let panel = [F32x4::load(w), F32x4::load(w.add(4))];
            for r in 0..R {
                let a = F32x4::load_splat(x.add(r));
                sums[r][0] = a.madd(panel[0], sums[r][0]);
                sums[r][1] = a.madd(panel[1], sums[r][1]);
            }
            x = x.add(R);
            w = w.add(PANEL);
        }
    }
}

/// Packs rows of `x` in the tiles that `next_rows` gives, for `multiply_packed`.
pub fn pack_rows(x: View<f32>, rows: usize, k: usize, to: ViewMut<f32>) {
    let mut row = 0;
    while row < rows {
        let count = next_rows(rows - row);
        let to = to.from(row * k);
        for r in 0..count {
            let x = x.from((row + r) * k);
            for i in 0..k {
                to.set(i * count + r, x.at(i));
            }
        }
        row += count;
    }
}

/// Calls `$body` with the constant `$R` equal to `$rows` (1 to 6).
macro_rules! with_rows {
    ($rows:expr, $R:ident => $body:expr) => {
        match $rows {
            1 => {
                const $R: usize = 1;
                $body
            }
            2 => {
                const $R: usize = 2;
                $body
            }
            3 => {
                const $R: usize = 3;
                $body
            }
            4 => {
                const $R: usize = 4;
                $body
            }
            #[cfg(target_feature = "relaxed-simd")]
            5 => {
                const $R: usize = 5;
                $body
            }
            #[cfg(target_feature = "relaxed-simd")]
            _ => {
                const $R: usize = 6;
                $body
            }
            #[cfg(not(target_feature = "relaxed-simd"))]
            _ => unreachable_rows(),
        }
    };
}
pub(crate) use with_rows;

/// Rows of the next tile when `left` remain: as even as possible.
#[inline(always)]
pub fn next_rows(left: usize) -> usize {
    left.div_ceil(left.div_ceil(ROWS))
}

/// A tile never has more rows than `ROWS`.
#[cfg(not(target_feature = "relaxed-simd"))]
#[cold]
pub fn unreachable_rows() {
    debug_assert!(false, "a tile of too many rows");
}
