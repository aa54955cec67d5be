//! One or two queries per head: keys and values are read once, as they lie.

use super::{Head, Shape, Stored};
use crate::half;
use crate::math::exp_down;
use crate::scratch::Scratch;
use crate::simd::F32x4;
use crate::status::Outcome;

/// All queries of one head.
pub fn attend<T: Stored>(shape: &Shape, head: Head<T>, scratch: &mut Scratch) -> Outcome {
    let dim = shape.dim;
    let t = half::moves();
    let [scores, query] = scratch.floats([shape.lk.next_multiple_of(4), dim.next_multiple_of(4)])?;
    for i in 0..shape.lq {
        let seen = shape.visible(i, head.keys);
        let q = head.q.from(i * shape.q_row);
        for d in (0..dim).step_by(4) {
            query.put(d, q.part(d, (dim - d).min(4), 0.0).mul(F32x4::splat(shape.scale)));
        }
        let low = F32x4::splat(f32::NEG_INFINITY);
        let mut tops = low;
        for j in (0..seen).step_by(4) {
            let count = (seen - j).min(4);
            let dots = std::array::from_fn(|r| {
                let row = (j + r.min(count - 1)) * shape.k_row;
                let (mut a, mut b) = (F32x4::splat(0.0), F32x4::splat(0.0));
                let mut d = 0;
                while d + 8 <= dim {
                    a = T::four(t, head.k, row + d).madd(query.read().four(d), a);
                    b = T::four(t, head.k, row + d + 4).madd(query.read().four(d + 4), b);
                    d += 8;
                }
                while d < dim {
                    a = T::part(t, head.k, row + d, (dim - d).min(4)).madd(query.read().four(d), a);
                    d += 4;
                }
                a.add(b)
            });
            let [a, b, c, d] = F32x4::transpose(dots);
            let s = shape.hide(a.add(b).add(c.add(d)), i, j, seen);
            scores.put(j, s);
            tops = s.pmax(tops);
        }
        let [a, b, c, d] = tops.array();
        let top = a.max(b).max(c.max(d));
        let shift = F32x4::splat(if top == f32::NEG_INFINITY { 0.0 } else { top });
        let mut totals = F32x4::splat(0.0);
        for j in (0..seen).step_by(4) {
            let p = exp_down(shape.table, scores.read().four(j).sub(shift));
            scores.put(j, p);
            totals = totals.add(p);
        }
        let total = totals.sum();
        if let Some(lse) = head.lse {
            lse.set(i, if total == 0.0 { f32::NEG_INFINITY } else { top + total.ln() });
        }
        let scale = F32x4::splat(if total == 0.0 { 0.0 } else { 1.0 / total });
        let out = head.out.from(i * shape.out_row);
        let mut d = 0;
        while d < dim {
            let left = (dim - d).div_ceil(4);
            d += 4 * match left {
                8.. => columns::<T, 8>(shape, &head, scores.read(), seen, d, scale, out),
                4.. => columns::<T, 4>(shape, &head, scores.read(), seen, d, scale, out),
                2.. => columns::<T, 2>(shape, &head, scores.read(), seen, d, scale, out),
                _ => columns::<T, 1>(shape, &head, scores.read(), seen, d, scale, out),
            };
        }
    }
    Ok(())
}

/// Weighted sum of values in `C` vectors of columns from `d` on.
#[inline(always)]
fn columns<T: Stored, const C: usize>(
    shape: &Shape,
    head: &Head<T>,
    p: crate::view::View<f32>,
    seen: usize,
    d: usize,
    scale: F32x4,
    out: crate::view::ViewMut<f32>,
) -> usize {
    let t = half::moves();
    let mut sums = [F32x4::splat(0.0); C];
    let width = shape.dim - d;
    for j in 0..seen {
        let weight = p.splat(j);
        let row = j * shape.v_row + d;
        for (c, sum) in sums.iter_mut().enumerate() {
            let v = if C * 4 <= width {
                T::four(t, head.v, row + 4 * c)
            } else {
                T::part(t, head.v, row + 4 * c, (width - 4 * c).min(4))
            };
            *sum = weight.madd(v, *sum);
        }
    }
    for (c, sum) in sums.into_iter().enumerate() {
        out.put_part(d + 4 * c, (width - 4 * c).min(4), sum.mul(scale));
    }
    C
}
