//! `reduce`, `topk` and `groupMean`.

use crate::elementwise::fours;
use crate::pool::parallel;
use crate::simd::F32x4;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, optional, size, view, view_mut};

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
pub struct TopK {
    pub x: *const f32,
    pub values: *mut f32,
    pub indices: *mut i32,
    pub rows: u32,
    pub cols: u32,
    pub k: u32,
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
}

impl Reduce {
    pub fn run(&self) -> Outcome {
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        let x = view(self.x, size(&[rows, cols])?)?;
        let out = view_mut(self.out, rows)?;
        let kind = self.kind;
        let max = |a: F32x4, b: F32x4| b.pmax(a).select(a, a.eq(a));
        let min = |a: F32x4, b: F32x4| b.pmin(a).select(a, a.eq(a));
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

#[inline(always)]
fn fold(x: View<f32>, n: usize, start: f32, f: impl Fn(F32x4, F32x4) -> F32x4) -> f32 {
    let mut all = F32x4::splat(start);
    fours(0..n, |i, c| all = f(all, x.part(i, c, start)));
    let [a, b, c, d] = all.array().map(F32x4::splat);
    f(f(a, c), f(b, d)).array()[0]
}

impl TopK {
    pub fn run(&self) -> Outcome {
        let (rows, cols, k) = (self.rows as usize, self.cols as usize, self.k as usize);
        if k > cols {
            return Err(Fault::BadArguments);
        }
        let x = view(self.x, size(&[rows, cols])?)?;
        let values = view_mut(self.values, size(&[rows, k])?)?;
        let indices = view_mut(self.indices, size(&[rows, k])?)?;
        if k == 0 {
            return Ok(());
        }
        parallel(rows, cols * 4, |range, _| {
            for row in range {
                let heap = Heap { values: values.from(row * k), indices: indices.from(row * k) };
                heap.select(x.from(row * cols), cols, k);
            }
            Ok(())
        })
    }
}

/// A heap whose root is the least of what was kept; it lives in the outputs.
#[derive(Clone, Copy)]
struct Heap {
    values: ViewMut<f32>,
    indices: ViewMut<i32>,
}

impl Heap {
    fn get(self, i: usize) -> (f32, i32) {
        (self.values.read().at(i), self.indices.read().at(i))
    }

    fn set(self, i: usize, (value, index): (f32, i32)) {
        self.values.set(i, value);
        self.indices.set(i, index);
    }

    fn select(self, x: View<f32>, cols: usize, k: usize) {
        for i in 0..k {
            self.set(i, (x.at(i), i as i32));
        }
        for i in (0..k / 2).rev() {
            self.sift(i, k);
        }
        for i in k..cols {
            let entry = (x.at(i), i as i32);
            if less(self.get(0), entry) {
                self.set(0, entry);
                self.sift(0, k);
            }
        }
        // The least goes last, again and again: the largest ends up first.
        for end in (1..k).rev() {
            let (first, last) = (self.get(0), self.get(end));
            self.set(0, last);
            self.set(end, first);
            self.sift(0, end);
        }
    }

    fn sift(self, mut i: usize, len: usize) {
        loop {
            let mut least = i;
            for child in [2 * i + 1, 2 * i + 2] {
                if child < len && less(self.get(child), self.get(least)) {
                    least = child;
                }
            }
            if least == i {
                return;
            }
            let (a, b) = (self.get(i), self.get(least));
            self.set(i, b);
            self.set(least, a);
            i = least;
        }
    }
}

/// Whether `a` comes after `b`: smaller, or equal with a higher index; NaN is smaller than all.
fn less(a: (f32, i32), b: (f32, i32)) -> bool {
    match (a.0.is_nan(), b.0.is_nan()) {
        (false, false) if a.0 != b.0 => a.0 < b.0,
        (x, y) if x != y => x,
        _ => a.1 > b.1,
    }
}

impl GroupMean {
    pub fn run(&self) -> Outcome {
        let [rows, h, e, g, per] =
            [self.rows, self.h, self.e, self.g, self.rows_per_count].map(|v| v as usize);
        if g == 0 || (!self.counts.is_null() && per == 0) {
            return Err(Fault::BadArguments);
        }
        let groups = h.div_ceil(g);
        let always = self.divisor == 0;
        let x = view(self.x, size(&[rows, h, e])?)?;
        let out = view_mut(self.out, size(&[rows, groups, e])?)?;
        let counts = optional(self.counts, rows.div_ceil(per.max(1)))?;
        parallel(rows * groups, g.min(h) * e / 2 + 20, |range, _| {
            for at in range {
                let (row, first) = (at / groups, at % groups * g);
                let real = g.min(h - first);
                let (members, divisor) = match counts {
                    Some(counts) => {
                        let seen = (counts.at(row / per).max(0) as usize).saturating_sub(first).min(real);
                        (seen, seen)
                    }
                    None => (real, if always { g } else { real }),
                };
                let scale = F32x4::splat(if divisor == 0 { 0.0 } else { 1.0 / divisor as f32 });
                let x = x.from((row * h + first) * e);
                fours(0..e, |j, c| {
                    let mut total = F32x4::splat(0.0);
                    for member in 0..members {
                        total = total.add(x.part(member * e + j, c, 0.0));
                    }
                    out.put_part(at * e + j, c, total.mul(scale));
                });
            }
            Ok(())
        })
    }
}
