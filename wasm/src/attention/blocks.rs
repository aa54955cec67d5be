//! Many queries: keys and values are packed block by block, then both products run on the micro-kernel.

use super::{Head, Shape, Stored};
use crate::math::exp_down;
use crate::scratch::Scratch;
use crate::simd::F32x4;
use crate::status::Outcome;
#[cfg(not(target_feature = "relaxed-simd"))]
use crate::tile::unreachable_rows;
use crate::tile::{PANEL, ROWS, multiply, next_rows, with_rows};
use crate::view::{View, ViewMut};
use std::ops::Range;

/// Keys of a block.
const KEYS: usize = 128;

/// Scratch memory of one unit of work.
struct Room {
    /// Keys in panels of 8: [keys / 8, dim, 8].
    k: ViewMut<f32>,
    /// Values in panels of 8 columns: [dim / 8, keys, 8].
    v: ViewMut<f32>,
    /// Scores of a tile: [rows, padded keys].
    scores: ViewMut<f32>,
    /// Running sums [queries, padded dim], maxima and weights, where there are several blocks.
    sums: ViewMut<f32>,
    tops: ViewMut<f32>,
    totals: ViewMut<f32>,
    wide: usize,
}

/// Queries `queries` of one head.
pub fn attend<T: Stored>(
    shape: &Shape,
    head: Head<T>,
    queries: Range<usize>,
    scratch: &mut Scratch,
) -> Outcome {
    let wide = shape.dim.next_multiple_of(PANEL);
    let block = KEYS.min(shape.lk.next_multiple_of(PANEL)).max(PANEL);
    let several = if shape.lk > KEYS { queries.len() } else { ROWS };
    let parts = [block * shape.dim, block * wide, ROWS * block, several * wide, several, several];
    let [k, v, scores, sums, tops, totals] = scratch.floats(parts)?;
    let room = Room { k, v, scores, sums, tops, totals, wide };
    let seen = shape.visible(queries.end - 1, head.keys);
    let mut first = 0;
    loop {
        let keys = KEYS.min(seen - first);
        pack_keys(head.k.from(if keys == 0 { 0 } else { first * shape.k_row }), shape, keys, room.k);
        pack_values(head.v.from(if keys == 0 { 0 } else { first * shape.v_row }), shape, keys, room.v);
        let last = first + keys == seen;
        let mut row = queries.start;
        while row < queries.end {
            let count = next_rows(queries.end - row);
            let at = if shape.lk > KEYS { row - queries.start } else { 0 };
            with_rows!(count, R => tile::<T, R>(shape, &head, &room, row, at, first, keys, last));
            row += count;
        }
        first += keys;
        if last {
            return Ok(());
        }
    }
}

/// `R` queries from `row` on against one block of keys; `at` is their place in the running sums.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn tile<T: Stored, const R: usize>(
    shape: &Shape,
    head: &Head<T>,
    room: &Room,
    row: usize,
    at: usize,
    first: usize,
    keys: usize,
    last: bool,
) {
    let zero = F32x4::splat(0.0);
    let padded = keys.next_multiple_of(4);
    let pitch = keys.next_multiple_of(PANEL);
    let q = head.q.from(row * shape.q_row).ptr(0, (R - 1) * shape.q_row + shape.dim);
    for j in (0..keys).step_by(PANEL) {
        let panel = room.k.read().ptr(j * shape.dim, PANEL * shape.dim);
        if keys - j <= 4 {
            let mut sums = [[zero; 1]; R];
            // SAFETY: the pointers above cover R queries and one panel.
            unsafe { multiply::<R, 1>(q, shape.q_row, panel, PANEL, shape.dim, &mut sums) };
            (0..R).for_each(|r| room.scores.put(r * pitch + j, sums[r][0]));
        } else {
            let mut sums = [[zero; 2]; R];
            // SAFETY: as above.
            unsafe { multiply::<R, 2>(q, shape.q_row, panel, PANEL, shape.dim, &mut sums) };
            for (r, sum) in sums.into_iter().enumerate() {
                room.scores.put(r * pitch + j, sum[0]);
                room.scores.put(r * pitch + j + 4, sum[1]);
            }
        }
    }
    let mut scales = [1.0f32; R];
    for r in 0..R {
        scales[r] = soften(shape, head, room, row + r, r * pitch, at + r, first, keys, last);
    }
    let p = room.scores.read().ptr(0, (R - 1) * pitch + padded);
    for d in (0..shape.dim).step_by(PANEL) {
        let panel = room.v.read().ptr(d * keys, PANEL * keys);
        let width = shape.dim - d;
        if width <= 4 {
            let mut sums = [[zero; 1]; R];
            begin(room, at, d, first, &mut sums);
            // SAFETY: the pointers above cover R rows of weights and one panel.
            unsafe { multiply::<R, 1>(p, pitch, panel, PANEL, keys, &mut sums) };
            end(shape, head, room, row, at, d, last, &scales, &sums);
        } else {
            let mut sums = [[zero; 2]; R];
            begin(room, at, d, first, &mut sums);
            // SAFETY: as above.
            unsafe { multiply::<R, 2>(p, pitch, panel, PANEL, keys, &mut sums) };
            end(shape, head, room, row, at, d, last, &scales, &sums);
        }
    }
}

