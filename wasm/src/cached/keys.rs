//! Scores of the rows of a key head, whatever their form.

use super::bitmap::{TILE, Tiles};
use super::codes::CodeQueries;
use super::dots::dots;
use super::forms::{Rows, Stage};
use super::mix::mix_near;
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
    stage: Stage,
}

/// Floats that `Queries` needs for `heads` heads: queries, queries for codes, their sums, staged rows.
pub fn room(heads: usize, dim: usize) -> [usize; 4] {
    let whole = dim.next_multiple_of(4);
    [heads * whole, heads * whole, heads * whole, Stage::room(dim)]
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
        Self { q: scaled, codes: coded.map(|_| codes), heads, dim, stage: Stage(stage) }
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
            (Rows::Codes(codes), None) => {
                for (first, part) in places.parts(STAGED) {
                    (0..part.n).for_each(|j| codes.load(part.at(j), stage.floats().from(j * dim)));
                    let rows = Places::staged(part.n, dim);
                    dots(stage.floats().read(), rows, dim, q, heads, lift, out.columns(first));
                }
            }
            (Rows::Tiles(tiles), _) => {
                for (first, part) in places.parts(TILE) {
                    let out = out.columns(first);
                    match part.block() {
                        Some(block) => self.score_block(tiles, block, lift, out),
                        None => self.score_apart(tiles, part, lift, out),
                    }
                }
            }
        }
    }

    /// Scores of the rows of a block of tiles: sums of its columns.
    fn score_block(&self, tiles: Tiles, block: usize, lift: f32, out: Matrix) {
        let Self { q, heads, dim, stage, .. } = *self;
        let each = |f: &dyn Fn(ViewMut<f32>, usize)| {
            (0..heads).for_each(|h| (0..TILE).step_by(4).for_each(|j| f(out.row(h), j)));
        };
        each(&|scores, j| scores.put(j, F32x4::splat(0.0)));
        for c in (0..dim).step_by(STAGED) {
            tiles.stage(block, c, stage.halves());
            mix_near(stage.halves().read(), STAGED, TILE, TILE, q.columns(c), heads, out);
        }
        each(&|scores, j| scores.put(j, scores.read().four(j).mul(F32x4::splat(lift))));
    }

    /// Scores of single rows of tiles.
    fn score_apart(&self, tiles: Tiles, places: Places, lift: f32, out: Matrix) {
        let Self { q, heads, dim, stage, .. } = *self;
        for (first, part) in places.parts(STAGED) {
            (0..part.n).for_each(|j| tiles.load(part.at(j), stage.halves().from(j * dim)));
            let rows = Places::staged(part.n, dim);
            dots(stage.halves().read(), rows, dim, q, heads, lift, out.columns(first));
        }
    }
}
