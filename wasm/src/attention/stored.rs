//! How keys and values lie in memory.

use crate::half::{self, Moves};
use crate::simd::{F32x4, I32x4};
use crate::view::{View, ViewMut};

/// Rows of keys or values as floats, `stride` apart.
#[derive(Clone, Copy)]
pub struct Rows {
    pub x: View<f32>,
    pub stride: usize,
}

/// Keys or values: floats, or halves that are widened as they are read.
pub trait Stored: Copy + Sync + Send {
    /// Whether the elements are floats already.
    const WIDE: bool;
    /// Rows `first..first + count` (`row` apart) as floats; `room` holds them if need be.
    fn floats(x: View<Self>, first: usize, count: usize, row: usize, dim: usize, room: ViewMut<f32>) -> Rows;
    /// Rows `rows` of x [*, dim] as floats in `room`.
    fn gather(x: View<Self>, rows: &[i32], dim: usize, room: ViewMut<f32>) -> Rows {
        let t = half::moves();
        for (j, &row) in rows.iter().enumerate() {
            let x = x.from(row as usize * dim);
            for d in (0..dim).step_by(4) {
                let width = (dim - d).min(4);
                room.put_part(j * dim + d, width, Self::part(t, x, d, width));
            }
        }
        Rows { x: room.read(), stride: dim }
    }
    fn four(t: Moves, x: View<Self>, i: usize) -> F32x4;
    fn one(x: View<Self>, i: usize) -> f32;
    /// The `n` (at most 4) elements from `i` on, then zeros.
    #[inline(always)]
    fn part(t: Moves, x: View<Self>, i: usize, n: usize) -> F32x4 {
        if n >= 4 {
            return Self::four(t, x, i);
        }
        F32x4::new(std::array::from_fn(|lane| if lane < n { Self::one(x, i + lane) } else { 0.0 }))
    }
}

impl Stored for f32 {
    const WIDE: bool = true;
    #[inline(always)]
    fn floats(x: View<f32>, first: usize, count: usize, row: usize, _: usize, _: ViewMut<f32>) -> Rows {
        Rows { x: x.from(if count == 0 { 0 } else { first * row }), stride: row }
    }
    #[inline(always)]
    fn four(_: Moves, x: View<f32>, i: usize) -> F32x4 {
        x.four(i)
    }
    #[inline(always)]
    fn one(x: View<f32>, i: usize) -> f32 {
        x.at(i)
    }
}

impl Stored for u16 {
    const WIDE: bool = false;
    fn floats(x: View<u16>, first: usize, count: usize, row: usize, dim: usize, room: ViewMut<f32>) -> Rows {
        let t = half::moves();
        for j in 0..count {
            for d in (0..dim).step_by(4) {
                let width = (dim - d).min(4);
                room.put_part(j * dim + d, width, Self::part(t, x, (first + j) * row + d, width));
            }
        }
        Rows { x: room.read(), stride: dim }
    }
    #[inline(always)]
    fn four(t: Moves, x: View<u16>, i: usize) -> F32x4 {
        // SAFETY: `ptr` has checked the extent.
        half::widen(t, unsafe { I32x4::load_halves(x.ptr(i, 4)) })
    }
    #[inline(always)]
    fn one(x: View<u16>, i: usize) -> f32 {
        half::widen_one(x.at(i))
    }
}
