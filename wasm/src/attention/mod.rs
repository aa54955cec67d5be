//! `attention`: softmax(scale * q k^T) v by online softmax, many small or few large problems alike.

mod blocks;
mod few;
mod lanes;
mod planned;

pub use planned::Planned;

use crate::half::{self, Moves};
use crate::math::{Table, table};
use crate::pool::parallel;
use crate::simd::{F32x4, I32x4};
use crate::status::{Fault, Outcome};
use crate::tile::PANEL;
use crate::view::{View, ViewMut, extent, optional, size, view, view_mut};
use lanes::Rows;

/// Queries of a unit of work: enough to pay for the packing of its keys and values.
const QUERIES: usize = 192;
/// Queries per head up to which keys are read as they lie.
const FEW: usize = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Attention {
    pub q: *const f32,
    pub k: *const u8,
    pub v: *const u8,
    pub mask: *const u8,
    pub lens: *const i32,
    pub out: *mut f32,
    pub lse: *mut f32,
    pub batch: u32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    pub lq: u32,
    pub lk: u32,
    pub q_offset: u32,
    /// Strides of batch, head and row.
    pub q_stride: [u32; 3],
    pub k_offset: u32,
    pub k_stride: [u32; 3],
    pub v_offset: u32,
    pub v_stride: [u32; 3],
    pub out_stride: [u32; 3],
    pub kvtype: u32,
    pub causal: u32,
    pub scale: f32,
}

/// Keys or values: floats, or halves that are widened as they are read.
pub trait Stored: Copy + Sync + Send {
    /// Whether the elements are floats already.
    const WIDE: bool;
    /// Rows `first..first + count` (`row` apart) as floats; `room` holds them if need be.
    fn floats(x: View<Self>, first: usize, count: usize, row: usize, dim: usize, room: ViewMut<f32>) -> Rows;
    /// Rows `rows` of x [*, dim] as floats in `room`.
    fn gather(x: View<Self>, rows: &[i32], dim: usize, room: ViewMut<f32>) -> Rows {
        let t = half::moves();
        for (j, &row) in rows.iter().enumerate() {
            let x = x.from(row as usize * dim);
            for d in (0..dim).step_by(4) {
                let width = (dim - d).min(4);
                room.put_part(j * dim + d, width, Self::part(t, x, d, width));
            }
        }
        Rows { x: room.read(), stride: dim }
    }
    fn four(t: Moves, x: View<Self>, i: usize) -> F32x4;
    fn one(x: View<Self>, i: usize) -> f32;
    /// The `n` (at most 4) elements from `i` on, then zeros.
    #[inline(always)]
    fn part(t: Moves, x: View<Self>, i: usize, n: usize) -> F32x4 {
        if n >= 4 {
            return Self::four(t, x, i);
        }
        F32x4::new(std::array::from_fn(|lane| if lane < n { Self::one(x, i + lane) } else { 0.0 }))
    }
}

impl Stored for f32 {
    const WIDE: bool = true;
    #[inline(always)]
    fn floats(x: View<f32>, first: usize, count: usize, row: usize, _: usize, _: ViewMut<f32>) -> Rows {
        Rows { x: x.from(if count == 0 { 0 } else { first * row }), stride: row }
    }
    #[inline(always)]
    fn four(_: Moves, x: View<f32>, i: usize) -> F32x4 {
        x.four(i)
    }
    #[inline(always)]
    fn one(x: View<f32>, i: usize) -> f32 {
        x.at(i)
    }
}

impl Stored for u16 {
    const WIDE: bool = false;
    fn floats(x: View<u16>, first: usize, count: usize, row: usize, dim: usize, room: ViewMut<f32>) -> Rows {
        let t = half::moves();
        for j in 0..count {
            for d in (0..dim).step_by(4) {
                let width = (dim - d).min(4);
                room.put_part(j * dim + d, width, Self::part(t, x, (first + j) * row + d, width));
            }
        }
        Rows { x: room.read(), stride: dim }
    }
    #[inline(always)]
    fn four(t: Moves, x: View<u16>, i: usize) -> F32x4 {
        // SAFETY: `ptr` has checked the extent.
        half::widen(t, unsafe { I32x4::load_halves(x.ptr(i, 4)) })
    }
    #[inline(always)]
    fn one(x: View<u16>, i: usize) -> f32 {
        half::widen_one(x.at(i))
    }
}

/// One head of one batch member.
#[derive(Clone, Copy)]
pub struct Head<T> {
    q: View<f32>,
    k: View<T>,
    v: View<T>,
    out: ViewMut<f32>,
    lse: Option<ViewMut<f32>>,
    /// Keys that exist for this batch member.
    keys: usize,
}

/// What all heads of a call share.
#[derive(Clone, Copy)]
pub struct Shape {
    dim: usize,
    lq: usize,
    lk: usize,
    q_row: usize,
    k_row: usize,
    v_row: usize,
    out_row: usize,
    mask: Option<View<u8>>,
    /// The mask as columns of 8 queries: [lq / 8, lk, 8].
    columns: Option<View<u8>>,
    causal: bool,
    scale: f32,
    table: Table,
}

impl Shape {
    /// Keys that query `i` may see at most, of `keys`.
    #[inline(always)]
    fn visible(&self, i: usize, keys: usize) -> usize {
        if self.causal { (i + self.lk + 1).saturating_sub(self.lq).min(keys) } else { keys }
    }

