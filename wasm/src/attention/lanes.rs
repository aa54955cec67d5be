//! 8 queries side by side in the lanes, keys one after the other: the online softmax of `attention` and `planned`.
//!
//! Scores, their exponentials and the outputs of a tile are columns of 8 queries, so that maxima, sums and factors need no
//! step across lanes, and the scores of a tile are at once the panel that the values are multiplied with.

use crate::math::{Table, exp_down};
use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::Fault;
#[cfg(not(target_feature = "relaxed-simd"))]
use crate::tile::unreachable_rows;
use crate::tile::{PANEL, multiply, multiply_columns, next_rows, with_rows};
use crate::view::{View, ViewMut};

/// Keys of a block.
pub const KEYS: usize = 128;

/// Rows of keys or values as floats, `stride` apart.
#[derive(Clone, Copy)]
pub struct Rows {
    pub x: View<f32>,
    pub stride: usize,
}

/// Scratch memory of the tiles of one unit of work.
#[derive(Clone, Copy)]
pub struct Room {
    dim: usize,
    /// Queries of each tile: [tiles, dim, 8].
    q: ViewMut<f32>,
    /// Scores of a tile: [keys, 8].
    scores: ViewMut<f32>,
    /// Running sums [tiles, dim, 8], maxima and weights [tiles, 8].
    sums: ViewMut<f32>,
    tops: ViewMut<f32>,
    totals: ViewMut<f32>,
}

/// Up to 8 queries of a unit: their part of the room.
#[derive(Clone, Copy)]
pub struct Tile(Room);

impl Room {
    /// Room for `tiles` tiles and blocks of up to `keys` keys, and two parts of `wide` floats.
    pub fn new(
        scratch: &mut Scratch,
        dim: usize,
        tiles: usize,
        keys: usize,
        wide: usize,
    ) -> Result<(Self, [ViewMut<f32>; 2]), Fault> {
        let columns = tiles * dim * PANEL;
        let [q, scores, sums, tops, totals, k, v] =
            scratch.floats([columns, keys * PANEL, columns, tiles * PANEL, tiles * PANEL, wide, wide])?;
        Ok((Self { dim, q, scores, sums, tops, totals }, [k, v]))
    }

    #[inline(always)]
    pub fn tile(&self, n: usize) -> Tile {
        let (column, lane) = (n * self.dim * PANEL, n * PANEL);
        Tile(Self {
            q: self.q.from(column),
            sums: self.sums.from(column),
            tops: self.tops.from(lane),
            totals: self.totals.from(lane),
            ..*self
        })
    }
}

impl Tile {
    /// Takes the queries, transposed; zeros where there is none.
    pub fn pack(&self, query: impl Fn(usize) -> Option<View<f32>>) {
        let zero = F32x4::splat(0.0);
        for half in [0, 4] {
            let queries: [_; 4] = std::array::from_fn(|r| query(half + r));
            for d in (0..self.0.dim).step_by(4) {
                let width = (self.0.dim - d).min(4);
                let rows = queries.map(|query| query.map_or(zero, |query| query.part(d, width, 0.0)));
                let columns = F32x4::transpose(rows);
                (0..width).for_each(|c| self.0.q.put((d + c) * PANEL + half, columns[c]));
            }
        }
    }

    /// Scaled scores of the first 4 C queries and the largest of each query.
    #[inline(always)]
    pub fn score<const C: usize>(&self, k: Rows, keys: usize, scale: f32) -> [F32x4; C] {
        let Room { dim, scores, .. } = self.0;
        let scale = F32x4::splat(scale);
        let q = self.0.q.read().ptr(0, dim * PANEL);
        let mut tops = [F32x4::splat(f32::NEG_INFINITY); C];
        let mut j = 0;
        while j < keys {
            let rows = next_rows(keys - j);
            let from = k.x.from(j * k.stride).ptr(0, (rows - 1) * k.stride + dim);
            with_rows!(rows, R => {
                let mut sums = [[F32x4::splat(0.0); C]; R];
                // SAFETY: the pointers cover R keys and the panel of queries.
                unsafe { multiply::<R, C>(from, k.stride, q, dim, &mut sums) };
                for r in 0..R {
                    for c in 0..C {
                        let s = sums[r][c].mul(scale);
                        tops[c] = s.pmax(tops[c]);
                        scores.put((j + r) * PANEL + 4 * c, s);
                    }
                }
            });
            j += rows;
        }
        tops
    }

