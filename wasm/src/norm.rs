//! `layerNorm`, `rmsNorm` and `softmax`: rows at a time.

use crate::elementwise::fours;
use crate::math::{exp_down, table};
use crate::pool::parallel;
use crate::simd::{F32x4, larger};
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, optional, size, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LayerNorm {
    pub x: *const f32,
    pub weight: *const f32,
    pub bias: *const f32,
    pub out: *mut f32,
    pub rows: u32,
    pub cols: u32,
    pub eps: f32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RmsNorm {
    pub x: *const f32,
    pub weight: *const f32,
    pub out: *mut f32,
    pub rows: u32,
    pub cols: u32,
    pub eps: f32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Softmax {
    pub x: *const f32,
    pub lens: *const i32,
    pub out: *mut f32,
    pub rows: u32,
    pub cols: u32,
    pub period: u32,
    pub scale: f32,
}

/// Sum of `f` over a row; lanes beyond the end count `f` of `rest`, which must be 0.
#[inline(always)]
fn sum(x: View<f32>, n: usize, rest: f32, f: impl Fn(F32x4) -> F32x4) -> f32 {
    let zero = F32x4::splat(0.0);
    let (mut a, mut b) = (zero, zero);
    let mut i = 0;
    while i + 8 <= n {
        a = a.add(f(x.four(i)));
        b = b.add(f(x.four(i + 4)));
        i += 8;
    }
    fours(i..n, |i, c| a = a.add(f(x.part(i, c, rest))));
    a.add(b).sum()
}

impl LayerNorm {
    pub fn run(&self) -> Outcome {
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        let all = size(&[rows, cols])?;
        let (x, out) = (view(self.x, all)?, view_mut(self.out, all)?);
        let (weight, bias) = (view(self.weight, cols)?, view(self.bias, cols)?);
        let (scale, eps) = (1.0 / cols as f32, self.eps);
        parallel(rows, cols * 2 + 40, |range, _| {
            for row in range {
                let (x, out) = (x.from(row * cols), out.from(row * cols));
                let mean = sum(x, cols, 0.0, |x| x) * scale;
                let m = F32x4::splat(mean);
                let variance = sum(x, cols, mean, |x| x.sub(m).mul(x.sub(m))) * scale;
                let inverse = F32x4::splat(1.0 / (variance + eps).sqrt());
                fours(0..cols, |j, c| {
                    let y = x.part(j, c, 0.0).sub(m).mul(inverse);
                    out.put_part(j, c, y.madd(weight.part(j, c, 0.0), bias.part(j, c, 0.0)));
                });
            }
            Ok(())
        })
    }
}

impl RmsNorm {
    pub fn run(&self) -> Outcome {
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        let all = size(&[rows, cols])?;
        let (x, out) = (view(self.x, all)?, view_mut(self.out, all)?);
        let weight = view(self.weight, cols)?;
        let eps = self.eps;
        parallel(rows, cols + 40, |range, _| {
            for row in range {
                let (x, out) = (x.from(row * cols), out.from(row * cols));
                let mean = sum(x, cols, 0.0, |x| x.mul(x)) / cols as f32;
                let inverse = F32x4::splat(1.0 / (mean + eps).sqrt());
                fours(0..cols, |j, c| {
                    out.put_part(j, c, x.part(j, c, 0.0).mul(inverse).mul(weight.part(j, c, 0.0)));
                });
            }
            Ok(())
        })
    }
}

impl Softmax {
    pub fn run(&self) -> Outcome {
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        let all = size(&[rows, cols])?;
        let (x, out) = (view(self.x, all)?, view_mut(self.out, all)?);
        let period = self.period as usize;
        if period == 0 && !self.lens.is_null() {
            return Err(Fault::BadArguments);
        }
        let lens = optional(self.lens, period.min(rows))?;
        let scale = F32x4::splat(self.scale);
        parallel(rows, cols * 5 + 20, |range, _| {
            for row in range {
                let out = out.from(row * cols);
                let n = lens.map_or(cols, |lens| (lens.at(row % period).max(0) as usize).min(cols));
                softmax(x.from(row * cols), out, n, scale);
                fours(n..cols, |i, c| out.put_part(i, c, F32x4::splat(0.0)));
            }
            Ok(())
        })
    }
}

fn softmax(x: View<f32>, out: ViewMut<f32>, n: usize, scale: F32x4) {
    let mut top = f32::NEG_INFINITY;
    let mut tops = F32x4::splat(top);
    fours(0..n, |i, c| {
        let y = x.part(i, c, 0.0).mul(scale);
        if c == 4 {
            tops = tops.pmax(y);
        } else {
            y.array()[..c].iter().for_each(|&y| top = larger(y, top));
        }
    });
    let top = larger(tops.max_lane(), top);
    // A row of -inf has no maximum to subtract: its exponentials are all 0.
    let shift = F32x4::splat(if top == f32::NEG_INFINITY { 0.0 } else { top });
    let t = table();
    let mut total = 0.0;
    let mut totals = F32x4::splat(0.0);
    fours(0..n, |i, c| {
        let p = exp_down(t, x.part(i, c, 0.0).mul(scale).sub(shift));
        out.put_part(i, c, p);
        if c == 4 {
            totals = totals.add(p);
        } else {
            total += p.array()[..c].iter().sum::<f32>();
        }
    });
    total += totals.sum();
    let inverse = F32x4::splat(if total == 0.0 { 0.0 } else { 1.0 / total });
    fours(0..n, |i, c| out.put_part(i, c, out.read().part(i, c, 0.0).mul(inverse)));
}
