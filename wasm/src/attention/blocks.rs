//! Many queries: 8 queries side by side in the lanes, keys one after the other.
//!
//! Scores, their exponentials and the outputs of a tile are columns of 8 queries, so that maxima, sums and factors need no
//! step across lanes, and the scores of a tile are at once the panel that the values are multiplied with. Keys and values
//! are read as they lie (halves are widened block by block).

use super::{Head, Shape, Stored};
use crate::math::exp_down;
use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::Outcome;
#[cfg(not(target_feature = "relaxed-simd"))]
use crate::tile::unreachable_rows;
use crate::tile::{PANEL, multiply, multiply_columns, next_rows, with_rows};
use crate::view::{View, ViewMut};
use std::ops::Range;

/// Keys of a block.
const KEYS: usize = 128;

/// Scratch memory of one unit of work.
#[derive(Clone, Copy)]
struct Room {
    /// Queries of each tile: [tiles, dim, 8].
    q: ViewMut<f32>,
    /// Scores of a tile: [keys, 8].
    scores: ViewMut<f32>,
    /// Running sums [tiles, dim, 8], maxima and weights [tiles, 8].
    sums: ViewMut<f32>,
    tops: ViewMut<f32>,
    totals: ViewMut<f32>,
}

/// One block of keys and values as floats.
#[derive(Clone, Copy)]
struct Block {
    k: View<f32>,
    v: View<f32>,
    k_row: usize,
    v_row: usize,
    first: usize,
    keys: usize,
    last: bool,
}

/// Queries `queries` of one head.
pub fn attend<T: Stored>(
    shape: &Shape,
    head: Head<T>,
    queries: Range<usize>,
    scratch: &mut Scratch,
) -> Outcome {
    let tiles = queries.len().div_ceil(PANEL);
    let columns = tiles * shape.dim * PANEL;
    let block = KEYS.min(shape.lk);
    let wide = if T::WIDE { 0 } else { block * shape.dim };
    let [q, scores, sums, tops, totals, k, v] =
        scratch.floats([columns, block * PANEL, columns, tiles * PANEL, tiles * PANEL, wide, wide])?;
    let room = Room { q, scores, sums, tops, totals };
    for tile in 0..tiles {
        let from = queries.start + tile * PANEL;
        pack_queries(&head, shape, from, PANEL.min(queries.end - from), q.from(tile * shape.dim * PANEL));
    }
    let seen = shape.visible(queries.end - 1, head.keys);
    let mut first = 0;
    loop {
        let keys = KEYS.min(seen - first);
        let (k, k_row) = T::floats(head.k, first, keys, shape.k_row, shape.dim, k);
        let (v, v_row) = T::floats(head.v, first, keys, shape.v_row, shape.dim, v);
        let block = Block { k, v, k_row, v_row, first, keys, last: first + keys == seen };
        for tile in 0..tiles {
            let from = queries.start + tile * PANEL;
            let count = PANEL.min(queries.end - from);
            if count > 4 {
                attend_tile::<T, 2>(shape, &head, room, block, tile, from, count);
            } else {
                attend_tile::<T, 1>(shape, &head, room, block, tile, from, count);
            }
        }
        first += keys;
        if block.last {
            return Ok(());
        }
    }
}

/// One tile of up to 4 C queries against one block of keys.
fn attend_tile<T: Stored, const C: usize>(
    shape: &Shape,
    head: &Head<T>,
    room: Room,
    block: Block,
    tile: usize,
    from: usize,
    count: usize,
) {
    let tops = score::<T, C>(shape, head, room, block, tile, from, count);
    let at = tile * PANEL;
    let low = F32x4::splat(f32::NEG_INFINITY);
    let mut factors = [F32x4::splat(0.0); C];
    let mut shifts = [low; C];
    let mut fades = [F32x4::splat(1.0); C];
    let mut totals = [F32x4::splat(0.0); C];
    for c in 0..C {
        let mut top = tops[c];
        if block.first > 0 {
            let old = room.tops.read().four(at + 4 * c);
            top = old.pmax(top);
            shifts[c] = top.keep(top.eq(low).xor(I32x4::splat(-1)));
            fades[c] = exp_down(shape.table, old.sub(shifts[c]));
            totals[c] = room.totals.read().four(at + 4 * c).mul(fades[c]);
        } else {
            shifts[c] = top.keep(top.eq(low).xor(I32x4::splat(-1)));
        }
        room.tops.put(at + 4 * c, top);
    }
    for j in 0..block.keys {
        for c in 0..C {
            let place = j * PANEL + 4 * c;
            let p = exp_down(shape.table, room.scores.read().four(place).sub(shifts[c]));
            room.scores.put(place, p);
            totals[c] = totals[c].add(p);
        }
    }
    for c in 0..C {
        room.totals.put(at + 4 * c, totals[c]);
        let empty = totals[c].eq(F32x4::splat(0.0));
        factors[c] = F32x4::splat(0.0).select(F32x4::splat(1.0).div(totals[c]), empty);
    }
    let p = room.scores.read().ptr(0, block.keys * PANEL);
    let sums = room.sums.from(tile * shape.dim * PANEL);
    let mut d = 0;
    while d < shape.dim {
        let rows = next_rows(shape.dim - d);
        with_rows!(rows, R => {
            let mut tile = [[F32x4::splat(0.0); C]; R];
            if block.first > 0 {
                for r in 0..R {
                    for c in 0..C {
                        tile[r][c] = sums.read().four((d + r) * PANEL + 4 * c).mul(fades[c]);
                    }
                }
            }
            if block.keys > 0 {
                let v = block.v.from(d).ptr(0, (block.keys - 1) * block.v_row + R);
                // SAFETY: the pointers cover R columns of every value and the panel of weights.
                unsafe { multiply_columns::<R, C>(v, block.v_row, p, block.keys, &mut tile) };
            }
            for r in 0..R {
                for c in 0..C {
                    let y = if block.last { tile[r][c].mul(factors[c]) } else { tile[r][c] };
                    sums.put((d + r) * PANEL + 4 * c, y);
                }
            }
        });
        d += rows;
    }
    if block.last {
        write_out(shape, head, sums.read(), from, count);
        if let Some(lse) = head.lse {
            for lane in 0..count {
                let (top, total) = (room.tops.read().at(at + lane), room.totals.read().at(at + lane));
                lse.set(from + lane, if total == 0.0 { f32::NEG_INFINITY } else { top + total.ln() });
            }
        }
    }
}

