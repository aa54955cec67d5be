//! Sums of rows of floats or halves by the weights that the heads of a group give them.

use super::element::{Element, mask};
use super::places::Places;
use super::{Matrix, sets};
use crate::simd::{F32x4, I32x4};
use crate::view::View;

/// Adds rows of `width` columns times their weights to the sums of every head; sums have room for whole vectors.
pub fn mix<T: Element>(v: View<T>, rows: Places, width: usize, weights: Matrix, heads: usize, sums: Matrix) {
    sets(heads, |first, size| {
        let (weights, sums) = (weights.rows(first), sums.rows(first));
        match size {
            4 => mix_set::<T, 2, 4>(v, rows, width, weights, sums),
            2 => mix_set::<T, 4, 2>(v, rows, width, weights, sums),
            _ => mix_set::<T, 4, 1>(v, rows, width, weights, sums),
        }
    });
}

/// `mix` for rows that are near: columns one after the other.
pub fn mix_near<T: Element>(
    v: View<T>,
    rows: Places,
    width: usize,
    weights: Matrix,
    heads: usize,
    sums: Matrix,
) {
    sets(heads, |first, size| {
        let (weights, sums) = (weights.rows(first), sums.rows(first));
        let mut d = 0;
        while d < width {
            let sums = sums.columns(d);
            d += match ((width - d) / 4, size) {
                (2.., 4) => mix_columns::<T, 2, 4>(v, rows, d, 8, weights, sums),
                (4.., 2) => mix_columns::<T, 4, 2>(v, rows, d, 16, weights, sums),
                (8.., 1) => mix_columns::<T, 8, 1>(v, rows, d, 32, weights, sums),
                (_, 4) => mix_columns::<T, 1, 4>(v, rows, d, width - d, weights, sums),
                (_, 2) => mix_columns::<T, 1, 2>(v, rows, d, width - d, weights, sums),
                _ => mix_columns::<T, 1, 1>(v, rows, d, width - d, weights, sums),
            };
        }
    });
}

/// `mix_near` for H heads and C vectors of the columns from `d` on; gives how many columns these are.
#[inline(never)]
fn mix_columns<T: Element, const C: usize, const H: usize>(
    v: View<T>,
    rows: Places,
    d: usize,
    width: usize,
    weights: Matrix,
    sums: Matrix,
) -> usize {
    let mask = mask();
    let weights: [View<f32>; H] = std::array::from_fn(|h| weights.row(h).read());
    let mut all: [[F32x4; C]; H] =
        std::array::from_fn(|h| std::array::from_fn(|c| sums.row(h).read().four(4 * c)));
    for j in 0..rows.n {
        let start = rows.element(j) + d;
        let row: [F32x4; C] = std::array::from_fn(|c| match C {
            1 => T::part(mask, v, start, width),
            _ => T::four(mask, v, start + 4 * c),
        });
        for h in 0..H {
            let weight = weights[h].splat(j);
            for c in 0..C {
                all[h][c] = weight.madd(row[c], all[h][c]);
            }
        }
    }
    for h in 0..H {
        (0..C).for_each(|c| sums.row(h).put(4 * c, all[h][c]));
    }
    width.min(4 * C)
}

/// `mix` for H heads, R rows at a time, which are as far apart as those of `dots`.
#[inline(never)]
fn mix_set<T: Element, const R: usize, const H: usize>(
    v: View<T>,
    rows: Places,
    width: usize,
    weights: Matrix,
    sums: Matrix,
) {
    let mask = mask();
    let part = rows.n / R;
    for j in 0..part {
        mix_rows::<T, R, H>(mask, v, rows, std::array::from_fn(|r| r * part + j), width, weights, sums);
    }
    for j in part * R..rows.n {
        mix_rows::<T, 1, H>(mask, v, rows, [j], width, weights, sums);
    }
}

#[inline(always)]
fn mix_rows<T: Element, const R: usize, const H: usize>(
    mask: I32x4,
    v: View<T>,
    rows: Places,
    which: [usize; R],
    width: usize,
    weights: Matrix,
    sums: Matrix,
) {
    let weights = std::array::from_fn::<_, H, _>(|h| which.map(|j| weights.row(h).read().splat(j)));
    let starts = which.map(|j| rows.element(j));
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
        add(d, starts.map(|start| T::four(mask, v, start + d)));
    }
    if whole < width {
        add(whole, starts.map(|start| T::part(mask, v, start + whole, width - whole)));
    }
}
