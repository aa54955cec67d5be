//! `planned`: attention over the keys that a plan lists.

mod lists;
mod rows;
mod tiles;

use super::{FEW, Stored};
use crate::math::{Table, table};
use crate::pool::parallel;
use crate::scratch::Scratch;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, optional, size, view, view_mut};
pub use lists::Layout;
use lists::{Block, Lists, QUERIES, Queries};
use std::ops::Range;

/// Most queries or keys: positions and their differences stay far from the ends of i32.
const MAX_LENGTH: u32 = 1 << 30;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Planned {
    pub q: *const f32,
    pub k: *const u8,
    pub v: *const u8,
    pub plan: *const i32,
    pub bias: *const f32,
    pub out: *mut f32,
    pub stat: *mut f32,
    pub layout: Layout,
}

/// The tensors of a call, their extents checked.
#[derive(Clone, Copy)]
struct Tensors<T> {
    layout: Layout,
    dim: usize,
    q: View<f32>,
    k: View<T>,
    /// Only with `out`.
    v: Option<View<T>>,
    plan: View<i32>,
    bias: Option<View<f32>>,
    out: Option<ViewMut<f32>>,
    stat: Option<ViewMut<f32>>,
    table: Table,
}

/// Unit of work: rows of a row block for heads that share their keys and their plan.
struct Unit<'a, T> {
    /// Keys, values and bias are those of the unit's key head.
    tensors: Tensors<T>,
    lists: Lists<'a>,
    queries: Queries,
    block: usize,
}

impl Planned {
    pub fn run(&self) -> Outcome {
        match self.layout.kvtype {
            0 => self.typed::<f32>(),
            1 => self.typed::<u16>(),
            _ => Err(Fault::BadArguments),
        }
    }

    fn typed<T: Stored>(&self) -> Outcome {
        let layout = self.layout;
        let [heads, kv_heads, dim, lq, lk, block_q] =
            [layout.heads, layout.kv_heads, layout.head_dim, layout.lq, layout.lk, layout.block_q]
                .map(|v| v as usize);
        if heads == 0 || lq == 0 || dim == 0 {
            return Ok(());
        }
        if kv_heads == 0 || block_q == 0 || layout.tile_k == 0 || layout.lq.max(layout.lk) > MAX_LENGTH {
            return Err(Fault::BadArguments);
        }
        let (rows, keys) = (size(&[heads, lq])?, size(&[kv_heads, lk])?);
        let (q_size, k_size) = (size(&[rows, dim])?, size(&[keys, dim])?);
        let out = (!self.out.is_null()).then(|| view_mut(self.out, q_size)).transpose()?;
        let tensors = Tensors {
            layout,
            dim,
            q: view(self.q, q_size)?,
            k: view(self.k.cast::<T>(), k_size)?,
            v: out.map(|_| view(self.v.cast::<T>(), k_size)).transpose()?,
            plan: view(self.plan, layout.words()?)?,
            bias: optional(self.bias, keys)?,
            out,
            stat: (!self.stat.is_null()).then(|| view_mut(self.stat, rows)).transpose()?,
            table: table(),
        };
        let block_q = block_q.min(lq);
        let blocks = lq.div_ceil(block_q);
        let parts = block_q.div_ceil(QUERIES);
        let group = heads / kv_heads;
        let alike = layout.plan_head == 0 && heads.is_multiple_of(kv_heads);
        let together = if alike && block_q * group <= QUERIES { group } else { 1 };
        let listed = (layout.tile_cap as usize).saturating_mul(layout.tile_k as usize);
        let listed = listed.saturating_add(layout.column_cap as usize).min(lk);
        let cost = together * block_q.min(QUERIES) * listed * (dim / 4 + 6) + 200;
        parallel(size(&[heads / together, blocks, parts])?, cost, |range, scratch| {
            range.into_iter().try_for_each(|at| {
                let (h, block, part) = (at / parts / blocks * together, at / parts % blocks, at % parts);
                // The last blocks of a causal plan see most: they go first, so that threads end together.
                let rows = part * QUERIES..(part + 1) * QUERIES;
                tensors.attend(h..h + together, blocks - 1 - block, rows, scratch)
            })
        })
    }
}

impl<T: Stored> Tensors<T> {
    /// The rows `rows` of row block `block` for heads of one key head.
    fn attend(
        &self,
        heads: Range<usize>,
        block: usize,
        rows: Range<usize>,
        scratch: &mut Scratch,
    ) -> Outcome {
        let layout = &self.layout;
        let lists = Lists::new(layout, self.plan.from(heads.start * layout.plan_head as usize));
        let keys = heads.start * layout.kv_heads as usize / layout.heads as usize * layout.lk as usize;
        let mut queries = Queries::new();
        heads.for_each(|h| queries.add(&lists, h, block, rows.clone()));
        let tensors = Self {
            k: self.k.from(keys * self.dim),
            v: self.v.map(|v| v.from(keys * self.dim)),
            bias: self.bias.map(|bias| bias.from(keys)),
            ..*self
        };
        let unit = Unit { tensors, lists, queries, block };
        if unit.queries.count <= FEW { rows::attend(&unit, scratch) } else { tiles::attend(&unit, scratch) }
    }
}

impl<T: Stored> Unit<'_, T> {
    /// Calls `f` with blocks of the keys that at least one query sees.
    fn each_block(&self, f: impl FnMut(&Block)) {
        self.lists.each_block(&self.queries, self.block, f);
    }

    /// Writes what the call asks to know about query `i`.
    fn put_stat(&self, i: usize, top: f32, log_sum: f32) {
        if let Some(stat) = self.tensors.stat {
            let value = if self.tensors.layout.stat_kind == 1 { top } else { log_sum };
            stat.set(self.queries.at[i] as usize, value);
        }
    }

    /// The query `i`.
    fn query(&self, i: usize) -> View<f32> {
        self.tensors.q.from(self.queries.at[i] as usize * self.tensors.dim)
    }

    /// Where the output of query `i` goes, if anywhere.
    fn out(&self, i: usize) -> Option<ViewMut<f32>> {
        self.tensors.out.map(|out| out.from(self.queries.at[i] as usize * self.tensors.dim))
    }
}
