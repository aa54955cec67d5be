//! Weighted sums of the rows of a value head, whatever their form.

use super::bitmap::{TILE, Tiles};
use super::forms::{Rows, Stage};
use super::mix::{mix, mix_near};
use super::places::Places;
use super::{Matrix, STAGED};

/// Adds rows of `dim` columns times their weights (which make up for `Rows::lift`) to the sums of every head.
pub fn add(
    values: Rows,
    places: Places,
    dim: usize,
    weights: Matrix,
    heads: usize,
    stage: Stage,
    sums: Matrix,
) {
    match values {
        Rows::F32(v) => {
            places.each(v, |first, part| mix(v, part, dim, weights.columns(first), heads, sums));
        }
        Rows::F16(v) => {
            places.each(v, |first, part| mix(v, part, dim, weights.columns(first), heads, sums));
        }
        Rows::Codes(codes) => {
            for (first, part) in places.parts(STAGED) {
                (0..part.n).for_each(|j| codes.load(part.at(j), stage.floats().from(j * dim)));
                mix_near(stage.floats().read(), part.n, dim, dim, weights.columns(first), heads, sums);
            }
        }
        Rows::Tiles(tiles) => {
            for (first, part) in places.parts(TILE) {
                let weights = weights.columns(first);
                match part.block() {
                    Some(block) => add_block(tiles, block, weights, heads, stage, sums),
                    None => add_apart(tiles, part, weights, heads, stage, sums),
                }
            }
        }
    }
}

/// Adds the rows of a block of tiles.
fn add_block(tiles: Tiles, block: usize, weights: Matrix, heads: usize, stage: Stage, sums: Matrix) {
    for tile in (0..tiles.dim).step_by(STAGED) {
        let (weights, sums) = (weights.columns(tile % TILE), sums.columns(tile / TILE * TILE));
        tiles.stage(block, tile, stage.halves());
        mix_near(stage.halves().read(), STAGED, TILE, TILE, weights, heads, sums);
    }
}

/// Adds single rows of tiles.
fn add_apart(tiles: Tiles, places: Places, weights: Matrix, heads: usize, stage: Stage, sums: Matrix) {
    let dim = tiles.dim;
    for (first, part) in places.parts(STAGED) {
        (0..part.n).for_each(|j| tiles.load(part.at(j), stage.halves().from(j * dim)));
        mix_near(stage.halves().read(), part.n, dim, dim, weights.columns(first), heads, sums);
    }
}
