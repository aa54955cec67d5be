//! The lists of a plan: the queries of a row block and the keys that they may see.

use crate::attention::lanes::KEYS;
use crate::simd::I32x4;
use crate::status::Fault;
use crate::view::{View, size};
use std::ops::Range;

/// Most queries of a unit of work.
pub const QUERIES: usize = 256;
/// Offset of a part that a plan does not have.
const NO_PART: u32 = u32::MAX;
/// Bit of a key that has none.
const NO_BIT: u64 = u64::MAX;

/// The numbers of the record of a call, in the order of the schema.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Layout {
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    pub lq: u32,
    pub lk: u32,
    pub plan_head: u32,
    pub block_q: u32,
    pub tile_k: u32,
    pub tiles_at: u32,
    pub tile_cap: u32,
    pub bits_at: u32,
    pub column_of_at: u32,
    pub columns_at: u32,
    pub column_cap: u32,
    pub lists: u32,
    pub q_order_at: u32,
    pub k_order_at: u32,
    pub band_at: u32,
    pub kvtype: u32,
    pub causal: u32,
    pub stat_kind: u32,
    pub scale: f32,
}

impl Layout {
    /// Elements of the plan's matrix up to the end of the last head's last part.
    pub fn words(&self) -> Result<usize, Fault> {
        let blocks = self.lq.div_ceil(self.block_q);
        let parts = [
            (self.tiles_at, [blocks, self.tile_cap, 1, 1]),
            (self.bits_at, [blocks, self.tile_cap, self.block_q, self.tile_k.div_ceil(32)]),
            (self.column_of_at, [blocks, 1, 1, 1]),
            (self.columns_at, [self.lists, self.column_cap, 1, 1]),
            (self.q_order_at, [self.lq, 1, 1, 1]),
            (self.k_order_at, [self.lk, 1, 1, 1]),
            (self.band_at, [2, 1, 1, 1]),
        ];
        let mut end = 0;
        for (at, sizes) in parts.into_iter().filter(|&(at, _)| at != NO_PART) {
            let part = size(&sizes.map(|n| n as usize))?;
            end = end.max(part.checked_add(at as usize).ok_or(Fault::BadArguments)?);
        }
        let before = size(&[self.heads as usize - 1, self.plan_head as usize])?;
        before.checked_add(end).ok_or(Fault::BadArguments)
    }
}

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

/// A block of keys that at least one query may see.
pub struct Block {
    pub count: usize,
    pub key: [i32; KEYS],
    /// Whether the keys follow each other.
    pub run: bool,
    /// Bit of row 0 in the plan's bits, or `NO_BIT`; whether there are any.
    bit: [u64; KEYS],
    has_bits: bool,
    /// The largest key, the smallest one from the sink on.
    high: i32,
    low: i32,
}

impl Block {
    fn new() -> Self {
        let (key, bit) = ([0; KEYS], [NO_BIT; KEYS]);
        Self { count: 0, key, run: true, bit, has_bits: false, high: i32::MIN, low: i32::MAX }
    }

    fn clear(&mut self) {
        (self.count, self.run, self.has_bits, self.high, self.low) = (0, true, false, i32::MIN, i32::MAX);
    }

    #[inline(always)]
    fn push(&mut self, key: i32, bit: u64, sink: i32) {
        let n = self.count;
        self.run &= n == 0 || self.key[n - 1] + 1 == key;
        self.has_bits |= bit != NO_BIT;
        self.high = self.high.max(key);
        if key >= sink {
            self.low = self.low.min(key);
        }
        self.key[n] = key;
        self.bit[n] = bit;
        self.count += 1;
    }

    /// Whether any of the keys may be hidden from a query at positions `low` to `high`.
    pub fn hides(&self, lists: &Lists, low: i32, high: i32) -> bool {
        let far = self.low < i32::MAX && high - self.low >= lists.window;
        self.has_bits || far || lists.layout.causal != 0 && self.high > low
    }

    /// Keys up to the last one that a position of `high` may see.
    pub fn before(&self, lists: &Lists, high: i32) -> usize {
        if lists.layout.causal == 0 || self.high <= high {
            return self.count;
        }
        self.key[..self.count].iter().rposition(|&key| key <= high).map_or(0, |last| last + 1)
    }

    /// Word of row 0 and bit in it of key `j`, if it has one.
    #[inline(always)]
    pub fn bit(&self, j: usize) -> Option<(usize, u32)> {
        let bit = self.bit[j];
        (bit != NO_BIT).then_some(((bit >> 5) as usize, (bit & 31) as u32))
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
        let mut found = Block::new();
        let mut none = true;
        self.each_slot(block, |slot, bit| {
            let key = self.part(layout.k_order_at, slot).unwrap_or(slot as i32);
            if key < 0 || key > last || key >= self.sink && low - key >= self.window {
                return;
            }
            if found.count == KEYS {
                f(&found);
                none = false;
                found.clear();
            }
            found.push(key, bit, self.sink);
        });
        if none || found.count > 0 {
            f(&found);
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