/// Scaled scores of a tile with hidden ones set to -inf, and the largest of each query.
#[inline(always)]
fn score<T: Stored, const C: usize>(
    shape: &Shape,
    head: &Head<T>,
    room: Room,
    block: Block,
    tile: usize,
    from: usize,
    count: usize,
) -> [F32x4; C] {
    let low = F32x4::splat(f32::NEG_INFINITY);
    let scale = F32x4::splat(shape.scale);
    let q = room.q.read().ptr(tile * shape.dim * PANEL, shape.dim * PANEL);
    let mut tops = [low; C];
    let mut j = 0;
    while j < block.keys {
        let rows = next_rows(block.keys - j);
        let k = block.k.from(j * block.k_row).ptr(0, (rows - 1) * block.k_row + shape.dim);
        with_rows!(rows, R => {
            let mut sums = [[F32x4::splat(0.0); C]; R];
            // SAFETY: the pointers cover R keys and the panel of queries.
            unsafe { multiply::<R, C>(k, block.k_row, q, shape.dim, &mut sums) };
            for r in 0..R {
                for c in 0..C {
                    let s = sums[r][c].mul(scale);
                    tops[c] = s.pmax(tops[c]);
                    room.scores.put((j + r) * PANEL + 4 * c, s);
                }
            }
        });
        j += rows;
    }
    let hides = shape.causal && block.first + block.keys > shape.visible(from, head.keys);
    if !hides && shape.columns.is_none() {
        return tops;
    }
    let mut tops = [low; C];
    for c in 0..C {
        let seen =
            std::array::from_fn(|lane| shape.visible(from + (4 * c + lane).min(count - 1), head.keys) as i32);
        let seen = I32x4::new(seen);
        for j in 0..block.keys {
            let key = block.first + j;
            let mut shown = seen.gt(I32x4::splat(key as i32));
            if let Some(columns) = shape.columns {
                let place = (from / PANEL * shape.lk + key) * PANEL + 4 * c;
                // SAFETY: `ptr` has checked the extent.
                let allowed = unsafe { I32x4::load_u8(columns.ptr(place, 4)) };
                shown = shown.and_not(allowed.eq(I32x4::splat(0)));
            }
            let place = j * PANEL + 4 * c;
            let s = room.scores.read().four(place).select(low, shown);
            tops[c] = s.pmax(tops[c]);
            room.scores.put(place, s);
        }
    }
    tops
}

/// `count` queries from `from` on to a panel of 8, transposed; zeros beyond.
fn pack_queries<T>(head: &Head<T>, shape: &Shape, from: usize, count: usize, to: ViewMut<f32>) {
    let zero = F32x4::splat(0.0);
    for half in [0, 4] {
        for d in (0..shape.dim).step_by(4) {
            let width = (shape.dim - d).min(4);
            let rows = std::array::from_fn(|r| {
                if half + r < count {
                    head.q.part((from + half + r) * shape.q_row + d, width, 0.0)
                } else {
                    zero
                }
            });
            let columns = F32x4::transpose(rows);
            (0..width).for_each(|c| to.put((d + c) * PANEL + half, columns[c]));
        }
    }
}

/// The finished columns of a tile to rows of the output.
fn write_out<T>(shape: &Shape, head: &Head<T>, sums: View<f32>, from: usize, count: usize) {
    for half in (0..count).step_by(4) {
        for d in (0..shape.dim).step_by(4) {
            let width = (shape.dim - d).min(4);
            let columns = std::array::from_fn(|c| sums.four((d + c.min(width - 1)) * PANEL + half));
            let rows = F32x4::transpose(columns);
            for (r, row) in rows.into_iter().enumerate().take(count - half) {
                head.out.put_part((from + half + r) * shape.out_row + d, width, row);
            }
        }
    }
}
