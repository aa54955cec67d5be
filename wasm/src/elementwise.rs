//! `unary`, `binary`, `embed`, `scaleAdd` and `fill`.

use crate::math;
use crate::pool::parallel;
use crate::simd::{F32x4, I32x4};
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, size, view, view_mut};
use std::ops::Range;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Unary {
    pub x: *const f32,
    pub out: *mut f32,
    pub n: u32,
    pub kind: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Binary {
    pub a: *const f32,
    pub b: *const f32,
    pub out: *mut f32,
    pub n: u32,
    pub div: u32,
    pub modulus: u32,
    pub kind: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Embed {
    pub x: *const f32,
    pub w: *const f32,
    pub bias: *const f32,
    pub out: *mut f32,
    pub n: u32,
    pub e: u32,
    pub use_skip: u32,
    pub skip: f32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ScaleAdd {
    pub x: *const f32,
    pub w: *const f32,
    pub bias: *const f32,
    pub out: *mut f32,
    pub n: u32,
    pub e: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Fill {
    pub out: *mut f32,
    pub n: u32,
    pub value: f32,
}

/// Calls `f(i, count)` for each run of 4 (the last one shorter) of a range.
#[inline(always)]
pub fn fours(range: Range<usize>, mut f: impl FnMut(usize, usize)) {
    let mut i = range.start;
    while i + 4 <= range.end {
        f(i, 4);
        i += 4;
    }
    if i < range.end {
        f(i, range.end - i);
    }
}

/// Splits `n` elements among threads at multiples of 4, so that the lanes of an element do not depend on the split.
fn spread(n: usize, cost: usize, body: impl Fn(Range<usize>) + Sync) -> Outcome {
    parallel(n.div_ceil(64), cost * 16, |range, _| {
        body(range.start * 64..(range.end * 64).min(n));
        Ok(())
    })
}

fn map(x: View<f32>, out: ViewMut<f32>, n: usize, cost: usize, f: impl Fn(F32x4) -> F32x4 + Sync) -> Outcome {
    spread(n, cost, |range| fours(range, |i, c| out.put_part(i, c, f(x.part(i, c, 0.0)))))
}

impl Unary {
    pub fn run(&self) -> Outcome {
        let n = self.n as usize;
        let (x, out) = (view(self.x, n)?, view_mut(self.out, n)?);
        let zero = F32x4::splat(0.0);
        let t = math::table();
        match self.kind {
            0 => map(x, out, n, 12, |x| math::gelu(t, x)),
            1 => map(x, out, n, 12, |x| math::silu(t, x)),
            2 => map(x, out, n, 2, |x| zero.pmax(x)),
            3 => map(x, out, n, 12, |x| math::sigmoid(t, x)),
            4 => map(x, out, n, 20, |x| math::tanh(t, x)),
            5 => map(x, out, n, 10, |x| math::exp(t, x)),
            6 => map(x, out, n, 20, math::log),
            7 => map(x, out, n, 2, |x| x.bits().xor(I32x4::splat(i32::MIN)).float_bits()),
            8 => map(x, out, n, 6, F32x4::sqrt),
            _ => Err(Fault::BadArguments),
        }
    }
}

impl Binary {
    pub fn run(&self) -> Outcome {
        match self.kind {
            0 => self.each(F32x4::add),
            1 => self.each(F32x4::sub),
            2 => self.each(F32x4::mul),
            3 => self.each(F32x4::div),
            4 => self.each(|a, b| b.pmax(a).select(a, a.eq(a))),
            5 => self.each(|a, b| b.pmin(a).select(a, a.eq(a))),
            6 => self.flags(|a, b| b.lt(a)),
            7 => self.flags(|a, b| b.lt(a).or(a.eq(b))),
            8 => self.flags(F32x4::lt),
            9 => self.flags(|a, b| a.lt(b).or(a.eq(b))),
            10 => self.flags(F32x4::eq),
            _ => Err(Fault::BadArguments),
        }
    }

    /// 1 where a comparison holds, else 0.
    fn flags(&self, holds: impl Fn(F32x4, F32x4) -> I32x4 + Sync) -> Outcome {
        self.each(|a, b| F32x4::splat(1.0).keep(holds(a, b)))
    }

    fn each(&self, f: impl Fn(F32x4, F32x4) -> F32x4 + Sync) -> Outcome {
        let (n, div, modulus) = (self.n as usize, self.div as usize, self.modulus as usize);
        if div == 0 || modulus == 0 {
            return Err(Fault::BadArguments);
        }
        let (a, out) = (view(self.a, n)?, view_mut(self.out, n)?);
        let b = view(self.b, if n == 0 { 0 } else { modulus.min((n - 1) / div + 1) })?;
        let step = |i: usize, c: usize, b: F32x4| out.put_part(i, c, f(a.part(i, c, 0.0), b));
        // A run is what can be done without a division: a period of b, or the elements that share one b.
        let run = if div == 1 { modulus } else { div };
        spread(n, 2, |range| {
            let mut i = range.start;
            while i < range.end {
                let end = ((i / run + 1) * run).min(range.end);
                if div == 1 {
                    let base = i / run * run;
                    fours(i..end, |i, c| step(i, c, b.part(i - base, c, 0.0)));
                } else {
                    let value = b.splat(i / div % modulus);
                    fours(i..end, |i, c| step(i, c, value));
                }
                i = end;
            }
        })
    }
}

impl Embed {
    pub fn run(&self) -> Outcome {
        let (n, e) = (self.n as usize, self.e as usize);
        let x = view(self.x, n)?;
        let (w, bias) = (view(self.w, e)?, view(self.bias, e)?);
        let out = view_mut(self.out, size(&[n, e])?)?;
        let (use_skip, skip) = (self.use_skip != 0, self.skip);
        parallel(n, e + 4, |range, _| {
            for i in range {
                let skipped = use_skip && x.at(i) == skip;
                let value = x.splat(i);
                fours(0..e, |j, c| {
                    let y = if skipped {
                        F32x4::splat(skip)
                    } else {
                        value.madd(w.part(j, c, 0.0), bias.part(j, c, 0.0))
                    };
                    out.put_part(i * e + j, c, y);
                });
            }
            Ok(())
        })
    }
}

impl ScaleAdd {
    pub fn run(&self) -> Outcome {
        let (n, e) = (self.n as usize, self.e as usize);
        let all = size(&[n, e])?;
        let x = view(self.x, n)?;
        let (w, bias, out) = (view(self.w, all)?, view(self.bias, all)?, view_mut(self.out, all)?);
        parallel(n, e + 4, |range, _| {
            for i in range {
                let value = x.splat(i);
                fours(i * e..(i + 1) * e, |j, c| {
                    out.put_part(j, c, value.madd(w.part(j, c, 0.0), bias.part(j, c, 0.0)));
                });
            }
            Ok(())
        })
    }
}

impl Fill {
    pub fn run(&self) -> Outcome {
        let n = self.n as usize;
        let out = view_mut(self.out, n)?;
        let value = F32x4::splat(self.value);
        spread(n, 1, |range| fours(range, |i, c| out.put_part(i, c, value)))
    }
}
