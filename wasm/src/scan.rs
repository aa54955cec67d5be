//! `scan` and `compact`: sums and lists that grow along a row.

use crate::pool::parallel;
use crate::status::{Fault, Outcome};
use crate::view::{size, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Scan {
    pub x: *const u8,
    pub out: *mut u8,
    pub rows: u32,
    pub cols: u32,
    pub exclusive: u32,
    pub dtype: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Compact {
    pub x: *const i32,
    pub out: *mut i32,
    pub counts: *mut i32,
    pub rows: u32,
    pub cols: u32,
    pub capacity: u32,
    pub step: u32,
}

const F32: u32 = 0;
const I32: u32 = 3;

impl Scan {
    pub fn run(&self) -> Outcome {
        match self.dtype {
            // In double precision, which costs nothing where each sum waits for the one before.
            F32 => self.each(0.0, |sum, x: f32| sum + f64::from(x), |sum| sum as f32),
            I32 => self.each(0, i32::wrapping_add, |sum| sum),
            _ => Err(Fault::BadArguments),
        }
    }

    fn each<T: Copy, S: Copy + Sync>(
        &self,
        zero: S,
        add: impl Fn(S, T) -> S + Sync,
        store: impl Fn(S) -> T + Sync,
    ) -> Outcome {
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        let all = size(&[rows, cols])?;
        let (x, out) = (view(self.x.cast::<T>(), all)?, view_mut(self.out.cast::<T>(), all)?);
        let exclusive = self.exclusive != 0;
        parallel(rows, cols * 4 + 10, |range, _| {
            for row in range {
                let mut sum = zero;
                for at in row * cols..(row + 1) * cols {
                    let next = add(sum, x.at(at));
                    out.set(at, store(if exclusive { sum } else { next }));
                    sum = next;
                }
            }
            Ok(())
        })
    }
}

impl Compact {
    pub fn run(&self) -> Outcome {
        let [rows, cols, capacity] = [self.rows, self.cols, self.capacity].map(|v| v as usize);
        let x = view(self.x, size(&[rows, cols])?)?;
        let out = view_mut(self.out, size(&[rows, capacity])?)?;
        let counts = view_mut(self.counts, rows)?;
        let step = self.step as i32;
        parallel(rows, cols * 2 + capacity + 10, |range, _| {
            for row in range {
                let (x, out) = (x.from(row * cols), out.from(row * capacity));
                let mut count = 0;
                for c in 0..cols {
                    if count == capacity {
                        break;
                    }
                    // Written always and counted where it holds, so that no branch depends on the flags.
                    out.set(count, (c as i32).wrapping_mul(step));
                    count += usize::from(x.at(c) != 0);
                }
                (count..capacity).for_each(|i| out.set(i, -1));
                counts.set(row, count as i32);
            }
            Ok(())
        })
    }
}
