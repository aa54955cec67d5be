//! `topk`: a heap for few of many, a radix sort of the largest for the rest.

use crate::pool::parallel;
use crate::radix::largest;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, size, view, view_mut};

/// Columns below which a heap is faster for any `k`.
const SMALL: usize = 32;
/// A heap is faster for a `k` up to the root of the columns, but not on rising rows: up to the root of so many at most.
const MANY: usize = 1024;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct TopK {
    pub x: *const f32,
    pub values: *mut f32,
    pub indices: *mut i32,
    pub rows: u32,
    pub cols: u32,
    pub k: u32,
    pub sorted: u32,
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
        let sorted = self.sorted != 0;
        parallel(rows, cols * 4, |range, scratch| {
            for row in range {
                let x = x.from(row * cols);
                let best = Best { values: values.from(row * k), indices: indices.from(row * k) };
                if k <= cols.min(MANY).isqrt() || cols < SMALL {
                    best.heap(x, cols, k);
                } else {
                    largest(x, cols, k, sorted, scratch, |i, at| best.set(i, (x.at(at), at as i32)))?;
                }
            }
            Ok(())
        })
    }
}

/// Where the largest elements of a row go.
#[derive(Clone, Copy)]
struct Best {
    values: ViewMut<f32>,
    indices: ViewMut<i32>,
}

impl Best {
    fn get(self, i: usize) -> (f32, i32) {
        (self.values.read().at(i), self.indices.read().at(i))
    }

    fn set(self, i: usize, (value, index): (f32, i32)) {
        self.values.set(i, value);
        self.indices.set(i, index);
    }

    /// Keeps the largest in a heap whose root is the least of them; it lives in the outputs.
    fn heap(self, x: View<f32>, cols: usize, k: usize) {
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
