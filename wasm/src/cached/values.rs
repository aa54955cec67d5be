//! Weighted sums of the rows of a value head, whatever their form.

use super::bitmap::TILE;
use super::forms::Rows;
use super::mix::mix;
use super::places::Places;
use super::{Matrix, STAGED};
use crate::view::ViewMut;

/// Adds rows of `dim` columns times their weights (which make up for `Rows::lift`) to the sums of every head; `stage` is as in `keys`.
pub fn add(
    values: Rows,
    places: Places,
    dim: usize,
    weights: Matrix,
    heads: usize,
    stage: ViewMut<f32>,
    sums: Matrix,
) {
    match values {
        Rows::F32(v) => {
            places.each(v, |first, part| mix(v, part, dim, weights.columns(first), heads, sums));
        }
        Rows::F16(v) => {
            places.each(v, |first, part| mix(v, part, dim, weights.columns(first), heads, sums));
        }
        _ => {
            for (first, part) in places.parts(TILE) {
                let weights = weights.columns(first);
                if let (Rows::Tiles(tiles), Some(block)) = (values, part.block()) {
                    tiles.mix(block, weights, heads, stage, sums);
                    continue;
                }
                for (first, part) in part.parts(STAGED) {
                    values.stage(part, dim, stage);
                    let rows = Places::staged(part.n, dim);
                    mix(stage.read(), rows, dim, weights.columns(first), heads, sums);
                }
            }
        }
    }
}
