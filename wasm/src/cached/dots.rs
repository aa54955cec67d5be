//! Products of rows of floats or halves with the queries of a group.

use super::element::{Element, mask};
use super::places::Places;
use super::{Matrix, sets};
use crate::simd::F32x4;
use crate::view::View;

/// `lift` * q . row for all rows and every head; queries are filled up with zeros to whole vectors.
pub fn dots<T: Element>(
    k: View<T>,
    rows: Places,
    dim: usize,
    q: Matrix,
    heads: usize,
    lift: f32,
    out: Matrix,
) {
    sets(heads, |first, size| {
        let (q, out) = (q.rows(first), out.rows(first));
        match size {
            4 => dots_set::<T, 2, 1, 4>(k, rows, dim, q, lift, out),
            2 => dots_set::<T, 4, 1, 2>(k, rows, dim, q, lift, out),
            _ => dots_set::<T, 4, 2, 1>(k, rows, dim, q, lift, out),
        }
    });
}

/// R rows times U vectors of columns times H heads are summed side by side.
///
/// The R rows are from as many parts of the rows, which memory takes for as many streams; of neighbours it would take the lines
/// in no order that it can foresee.
#[inline(never)]
fn dots_set<T: Element, const R: usize, const U: usize, const H: usize>(
    k: View<T>,
    rows: Places,
    dim: usize,
    q: Matrix,
    lift: f32,
    out: Matrix,
) {
    // Two streams that are a power of two apart would want the same banks of memory.
    let apart = if R == 2 && rows.n >= 256 { 4 } else { 0 };
    let part = rows.n / R / 4 * 4 - apart;
    dots_parts::<T, R, U, H>(k, rows, part, dim, q, lift, out);
    let rest = part * R;
    let rows = rows.part(rest, rows.n - rest);
    dots_parts::<T, 1, U, H>(k, rows, rows.n, dim, q, lift, out.columns(rest));
}

#[inline(always)]
fn dots_parts<T: Element, const R: usize, const U: usize, const H: usize>(
    k: View<T>,
    rows: Places,
    part: usize,
    dim: usize,
    q: Matrix,
    lift: f32,
    out: Matrix,
) {
    let mask = mask();
    let zero = F32x4::splat(0.0);
    let q: [View<f32>; H] = std::array::from_fn(|h| q.row(h).read());
    for j in (0..part).step_by(4) {
        let count = (part - j).min(4);
        let mut sums = [[[zero; 4]; R]; H];
        for i in 0..count {
            let starts: [usize; R] = std::array::from_fn(|r| rows.element(r * part + j + i));
            let mut dots = [[[zero; R]; U]; H];
            let mut d = 0;
            while d + 4 * U <= dim {
                for u in 0..U {
                    let keys: [_; R] = std::array::from_fn(|r| T::four(mask, k, starts[r] + d + 4 * u));
                    for h in 0..H {
                        let q = q[h].four(d + 4 * u);
                        for r in 0..R {
                            dots[h][u][r] = keys[r].madd(q, dots[h][u][r]);
                        }
                    }
                }
                d += 4 * U;
            }
            while d < dim {
                for r in 0..R {
                    let key = T::part(mask, k, starts[r] + d, (dim - d).min(4));
                    for h in 0..H {
                        dots[h][0][r] = key.madd(q[h].four(d), dots[h][0][r]);
                    }
                }
                d += 4;
            }
            for h in 0..H {
                for r in 0..R {
                    sums[h][r][i] = (1..U).fold(dots[h][0][r], |sum, u| sum.add(dots[h][u][r]));
                }
            }
        }
        for h in 0..H {
            for r in 0..R {
                let [a, b, c, d] = F32x4::transpose(sums[h][r]);
                let sum = a.add(b).add(c.add(d)).mul(F32x4::splat(lift));
                out.row(h).put_part(r * part + j, count, sum);
            }
        }
    }
}