    /// Changes the scores of key j and vector c of queries as `f(c, j, score)` says; gives the largest of each query.
    #[inline(always)]
    pub fn adjust<const C: usize>(
        &self,
        keys: usize,
        mut f: impl FnMut(usize, usize, F32x4) -> F32x4,
    ) -> [F32x4; C] {
        let mut tops = [F32x4::splat(f32::NEG_INFINITY); C];
        for (c, top) in tops.iter_mut().enumerate() {
            for j in 0..keys {
                let place = j * PANEL + 4 * c;
                let s = f(c, j, self.0.scores.read().four(place));
                *top = s.pmax(*top);
                self.0.scores.put(place, s);
            }
        }
        tops
    }

    /// Takes up the largest scores alone.
    pub fn raise<const C: usize>(&self, tops: [F32x4; C], fresh: bool) {
        for (c, &top) in tops.iter().enumerate() {
            let old = if fresh { top } else { self.0.tops.read().four(4 * c) };
            self.0.tops.put(4 * c, old.pmax(top));
        }
    }

    /// Adds the values by the exponentials of their scores; `tops` are the largest scores, a `fresh` tile has none yet.
    #[inline(always)]
    pub fn mix<const C: usize>(
        &self,
        table: Table,
        tops: [F32x4; C],
        v: Option<Rows>,
        keys: usize,
        fresh: bool,
    ) {
        let Room { dim, scores, sums, .. } = self.0;
        let low = F32x4::splat(f32::NEG_INFINITY);
        let finite = |top: F32x4| top.keep(top.eq(low).xor(I32x4::splat(-1)));
        let mut shifts = [low; C];
        let mut fades = [F32x4::splat(1.0); C];
        let mut totals = [F32x4::splat(0.0); C];
        for c in 0..C {
            let mut top = tops[c];
            if fresh {
                shifts[c] = finite(top);
            } else {
                let old = self.0.tops.read().four(4 * c);
                top = old.pmax(top);
                shifts[c] = finite(top);
                fades[c] = exp_down(table, old.sub(shifts[c]));
                totals[c] = self.0.totals.read().four(4 * c).mul(fades[c]);
            }
            self.0.tops.put(4 * c, top);
        }
        for j in 0..keys {
            for c in 0..C {
                let place = j * PANEL + 4 * c;
                let p = exp_down(table, scores.read().four(place).sub(shifts[c]));
                scores.put(place, p);
                totals[c] = totals[c].add(p);
            }
        }
        for c in 0..C {
            self.0.totals.put(4 * c, totals[c]);
        }
        let Some(v) = v else { return };
        let p = scores.read().ptr(0, keys * PANEL);
        let mut d = 0;
        while d < dim {
            let rows = next_rows(dim - d);
            with_rows!(rows, R => {
                let mut tile = [[F32x4::splat(0.0); C]; R];
                if !fresh {
                    for r in 0..R {
                        for c in 0..C {
                            tile[r][c] = sums.read().four((d + r) * PANEL + 4 * c).mul(fades[c]);
                        }
                    }
                }
                if keys > 0 {
                    let v_from = v.x.from(d).ptr(0, (keys - 1) * v.stride + R);
                    // SAFETY: the pointers cover R columns of every value and the panel of weights.
                    unsafe { multiply_columns::<R, C>(v_from, v.stride, p, keys, &mut tile) };
                }
                for r in 0..R {
                    for c in 0..C {
                        sums.put((d + r) * PANEL + 4 * c, tile[r][c]);
                    }
                }
            });
            d += rows;
        }
    }

    /// Largest score and log-sum-exp of a query; -inf where nothing was visible.
    pub fn stats(&self, lane: usize) -> (f32, f32) {
        let (top, total) = (self.0.tops.read().at(lane), self.0.totals.read().at(lane));
        (top, if total == 0.0 { f32::NEG_INFINITY } else { top + total.ln() })
    }

    /// The finished sums of the first `count` queries to their rows of the output.
    pub fn write(&self, count: usize, out: impl Fn(usize) -> Option<ViewMut<f32>>) {
        let Room { dim, sums, totals, .. } = self.0;
        for half in (0..count).step_by(4) {
            let totals = totals.read().four(half);
            let empty = totals.eq(F32x4::splat(0.0));
            let factors = F32x4::splat(0.0).select(F32x4::splat(1.0).div(totals), empty);
            for d in (0..dim).step_by(4) {
                let width = (dim - d).min(4);
                let columns = std::array::from_fn(|c| {
                    sums.read().four((d + c.min(width - 1)) * PANEL + half).mul(factors)
                });
                let rows = F32x4::transpose(columns);
                for (r, row) in rows.into_iter().enumerate().take(count - half) {
                    if let Some(out) = out(half + r) {
                        out.put_part(d, width, row);
                    }
                }
            }
        }
    }
}
