//! `packBitmap`: rows without their small elements, as bitmap tiles.

use super::bitmap::TILE;
use crate::half::narrow;
use crate::pool::parallel;
use crate::scratch::Scratch;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, extent, size, view, view_mut};

/// A half without its sign.
const SIZE: u16 = 0x7fff;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PackBitmap {
    pub x: *const u8,
    pub packed: *mut u16,
    pub meta: *mut i32,
    pub heads: u32,
    pub n: u32,
    pub head_dim: u32,
    pub x_head: u32,
    pub packed_head: u32,
    pub meta_at: u32,
    pub meta_head: u32,
    pub tile0: u32,
    pub drop: u32,
    pub kind: u32,
    pub xtype: u32,
}

/// Where the rows come from.
#[derive(Clone, Copy)]
enum Source {
    F32(View<f32>),
    F16(View<u16>),
}

impl PackBitmap {
    pub fn run(&self) -> Outcome {
        let [heads, n, dim, packed_head, meta_at, meta_head] =
            [self.heads, self.n, self.head_dim, self.packed_head, self.meta_at, self.meta_head]
                .map(|v| v as usize);
        let whole = n.is_multiple_of(TILE) && dim.is_multiple_of(TILE);
        if !whole || self.drop == 0 || self.drop > self.head_dim {
            return Err(Fault::BadArguments);
        }
        let elements = extent(0, &[(heads, self.x_head as usize), (size(&[n, dim])?, 1)])?;
        let x = match self.xtype {
            0 => Source::F32(view(self.x.cast(), elements)?),
            1 => Source::F16(view(self.x.cast(), elements)?),
            _ => return Err(Fault::BadArguments),
        };
        let tile0 = self.tile0 as usize;
        let tiles = tile0.checked_add(size(&[n / TILE, dim])?).ok_or(Fault::BadArguments)?;
        let triples = size(&[3, tiles.checked_add(1).ok_or(Fault::BadArguments)?])?;
        let packed = view_mut(self.packed, size(&[heads, packed_head])?)?;
        let meta = view_mut(self.meta, extent(meta_at, &[(heads, meta_head), (triples, 1)])?)?;
        let (x_head, drop, values) = (self.x_head as usize, self.drop as usize, self.kind != 0);
        parallel(heads, n * dim * 8, |range, scratch| {
            range.into_iter().try_for_each(|g| {
                Head {
                    x,
                    first: g * x_head,
                    dim,
                    drop,
                    values,
                    packed: packed.from(g * packed_head),
                    limit: packed_head,
                    meta: meta.from(meta_at + g * meta_head + 3 * tile0),
                }
                .pack(n / TILE, scratch)
            })
        })
    }
}

/// What is packed of one head.
struct Head {
    x: Source,
    /// The first element.
    first: usize,
    dim: usize,
    drop: usize,
    values: bool,
    packed: ViewMut<u16>,
    /// Elements of `packed`.
    limit: usize,
    /// The words of the first tile.
    meta: ViewMut<i32>,
}

impl Head {
    fn pack(&self, blocks: usize, scratch: &mut Scratch) -> Outcome {
        let Self { dim, meta, .. } = *self;
        let [rows] = scratch.floats([TILE * dim / 2])?;
        let rows = view_mut(rows.ptr(0, TILE * dim / 2).cast::<u16>(), TILE * dim)?;
        let mut offset = meta.read().at(2) as u32;
        for tile in 0..blocks * dim {
            let (block, place) = (tile / dim, tile % dim);
            if place == 0 {
                for row in 0..TILE {
                    let to = rows.from(row * dim);
                    load(self.x, self.first + (block * TILE + row) * dim, dim, to);
                    prune(to, dim, self.drop);
                }
            }
            let (at, step) = match self.values {
                true => (place % TILE * dim + place / TILE * TILE, 1),
                false => (place, dim),
            };
            let element = |e: usize| rows.read().at(at + e * step);
            let bits = (0..TILE).fold(0u64, |bits, e| bits << 1 | u64::from(element(e) != 0));
            write(meta.from(3 * tile), bits, offset);
            let (start, room) = (offset as usize * 2, bits.count_ones().next_multiple_of(8));
            if start + room as usize <= self.limit {
                let mut next = start;
                for half in (0..TILE).map(element).filter(|&half| half != 0) {
                    self.packed.set(next, half);
                    next += 1;
                }
                (next..start + room as usize).for_each(|at| self.packed.set(at, 0));
            }
            offset = offset.wrapping_add(room / 2);
        }
        write(meta.from(3 * blocks * dim), 0, offset);
        Ok(())
    }
}

/// The words of a tile.
fn write(meta: ViewMut<i32>, bits: u64, offset: u32) {
    meta.set(0, (bits >> 32) as i32);
    meta.set(1, bits as i32);
    meta.set(2, offset as i32);
}

/// A row as halves.
fn load(x: Source, first: usize, dim: usize, to: ViewMut<u16>) {
    match x {
        Source::F32(x) => (0..dim).step_by(4).for_each(|d| {
            // SAFETY: `ptr` has checked the extent; `dim` is a multiple of 4.
            unsafe { narrow(x.four(first + d)).store_u16(to.ptr(d, 4)) }
        }),
        Source::F16(x) => (0..dim).for_each(|d| to.set(d, x.at(first + d))),
    }
}

/// Sets elements that are smaller than the `drop`-th smallest of a row to 0, and negative zeros.
fn prune(row: ViewMut<u16>, dim: usize, drop: usize) {
    let element = |d: usize| row.read().at(d) & SIZE;
    // The size is found in two digits: first its upper 8 bits, then the lower 7.
    let (mut least, mut rank) = (0, drop);
    for (shift, width) in [(7, 8), (0, 7)] {
        let mut counts = [0usize; 256];
        let known = least >> (shift + width);
        let all = (0..dim).map(element).filter(|size| u32::from(*size) >> (shift + width) == known);
        all.for_each(|size| counts[usize::from(size >> shift) & ((1 << width) - 1)] += 1);
        let mut digit = 0;
        while counts[digit] < rank {
            rank -= counts[digit];
            digit += 1;
        }
        least |= (digit as u32) << shift;
    }
    for d in 0..dim {
        let size = element(d);
        if u32::from(size) < least || size == 0 {
            row.set(d, 0);
        }
    }
}
