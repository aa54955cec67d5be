//! Many queries: keys are taken block by block, gathered where they do not follow each other.

use super::Unit;
use super::lists::Block;
use crate::attention::Stored;
use crate::attention::lanes::{KEYS, Room, Rows, Tile};
use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::Outcome;
use crate::tile::PANEL;
use crate::view::{View, ViewMut};

/// A block of keys with its rows.
#[derive(Clone, Copy)]
struct Step<'a> {
    block: &'a Block,
    k: Rows,
    v: Option<Rows>,
    /// Whether it is the first one.
    fresh: bool,
}

/// All queries of a unit.
pub fn attend<T: Stored>(unit: &Unit<T>, scratch: &mut Scratch) -> Outcome {
    let (t, queries) = (&unit.tensors, &unit.queries);
    let tiles = queries.count.div_ceil(PANEL);
    let (room, [k_room, v_room]) = Room::new(scratch, t.dim, tiles, KEYS, KEYS * t.dim)?;
    let tile_of = |n: usize| (room.tile(n), n * PANEL, PANEL.min(queries.count - n * PANEL));
    for (tile, from, count) in (0..tiles).map(tile_of) {
        tile.pack(|lane| (lane < count).then(|| unit.query(from + lane)));
    }
    let mut fresh = true;
    unit.each_block(|block| {
        let k = floats(t.k, block, t.dim, k_room);
        let v = t.v.map(|v| floats(v, block, t.dim, v_room));
        let step = Step { block, k, v, fresh };
        for (tile, from, count) in (0..tiles).map(tile_of) {
            if count > 4 {
                attend_tile::<T, 2>(unit, step, tile, from, count);
            } else {
                attend_tile::<T, 1>(unit, step, tile, from, count);
            }
        }
        fresh = false;
    });
    for (tile, from, count) in (0..tiles).map(tile_of) {
        tile.write(count, |lane| unit.out(from + lane));
        for lane in 0..count {
            let (top, log_sum) = tile.stats(lane);
            unit.put_stat(from + lane, top, log_sum);
        }
    }
    Ok(())
}

/// The rows of a block's keys as floats.
fn floats<T: Stored>(x: View<T>, block: &Block, dim: usize, room: ViewMut<f32>) -> Rows {
    let keys = &block.key[..block.count];
    if block.run && !keys.is_empty() {
        T::floats(x, keys[0] as usize, keys.len(), dim, dim, room)
    } else {
        T::gather(x, keys, dim, room)
    }
}

/// One tile of up to 4 C queries from `from` on against one block of keys.
fn attend_tile<T: Stored, const C: usize>(unit: &Unit<T>, step: Step, tile: Tile, from: usize, count: usize) {
    let Unit { tensors: t, lists, queries, .. } = unit;
    let Step { block, k, v, fresh } = step;
    let lanes: [[usize; 4]; C] =
        std::array::from_fn(|c| std::array::from_fn(|lane| from + (4 * c + lane).min(count - 1)));
    let (low, high) = queries.reach(from..from + count);
    let keys = block.before(lists, high);
    if keys == 0 && !fresh {
        return;
    }
    let mut tops = tile.score::<C>(k, keys, t.layout.scale);
    if block.hides(lists, low, high) || t.bias.is_some() {
        let position = lanes.map(|lanes| I32x4::new(lanes.map(|i| queries.position[i])));
        let mut words = ((usize::MAX, C), I32x4::splat(0));
        tops = tile.adjust(keys, |c, j, s| {
            let key = block.key[j];
            let s = t.bias.map_or(s, |bias| s.add(bias.splat(key as usize)));
            let mut hidden = lists.hidden(I32x4::splat(key), position[c]);
            if let Some((word, bit)) = block.bit(j) {
                if words.0 != (word, c) {
                    let word_of = |i: usize| lists.word(word, queries.row[i]);
                    words = ((word, c), I32x4::new(lanes[c].map(word_of)));
                }
                hidden = hidden.or(words.1.and(I32x4::splat(1 << bit)).eq(I32x4::splat(0)));
            }
            F32x4::splat(f32::NEG_INFINITY).select(s, hidden)
        });
    }
    if v.is_none() && t.layout.stat_kind == 1 {
        tile.raise(tops, fresh);
    } else {
        tile.mix(t.table, tops, v, keys, fresh);
    }
}
