//! Many queries: all keys that causality leaves, block by block, read as they lie (halves are widened block by block).

use super::lanes::{KEYS, Room, Rows, Tile};
use super::{Head, Shape, Stored};
use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::Outcome;
use crate::tile::PANEL;
use std::ops::Range;

/// One block of keys and values.
#[derive(Clone, Copy)]
struct Block {
    k: Rows,
    v: Rows,
    first: usize,
    keys: usize,
}

/// Queries `queries` of one head.
pub fn attend<T: Stored>(
    shape: &Shape,
    head: Head<T>,
    queries: Range<usize>,
    scratch: &mut Scratch,
) -> Outcome {
    let tiles = queries.len().div_ceil(PANEL);
    let block = KEYS.min(shape.lk);
    let (room, [k, v]) =
        Room::new(scratch, shape.dim, tiles, block, if T::WIDE { 0 } else { block * shape.dim })?;
    let part = |tile: usize| {
        let from = queries.start + tile * PANEL;
        (room.tile(tile), from, PANEL.min(queries.end - from))
    };
    for (tile, from, count) in (0..tiles).map(part) {
        tile.pack(|lane| (lane < count).then(|| head.q.from((from + lane) * shape.q_row)));
    }
    let seen = shape.visible(queries.end - 1, head.keys);
    let mut first = 0;
    loop {
        let keys = KEYS.min(seen - first);
        let k = T::floats(head.k, first, keys, shape.k_row, shape.dim, k);
        let v = T::floats(head.v, first, keys, shape.v_row, shape.dim, v);
        let block = Block { k, v, first, keys };
        for (tile, from, count) in (0..tiles).map(part) {
            if count > 4 {
                attend_tile::<2>(shape, head.keys, block, tile, from, count);
            } else {
                attend_tile::<1>(shape, head.keys, block, tile, from, count);
            }
        }
        first += keys;
        if first == seen {
            break;
        }
    }
    for (tile, from, count) in (0..tiles).map(part) {
        tile.write(count, |lane| Some(head.out.from((from + lane) * shape.out_row)));
        if let Some(lse) = head.lse {
            (0..count).for_each(|lane| lse.set(from + lane, tile.stats(lane).1));
        }
    }
    Ok(())
}

/// One tile of up to 4 C queries from `from` on against one block of keys.
fn attend_tile<const C: usize>(
    shape: &Shape,
    exist: usize,
    block: Block,
    tile: Tile,
    from: usize,
    count: usize,
) {
    let Block { k, v, first, keys } = block;
    let mut tops = tile.score::<C>(k, keys, shape.scale);
    let hides = shape.causal && first + keys > shape.visible(from, exist);
    if hides || shape.columns.is_some() {
        let seen: [_; C] = std::array::from_fn(|c| {
            I32x4::new(std::array::from_fn(|lane| {
                shape.visible(from + (4 * c + lane).min(count - 1), exist) as i32
            }))
        });
        tops = tile.adjust(keys, |c, j, s| {
            let mut shown = seen[c].gt(I32x4::splat((first + j) as i32));
            if let Some(columns) = shape.columns {
                let place = (from / PANEL * shape.lk + first + j) * PANEL + 4 * c;
                // SAFETY: `ptr` has checked the extent.
                let allowed = unsafe { I32x4::load_u8(columns.ptr(place, 4)) };
                shown = shown.and_not(allowed.eq(I32x4::splat(0)));
            }
            s.select(F32x4::splat(f32::NEG_INFINITY), shown)
        });
    }
    tile.mix(shape.table, tops, Some(v), keys, first == 0);
}
