//! `lineSums`, `mark` and `mergeLines`: scores of lines to lists.

use crate::elementwise::fours;
use crate::pool::parallel;
use crate::simd::F32x4;
use crate::status::{Fault, Outcome};
use crate::view::{View, optional, size, view, view_mut};
use std::array::from_fn;
use std::ops::Range;

/// Sums that one unit of `lineSums` makes: the rows that are added together stay in the first cache for both kinds of lines.
const SPAN: usize = 1024;
/// Rows that are added to each other before their sum is added to the total.
const ROWS: usize = 8;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineSums {
    pub x: *const f32,
    pub starts: *const i32,
    pub columns: *mut f32,
    pub diagonals: *mut f32,
    pub batch: u32,
    pub n: u32,
    pub length: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Mark {
    pub index: *const i32,
    pub counts: *const i32,
    pub out: *mut f32,
    pub rows: u32,
    pub k: u32,
    pub cols: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MergeLines {
    pub columns: *const i32,
    pub diagonals: *const i32,
    pub tiles: *mut i32,
    pub lists: *mut i32,
    pub heads: u32,
    pub column_count: u32,
    pub diagonal_count: u32,
    pub blocks: u32,
    pub tile_cap: u32,
    pub column_cap: u32,
    pub block: u32,
    pub offset: u32,
}

impl LineSums {
    pub fn run(&self) -> Outcome {
        let [batch, n, length] = [self.batch, self.n, self.length].map(|v| v as usize);
        let x = view(self.x, size(&[batch, n, length])?)?;
        let starts = view(self.starts, n)?;
        let all = size(&[batch, length])?;
        let columns = view_mut(self.columns, all)?;
        let diagonals = if self.diagonals.is_null() { None } else { Some(view_mut(self.diagonals, all)?) };
        let spans = length.div_ceil(SPAN);
        parallel(batch * spans, n * SPAN / 2 + SPAN, |range, _| {
            for unit in range {
                let (b, first) = (unit / spans, unit % spans * SPAN);
                let x = x.from(b * n * length);
                let span = first..length.min(first + SPAN);
                let (mut by_column, mut by_distance) = ([0.0; SPAN], [0.0; SPAN]);
                for r in (0..n).step_by(ROWS) {
                    let rows = r..n.min(r + ROWS);
                    add_rows(x, length, rows.clone(), span.clone(), |_| 0, &mut by_column);
                    if diagonals.is_some() {
                        // Mirrored, so that the sums of a row run the same way as its columns: sum i has distance length - 1 - i.
                        let shift = |r| i64::from(starts.at(r)) - (length as i64 - 1);
                        add_rows(x, length, rows, span.clone(), shift, &mut by_distance);
                    }
                }
                for i in span {
                    columns.set(b * length + i, by_column[i - first] as f32);
                    if let Some(diagonals) = diagonals {
                        diagonals.set(b * length + (length - 1 - i), by_distance[i - first] as f32);
                    }
                }
            }
            Ok(())
        })
    }
}

/// Adds x[r, i + shift(r)] of some rows to the sums i of a span, where there is such a column.
fn add_rows(
    x: View<f32>,
    length: usize,
    rows: Range<usize>,
    span: Range<usize>,
    shift: impl Fn(usize) -> i64,
    sums: &mut [f64; SPAN],
) {
    let shifts: [i64; ROWS] = from_fn(|k| if k < rows.len() { shift(rows.start + k) } else { length as i64 });
    let parts = shifts.map(|shift| {
        let inside = |i: i64| i.clamp(span.start as i64, span.end as i64) as usize;
        inside(-shift)..inside(length as i64 - shift)
    });
    let row = |k: usize, i: usize| x.from((((rows.start + k) * length + i) as i64 + shifts[k]) as usize);
    let at = |part: Range<usize>| part.start - span.start..part.end - span.start;
    let mut shared =
        parts.iter().fold(span.clone(), |all, part| all.start.max(part.start)..all.end.min(part.end));
    if shared.is_empty() {
        shared = span.end..span.end;
    } else {
        add(from_fn::<_, ROWS, _>(|k| row(k, shared.start)), &mut sums[at(shared.clone())]);
    }
    for (k, part) in parts.into_iter().enumerate() {
        for own in [part.start..part.end.min(shared.start), part.start.max(shared.end)..part.end] {
            if !own.is_empty() {
                add([row(k, own.start)], &mut sums[at(own)]);
            }
        }
    }
}

#[inline(always)]
fn add<const N: usize>(rows: [View<f32>; N], sums: &mut [f64]) {
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum += f64::from(rows.iter().map(|row| row.at(i)).sum::<f32>());
    }
}

impl Mark {
    pub fn run(&self) -> Outcome {
        let [rows, k, cols] = [self.rows, self.k, self.cols].map(|v| v as usize);
        let index = view(self.index, size(&[rows, k])?)?;
        let counts = optional(self.counts, rows)?;
        let out = view_mut(self.out, size(&[rows, cols])?)?;
        parallel(rows, cols / 4 + k * 2 + 10, |range, _| {
            for row in range {
                let (index, out) = (index.from(row * k), out.from(row * cols));
                fours(0..cols, |c, n| out.put_part(c, n, F32x4::splat(0.0)));
                let count = counts.map_or(k, |counts| (counts.at(row).max(0) as usize).min(k));
                for i in 0..count {
                    // A negative column is one far beyond the last.
                    let c = index.at(i) as u32 as usize;
                    if c < cols {
                        out.set(c, 1.0);
                    }
                }
            }
            Ok(())
        })
    }
}

impl MergeLines {
    pub fn run(&self) -> Outcome {
        let [heads, blocks] = [self.heads, self.blocks].map(|v| v as usize);
        let [column_count, diagonal_count] = [self.column_count, self.diagonal_count].map(|v| v as usize);
        let [tile_cap, column_cap] = [self.tile_cap, self.column_cap].map(|v| v as usize);
        if self.block == 0 {
            return Err(Fault::BadArguments);
        }
        let columns = view(self.columns, size(&[heads, column_count])?)?;
        let diagonals = view(self.diagonals, size(&[heads, diagonal_count])?)?;
        let units = size(&[heads, blocks])?;
        let tiles = view_mut(self.tiles, size(&[units, tile_cap])?)?;
        let lists = view_mut(self.lists, size(&[units, column_cap])?)?;
        let (block, offset) = (i64::from(self.block), i64::from(self.offset));
        let cost = 2 * (column_count + diagonal_count) + tile_cap + column_cap;
        parallel(units, cost, |range, _| {
            for unit in range {
                let (head, r) = (unit / blocks, unit % blocks);
                let (tiles, list) = (tiles.from(unit * tile_cap), lists.from(unit * column_cap));
                let (mut tile_count, mut list_count) = (0, 0);
                let end = offset + block * (r as i64 + 1);
                let mut ends = (0..diagonal_count)
                    .map(|i| i64::from(diagonals.at(head * diagonal_count + i)))
                    .take_while(|&d| d >= 0)
                    .filter(|&d| d < end)
                    .map(|d| (end - d).max(block));
                let mut columns = (0..column_count)
                    .map(|i| i64::from(columns.at(head * column_count + i)))
                    .take_while(|&c| c >= 0)
                    .peekable();
                let mut next = ends.next();
                let (mut lo, mut hi) = next.map_or((0, 0), |e| (e - block, e));
                while next.is_some() {
                    while let Some(c) = columns.next_if(|&c| c < hi) {
                        if c < lo && list_count < column_cap {
                            list.set(list_count, c as i32);
                            list_count += 1;
                        }
                    }
                    next = ends.next();
                    if let Some(e) = next.filter(|&e| e <= hi + block) {
                        hi += if e > hi { block } else { 0 };
                        continue;
                    }
                    while lo < hi && tile_count < tile_cap {
                        tiles.set(tile_count, lo as i32);
                        tile_count += 1;
                        lo += block;
                    }
                    (lo, hi) = next.map_or((0, 0), |e| (e - block, e));
                }
                (tile_count..tile_cap).for_each(|i| tiles.set(i, -1));
                (list_count..column_cap).for_each(|i| list.set(i, -1));
            }
            Ok(())
        })
    }
}
