//! `readRows`: cached rows as floats.

use super::forms::{Spec, Stage, Store};
use super::pages::Pages;
use crate::pool::parallel;
use crate::status::{Fault, Outcome};
use crate::view::{size, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ReadRows {
    pub k: *const u8,
    pub meta: *const u8,
    pub table: *const i32,
    pub out: *mut f32,
    pub heads: u32,
    pub head_dim: u32,
    pub first: u32,
    pub count: u32,
    pub k_head: u32,
    pub k_meta_at: u32,
    pub meta_head: u32,
    pub form: u32,
    pub group: u32,
    pub page: u32,
    pub table_head: u32,
    pub kind: u32,
}

impl ReadRows {
    pub fn run(&self) -> Outcome {
        let [heads, dim, first, count] =
            [self.heads, self.head_dim, self.first, self.count].map(|v| v as usize);
        let rows = first.checked_add(count).ok_or(Fault::BadArguments)?;
        let out = view_mut(self.out, size(&[heads, count, dim])?)?;
        if heads == 0 || count == 0 || dim == 0 {
            return Ok(());
        }
        let (pages, places) = Pages::new(self.table, heads, rows, self.page, self.table_head)?;
        let store = Store::new(Spec {
            data: self.k,
            meta: self.meta,
            form: self.form,
            heads,
            dim,
            places,
            head: self.k_head,
            meta_at: self.k_meta_at,
            meta_head: self.meta_head,
            group: self.group,
            values: self.kind != 0,
        })?;
        parallel(size(&[heads, count])?, dim * 2 + 20, |range, scratch| {
            let [stage] = scratch.floats([Stage::room(dim)])?;
            for at in range {
                let g = at / count;
                let out = out.from(at * dim);
                match pages.place(g, first + at % count) {
                    Some(place) => store.head(g).load(place, dim, Stage(stage), out),
                    None => (0..dim).for_each(|d| out.set(d, 0.0)),
                }
            }
            Ok(())
        })
    }
}
