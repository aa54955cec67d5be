//! Sums of rows of floats or halves by the weights that the heads of a group give them.

use super::{Matrix, sets};
use crate::attention::Stored;
use crate::half;
use crate::simd::F32x4;
use crate::view::View;

/// Adds `n` rows of `width` columns, which begin at elements `at(j)`, times their weights to the sums of every head; sums have room
/// for whole vectors.
pub fn mix<T: Stored>(
    v: View<T>,
    at: impl Fn(usize) -> usize + Copy,
    n: usize,
    width: usize,
    weights: Matrix,
    heads: usize,
    sums: Matrix,
) {
    sets(heads, |first, size| {
        let (weights, sums) = (weights.rows(first), sums.rows(first));
        match size {
            4 => mix_set::<T, 2, 4>(v, at, n, width, weights, sums),
            2 => mix_set::<T, 4, 2>(v, at, n, width, weights, sums),
            _ => mix_set::<T, 8, 1>(v, at, n, width, weights, sums),
        }
    });
}

/// `mix` for H heads, R rows at a time.
#[inline(always)]
fn mix_set<T: Stored, const R: usize, const H: usize>(
    v: View<T>,
    at: impl Fn(usize) -> usize,
    n: usize,
    width: usize,
    weights: Matrix,
    sums: Matrix,
) {
    let whole = n - n % R;
    for j in (0..whole).step_by(R) {
        for r in 0..R {
            super::dots::touch(v, at((j + 8 + r).min(n - 1)), width);
        }
        mix_rows::<T, R, H>(v, std::array::from_fn(|r| at(j + r)), width, weights.columns(j), sums);
    }
    for j in whole..n {
        mix_rows::<T, 1, H>(v, [at(j)], width, weights.columns(j), sums);
    }
}

#[inline(always)]
fn mix_rows<T: Stored, const R: usize, const H: usize>(
    v: View<T>,
    rows: [usize; R],
    width: usize,
    weights: Matrix,
    sums: Matrix,
) {
    let t = half::moves();
    let weights: [[F32x4; R]; H] =
        std::array::from_fn(|h| std::array::from_fn(|r| weights.row(h).read().splat(r)));
    let add = |d: usize, rows: [F32x4; R]| {
        for h in 0..H {
            let row = sums.row(h);
            let mut sum = row.read().four(d);
            for r in 0..R {
                sum = weights[h][r].madd(rows[r], sum);
            }
            row.put(d, sum);
        }
    };
    let whole = width / 4 * 4;
    for d in (0..whole).step_by(4) {
        add(d, rows.map(|row| T::four(t, v, row + d)));
    }
    if whole < width {
        add(whole, rows.map(|row| T::part(t, v, row + whole, width - whole)));
    }
}
