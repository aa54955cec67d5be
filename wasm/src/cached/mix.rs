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

/// Adds the first `n` rows of a stage, `stride` elements apart, as `mix` does.
pub fn mix_near<T: Element>(
    v: View<T>,
    n: usize,
    stride: usize,
    width: usize,
    weights: Matrix,
    heads: usize,
    sums: Matrix,
) {
    if n < STAGED || !width.is_multiple_of(32) {
        return mix(v, Places::staged(n, stride), width, weights, heads, sums);
    }
    sets(heads, |first, size| {
        let (weights, sums) = (weights.rows(first), sums.rows(first));
        match size {
            4 => near_set::<T, 2, 4>(v, stride, width, weights, sums),
            2 => near_set::<T, 4, 2>(v, stride, width, weights, sums),
            _ => near_set::<T, 8, 1>(v, stride, width, weights, sums),
        }
    });
}

/// A whole stage for H heads, C vectors of columns at a time: sums stay in registers.
#[inline(never)]
fn near_set<T: Element, const C: usize, const H: usize>(
    v: View<T>,
    stride: usize,
    width: usize,
    weights: Matrix,
    sums: Matrix,
) {
    let mask = mask();
    let weights = side_by_side::<H>(weights);
    for d in (0..width).step_by(4 * C) {
        let (v, sums) = (v.from(d), sums.columns(d));
        let mut all: [[F32x4; C]; H] =
            std::array::from_fn(|h| std::array::from_fn(|c| sums.row(h).read().four(4 * c)));
        // Two rows in a round: of one the loop costs too much, four are too many for the registers.
        for j in (0..STAGED).step_by(2) {
            for j in [j, j + 1] {
                let row: [F32x4; C] = std::array::from_fn(|c| T::four(mask, v, j * stride + 4 * c));
                for h in 0..H {
                    // SAFETY: a reference can be read.
                    let weight = unsafe { F32x4::load_splat(&weights[j][h]) };
                    for c in 0..C {
                        all[h][c] = weight.madd(row[c], all[h][c]);
                    }
                }
            }
        }
        for h in 0..H {
            (0..C).for_each(|c| sums.row(h).put(4 * c, all[h][c]));
        }
    }
}

/// The weights of a stage, those of all heads side by side, so that one address is enough for them.
#[inline(always)]
fn side_by_side<const H: usize>(weights: Matrix) -> [[f32; H]; STAGED] {
    let rows: [View<f32>; H] = std::array::from_fn(|h| weights.row(h).read());
    let mut all = [[0.0; H]; STAGED];
    if H == 4 {
        for j in (0..STAGED).step_by(4) {
            let columns = F32x4::transpose(std::array::from_fn(|h| rows[h % H].four(j)));
            for (to, column) in all[j..].iter_mut().zip(columns) {
                // SAFETY: with four heads there is room for a vector.
                unsafe { column.store(to.as_mut_ptr()) };
            }
        }
        return all;
    }
    for (j, to) in all.iter_mut().enumerate() {
        *to = rows.map(|row| row.at(j));
    }
    all
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
