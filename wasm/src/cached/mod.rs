//! Operations on the rows of a cache, in every form in which it stores them.
//!
//! Query heads that share a key head form a group: a row is read (and widened) once for all of them, up to four at a time.

mod bitmap;
mod codes;
mod decode;
mod dots;
mod element;
mod forms;
mod keys;
mod mix;
mod pack;
mod pages;
mod places;
mod quantize;
mod read;
mod scores;
mod tokens;
mod values;

pub use decode::Decode;
pub use pack::PackBitmap;
pub use quantize::Quantize;
pub use read::ReadRows;
pub use scores::ScoreRows;

use crate::view::ViewMut;
use std::ops::Range;

/// Rows that are made floats at a time.
const STAGED: usize = 16;

/// A row of floats for every query head of a group.
#[derive(Clone, Copy)]
struct Matrix {
    x: ViewMut<f32>,
    stride: usize,
}

impl Matrix {
    #[inline(always)]
    fn row(self, head: usize) -> ViewMut<f32> {
        self.x.from(head * self.stride)
    }

    /// The columns from `first` on.
    #[inline(always)]
    fn columns(self, first: usize) -> Self {
        Self { x: self.x.from(first), ..self }
    }

    /// The rows from `first` on.
    #[inline(always)]
    fn rows(self, first: usize) -> Self {
        Self { x: self.row(first), ..self }
    }
}

/// Query heads of key head `g`: those with floor(h * kv_heads / heads) = g.
fn group(g: usize, heads: usize, kv_heads: usize) -> Range<usize> {
    (g * heads).div_ceil(kv_heads)..((g + 1) * heads).div_ceil(kv_heads)
}

/// Calls `f(first, size)` with sets of 4, 2 or 1 of `heads` heads.
fn sets(heads: usize, mut f: impl FnMut(usize, usize)) {
    let mut first = 0;
    while first < heads {
        let size = match heads - first {
            4.. => 4,
            2.. => 2,
            _ => 1,
        };
        f(first, size);
        first += size;
    }
}
