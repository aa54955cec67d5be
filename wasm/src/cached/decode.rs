//! `decode`: attention of one query token over cached rows.
//!
//! A unit of work is a chunk of the tokens of a group of heads: all scores, their exponentials, then the sum of the values. Largest
//! scores, totals and sums of the chunks are merged at the end.

use super::forms::{Spec, Stage, Store};
use super::keys::{self, Queries};
use super::pages::Pages;
use super::places::Places;
use super::tokens::{Lists, Tokens};
use super::{Matrix, group, values};
use crate::math::{Table, exp_down, table};
use crate::pool::parallel;
use crate::scratch::Scratch;
use crate::simd::F32x4;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, optional, size, view, view_mut};
use std::ops::Range;

/// Where a part's sums begin, behind its largest score and its total.
const SUMS: usize = 4;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Decode {
    pub q: *const f32,
    pub k: *const u8,
    pub v: *const u8,
    pub meta: *const u8,
    pub table: *const i32,
    pub list: *const i32,
    pub band: *const i32,
    pub out: *mut f32,
    pub lse: *mut f32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    pub first: u32,
    pub rows: u32,
    pub total: u32,
    pub k_head: u32,
    pub v_head: u32,
    pub k_meta_at: u32,
    pub v_meta_at: u32,
    pub meta_head: u32,
    pub form: u32,
    pub group: u32,
    pub page: u32,
    pub table_head: u32,
    pub lists: u32,
    pub list_cap: u32,
    pub step: u32,
    pub merge: u32,
    pub scale: f32,
}

/// What all units of a call share.
struct Call {
    dim: usize,
    q: View<f32>,
    keys: Store,
    values: Store,
    tokens: Tokens,
    scale: f32,
    table: Table,
    /// Of every head and chunk: largest score, total, sums.
    parts: ViewMut<f32>,
    /// Floats of a part.
    part: usize,
    chunks: usize,
}

impl Decode {
    pub fn run(&self) -> Outcome {
        let [heads, kv_heads, dim, rows] =
            [self.heads, self.kv_heads, self.head_dim, self.rows].map(|v| v as usize);
        if heads == 0 || dim == 0 {
            return Ok(());
        }
        if kv_heads == 0 {
            return Err(Fault::BadArguments);
        }
        let q = view(self.q, size(&[heads, dim])?)?;
        let out = view_mut(self.out, size(&[heads, dim])?)?;
        let lse = view_mut(self.lse, heads)?;
        let (pages, places) = Pages::new(self.table, kv_heads, rows, self.page, self.table_head)?;
        let keys = self.spec(places);
        let values = Spec { data: self.v, head: self.v_head, meta_at: self.v_meta_at, values: true, ..keys };
        let lists = self.lists as usize;
        let tokens = Tokens {
            first: self.first as usize,
            rows,
            total: self.total as usize,
            pages,
            band: optional(self.band, size(&[2, kv_heads])?)?,
            lists: if self.list.is_null() {
                None
            } else {
                Some(Lists::new(self.list, lists, self.list_cap as usize, self.step as usize)?)
            },
        };
        // A list for every query head leaves no rows to share.
        let alone = tokens.lists.is_some() && lists == heads;
        if tokens.lists.is_some() && !alone && lists != 1 && lists != kv_heads {
            return Err(Fault::BadArguments);
        }
        let chunks = if places == 0 { 0 } else { tokens.chunks() };
        let part = SUMS + dim.next_multiple_of(4);
        let mut memory = Vec::<f32>::new();
        let floats = size(&[heads, chunks, part])?;
        memory.try_reserve_exact(floats).map_err(|_| Fault::OutOfMemory)?;
        let call = Call {
            dim,
            q,
            keys: Store::new(keys)?,
            values: Store::new(values)?,
            scale: self.scale,
            table: table(),
            parts: view_mut(memory.as_mut_ptr(), floats)?,
            part,
            chunks,
            tokens,
        };
        let units = if alone { heads } else { kv_heads };
        let cost = call.tokens.room()? * dim * (heads / units).max(1) + 500;
        parallel(size(&[units, chunks])?, cost, |range, scratch| {
            range.into_iter().try_for_each(|at| {
                let (unit, chunk) = (at / chunks, at % chunks);
                let (g, heads) = if alone {
                    (unit * kv_heads / heads, unit..unit + 1)
                } else {
                    (unit, group(unit, heads, kv_heads))
                };
                call.attend(g, heads, if lists == 1 { 0 } else { unit }, chunk, scratch)
            })
        })?;
        let merge = self.merge != 0;
        parallel(heads, chunks * (dim + 20), |range, _| {
            for h in range {
                let old = merge.then(|| lse.read().at(h));
                lse.set(h, call.merge(h, old, out.from(h * dim)));
            }
            Ok(())
        })
    }

