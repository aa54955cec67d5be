//! `scoreRows`: products of queries and all key rows.

use super::forms::{Rows, Spec, Store};
use super::keys::{self, Queries};
use super::places::Places;
use super::{Matrix, group};
use crate::pool::parallel;
use crate::status::{Fault, Outcome};
use crate::view::{extent, size, view, view_mut};

/// Rows of a unit of work.
const ROWS: usize = 2048;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ScoreRows {
    pub q: *const f32,
    pub k: *const u8,
    pub meta: *const u8,
    pub out: *mut f32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    pub rows: u32,
    pub k_head: u32,
    pub meta_head: u32,
    pub form: u32,
    pub group: u32,
    pub out_head: u32,
    pub scale: f32,
}

impl ScoreRows {
    pub fn run(&self) -> Outcome {
        let [heads, kv_heads, dim, rows, stride] =
            [self.heads, self.kv_heads, self.head_dim, self.rows, self.out_head].map(|v| v as usize);
        if heads == 0 || rows == 0 {
            return Ok(());
        }
        if kv_heads == 0 || dim == 0 || heads > 1 && stride < rows {
            return Err(Fault::BadArguments);
        }
        let q = view(self.q, size(&[heads, dim])?)?;
        let out = view_mut(self.out, extent(0, &[(heads, stride), (rows, 1)])?)?;
        let store = Store::new(Spec {
            data: self.k,
            meta: self.meta,
            form: self.form,
            heads: kv_heads,
            dim,
            places: rows,
            head: self.k_head,
            meta_at: 0,
            meta_head: self.meta_head,
            group: self.group,
            values: false,
        })?;
        let (chunks, scale) = (rows.div_ceil(ROWS), self.scale);
        let cost = ROWS.min(rows) * (heads / kv_heads).max(1) * dim + 200;
        parallel(size(&[kv_heads, chunks])?, cost, |range, scratch| {
            for at in range {
                let (g, first) = (at / chunks, at % chunks * ROWS);
                let heads = group(g, heads, kv_heads);
                if heads.is_empty() {
                    continue;
                }
                let keys = store.head(g);
                if matches!(keys, Rows::Tiles(_)) {
                    return Err(Fault::BadArguments);
                }
                let n = (rows - first).min(ROWS);
                let [a, b, c, d] = keys::room(heads.len(), dim);
                let [a, b, c, d, places] = scratch.floats([a, b, c, d, n])?;
                let places = view_mut(places.ptr(0, n).cast::<u32>(), n)?;
                (0..n).for_each(|j| places.set(j, (first + j) as u32));
                let q = q.from(heads.start * dim);
                let queries = Queries::new([a, b, c, d], q, heads.len(), dim, scale, keys);
                let out = Matrix { x: out.from(heads.start * stride + first), stride };
                queries.score(keys, Places::new(places.read(), n, dim), out);
            }
            Ok(())
        })
    }
}
