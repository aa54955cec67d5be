//! `reduce` and `groupMean`.

use crate::elementwise::fours;
use crate::pool::parallel;
use crate::simd::F32x4;
use crate::status::{Fault, Outcome};
use crate::view::{View, optional, size, view, view_mut};
use std::array::from_fn;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Reduce {
    pub x: *const f32,
    pub out: *mut f32,
    pub rows: u32,
    pub cols: u32,
    pub kind: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct GroupMean {
    pub x: *const f32,
    pub counts: *const i32,
    pub out: *mut f32,
    pub rows: u32,
    pub h: u32,
    pub e: u32,
    pub g: u32,
    pub divisor: u32,
    pub rows_per_count: u32,
    pub kind: u32,
}

impl Reduce {
    pub fn run(&self) -> Outcome {
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        let x = view(self.x, size(&[rows, cols])?)?;
        let out = view_mut(self.out, rows)?;
        let kind = self.kind;
        parallel(rows, cols / 2 + 10, |range, _| {
            for row in range {
                let x = x.from(row * cols);
                out.set(
                    row,
                    match kind {
                        0 => fold(x, cols, 0.0, F32x4::add),
                        1 => fold(x, cols, 0.0, F32x4::add) / cols as f32,
                        2 => fold(x, cols, f32::NEG_INFINITY, max),
                        3 => fold(x, cols, f32::INFINITY, min),
                        _ => return Err(Fault::BadArguments),
                    },
                );
            }
            Ok(())
        })
    }
}

/// The larger of each lane; NaN if either is.
#[inline(always)]
fn max(a: F32x4, b: F32x4) -> F32x4 {
    b.pmax(a).select(a, a.eq(a))
}

/// The smaller of each lane; NaN if either is.
#[inline(always)]
fn min(a: F32x4, b: F32x4) -> F32x4 {
    b.pmin(a).select(a, a.eq(a))
}

#[inline(always)]
fn fold(x: View<f32>, n: usize, start: f32, f: impl Fn(F32x4, F32x4) -> F32x4) -> f32 {
    let mut all = F32x4::splat(start);
    fours(0..n, |i, c| all = f(all, x.part(i, c, start)));
    let [a, b, c, d] = all.array().map(F32x4::splat);
    f(f(a, c), f(b, d)).array()[0]
}

impl GroupMean {
    pub fn run(&self) -> Outcome {
        if self.g == 0 || (!self.counts.is_null() && self.rows_per_count == 0) {
            return Err(Fault::BadArguments);
        }
        match self.kind {
            0 | 1 => self.each(0.0, F32x4::add),
            2 => self.each(f32::NEG_INFINITY, max),
            3 => self.each(f32::INFINITY, min),
            _ => Err(Fault::BadArguments),
        }
    }

    fn each(&self, start: f32, f: impl Fn(F32x4, F32x4) -> F32x4 + Sync) -> Outcome {
        let [rows, h, e, g, per] =
            [self.rows, self.h, self.e, self.g, self.rows_per_count].map(|v| v as usize);
        let groups = h.div_ceil(g);
        let (is_mean, always) = (self.kind == 1, self.divisor == 0);
        let x = view(self.x, size(&[rows, h, e])?)?;
        let out = view_mut(self.out, size(&[rows, groups, e])?)?;
        let counts = optional(self.counts, rows.div_ceil(per.max(1)))?;
        parallel(rows * groups, g.min(h) * e / 2 + 20, |range, _| {
            for at in range {
                let (row, first) = (at / groups, at % groups * g);
                let real = g.min(h - first);
                let members = counts.map_or(real, |counts| {
                    (counts.at(row / per).max(0) as usize).saturating_sub(first).min(real)
                });
                let divisor = if counts.is_none() && always { g } else { members };
                let scale = match members {
                    0 => 0.0,
                    _ if is_mean => 1.0 / divisor as f32,
                    _ => 1.0,
                };
                // Of no members the result is 0, whatever an empty fold gives.
                let (start, scale) = (if members == 0 { 0.0 } else { start }, F32x4::splat(scale));
                let (x, out) = (x.from((row * h + first) * e), out.from(at * e));
                if e == 1 {
                    out.put_part(0, 1, F32x4::splat(fold(x, members, start, &f)).mul(scale));
                    continue;
                }
                // Whole cache lines: a member's numbers are far from those of the next.
                let wide = e / 16 * 16;
                for j in (0..wide).step_by(16) {
                    let mut all = [F32x4::splat(start); 4];
                    for member in 0..members {
                        all = from_fn(|v| f(all[v], x.four(member * e + j + 4 * v)));
                    }
                    (0..4).for_each(|v| out.put(j + 4 * v, all[v].mul(scale)));
                }
                fours(wide..e, |j, c| {
                    let mut all = F32x4::splat(start);
                    for member in 0..members {
                        all = f(all, x.part(member * e + j, c, start));
                    }
                    out.put_part(j, c, all.mul(scale));
                });
            }
            Ok(())
        })
    }
}
