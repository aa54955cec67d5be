//! Scores of the rows of a key head, whatever their form.

use super::bitmap::TILE;
use super::codes::CodeQueries;
use super::dots::dots;
use super::forms::Rows;
use super::places::Places;
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

/// Floats that `Queries` needs for `heads` heads: queries, queries for codes, their sums, staged rows.
pub fn room(heads: usize, dim: usize) -> [usize; 4] {
    let whole = dim.next_multiple_of(4);
    [heads * whole, heads * whole, heads * whole, STAGED * whole.max(TILE)]
}

impl Queries {
    /// Queries `q` [heads, dim], to be scaled; the parts have the sizes of `room`.
    pub fn new(
        [scaled, codes, sums, stage]: [ViewMut<f32>; 4],
        q: View<f32>,
        heads: usize,
        dim: usize,
        scale: f32,
        keys: Rows,
    ) -> Self {
        let stride = dim.next_multiple_of(4);
        let [scaled, codes, sums] = [scaled, codes, sums].map(|x| Matrix { x, stride });
        let codes = CodeQueries { q: codes, sums };
        let (scale, lift) = (F32x4::splat(scale), F32x4::splat(keys.lift().query));
        let coded = match keys {
            Rows::Codes(keys) if keys.has_words() => Some(keys),
            _ => None,
        };
        for h in 0..heads {
            let q = q.from(h * dim);
            for d in (0..dim).step_by(4) {
                scaled.row(h).put(d, q.part(d, (dim - d).min(4), 0.0).mul(scale).mul(lift));
            }
            if let Some(keys) = coded {
                keys.prepare(h, scaled.row(h).read(), codes);
            }
        }
        Self { q: scaled, codes: coded.map(|_| codes), heads, dim, stage }
    }

    /// Scores of rows.
    pub fn score(&self, keys: Rows, places: Places, out: Matrix) {
        let Self { q, codes, heads, dim, stage } = *self;
        let lift = keys.lift().score;
        match (keys, codes) {
            (Rows::F32(k), _) => {
                places.each(k, |first, part| dots(k, part, dim, q, heads, lift, out.columns(first)));
            }
            (Rows::F16(k), _) => {
                places.each(k, |first, part| dots(k, part, dim, q, heads, lift, out.columns(first)));
            }
            (Rows::Codes(k), Some(q)) => k.score(places, q, heads, out),
            _ => {
                for (first, part) in places.parts(TILE) {
                    let out = out.columns(first);
                    if let (Rows::Tiles(tiles), Some(block)) = (keys, part.block()) {
                        tiles.score(block, q, heads, lift, stage, out);
                        continue;
                    }
                    for (first, part) in part.parts(STAGED) {
                        keys.stage(part, dim, stage);
                        let rows = Places::staged(part.n, dim);
                        dots(stage.read(), rows, dim, q, heads, lift, out.columns(first));
                    }
                }
            }
        }
    }
}
