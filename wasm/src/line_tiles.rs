//! `lineTiles`: which tiles, and which of their slots, lines make visible.
//!
//! Lines are packed to bits first. Slots of one class whose ranks count up then are as many bits in a row of each line:
//! those of ranks as they are, those of distances from behind, those of counts all or none.

use crate::line_bits::{any, mask, pack, window, words};
use crate::pool::parallel;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, optional, size, view, view_mut};
use std::ops::Range;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineTiles {
    pub queries: *const i32,
    pub keys: *const i32,
    pub lines: *const f32,
    pub tiles: *const i32,
    pub out: *mut i32,
    pub heads: u32,
    pub query_head: u32,
    pub key_head: u32,
    pub query_classes: u32,
    pub key_classes: u32,
    pub lq: u32,
    pub lk: u32,
    pub length: u32,
    pub block_q: u32,
    pub tile_k: u32,
    pub tile_cap: u32,
}

/// Blocks for which the runs of a tile are found once.
const BLOCKS: usize = 16;

/// Up to 32 slots of one class with ranks that count up from `rank`; the first is number `slot` of its tile.
#[derive(Clone, Copy)]
struct Run {
    class: usize,
    rank: usize,
    slot: usize,
    len: usize,
}

/// Rows of one class with all counts from `low` to `high`.
#[derive(Clone, Copy)]
struct Rows {
    class: usize,
    low: usize,
    high: usize,
}

/// The tokens and lines of one head.
struct Head {
    queries: View<i32>,
    keys: View<i32>,
    bits: View<u32>,
    query_classes: usize,
    key_classes: usize,
    lq: usize,
    lk: usize,
    length: usize,
    block_q: usize,
    tile_k: usize,
}

/// Empties a list and makes room for `n`.
fn reserve<T>(list: &mut Vec<T>, n: usize) -> Outcome {
    list.clear();
    list.try_reserve_exact(n).map_err(|_| Fault::OutOfMemory)
}

impl Head {
    /// The bits of the lines of one kind between two classes.
    fn line(&self, kind: usize, a: usize, b: usize) -> View<u32> {
        self.bits.from(((kind * self.query_classes + a) * self.key_classes + b) * words(self.length))
    }

    /// Class of a row and how many keys of class `b` it sees, minus 1; none if it sees none.
    #[inline(always)]
    fn row(&self, row: usize, b: usize) -> Option<(usize, usize)> {
        let class = usize::try_from(self.queries.at(row)).ok().filter(|&a| a < self.query_classes)?;
        let count = usize::try_from(self.queries.at((1 + b) * self.lq + row)).ok()?;
        (count < self.length).then_some((class, count))
    }

    /// The rows of block `n`.
    fn block(&self, n: usize) -> Range<usize> {
        let first = n * self.block_q;
        first..first + self.block_q.min(self.lq - first)
    }

    /// Lists the runs of the tile that begins at slot `start`.
    fn runs(&self, start: usize, runs: &mut Vec<Run>) -> Outcome {
        let slots = self.lk.saturating_sub(start).min(self.tile_k);
        reserve(runs, slots)?;
        for slot in 0..slots {
            let class = usize::try_from(self.keys.at(start + slot)).ok().filter(|&b| b < self.key_classes);
            let rank = usize::try_from(self.keys.at(self.lk + start + slot)).ok();
            let (Some(class), Some(rank)) = (class, rank) else { continue };
            match runs.last_mut() {
                Some(run)
                    if (run.class, run.rank + run.len, run.slot + run.len) == (class, rank, slot)
                        && !slot.is_multiple_of(32) =>
                {
                    run.len += 1;
                }
                _ => runs.push(Run { class, rank, slot, len: 1 }),
            }
        }
        Ok(())
    }

    /// Adds the rows of a block, for key class `b`.
    fn add_rows(&self, block: Range<usize>, b: usize, list: &mut Vec<Rows>) {
        let first = list.len();
        for (class, count) in block.filter_map(|row| self.row(row, b)) {
            match list[first..].last_mut() {
                Some(rows) if rows.class == class && count + 1 >= rows.low && count <= rows.high + 1 => {
                    (rows.low, rows.high) = (rows.low.min(count), rows.high.max(count));
                }
                _ => list.push(Rows { class, low: count, high: count }),
            }
        }
    }

    /// Whether some of the rows see some of the slots: their distances are all the numbers from the least to the largest.
    #[inline(always)]
    fn meets(&self, rows: Rows, run: Run) -> bool {
        let last = run.rank + run.len - 1;
        if rows.high < run.rank {
            return false;
        }
        let [ranks, distances, counts] = [0, 1, 2].map(|kind| self.line(kind, rows.class, run.class));
        let behind = |distance: usize| self.length - 1 - distance;
        any(ranks, run.rank, last.min(rows.high))
            || any(distances, behind(rows.high - run.rank), behind(rows.low.saturating_sub(last)))
            || any(counts, rows.low.max(run.rank), rows.high)
    }

    /// Which of the slots a row of class `a` sees.
    #[inline(always)]
    fn visible(&self, a: usize, count: usize, run: Run) -> u32 {
        if count < run.rank {
            return 0;
        }
        let [ranks, distances, counts] = [0, 1, 2].map(|kind| self.line(kind, a, run.class));
        let all = 0u32.wrapping_sub(window(counts, count) & 1);
        let behind = self.length - 1 - (count - run.rank);
        let seen = all | window(ranks, run.rank) | window(distances, behind);
        seen & mask(run.len.min(count - run.rank + 1))
    }

