//! Sums of rows of floats or halves by the weights that the heads of a group give them.

use super::element::{Element, mask};
use super::places::Places;
use super::{Matrix, STAGED, sets};
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

/// Adds `n` (at most `STAGED`) rows of a stage, `stride` elements apart, as `mix` does, but columns one after the other.
pub fn mix_near<T: Element>(
    v: View<T>,
    n: usize,
    stride: usize,
    width: usize,
    weights: Matrix,
    heads: usize,
    sums: Matrix,
) {
    let stage = Near { v, n, stride, width };
    sets(heads, |first, size| {
        let (weights, sums) = (weights.rows(first), sums.rows(first));
        match size {
            4 => near_set::<T, 2, 4>(stage, weights, sums),
            2 => near_set::<T, 4, 2>(stage, weights, sums),
            _ => near_set::<T, 8, 1>(stage, weights, sums),
        }
    });
}

/// Rows of a stage.
#[derive(Clone, Copy)]
struct Near<T> {
    v: View<T>,
    n: usize,
    stride: usize,
    width: usize,
}

/// `mix_near` for H heads, C vectors of columns at a time.
#[inline(never)]
fn near_set<T: Element, const C: usize, const H: usize>(stage: Near<T>, weights: Matrix, sums: Matrix) {
    // Side by side, so that one address is enough for all heads.
    let weights: [[f32; H]; STAGED] = std::array::from_fn(|j| {
        std::array::from_fn(|h| if j < stage.n { weights.row(h).read().at(j) } else { 0.0 })
    });
    let mut d = 0;
    while d + 4 * C <= stage.width {
        near_columns::<T, C, H>(stage, d, 4, &weights, sums.columns(d));
        d += 4 * C;
    }
    while d < stage.width {
        near_columns::<T, 1, H>(stage, d, (stage.width - d).min(4), &weights, sums.columns(d));
        d += 4;
    }
}

/// C vectors of the columns from `d` on, of which the last has `last`.
#[inline(always)]
fn near_columns<T: Element, const C: usize, const H: usize>(
    Near { v, n, stride, .. }: Near<T>,
    d: usize,
    last: usize,
    weights: &[[f32; H]; STAGED],
    sums: Matrix,
) {
    let mask = mask();
    let v = v.from(d);
    let mut all: [[F32x4; C]; H] =
        std::array::from_fn(|h| std::array::from_fn(|c| sums.row(h).read().four(4 * c)));
    for (j, weights) in weights.iter().enumerate().take(n) {
        let row: [F32x4; C] = std::array::from_fn(|c| match C {
            1 => T::part(mask, v, j * stride, last),
            _ => T::four(mask, v, j * stride + 4 * c),
        });
        for h in 0..H {
            // SAFETY: a reference can be read.
            let weight = unsafe { F32x4::load_splat(&weights[h]) };
            for c in 0..C {
                all[h][c] = weight.madd(row[c], all[h][c]);
            }
        }
    }
    for h in 0..H {
        (0..C).for_each(|c| sums.row(h).put(4 * c, all[h][c]));
    }
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
