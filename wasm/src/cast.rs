//! `cast`: elements from one type to another.

use crate::elementwise::fours;
use crate::half;
use crate::pool::parallel;
use crate::simd::{F32x4, I32x4};
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Cast {
    pub x: *const u8,
    pub out: *mut u8,
    pub n: u32,
    pub from: u32,
    pub to: u32,
}

const F32: u32 = 0;
const F16: u32 = 1;
const I8: u32 = 2;
const I32: u32 = 3;
const U8: u32 = 4;

impl Cast {
    pub fn run(&self) -> Outcome {
        let t = half::moves();
        match (self.from, self.to) {
            (F32, F16) => self.each(|x: View<f32>, i, c| half::narrow(x.part(i, c, 0.0)), |v| v as u16),
            (F16, F32) => self.floats(|x: View<u16>, i, c| half::widen(t, halves(x, i, c))),
            (I8, F32) => self.floats(|x: View<i8>, i, c| lanes(x, i, c).to_float()),
            (U8, F32) => self.floats(|x: View<u8>, i, c| lanes(x, i, c).to_float()),
            (I32, F32) => self.floats(|x: View<i32>, i, c| lanes(x, i, c).to_float()),
            (F32, I32) => self.each(|x: View<f32>, i, c| x.part(i, c, 0.0).nearest().to_int(), |v| v),
            _ => Err(Fault::BadArguments),
        }
    }

    fn each<T: Copy, U: Copy>(
        &self,
        load: impl Fn(View<T>, usize, usize) -> I32x4 + Sync,
        store: impl Fn(i32) -> U + Sync,
    ) -> Outcome {
        self.spread(|x: View<T>, out: ViewMut<U>, i, c| {
            for (lane, value) in load(x, i, c).array().into_iter().enumerate().take(c) {
                out.set(i + lane, store(value));
            }
        })
    }

    fn floats<T: Copy>(&self, load: impl Fn(View<T>, usize, usize) -> F32x4 + Sync) -> Outcome {
        self.spread(|x: View<T>, out: ViewMut<f32>, i, c| out.put_part(i, c, load(x, i, c)))
    }

    fn spread<T: Copy, U: Copy>(&self, f: impl Fn(View<T>, ViewMut<U>, usize, usize) + Sync) -> Outcome {
        let n = self.n as usize;
        let (x, out) = (view(self.x.cast::<T>(), n)?, view_mut(self.out.cast::<U>(), n)?);
        parallel(n.div_ceil(64), 64, |range, _| {
            fours(range.start * 64..(range.end * 64).min(n), |i, c| f(x, out, i, c));
            Ok(())
        })
    }
}

#[inline(always)]
fn lanes<T: Copy + Into<i32>>(x: View<T>, i: usize, c: usize) -> I32x4 {
    I32x4::new(std::array::from_fn(|lane| if lane < c { x.at(i + lane).into() } else { 0 }))
}

#[inline(always)]
fn halves(x: View<u16>, i: usize, c: usize) -> I32x4 {
    I32x4::new(std::array::from_fn(|lane| if lane < c { i32::from(x.at(i + lane) as i16) } else { 0 }))
}
