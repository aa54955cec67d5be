//! The lists of a plan: the queries of a row block and the keys that they may see.

use super::block::{Block, NO_BIT};
use super::layout::{Layout, NO_PART};
use crate::attention::lanes::KEYS;
use crate::simd::I32x4;
use crate::view::View;
use std::ops::Range;

/// Most queries of a unit of work.
pub const QUERIES: usize = 256;

/// One head's plan.
#[derive(Clone, Copy)]
pub struct Lists<'a> {
    layout: &'a Layout,
    plan: View<i32>,
    /// Keys below the sink or less than the window behind a query are visible.
    sink: i32,
    window: i32,
}

/// The queries of a unit of work, without those that do not exist.
pub struct Queries {
    pub count: usize,
    /// Which row of q and out each is.
    pub at: [u32; QUERIES],
    /// Its row in the row block.
    pub row: [u32; QUERIES],
    /// Its position among the keys.
    pub position: [i32; QUERIES],
}

impl Queries {
    pub fn new() -> Self {
        Self { count: 0, at: [0; QUERIES], row: [0; QUERIES], position: [0; QUERIES] }
    }

    /// Adds the queries of the rows `rows` of row block `block`, for head `h`.
    pub fn add(&mut self, lists: &Lists, h: usize, block: usize, rows: Range<usize>) {
        let [lq, lk, block_q] = [lists.layout.lq, lists.layout.lk, lists.layout.block_q].map(|v| v as usize);
        let first = block * block_q;
        for row in rows.start..rows.end.min(block_q).min(lq - first) {
            let query = lists.part(lists.layout.q_order_at, first + row).unwrap_or((first + row) as i32);
            if (0..lq as i32).contains(&query) {
                self.at[self.count] = (h * lq + query as usize) as u32;
                self.row[self.count] = row as u32;
                self.position[self.count] = query + lk as i32 - lq as i32;
                self.count += 1;
            }
        }
    }

    /// The smallest and the largest position of some queries.
    pub fn reach(&self, which: Range<usize>) -> (i32, i32) {
        self.position[which].iter().fold((i32::MAX, i32::MIN), |(low, high), &p| (low.min(p), high.max(p)))
    }
}

impl<'a> Lists<'a> {
    pub fn new(layout: &'a Layout, plan: View<i32>) -> Self {
        let mut lists = Self { layout, plan, sink: 0, window: i32::MAX };
        if let (Some(sink), Some(window)) = (lists.part(layout.band_at, 0), lists.part(layout.band_at, 1)) {
            (lists.sink, lists.window) = (sink, window);
        }
        lists
    }

    /// Element `i` of the part at `at`, if there is one.
    #[inline(always)]
    fn part(&self, at: u32, i: usize) -> Option<i32> {
        (at != NO_PART).then(|| self.plan.at(at as usize + i))
    }

    /// The bits of row `row` in word `word` of row 0.
    #[inline(always)]
    pub fn word(&self, word: usize, row: u32) -> i32 {
        let words = self.layout.tile_k.div_ceil(32) as usize;
        self.plan.at(self.layout.bits_at as usize + word + row as usize * words)
    }

    /// Whether causality or the band hides keys from positions.
    #[inline(always)]
    pub fn hidden(&self, key: I32x4, position: I32x4) -> I32x4 {
        let late = key.gt(position).and(I32x4::splat(-i32::from(self.layout.causal != 0)));
        let near = I32x4::splat(self.window).gt(position.sub(key));
        let sunk = I32x4::splat(self.sink).gt(key);
        late.or(I32x4::splat(-1).and_not(near.or(sunk)))
    }

    /// Collects the keys that queries of row block `block` may see and calls `f` with each block of them, at least once.
    pub fn each_block(&self, queries: &Queries, block: usize, mut f: impl FnMut(&Block)) {
        let layout = self.layout;
        let (low, high) = queries.reach(0..queries.count);
        let last = if layout.causal != 0 { high.min(layout.lk as i32 - 1) } else { layout.lk as i32 - 1 };
        let mut found = Block::new(layout.bits_at != NO_PART);
        let mut none = true;
        self.each_slot(block, |slot, bit| {
            let key = self.part(layout.k_order_at, slot).unwrap_or(slot as i32);
            if key < 0 || key > last || key >= self.sink && low - key >= self.window {
                return;
            }
            if found.count == KEYS {
                f(found.settle(self.sink));
                none = false;
                found.count = 0;
            }
            found.push(key, bit);
        });
        if none || found.count > 0 {
            f(found.settle(self.sink));
        }
    }

    /// Calls `f` with the slots that row block `block` lists and their bits.
    #[inline(always)]
    fn each_slot(&self, block: usize, mut f: impl FnMut(usize, u64)) {
        let layout = self.layout;
        let [lk, tile_k] = [layout.lk, layout.tile_k].map(|v| v as usize);
        let tile_cap = if layout.tiles_at == NO_PART { 0 } else { layout.tile_cap as usize };
        for n in block * tile_cap..(block + 1) * tile_cap {
            let Some(tile) = self.part(layout.tiles_at, n).filter(|&tile| tile >= 0) else { break };
            let tile = tile as usize;
            let words = u64::from(layout.block_q) * u64::from(layout.tile_k.div_ceil(32));
            let bits = (layout.bits_at != NO_PART).then(|| n as u64 * words * 32);
            for slot in tile..tile.saturating_add(tile_k).min(lk) {
                f(slot, bits.map_or(NO_BIT, |bits| bits + (slot - tile) as u64));
            }
        }
        let list = self.part(layout.column_of_at, block).unwrap_or(-1);
        if list < 0 || list as u32 >= layout.lists || layout.columns_at == NO_PART {
            return;
        }
        let first = list as usize * layout.column_cap as usize;
        for n in first..first + layout.column_cap as usize {
            let Some(slot) = self.part(layout.columns_at, n).filter(|&slot| slot >= 0) else { break };
            if (slot as usize) < lk {
                f(slot as usize, NO_BIT);
            }
        }
    }
}