/// Running sums of earlier blocks.
#[inline(always)]
fn begin<const R: usize, const C: usize>(
    room: &Room,
    at: usize,
    d: usize,
    first: usize,
    sums: &mut [[F32x4; C]; R],
) {
    if first > 0 {
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = room.sums.read().four((at + r) * room.wide + d + 4 * c);
            }
        }
    }
}

/// Keeps the sums for the next block, or divides them by the weights and writes them out.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn end<T: Stored, const R: usize, const C: usize>(
    shape: &Shape,
    head: &Head<T>,
    room: &Room,
    row: usize,
    at: usize,
    d: usize,
    last: bool,
    scales: &[f32; R],
    sums: &[[F32x4; C]; R],
) {
    for r in 0..R {
        for c in 0..C {
            let d = d + 4 * c;
            if last {
                let y = sums[r][c].mul(F32x4::splat(scales[r]));
                head.out.put_part((row + r) * shape.out_row + d, (shape.dim - d).min(4), y);
            } else {
                room.sums.put((at + r) * room.wide + d, sums[r][c]);
            }
        }
    }
}

/// Scores of one query to weights, in place; rescales its running sums. Gives the factor of the final sums.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn soften<T: Stored>(
    shape: &Shape,
    head: &Head<T>,
    room: &Room,
    i: usize,
    from: usize,
    at: usize,
    first: usize,
    keys: usize,
    last: bool,
) -> f32 {
    let scores = room.scores.from(from);
    let seen = shape.visible(i, head.keys);
    let scale = F32x4::splat(shape.scale);
    let low = F32x4::splat(f32::NEG_INFINITY);
    let plain = shape.mask.is_none() && first + keys <= seen;
    let whole = if plain { keys & !3 } else { 0 };
    let mut tops = low;
    for j in (0..whole).step_by(4) {
        let s = scores.read().four(j).mul(scale);
        scores.put(j, s);
        tops = s.pmax(tops);
    }
    for j in (whole..keys).step_by(4) {
        let s = scores.read().four(j).mul(scale);
        let s = shape.hide(s, i, first + j, seen.min(first + keys));
        scores.put(j, s);
        tops = s.pmax(tops);
    }
    let [a, b, c, d] = tops.array();
    let top = a.max(b).max(c.max(d));
    let (old, before) = if first == 0 {
        (f32::NEG_INFINITY, 0.0)
    } else {
        (room.tops.read().at(at), room.totals.read().at(at))
    };
    let top = top.max(old);
    let shift = F32x4::splat(if top == f32::NEG_INFINITY { 0.0 } else { top });
    let mut totals = F32x4::splat(0.0);
    for j in (0..keys).step_by(4) {
        let p = exp_down(scores.read().four(j).sub(shift));
        scores.put(j, p);
        totals = totals.add(p);
    }
    let mut total = totals.sum();
    if first > 0 {
        let fade = exp_down(F32x4::splat(old).sub(shift));
        total += before * fade.array()[0];
        if old < top {
            for d in (0..room.wide).step_by(4) {
                let place = at * room.wide + d;
                room.sums.put(place, room.sums.read().four(place).mul(fade));
            }
        }
    }
    if !last {
        room.tops.set(at, top);
        room.totals.set(at, total);
    } else if let Some(lse) = head.lse {
        lse.set(i, if total == 0.0 { f32::NEG_INFINITY } else { top + total.ln() });
    }
    if total == 0.0 { 0.0 } else { 1.0 / total }
}

/// Keys to panels of 8, transposed; zeros beyond the last key.
fn pack_keys<T: Stored>(k: View<T>, shape: &Shape, keys: usize, to: ViewMut<f32>) {
    let (dim, row) = (shape.dim, shape.k_row);
    for j in (0..keys).step_by(4) {
        let to = to.from(j / PANEL * PANEL * dim + j % PANEL);
        let count = (keys - j).min(4);
        for d in (0..dim).step_by(4) {
            let width = (dim - d).min(4);
            let zero = F32x4::splat(0.0);
            let rows =
                std::array::from_fn(|r| if r < count { T::part(k, (j + r) * row + d, width) } else { zero });
            let columns = F32x4::transpose(rows);
            (0..width).for_each(|c| to.put((d + c) * PANEL, columns[c]));
        }
    }
    if keys % PANEL != 0 && keys % PANEL <= 4 {
        let to = to.from(keys / PANEL * PANEL * dim + 4);
        (0..dim).for_each(|d| to.put(d * PANEL, F32x4::splat(0.0)));
    }
}

/// Values to panels of 8 columns; zeros beyond the last column.
fn pack_values<T: Stored>(v: View<T>, shape: &Shape, keys: usize, to: ViewMut<f32>) {
    for d in (0..shape.dim.next_multiple_of(PANEL)).step_by(4) {
        let to = to.from(d / PANEL * PANEL * keys + d % PANEL);
        let width = shape.dim.saturating_sub(d).min(4);
        for j in 0..keys {
            let y = if width == 0 { F32x4::splat(0.0) } else { T::part(v, j * shape.v_row + d, width) };
            to.put(j * PANEL, y);
        }
    }
}