    /// Writes 1 where one of the blocks sees a tile, else 0.
    fn occupy(&self, blocks: Range<usize>, out: ViewMut<i32>) -> Outcome {
        // What class b sees of the n-th block: rows[ends[n * key_classes + b]..ends[n * key_classes + b + 1]].
        let (mut runs, mut rows, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let pairs = size(&[blocks.len(), self.key_classes])?;
        reserve(&mut ends, pairs + 1)?;
        reserve(&mut rows, size(&[pairs, self.block_q.min(self.lq)])?)?;
        ends.push(0);
        for n in blocks.clone() {
            for b in 0..self.key_classes {
                self.add_rows(self.block(n), b, &mut rows);
                ends.push(rows.len());
            }
        }
        let across = self.lk.div_ceil(self.tile_k);
        for tile in 0..across {
            self.runs(tile * self.tile_k, &mut runs)?;
            for n in 0..blocks.len() {
                let seen = runs.iter().any(|&run| {
                    let at = n * self.key_classes + run.class;
                    rows[ends[at]..ends[at + 1]].iter().any(|&rows| self.meets(rows, run))
                });
                out.set(n * across + tile, i32::from(seen));
            }
        }
        Ok(())
    }

    /// Writes the bits of the listed tiles of block `n`.
    fn fill(&self, n: usize, tiles: View<i32>, tile_cap: usize, out: ViewMut<i32>) -> Outcome {
        let words = self.tile_k.div_ceil(32);
        let tile_words = self.block_q * words;
        (0..tile_cap * tile_words).for_each(|i| out.set(i, 0));
        let mut runs = Vec::new();
        for t in 0..tile_cap {
            let Ok(start) = usize::try_from(tiles.at(t)) else { break };
            let out = out.from(t * tile_words);
            self.runs(start, &mut runs)?;
            for &run in &runs {
                let (word, shift) = (run.slot / 32, run.slot % 32);
                for (r, row) in self.block(n).enumerate() {
                    let Some((a, count)) = self.row(row, run.class) else { continue };
                    let at = r * words + word;
                    out.set(at, out.read().at(at) | (self.visible(a, count, run) << shift) as i32);
                }
            }
        }
        Ok(())
    }
}

impl LineTiles {
    pub fn run(&self) -> Outcome {
        let [heads, lq, lk, length] = [self.heads, self.lq, self.lk, self.length].map(|v| v as usize);
        let [query_classes, key_classes] = [self.query_classes, self.key_classes].map(|v| v as usize);
        let [query_head, key_head] = [self.query_head, self.key_head].map(|v| v as usize);
        let [block_q, tile_k, tile_cap] = [self.block_q, self.tile_k, self.tile_cap].map(|v| v as usize);
        if block_q == 0 || tile_k == 0 {
            return Err(Fault::BadArguments);
        }
        let reach = |stride: usize, own: &[usize]| -> Result<usize, Fault> {
            size(&[heads.saturating_sub(1), stride])?.checked_add(size(own)?).ok_or(Fault::BadArguments)
        };
        let queries = view(self.queries, reach(query_head, &[key_classes.saturating_add(1), lq])?)?;
        let keys = view(self.keys, reach(key_head, &[2, lk])?)?;
        let pairs = size(&[query_classes, key_classes])?;
        let lines = view(self.lines, size(&[heads, 3, pairs, length])?)?;
        let (blocks, across) = (lq.div_ceil(block_q), lk.div_ceil(tile_k));
        let units = size(&[heads, blocks])?;
        let tiles = optional(self.tiles, size(&[units, tile_cap])?)?;
        let tile_words = size(&[block_q, tile_k.div_ceil(32)])?;
        let row = if tiles.is_some() { size(&[tile_cap, tile_words])? } else { across };
        let out = view_mut(self.out, size(&[units, row])?)?;
        let packed = pack(lines, heads, pairs, length)?;
        let bits = view(packed.as_ptr(), packed.len())?;
        let head = |h: usize| Head {
            queries: queries.from(h * query_head),
            keys: keys.from(h * key_head),
            bits: bits.from(h * 3 * pairs * words(length)),
            query_classes,
            key_classes,
            lq,
            lk,
            length,
            block_q,
            tile_k,
        };
        if let Some(tiles) = tiles {
            let cost = tile_cap.saturating_mul(tile_words).saturating_mul(10);
            return parallel(units, cost, |range, _| {
                for unit in range {
                    let (own, out) = (tiles.from(unit * tile_cap), out.from(unit * row));
                    head(unit / blocks).fill(unit % blocks, own, tile_cap, out)?;
                }
                Ok(())
            });
        }
        let groups = blocks.div_ceil(BLOCKS);
        parallel(heads * groups, across.saturating_mul(BLOCKS * 100), |range, _| {
            for unit in range {
                let (h, first) = (unit / groups, unit % groups * BLOCKS);
                let own = first..blocks.min(first + BLOCKS);
                head(h).occupy(own, out.from((h * blocks + first) * row))?;
            }
            Ok(())
        })
    }
}
