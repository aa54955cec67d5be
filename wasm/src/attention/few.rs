//! One or two queries per head: keys and values are read once, as they lie.

use super::{Head, Shape, Stored};
use crate::half;
use crate::math::{Table, exp_down};
use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut};

/// Scratch memory of one query.
#[derive(Clone, Copy)]
pub struct Row {
    dim: usize,
    query: ViewMut<f32>,
    scores: ViewMut<f32>,
}

/// All queries of one head.
pub fn attend<T: Stored>(shape: &Shape, head: Head<T>, scratch: &mut Scratch) -> Outcome {
    let row = Row::new(scratch, shape.dim, shape.lk)?;
    for i in 0..shape.lq {
        let seen = shape.visible(i, head.keys);
        row.take(head.q.from(i * shape.q_row), shape.scale);
        let top = row.score(head.k, |j| j * shape.k_row, seen, |j, s| shape.hide(s, i, j));
        let total = row.weigh(shape.table, seen, top);
        if let Some(lse) = head.lse {
            lse.set(i, log_sum(top, total));
        }
        let scale = if total == 0.0 { 0.0 } else { 1.0 / total };
        row.mix(head.v, |j| j * shape.v_row, seen, None, scale, head.out.from(i * shape.out_row));
    }
    Ok(())
}

/// Log-sum-exp by the largest score and the sum of the exponentials; -inf where nothing was visible.
pub fn log_sum(top: f32, total: f32) -> f32 {
    if total == 0.0 { f32::NEG_INFINITY } else { top + total.ln() }
}

impl Row {
    /// Room for one query and up to `keys` scores.
    pub fn new(scratch: &mut Scratch, dim: usize, keys: usize) -> Result<Self, Fault> {
        let [scores, query] = scratch.floats([keys.next_multiple_of(4), dim.next_multiple_of(4)])?;
        Ok(Self { dim, query, scores })
    }

    /// Takes a query, scaled.
    pub fn take(&self, q: View<f32>, scale: f32) {
        for d in (0..self.dim).step_by(4) {
            self.query.put(d, q.part(d, (self.dim - d).min(4), 0.0).mul(F32x4::splat(scale)));
        }
    }

    /// Scores of keys, which lie at `at(j)`, four at a time changed by `adjust(j, scores)`; gives the largest.
    #[inline(always)]
    pub fn score<T: Stored>(
        &self,
        k: View<T>,
        at: impl Fn(usize) -> usize,
        keys: usize,
        mut adjust: impl FnMut(usize, F32x4) -> F32x4,
    ) -> f32 {
        let (dim, query, t) = (self.dim, self.query.read(), half::moves());
        let low = F32x4::splat(f32::NEG_INFINITY);
        let mut tops = low;
        for j in (0..keys).step_by(4) {
            let count = (keys - j).min(4);
            let dots = std::array::from_fn(|r| {
                let row = at(j + r.min(count - 1));
                let (mut a, mut b) = (F32x4::splat(0.0), F32x4::splat(0.0));
                let mut d = 0;
                while d + 8 <= dim {
                    a = T::four(t, k, row + d).madd(query.four(d), a);
                    b = T::four(t, k, row + d + 4).madd(query.four(d + 4), b);
                    d += 8;
                }
                while d < dim {
                    a = T::part(t, k, row + d, (dim - d).min(4)).madd(query.four(d), a);
                    d += 4;
                }
                a.add(b)
            });
            let [a, b, c, d] = F32x4::transpose(dots);
            let mut s = adjust(j, a.add(b).add(c.add(d)));
            if count < 4 {
                s = s.select(low, I32x4::splat(count as i32).gt(I32x4::new([0, 1, 2, 3])));
            }
            self.scores.put(j, s);
            tops = s.pmax(tops);
        }
        let [a, b, c, d] = tops.array();
        a.max(b).max(c.max(d))
    }

    /// Turns scores into the exponentials of their distance to `top`; gives the sum.
    pub fn weigh(&self, table: Table, keys: usize, top: f32) -> f32 {
        let shift = F32x4::splat(if top == f32::NEG_INFINITY { 0.0 } else { top });
        let mut totals = F32x4::splat(0.0);
        for j in (0..keys).step_by(4) {
            let p = exp_down(table, self.scores.read().four(j).sub(shift));
            self.scores.put(j, p);
            totals = totals.add(p);
        }
        totals.sum()
    }

    /// The sum of values, which lie at `at(j)`, by their weights, added to `fade` times what is there (if given), times `scale`.
    #[inline(always)]
    pub fn mix<T: Stored>(
        &self,
        v: View<T>,
        at: impl Fn(usize) -> usize,
        keys: usize,
        fade: Option<f32>,
        scale: f32,
        out: ViewMut<f32>,
    ) {
        let ends = (fade, scale, out);
        let mut d = 0;
        while d < self.dim {
            d += 4 * match (self.dim - d).div_ceil(4) {
                8.. => self.columns::<T, 8>(v, &at, keys, d, ends),
                4.. => self.columns::<T, 4>(v, &at, keys, d, ends),
                2.. => self.columns::<T, 2>(v, &at, keys, d, ends),
                _ => self.columns::<T, 1>(v, &at, keys, d, ends),
            };
        }
    }

    /// `mix` for `C` vectors of columns from `d` on; gives C.
    #[inline(always)]
    fn columns<T: Stored, const C: usize>(
        &self,
        v: View<T>,
        at: impl Fn(usize) -> usize,
        keys: usize,
        d: usize,
        (fade, scale, out): (Option<f32>, f32, ViewMut<f32>),
    ) -> usize {
        let t = half::moves();
        let mut sums = [F32x4::splat(0.0); C];
        let width = self.dim - d;
        if let Some(fade) = fade {
            for (c, sum) in sums.iter_mut().enumerate() {
                let old = out.read().part(d + 4 * c, (width - 4 * c).min(4), 0.0);
                *sum = old.mul(F32x4::splat(fade));
            }
        }
        for j in 0..keys {
            let weight = self.scores.read().splat(j);
            let row = at(j) + d;
            for (c, sum) in sums.iter_mut().enumerate() {
                let v = if C * 4 <= width {
                    T::four(t, v, row + 4 * c)
                } else {
                    T::part(t, v, row + 4 * c, (width - 4 * c).min(4))
                };
                *sum = weight.madd(v, *sum);
            }
        }
        for (c, sum) in sums.into_iter().enumerate() {
            out.put_part(d + 4 * c, (width - 4 * c).min(4), sum.mul(F32x4::splat(scale)));
        }
        C
    }
}
