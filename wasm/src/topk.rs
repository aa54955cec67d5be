//! `topk`: a heap for few of many, a radix sort for the rest.

use crate::pool::parallel;
use crate::scratch::Scratch;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, size, view, view_mut};

/// Columns below which a heap is faster for any `k`.
const SMALL: usize = 32;
/// A heap is faster for a `k` up to the root of the columns, but not on rising rows: up to the root of so many at most.
const MANY: usize = 1024;
/// Columns from which three large digits are faster than four small ones.
const LARGE: usize = 2048;

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
        parallel(rows, cols * 4, |range, scratch| {
            for row in range {
                let x = x.from(row * cols);
                let best = Best { values: values.from(row * k), indices: indices.from(row * k) };
                if k <= cols.min(MANY).isqrt() || cols < SMALL {
                    best.heap(x, cols, k);
                } else if cols < LARGE {
                    best.sort::<8>(x, cols, k, scratch)?;
                } else {
                    best.sort::<11>(x, cols, k, scratch)?;
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

    /// Sorts what can be among the largest by digits of `BITS` bits, the lowest first; equal keys stay in order.
    fn sort<const BITS: usize>(self, x: View<f32>, cols: usize, k: usize, scratch: &mut Scratch) -> Outcome {
        let digits = 32usize.div_ceil(BITS);
        let [from, to, counts] = scratch.floats([2 * cols, 2 * cols, digits << BITS])?;
        let mut from = view_mut(from.ptr(0, 2 * cols).cast::<u64>(), cols)?;
        let mut to = view_mut(to.ptr(0, 2 * cols).cast::<u64>(), cols)?;
        let counts = view_mut(counts.ptr(0, digits << BITS).cast::<u32>(), digits << BITS)?;
        (0..digits << BITS).for_each(|i| counts.set(i, 0));
        let slot =
            |key: u32, digit: usize| (digit << BITS) + ((key >> (digit * BITS)) as usize & ((1 << BITS) - 1));
        let count = |at: usize| counts.set(at, counts.read().at(at) + 1);
        for i in 0..cols {
            count(slot(key(x.at(i)), digits - 1));
        }
        let mut last = (digits - 1) << BITS;
        let mut kept = counts.read().at(last) as usize;
        while kept < k {
            last += 1;
            kept += counts.read().at(last) as usize;
        }
        let mut n = 0;
        for i in 0..cols {
            let key = key(x.at(i));
            if slot(key, digits - 1) <= last {
                from.set(n, u64::from(key) << 32 | i as u64);
                n += 1;
                (0..digits - 1).for_each(|digit| count(slot(key, digit)));
            }
        }
        let slot = |entry: u64, digit: usize| slot((entry >> 32) as u32, digit);
        for digit in 0..digits {
            if counts.read().at(slot(from.read().at(0), digit)) as usize == n {
                continue;
            }
            let mut start = 0;
            for at in digit << BITS..(digit + 1) << BITS {
                let count = counts.read().at(at);
                counts.set(at, start);
                start += count;
            }
            for i in 0..n {
                let entry = from.read().at(i);
                let at = slot(entry, digit);
                let place = counts.read().at(at);
                counts.set(at, place + 1);
                to.set(place as usize, entry);
            }
            (from, to) = (to, from);
        }
        for i in 0..k {
            let index = from.read().at(i) as u32;
            self.set(i, (x.at(index as usize), index as i32));
        }
        Ok(())
    }
}

/// A number that is smaller for a larger `x`, largest for NaN and the same for both zeros.
#[inline(always)]
fn key(x: f32) -> u32 {
    if x.is_nan() {
        return u32::MAX;
    }
    let bits = (x + 0.0).to_bits();
    bits ^ if bits >> 31 == 0 { 0x7fff_ffff } else { 0 }
}

/// Whether `a` comes after `b`: smaller, or equal with a higher index; NaN is smaller than all.
fn less(a: (f32, i32), b: (f32, i32)) -> bool {
    match (a.0.is_nan(), b.0.is_nan()) {
        (false, false) if a.0 != b.0 => a.0 < b.0,
        (x, y) if x != y => x,
        _ => a.1 > b.1,
    }
}
