//! `copy`, `gather` and `scatter`: elements of 1, 2 or 4 bytes from place to place.

use crate::pool::parallel;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, extent, size, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Copy4 {
    pub x: *const u8,
    pub out: *mut u8,
    pub size: u32,
    pub n: [u32; 4],
    pub x_offset: u32,
    pub x_stride: [u32; 4],
    pub out_offset: u32,
    pub out_stride: [u32; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Gather {
    pub x: *const u8,
    pub index: *const i32,
    pub out: *mut u8,
    pub n: u32,
    pub width: u32,
    pub size: u32,
}

/// The same record; rows go the other way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Scatter(pub Gather);

/// Copies `n` elements that lie side by side; short runs without a call.
#[inline(always)]
fn run<T: Copy>(x: View<T>, from: usize, out: ViewMut<T>, to: usize, n: usize) {
    let (x, out) = (x.ptr(from, n), out.ptr(to, n));
    if n * size_of::<T>() >= 512 {
        // SAFETY: `ptr` has checked both extents; `copy` allows overlap.
        return unsafe { std::ptr::copy(x, out, n) };
    }
    let mut i = 0;
    while i + 16 / size_of::<T>() <= n {
        // SAFETY: 16 bytes from `i` on lie inside both runs.
        unsafe {
            out.add(i).cast::<[u64; 2]>().write_unaligned(x.add(i).cast::<[u64; 2]>().read_unaligned())
        };
        i += 16 / size_of::<T>();
    }
    while i < n {
        // SAFETY: `i` is inside both runs.
        unsafe { out.add(i).write(x.add(i).read()) };
        i += 1;
    }
}

impl Copy4 {
    pub fn run(&self) -> Outcome {
        match self.size {
            1 => self.typed::<u8>(),
            2 => self.typed::<u16>(),
            4 => self.typed::<u32>(),
            _ => Err(Fault::BadArguments),
        }
    }

    fn typed<T: Copy>(&self) -> Outcome {
        let [n, xs, os] = [self.n, self.x_stride, self.out_stride].map(|a| a.map(|v| v as usize));
        let (x0, o0) = (self.x_offset as usize, self.out_offset as usize);
        let dims = |strides: [usize; 4]| std::array::from_fn::<_, 4, _>(|a| (n[a], strides[a]));
        let x = view(self.x.cast::<T>(), extent(x0, &dims(xs))?)?;
        let out = view_mut(self.out.cast::<T>(), extent(o0, &dims(os))?)?;
        if n.contains(&0) {
            return Ok(());
        }
        let [n, xs, os] = merge(n, xs, os);
        let outer = size(&[n[0], n[1], n[2]])?;
        if outer == 1 && n[3] > 1 << 16 {
            // One long run: threads share its elements.
            return parallel(n[3].div_ceil(1024), 512, |range, _| {
                let (i, end) = (range.start * 1024, (range.end * 1024).min(n[3]));
                inner(x, x0 + i * xs[3], xs[3], out, o0 + i * os[3], os[3], end - i);
                Ok(())
            });
        }
        parallel(outer, n[3] + 8, |range, _| {
            let (mut a, mut b, mut c) =
                (range.start / (n[1] * n[2]), range.start / n[2] % n[1], range.start % n[2]);
            for _ in range {
                let from = x0 + a * xs[0] + b * xs[1] + c * xs[2];
                let to = o0 + a * os[0] + b * os[1] + c * os[2];
                inner(x, from, xs[3], out, to, os[3], n[3]);
                c += 1;
                if c == n[2] {
                    (b, c) = (b + 1, 0);
                }
                if b == n[1] {
                    (a, b) = (a + 1, 0);
                }
            }
            Ok(())
        })
    }
}

/// Drops loops of one round and joins neighbours that step evenly through both sides; the innermost loop stays last.
fn merge(n: [usize; 4], xs: [usize; 4], os: [usize; 4]) -> [[usize; 4]; 3] {
    let mut all = [[1, 1, 1, 1], [0; 4], [0; 4]];
    let mut top = 4;
    for a in (0..4).rev().filter(|&a| n[a] != 1) {
        let joins = top < 4 && xs[a] == all[0][top] * all[1][top] && os[a] == all[0][top] * all[2][top];
        if joins {
            all[0][top] *= n[a];
        } else {
            top -= 1;
            (all[0][top], all[1][top], all[2][top]) = (n[a], xs[a], os[a]);
        }
    }
    if top == 4 {
        (all[1][3], all[2][3]) = (1, 1);
    }
    all
}

#[inline(always)]
fn inner<T: Copy>(x: View<T>, from: usize, xs: usize, out: ViewMut<T>, to: usize, os: usize, n: usize) {
    if xs == 1 && os == 1 {
        return run(x, from, out, to, n);
    }
    for i in 0..n {
        out.set(to + i * os, x.at(from + i * xs));
    }
}

impl Gather {
    pub fn run(&self) -> Outcome {
        self.bytes(|row, index| (index, row))
    }

    /// Row `i` pairs with row `index[i]`; `ends` says which of the two is read and which is written.
    fn bytes(&self, ends: impl Fn(usize, usize) -> (usize, usize) + Sync) -> Outcome {
        let n = self.n as usize;
        if !matches!(self.size, 1 | 2 | 4) {
            return Err(Fault::BadArguments);
        }
        let width = size(&[self.width as usize, self.size as usize])?;
        let index = view(self.index, n)?;
        let most = (0..n).map(|i| index.at(i)).max().unwrap_or(-1);
        let (from, to) = ends(n, usize::try_from(most + 1).unwrap_or(0));
        let x = view(self.x, size(&[from, width])?)?;
        let out = view_mut(self.out, size(&[to, width])?)?;
        let gathers = ends(0, 1) == (1, 0);
        let row = |i: usize| match usize::try_from(index.at(i)) {
            Ok(at) => {
                let (from, to) = ends(i, at);
                run(x, from * width, out, to * width, width);
            }
            Err(_) if gathers => (0..width).for_each(|j| out.set(i * width + j, 0)),
            Err(_) => {}
        };
        if gathers {
            return parallel(n, width / 8 + 8, |range, _| {
                range.for_each(row);
                Ok(())
            });
        }
        // Rows may meet in one place, where the last one stays: one thread keeps the order.
        (0..n).for_each(row);
        Ok(())
    }
}

impl Scatter {
    pub fn run(&self) -> Outcome {
        self.0.bytes(|row, index| (row, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_joins_dense_loops_and_drops_single_rounds() {
        let all = merge([2, 1, 3, 4], [12, 0, 4, 1], [12, 99, 4, 1]);
        assert_eq!(all, [[1, 1, 1, 24], [0, 0, 0, 1], [0, 0, 0, 1]]);
        let strided = merge([2, 3, 4, 5], [60, 5, 15, 1], [60, 20, 5, 1]);
        assert_eq!(strided[0], [2, 3, 4, 5]);
        assert_eq!(merge([1; 4], [7; 4], [7; 4])[0], [1; 4]);
    }
}