    /// Scores of query `i` and keys `j..j + 4` with those that the mask hides set to -inf.
    #[inline(always)]
    fn hide(&self, scores: F32x4, i: usize, j: usize) -> F32x4 {
        let Some(mask) = self.mask else { return scores };
        let row = mask.from(i * self.lk);
        let shown = if j + 4 <= self.lk {
            // SAFETY: `ptr` has checked the extent.
            unsafe { I32x4::load_u8(row.ptr(j, 4)) }
        } else {
            I32x4::new(std::array::from_fn(|l| if j + l < self.lk { i32::from(row.at(j + l)) } else { 0 }))
        };
        F32x4::splat(f32::NEG_INFINITY).select(scores, shown.eq(I32x4::splat(0)))
    }
}

impl Attention {
    pub fn run(&self) -> Outcome {
        match self.kvtype {
            0 => self.typed::<f32>(),
            1 => self.typed::<u16>(),
            _ => Err(Fault::BadArguments),
        }
    }

    fn typed<T: Stored>(&self) -> Outcome {
        let [batch, heads, kv_heads, dim, lq, lk] =
            [self.batch, self.heads, self.kv_heads, self.head_dim, self.lq, self.lk].map(|v| v as usize);
        if batch == 0 || heads == 0 || lq == 0 || dim == 0 {
            return Ok(());
        }
        if kv_heads == 0 {
            return Err(Fault::BadArguments);
        }
        let [qs, ks, vs, os] =
            [self.q_stride, self.k_stride, self.v_stride, self.out_stride].map(|s| s.map(|v| v as usize));
        let reach = |offset: u32, s: [usize; 3], heads, rows| {
            extent(offset as usize, &[(batch, s[0]), (heads, s[1]), (rows, s[2]), (dim, 1)])
        };
        let q = view(self.q, reach(self.q_offset, qs, heads, lq)?)?;
        let k = view(self.k.cast::<T>(), reach(self.k_offset, ks, kv_heads, lk)?)?;
        let v = view(self.v.cast::<T>(), reach(self.v_offset, vs, kv_heads, lk)?)?;
        let out = view_mut(self.out, reach(0, os, heads, lq)?)?;
        let lse_size = size(&[batch, heads, lq])?;
        let lse = if self.lse.is_null() { None } else { Some(view_mut(self.lse, lse_size)?) };
        let lens = optional(self.lens, batch)?;
        let shape = Shape {
            dim,
            lq,
            lk,
            q_row: qs[2],
            k_row: ks[2],
            v_row: vs[2],
            out_row: os[2],
            mask: optional(self.mask, size(&[lq, lk])?)?,
            columns: None,
            causal: self.causal != 0,
            scale: self.scale,
            table: table(),
        };
        let (q_offset, k_offset, v_offset) =
            (self.q_offset as usize, self.k_offset as usize, self.v_offset as usize);
        let head = |b: usize, h: usize| {
            let kv = h * kv_heads / heads;
            let keys = lens.map_or(lk, |lens| (lens.at(b).max(0) as usize).min(lk));
            Head {
                q: q.from(q_offset + b * qs[0] + h * qs[1]),
                // Without keys their views are empty.
                k: if lk == 0 { k } else { k.from(k_offset + b * ks[0] + kv * ks[1]) },
                v: if lk == 0 { v } else { v.from(v_offset + b * vs[0] + kv * vs[1]) },
                out: out.from(b * os[0] + h * os[1]),
                lse: lse.map(|lse| lse.from((b * heads + h) * lq)),
                keys,
            }
        };
        if lq <= FEW {
            let cost = lq * lk * (dim / 2 + 8) + 200;
            return parallel(size(&[batch, heads])?, cost, |range, scratch| {
                range
                    .into_iter()
                    .try_for_each(|at| few::attend(&shape, head(at / heads, at % heads), scratch))
            });
        }
        let parts = lq.div_ceil(QUERIES);
        let rows = lq.div_ceil(parts).next_multiple_of(PANEL);
        let columns = shape.mask.map(|mask| mask_columns(mask, lq, lk)).transpose()?;
        let columns = columns.as_ref().map(|c| view(c.as_ptr(), c.len())).transpose()?;
        let shape = Shape { columns, ..shape };
        let cost = rows * lk * (dim / 4 + 6) + lk * dim + 200;
        parallel(size(&[batch, heads, parts])?, cost, |range, scratch| {
            range.into_iter().try_for_each(|at| {
                let (unit, part) = (at / parts, at % parts);
                let queries = (part * rows).min(lq)..(part * rows + rows).min(lq);
                if queries.is_empty() {
                    return Ok(());
                }
                blocks::attend(&shape, head(unit / heads, unit % heads), queries, scratch)
            })
        })
    }
}

/// The mask [lq, lk] as columns of 8 queries; a query beyond the last sees what the last one sees.
fn mask_columns(mask: View<u8>, lq: usize, lk: usize) -> Result<Vec<u8>, Fault> {
    let tiles = lq.div_ceil(PANEL);
    let mut columns = Vec::new();
    columns.try_reserve_exact(size(&[tiles, lk, PANEL])?).map_err(|_| Fault::OutOfMemory)?;
    for tile in 0..tiles {
        for j in 0..lk {
            columns.extend((0..PANEL).map(|lane| mask.at((tile * PANEL + lane).min(lq - 1) * lk + j)));
        }
    }
    Ok(columns)
}
