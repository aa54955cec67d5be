//! The micro-kernel of all products: R rows times a panel of 4 C columns, all sums in registers.

use crate::simd::F32x4;

/// Columns of a panel.
pub const PANEL: usize = 8;
/// Most rows of a tile: with the panel's two vectors they fill the registers that engines leave to us.
#[cfg(target_feature = "relaxed-simd")]
pub const ROWS: usize = 4;
#[cfg(not(target_feature = "relaxed-simd"))]
pub const ROWS: usize = 4;

/// Sums of a tile.
pub type Sums<const R: usize, const C: usize> = [[F32x4; C]; R];

/// Adds the product of `R` rows of `x` (`stride` apart) and `k` rows of the panel `w` (`pitch` apart) to `sums`, in the order of k.
///
/// # Safety
/// `R` rows of `k` floats can be read at `x`, `k` rows of `4 C` floats at `w`.
#[inline(always)]
pub unsafe fn multiply<const R: usize, const C: usize>(
    x: *const f32,
    stride: usize,
    w: *const f32,
    pitch: usize,
    k: usize,
    sums: &mut Sums<R, C>,
) {
    let mut rows: [*const f32; R] = std::array::from_fn(|r| x.wrapping_add(r * stride));
    let mut w = w;
    let mut step = |rows: &[*const f32; R], w: *const f32, u: usize| {
        // SAFETY: the callers below stay under `k` steps, by contract of the function.
        unsafe {
            let panel: [F32x4; C] = std::array::from_fn(|c| F32x4::load(w.add(u * pitch + 4 * c)));
            for r in 0..R {
                let a = F32x4::load_splat(rows[r].add(u));
                for c in 0..C {
                    sums[r][c] = a.madd(panel[c], sums[r][c]);
                }
            }
        }
    };
    for _ in 0..k / 4 {
        for u in 0..4 {
            step(&rows, w, u);
        }
        w = w.wrapping_add(4 * pitch);
        for row in &mut rows {
            *row = row.wrapping_add(4);
        }
    }
    for u in 0..k % 4 {
        step(&rows, w, u);
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