    fn spec(&self, places: usize) -> Spec {
        Spec {
            data: self.k,
            meta: self.meta,
            form: self.form,
            heads: self.kv_heads as usize,
            dim: self.head_dim as usize,
            places,
            head: self.k_head,
            meta_at: self.k_meta_at,
            meta_head: self.meta_head,
            group: self.group,
            values: false,
        }
    }
}

impl Call {
    fn part(&self, head: usize, chunk: usize) -> ViewMut<f32> {
        self.parts.from((head * self.chunks + chunk) * self.part)
    }

    /// The parts of query heads `heads`, which share key head `g`, over a chunk of the tokens of a list.
    fn attend(
        &self,
        g: usize,
        heads: Range<usize>,
        list: usize,
        chunk: usize,
        scratch: &mut Scratch,
    ) -> Outcome {
        let (count, dim) = (heads.len(), self.dim);
        if count == 0 {
            return Ok(());
        }
        let most = self.tokens.room()?;
        let stride = most.next_multiple_of(4);
        let [a, b, c, d] = keys::room(count, dim);
        let [places, scores, a, b, c, d] = scratch.floats([most, size(&[count, stride])?, a, b, c, d])?;
        let places = view_mut(places.ptr(0, most).cast::<u32>(), most)?;
        let scores = Matrix { x: scores, stride };
        let n = self.tokens.collect(g, list, chunk, places);
        let (places, stage) = (Places::new(places.read(), n, dim), Stage(d));
        let (keys, values) = (self.keys.head(g), self.values.head(g));
        let queries =
            Queries::new([a, b, c, d], self.q.from(heads.start * dim), count, dim, self.scale, keys);
        queries.score(keys, places, scores);
        for h in 0..count {
            let part = self.part(heads.start + h, chunk);
            let (top, total) = weigh(self.table, scores.row(h), n, values.lift().weight);
            part.set(0, top);
            part.set(1, total);
            (SUMS..self.part).step_by(4).for_each(|d| part.put(d, F32x4::splat(0.0)));
        }
        let sums = Matrix { x: self.part(heads.start, chunk).from(SUMS), stride: self.chunks * self.part };
        values::add(values, places, dim, scores, count, stage, sums);
        Ok(())
    }

    /// The output of a head from its parts and, by its log-sum-exp, the output over other tokens; gives the log-sum-exp of all.
    fn merge(&self, head: usize, old: Option<f32>, out: ViewMut<f32>) -> f32 {
        let old = old.filter(|&old| old != f32::NEG_INFINITY);
        let parts = (0..self.chunks).map(|chunk| self.part(head, chunk));
        let top =
            parts.clone().fold(old.unwrap_or(f32::NEG_INFINITY), |top, part| top.max(part.read().at(0)));
        let share = old.map_or(0.0, |old| (old - top).exp());
        let mut total = share;
        for part in parts.clone() {
            let factor = if part.read().at(1) == 0.0 { 0.0 } else { (part.read().at(0) - top).exp() };
            total += factor * part.read().at(1);
            part.set(0, factor);
        }
        let scale = F32x4::splat(if total == 0.0 { 0.0 } else { 1.0 / total });
        for d in (0..self.dim).step_by(4) {
            let width = (self.dim - d).min(4);
            let mut sum = F32x4::splat(0.0);
            if old.is_some() {
                sum = out.read().part(d, width, 0.0).mul(F32x4::splat(share));
            }
            for part in parts.clone() {
                sum = part.read().splat(0).madd(part.read().four(SUMS + d), sum);
            }
            out.put_part(d, width, sum.mul(scale));
        }
        if total == 0.0 { f32::NEG_INFINITY } else { top + total.ln() }
    }
}

/// Turns the first `n` scores into `lift` times the exponentials of their distance to the largest; gives that and the exponentials' sum.
fn weigh(table: Table, scores: ViewMut<f32>, n: usize, lift: f32) -> (f32, f32) {
    let low = F32x4::splat(f32::NEG_INFINITY);
    let at = |j: usize| scores.read().part(j, (n - j).min(4), f32::NEG_INFINITY);
    let tops = (0..n).step_by(4).fold(low, |tops, j| at(j).pmax(tops));
    let [a, b, c, d] = tops.array();
    let top = a.max(b).max(c.max(d));
    let shift = F32x4::splat(if top == f32::NEG_INFINITY { 0.0 } else { top });
    let mut totals = F32x4::splat(0.0);
    for j in (0..n).step_by(4) {
        let p = exp_down(table, at(j).sub(shift));
        scores.put(j, p.mul(F32x4::splat(lift)));
        totals = totals.add(p);
    }
    (top, totals.sum())
}
