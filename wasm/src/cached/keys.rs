//! Scores of the rows of a key head, whatever their form.

use super::bitmap::TILE;
use super::codes::CodeQueries;
use super::dots::dots;
use super::forms::Rows;
use super::{Matrix, STAGED};
use crate::simd::F32x4;
use crate::view::{View, ViewMut};

/// The queries of a group, prepared for the form of their keys.
#[derive(Clone, Copy)]
pub struct Queries {
    q: Matrix,
    codes: Option<CodeQueries>,
    heads: usize,
    dim: usize,
    stage: ViewMut<f32>,
}

/// Floats that `Queries` needs for `heads` heads: queries, queries for codes, their sums, rows.
pub fn room(heads: usize, dim: usize) -> [usize; 4] {
    let whole = dim.next_multiple_of(4);
    [heads * whole, heads * whole, heads * whole, STAGED * whole.max(TILE)]
}

impl Queries {
    /// Queries `q` [heads, dim], scaled; the parts have the sizes of `room`.
    pub fn new(
        [scaled, codes, sums, stage]: [ViewMut<f32>; 4],
        q: View<f32>,
        heads: usize,
        dim: usize,
        scale: f32,
        rows: Rows,
    ) -> Self {
        let stride = dim.next_multiple_of(4);
        let [scaled, codes, sums] = [scaled, codes, sums].map(|x| Matrix { x, stride });
        let codes = CodeQueries { q: codes, sums };
        let mut has_codes = false;
        for h in 0..heads {
            let q = q.from(h * dim);
            for d in (0..dim).step_by(4) {
                scaled.row(h).put(d, q.part(d, (dim - d).min(4), 0.0).mul(F32x4::splat(scale)));
            }
            if let Rows::Codes(rows) = rows
                && rows.has_words()
            {
                rows.prepare(h, scaled.row(h).read(), codes);
                has_codes = true;
            }
        }
        Self { q: scaled, codes: has_codes.then_some(codes), heads, dim, stage }
    }

    /// Scores of `n` rows, which lie at places `at(j)`.
    pub fn score(&self, rows: Rows, at: impl Fn(usize) -> usize + Copy, n: usize, out: Matrix) {
        let Self { q, codes, heads, dim, stage } = *self;
        match (rows, codes) {
            (Rows::F32(k), _) => dots(k, |j| at(j) * dim, n, dim, q, heads, out),
            (Rows::F16(k), _) => dots(k, |j| at(j) * dim, n, dim, q, heads, out),
            (Rows::Codes(k), Some(q)) => k.score(at, n, q, heads, out),
            (Rows::Tiles(k), _) if is_block(at, n) => k.score(at(0) / TILE, q, heads, stage, out),
            _ => {
                for first in (0..n).step_by(STAGED) {
                    let count = (n - first).min(STAGED);
                    (0..count).for_each(|j| rows.load(at(first + j), dim, stage.from(j * dim)));
                    dots(stage.read(), |j| j * dim, count, dim, q, heads, out.columns(first));
                }
            }
        }
    }
}

/// Whether the places are those of a whole block of tiles.
pub fn is_block(at: impl Fn(usize) -> usize, n: usize) -> bool {
    n == TILE && at(0).is_multiple_of(TILE) && (1..TILE).all(|j| at(j) == at(0) + j)
}
