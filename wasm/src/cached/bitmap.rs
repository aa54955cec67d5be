//! Bitmap tiles: 64 elements as 64 bits and those elements that are not 0.

use super::STAGED;
use crate::simd::I32x4;
use crate::view::{View, ViewMut};

/// Elements of a tile, and rows of a block of tiles.
pub const TILE: usize = 64;

/// The tiles of one key head.
#[derive(Clone, Copy)]
pub struct Tiles {
    pub data: View<u16>,
    /// Elements of the head: tiles that pass them were never written.
    pub limit: usize,
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
        (u64::from(high) << 32 | u64::from(low), (offset as usize).saturating_mul(2))
    }

    /// Element `e` of a tile.
    #[inline(always)]
    fn element(&self, n: usize, e: usize) -> u16 {
        let (bits, first) = self.tile(n);
        let rest = bits << e;
        let at = first.saturating_add((bits.count_ones() - rest.count_ones()) as usize);
        if rest >> 63 == 1 && at < self.limit { self.data.at(at) } else { 0 }
    }

    /// The 64 elements of a tile: those that are packed, spread by bytes of bits. `bits` and `at` are as `tile` gives them.
    #[inline(always)]
    fn spread(&self, (bits, mut at): (u64, usize), out: ViewMut<u16>) {
        for i in 0..8 {
            let byte = (bits >> (56 - 8 * i)) as u8;
            // SAFETY: `ptr` has checked the extents; a row of the table has 16 bytes.
            unsafe {
                let next = I32x4::load(self.data.ptr(at, 8).cast());
                let from = I32x4::load(SPREAD[usize::from(byte)].as_ptr());
                next.swizzle(from).store(out.ptr(8 * i, 8).cast());
            }
            at += byte.count_ones() as usize;
        }
    }

    /// The tiles `at(0)` to `at(n - 1)`, one after the other.
    #[inline(always)]
    fn expand(&self, n: usize, at: impl Fn(usize) -> usize, out: ViewMut<u16>) {
        let last = (0..n).map(|i| self.tile(at(i)).1).max().unwrap_or(0);
        // The last of the reads of a tile begins at most 64 elements on.
        if last.saturating_add(TILE + 8) > self.limit {
            return self.expand_careful(n, &at, out);
        }
        (0..n).for_each(|i| self.spread(self.tile(at(i)), out.from(i * TILE)));
    }

    /// `expand` where there may be no more elements to read.
    #[cold]
    #[inline(never)]
    fn expand_careful(&self, n: usize, at: &dyn Fn(usize) -> usize, out: ViewMut<u16>) {
        for i in 0..n {
            (0..TILE).for_each(|e| out.set(i * TILE + e, self.element(at(i), e)));
        }
    }

    /// The row at a place.
    pub fn load(&self, place: usize, out: ViewMut<u16>) {
        let (first, row) = (place / TILE * self.dim, place % TILE);
        if self.values {
            self.expand(self.dim / TILE, |j| first + j * TILE + row, out);
        } else {
            (0..self.dim).for_each(|c| out.set(c, self.element(first + c, row)));
        }
    }

    /// `STAGED` tiles of a block from `first` on.
    pub fn stage(&self, block: usize, first: usize, out: ViewMut<u16>) {
        self.expand(STAGED, |i| block * self.dim + first + i, out);
    }
}
