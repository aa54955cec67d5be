//! Which rows are read.

use super::STAGED;
use super::bitmap::TILE;
use crate::view::View;

/// Rows by their places; a row takes `stride` elements.
#[derive(Clone, Copy)]
pub struct Places {
    at: View<u32>,
    pub n: usize,
    pub stride: usize,
}

/// Bytes that memory gives at a time.
const LINE: usize = 64;
/// Rows that are fetched at a time: their lines fit the nearest cache.
const FETCHED: usize = 32;

static STAGE: [u32; STAGED] = {
    let mut places = [0; STAGED];
    let mut i = 0;
    while i < STAGED {
        places[i] = i as u32;
        i += 1;
    }
    places
};

impl Places {
    pub fn new(at: View<u32>, n: usize, stride: usize) -> Self {
        Self { at, n, stride }
    }

    /// The first `n` rows of a stage.
    pub fn staged(n: usize, stride: usize) -> Self {
        Self { at: View::of(&STAGE), n, stride }
    }

    #[inline(always)]
    pub fn at(self, j: usize) -> usize {
        self.at.at(j) as usize
    }

    /// Element where row `j` begins.
    #[inline(always)]
    pub fn element(self, j: usize) -> usize {
        self.at(j) * self.stride
    }

    /// Rows `first` to `first + n - 1`.
    #[inline(always)]
    pub fn part(self, first: usize, n: usize) -> Self {
        Self { at: self.at.from(first), n, ..self }
    }

    /// Parts of up to `size` rows with their first row.
    pub fn parts(self, size: usize) -> impl Iterator<Item = (usize, Self)> {
        (0..self.n).step_by(size).map(move |first| (first, self.part(first, size.min(self.n - first))))
    }

    /// Whether the rows follow each other.
    pub fn is_run(self) -> bool {
        let first = if self.n == 0 { 0 } else { self.at.at(0) };
        // Without an early end, so that it is done by vectors.
        (0..self.n).fold(0, |all, j| all | (self.at.at(j) ^ first.wrapping_add(j as u32))) == 0
    }

    /// The block of tiles that the rows are.
    pub fn block(self) -> Option<usize> {
        (self.n == TILE && self.at(0).is_multiple_of(TILE) && self.is_run()).then(|| self.at(0) / TILE)
    }

    /// Calls `f` with rows that are read as one stream, or few that were fetched: rows here and there come late, but many at a time.
    pub fn each<T: Copy>(self, x: View<T>, mut f: impl FnMut(usize, Self)) {
        if self.is_run() {
            return f(0, self);
        }
        for (first, part) in self.parts(FETCHED) {
            part.fetch(x);
            f(first, part);
        }
    }

    /// Reads something of every line.
    fn fetch<T: Copy>(self, x: View<T>) {
        let mut sum = 0;
        for d in (0..self.stride).step_by(LINE / size_of::<T>()) {
            for j in 0..self.n {
                // SAFETY: `ptr` has checked the extent.
                sum ^= unsafe { x.ptr(self.element(j) + d, 1).cast::<u8>().read() };
            }
        }
        std::hint::black_box(sum);
    }
}
