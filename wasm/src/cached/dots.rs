//! Products of rows of floats or halves with the queries of a group.

use super::{Matrix, sets};
use crate::attention::Stored;
use crate::half;
use crate::simd::F32x4;
use crate::view::View;

/// q . row for `n` rows, which begin at elements `at(j)`, and every head; queries are filled up with zeros to whole vectors.
pub fn dots<T: Stored>(
    k: View<T>,
    at: impl Fn(usize) -> usize + Copy,
    n: usize,
    dim: usize,
    q: Matrix,
    heads: usize,
    out: Matrix,
) {
    sets(heads, |first, size| {
        let (q, out) = (q.rows(first), out.rows(first));
        match size {
            4 => dots_set::<T, 2, 1, 4>(k, at, n, dim, q, out),
            2 => dots_set::<T, 4, 1, 2>(k, at, n, dim, q, out),
            _ => dots_set::<T, 4, 2, 1>(k, at, n, dim, q, out),
        }
    });
}

/// R rows times U vectors of columns times H heads are summed side by side.
#[inline(always)]
fn dots_set<T: Stored, const R: usize, const U: usize, const H: usize>(
    k: View<T>,
    at: impl Fn(usize) -> usize,
    n: usize,
    dim: usize,
    q: Matrix,
    out: Matrix,
) {
    let t = half::moves();
    let zero = F32x4::splat(0.0);
    let q: [View<f32>; H] = std::array::from_fn(|h| q.row(h).read());
    for j in (0..n).step_by(4) {
        let mut sums = [[zero; 4]; H];
        for r in 0..4 {
            touch(k, at((j + AHEAD + r).min(n - 1)), dim);
        }
        for first in (0..4).step_by(R) {
            let rows: [usize; R] = std::array::from_fn(|r| at((j + first + r).min(n - 1)));
            let mut dots = [[[zero; R]; U]; H];
            let mut d = 0;
            while d + 4 * U <= dim {
                for u in 0..U {
                    let keys: [_; R] = std::array::from_fn(|r| T::four(t, k, rows[r] + d + 4 * u));
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
                    let key = T::part(t, k, rows[r] + d, (dim - d).min(4));
                    for h in 0..H {
                        dots[h][0][r] = key.madd(q[h].four(d), dots[h][0][r]);
                    }
                }
                d += 4;
            }
            for h in 0..H {
                for r in 0..R {
                    sums[h][first + r] = (1..U).fold(dots[h][0][r], |sum, u| sum.add(dots[h][u][r]));
                }
            }
        }
        for (h, sums) in sums.into_iter().enumerate() {
            let [a, b, c, d] = F32x4::transpose(sums);
            out.row(h).put_part(j, (n - j).min(4), a.add(b).add(c.add(d)));
        }
    }
}

const AHEAD: usize = 8;
/// Reads a row's lines.
#[inline(always)]
pub fn touch<T: Stored>(x: View<T>, at: usize, dim: usize) {
    let step = 64 / size_of::<T>();
    let mut sum = 0;
    for d in (0..dim).step_by(step) {
        sum ^= unsafe { x.ptr(at + d, 1).cast::<u16>().read() };
    }
    std::hint::black_box(sum);
}
