//! `lineTiles`: which tiles, and which of their slots, lines make visible.
//!
//! Lines are packed to bits first. Slots of one class whose ranks count up then are as many bits in a row of each line:
//! those of ranks as they are, those of distances from behind, those of counts all or none.

use crate::line_bits::{any, mask, pack, window, words};
use crate::pool::parallel;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, optional, size, view, view_mut};

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

/// What one head sees.
#[derive(Clone, Copy)]
struct Head {
    queries: View<i32>,
    keys: View<i32>,
    bits: View<u32>,
    query_classes: usize,
    key_classes: usize,
    lq: usize,
    lk: usize,
    length: usize,
    /// Words of one line.
    words: usize,
}

/// A list of what one thread works on; it grows to its largest need and stays.
fn reserve<T>(list: &mut Vec<T>, n: usize) -> Outcome {
    list.clear();
    list.try_reserve_exact(n).map_err(|_| Fault::OutOfMemory)
}

impl Head {
    /// The bits of the lines of one kind between two classes.
    fn line(&self, kind: usize, a: usize, b: usize) -> View<u32> {
        self.bits.from(((kind * self.query_classes + a) * self.key_classes + b) * self.words)
    }

    /// Class of a row and how many keys of class `b` it sees, minus 1; none if it sees none.
    #[inline(always)]
    fn row(&self, row: usize, b: usize) -> Option<(usize, usize)> {
        let class = usize::try_from(self.queries.at(row)).ok().filter(|&a| a < self.query_classes)?;
        let count = usize::try_from(self.queries.at((1 + b) * self.lq + row)).ok()?;
        (count < self.length).then_some((class, count))
    }

    /// Lists the runs of the slots from `start` on.
    fn runs(&self, start: usize, tile_k: usize, runs: &mut Vec<Run>) -> Outcome {
        let slots = self.lk.saturating_sub(start).min(tile_k);
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
    fn add_rows(&self, block: std::ops::Range<usize>, b: usize, list: &mut Vec<Rows>) {
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

    /// Whether some of the rows see some of the slots. Their distances are all numbers between the least and the largest one.
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

    /// Writes 1 where a block of up to `BLOCKS` ones from `first` on sees a tile, else 0.
    fn occupy(&self, op: &Sizes, first: usize, out: ViewMut<i32>) -> Outcome {
        let blocks = BLOCKS.min(op.blocks - first);
        let (mut runs, mut rows) = (Vec::new(), Vec::new());
        // The rows of block n for class b: rows[ends[n * key_classes + b]..ends[n * key_classes + b + 1]].
        let mut ends = Vec::new();
        reserve(&mut ends, size(&[blocks, self.key_classes])? + 1)?;
        reserve(&mut rows, size(&[blocks, self.key_classes, op.block_q.min(self.lq)])?)?;
        ends.push(0);
        for n in first..first + blocks {
            for b in 0..self.key_classes {
                self.add_rows(op.rows(n, self.lq), b, &mut rows);
                ends.push(rows.len());
            }
        }
        for tile in 0..op.across {
            self.runs(tile * op.tile_k, op.tile_k, &mut runs)?;
            for n in 0..blocks {
                let seen = runs.iter().any(|&run| {
                    let at = n * self.key_classes + run.class;
                    rows[ends[at]..ends[at + 1]].iter().any(|&rows| self.meets(rows, run))
                });
                out.set(n * op.across + tile, i32::from(seen));
            }
        }
        Ok(())
    }

    /// Writes the bits of the listed tiles of block `n`.
    fn fill(&self, op: &Sizes, n: usize, tiles: View<i32>, out: ViewMut<i32>) -> Outcome {
        let words = op.tile_k.div_ceil(32);
        let tile_words = op.block_q * words;
        (0..op.tile_cap * tile_words).for_each(|i| out.set(i, 0));
        let mut runs = Vec::new();
        for t in 0..op.tile_cap {
            let Ok(start) = usize::try_from(tiles.at(t)) else { break };
            let out = out.from(t * tile_words);
            self.runs(start, op.tile_k, &mut runs)?;
            for &run in &runs {
                let (word, shift) = (run.slot / 32, run.slot % 32);
                for (r, row) in op.rows(n, self.lq).enumerate() {
                    let Some((a, count)) = self.row(row, run.class) else { continue };
                    let at = r * words + word;
                    out.set(at, out.read().at(at) | (self.visible(a, count, run) << shift) as i32);
                }
            }
        }
        Ok(())
    }
}

/// Sizes of blocks and tiles.
struct Sizes {
    blocks: usize,
    block_q: usize,
    across: usize,
    tile_k: usize,
    tile_cap: usize,
}

impl Sizes {
    /// The rows of a block.
    fn rows(&self, n: usize, lq: usize) -> std::ops::Range<usize> {
        n * self.block_q..lq.min(n.saturating_add(1).saturating_mul(self.block_q))
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
        let queries = view(self.queries, reach(query_head, &[key_classes + 1, lq])?)?;
        let keys = view(self.keys, reach(key_head, &[2, lk])?)?;
        let pairs = size(&[query_classes, key_classes])?;
        let lines = view(self.lines, size(&[heads, 3, pairs, length])?)?;
        let sizes =
            Sizes { blocks: lq.div_ceil(block_q), block_q, across: lk.div_ceil(tile_k), tile_k, tile_cap };
        let units = size(&[heads, sizes.blocks])?;
        let tiles = optional(self.tiles, size(&[units, tile_cap])?)?;
        let tile_words = size(&[block_q, tile_k.div_ceil(32)])?;
        let row = if tiles.is_some() { size(&[tile_cap, tile_words])? } else { sizes.across };
        let out = view_mut(self.out, size(&[units, row])?)?;
        if length == 0 {
            (0..units * row).for_each(|i| out.set(i, 0));
            return Ok(());
        }
        let packed = pack(lines, heads, pairs, length)?;
        let bits = view(packed.as_ptr(), packed.len())?;
        let words = words(length);
        let head = |h: usize| Head {
            queries: queries.from(h * query_head),
            keys: keys.from(h * key_head),
            bits: bits.from(h * 3 * pairs * words),
            query_classes,
            key_classes,
            lq,
            lk,
            length,
            words,
        };
        if let Some(tiles) = tiles {
            let cost = (tile_cap * block_q).saturating_mul(tile_k / 4 + 20);
            return parallel(units, cost, |range, _| {
                for unit in range {
                    let (h, n) = (unit / sizes.blocks, unit % sizes.blocks);
                    head(h).fill(&sizes, n, tiles.from(unit * tile_cap), out.from(unit * row))?;
                }
                Ok(())
            });
        }
        let groups = sizes.blocks.div_ceil(BLOCKS);
        let cost = BLOCKS * (sizes.across * 100 + key_classes * block_q.min(lq) * 5);
        parallel(heads * groups, cost, |range, _| {
            for unit in range {
                let (h, n) = (unit / groups, unit % groups * BLOCKS);
                head(h).occupy(&sizes, n, out.from((h * sizes.blocks + n) * row))?;
            }
            Ok(())
        })
    }
}
