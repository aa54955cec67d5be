//! Weighted sums of the rows of a value head, whatever their form.

use super::bitmap::TILE;
use super::forms::Rows;
use super::keys::is_block;
use super::mix::mix;
use super::{Matrix, STAGED};
use crate::view::ViewMut;

/// Adds `n` rows of `dim` columns, which lie at places `at(j)`, times their weights to the sums of every head; `stage` is as in `keys`.
pub fn add(
    rows: Rows,
    at: impl Fn(usize) -> usize + Copy,
    n: usize,
    dim: usize,
    weights: Matrix,
    heads: usize,
    stage: ViewMut<f32>,
    sums: Matrix,
) {
    match rows {
        Rows::F32(v) => mix(v, |j| at(j) * dim, n, dim, weights, heads, sums),
        Rows::F16(v) => mix(v, |j| at(j) * dim, n, dim, weights, heads, sums),
        Rows::Tiles(v) if is_block(at, n) => v.mix(at(0) / TILE, weights, heads, stage, sums),
        _ => {
            for first in (0..n).step_by(STAGED) {
                let count = (n - first).min(STAGED);
                (0..count).for_each(|j| rows.load(at(first + j), dim, stage.from(j * dim)));
                mix(stage.read(), |j| j * dim, count, dim, weights.columns(first), heads, sums);
            }
        }
    }
}
