//! Bitmap tiles: 64 elements as 64 bits and those elements that are not 0.

use super::element::{mask, move_half};
use super::mix::mix;
use super::places::Places;
use super::{Matrix, STAGED};
use crate::half;
use crate::simd::{F32x4, I32x4};
use crate::view::{View, ViewMut};

/// Elements of a tile, and rows of a block of tiles.
pub const TILE: usize = 64;

/// The tiles of one key head.
#[derive(Clone, Copy)]
pub struct Tiles {
    pub data: View<u16>,
    /// Elements of the head: tiles that pass them were never written.
    pub limit: usize,
    /// Elements that can be read.
    pub room: usize,
    /// (bits of elements 0 to 31, bits of elements 32 to 63, half of the first element's place) of every tile.
    pub meta: View<i32>,
    pub dim: usize,
    pub values: bool,
}

/// For every byte of bits, where in the next eight packed halves each of its eight elements lies.
static SPREAD: [[u8; 16]; 256] = spread();

const fn spread() -> [[u8; 16]; 256] {
    let mut table = [[0x80; 16]; 256];
    let mut bits = 0;
    while bits < 256 {
        let (mut e, mut next) = (0, 0);
        while e < 8 {
            if bits >> (7 - e) & 1 == 1 {
                table[bits][2 * e] = next;
                table[bits][2 * e + 1] = next + 1;
                next += 2;
            }
            e += 1;
        }
        bits += 1;
    }
    table
}

impl Tiles {
    /// Bits (first element highest) and the first packed element of a tile.
    #[inline(always)]
    fn tile(&self, n: usize) -> (u64, usize) {
        let [high, low, offset] = [0, 1, 2].map(|i| self.meta.at(3 * n + i) as u32);
        (u64::from(high) << 32 | u64::from(low), offset as usize * 2)
    }

    /// Element `e` of a tile.
    #[inline(always)]
    fn element(&self, n: usize, e: usize) -> u16 {
        let (bits, first) = self.tile(n);
        let rest = bits << e;
        let at = first.saturating_add((bits.count_ones() - rest.count_ones()) as usize);
        if rest >> 63 == 1 && at < self.limit { self.data.at(at) } else { 0 }
    }

    /// The 64 elements of a tile as floats, which `widen` makes of halves.
    #[inline(always)]
    fn expand(&self, n: usize, out: ViewMut<f32>, widen: impl Fn(I32x4) -> F32x4) {
        let (bits, first) = self.tile(n);
        // The last of the eight reads below begins at most `count` elements on.
        let count = bits.count_ones() as usize;
        if first.saturating_add(count + 8) > self.room || first + count > self.limit {
            let half = |e: usize| I32x4::splat(i32::from(self.element(n, e) as i16));
            (0..TILE).for_each(|e| out.set(e, widen(half(e)).array()[0]));
            return;
        }
        let mut at = first;
        for i in 0..8 {
            let byte = (bits >> (56 - 8 * i)) as u8;
            // SAFETY: `ptr` has checked the extent; a row of the table has 16 bytes.
            let (next, from) = unsafe {
                (I32x4::load(self.data.ptr(at, 8).cast()), I32x4::load(SPREAD[usize::from(byte)].as_ptr()))
            };
            let [low, high] = next.swizzle(from).halves();
            out.put(8 * i, widen(low));
            out.put(8 * i + 4, widen(high));
            at += byte.count_ones() as usize;
        }
    }

    /// The row at a place as floats.
    pub fn load(&self, place: usize, out: ViewMut<f32>) {
        let (first, row) = (place / TILE * self.dim, place % TILE);
        if self.values {
            let t = half::moves();
            for j in (0..self.dim).step_by(TILE) {
                self.expand(first + j + row, out.from(j), |half| half::widen(t, half));
            }
        } else {
            (0..self.dim).for_each(|c| out.set(c, half::widen_one(self.element(first + c, row))));
        }
    }

    /// Scores of the 64 rows (keys) of a block.
    pub fn score(&self, block: usize, q: Matrix, heads: usize, lift: f32, stage: ViewMut<f32>, out: Matrix) {
        let each = |f: &dyn Fn(ViewMut<f32>, usize)| {
            (0..heads).for_each(|h| (0..TILE).step_by(4).for_each(|j| f(out.row(h), j)));
        };
        each(&|scores, j| scores.put(j, F32x4::splat(0.0)));
        let mask = mask();
        for c in (0..self.dim).step_by(STAGED) {
            for i in 0..STAGED {
                let tile = block * self.dim + c + i;
                self.expand(tile, stage.from(i * TILE), |half| move_half(mask, half));
            }
            mix(stage.read(), Places::staged(STAGED, TILE), TILE, q.columns(c), heads, out);
        }
        each(&|scores, j| scores.put(j, scores.read().four(j).mul(F32x4::splat(lift))));
    }

    /// Adds the 64 rows (values) of a block by their weights.
    pub fn mix(&self, block: usize, weights: Matrix, heads: usize, stage: ViewMut<f32>, sums: Matrix) {
        let (dim, mask) = (self.dim, mask());
        for row in (0..TILE).step_by(STAGED) {
            for i in 0..STAGED {
                for j in (0..dim).step_by(TILE) {
                    let tile = block * dim + j + row + i;
                    self.expand(tile, stage.from(i * dim + j), |half| move_half(mask, half));
                }
            }
            let weights = weights.columns(row);
            mix(stage.read(), Places::staged(STAGED, dim), dim, weights, heads, sums);
        }
    }
}
