//! Rows of codes with a step and a smallest value for every group of elements.

use super::places::Places;
use super::{Matrix, sets};
use crate::simd::{F32x4, I32x4};
use crate::view::{View, ViewMut};

/// The rows of one key head.
#[derive(Clone, Copy)]
pub struct Codes {
    pub data: View<u8>,
    /// The head's first element.
    pub first: usize,
    pub bits: usize,
    /// (step, min) of every group.
    pub meta: View<f32>,
    pub dim: usize,
    /// Elements of a group.
    pub group: usize,
}

/// Queries as `Codes::score` takes them.
#[derive(Clone, Copy)]
pub struct CodeQueries {
    /// Element d is divided by the weight of its code's lowest bit in a word of 32 bits, but for a word's last code.
    pub q: Matrix,
    /// Sums of the queries over every group.
    pub sums: Matrix,
}

impl Codes {
    /// Whether groups are whole words of 32 bits, as `score` needs them.
    pub fn has_words(&self) -> bool {
        (self.group * self.bits).is_multiple_of(32) && (self.first * self.bits).is_multiple_of(8)
    }

    /// Prepares the query of a head for `score`; `q` is scaled.
    pub fn prepare(&self, head: usize, q: View<f32>, to: CodeQueries) {
        let per = 32 / self.bits;
        for d in 0..self.dim {
            let low = if d % per == per - 1 { 0 } else { d % per * self.bits };
            to.q.row(head).set(d, q.at(d) / (1u64 << low) as f32);
        }
        for g in 0..self.dim / self.group {
            let sum = (g * self.group..(g + 1) * self.group).map(|d| q.at(d)).sum();
            to.sums.row(head).set(g, sum);
        }
    }

    /// Scores of rows, four of them side by side.
    pub fn score(&self, places: Places, q: CodeQueries, heads: usize, out: Matrix) {
        let words = self.dim * self.bits / 32;
        let small = self.group == self.dim && matches!(words, 1 | 2 | 4) && places.is_run();
        let whole = if small { places.n / 4 * 4 } else { 0 };
        for h in 0..heads {
            let (q, out) = (CodeQueries { q: q.q.rows(h), sums: q.sums.rows(h) }, out.row(h));
            match (self.bits, words) {
                _ if whole == 0 => {}
                (4, 1) => self.score_run::<4, 1>(places.at(0), whole, q, out),
                (4, 2) => self.score_run::<4, 2>(places.at(0), whole, q, out),
                (4, _) => self.score_run::<4, 4>(places.at(0), whole, q, out),
                (_, 1) => self.score_run::<8, 1>(places.at(0), whole, q, out),
                (_, 2) => self.score_run::<8, 2>(places.at(0), whole, q, out),
                _ => self.score_run::<8, 4>(places.at(0), whole, q, out),
            }
        }
        let (places, out) = (places.part(whole, places.n - whole), out.columns(whole));
        sets(heads, |first, size| {
            let q = CodeQueries { q: q.q.rows(first), sums: q.sums.rows(first) };
            let out = out.rows(first);
            match (self.bits, size) {
                (4, 4) => self.score_set::<4, 4>(places, q, out),
                (4, 2) => self.score_set::<4, 2>(places, q, out),
                (4, _) => self.score_set::<4, 1>(places, q, out),
                (_, 4) => self.score_set::<8, 4>(places, q, out),
                (_, 2) => self.score_set::<8, 2>(places, q, out),
                _ => self.score_set::<8, 1>(places, q, out),
            }
        });
    }

    /// Scores of `n` rows of W words and one group from place `first` on.
    #[inline(never)]
    fn score_run<const BITS: usize, const W: usize>(
        &self,
        first: usize,
        n: usize,
        q: CodeQueries,
        out: ViewMut<f32>,
    ) {
        let data = self.data.from(self.first * BITS / 8);
        let (q, sum) = (q.q.x.read(), q.sums.x.read().splat(0));
        let masks = masks::<BITS>();
        for j in (0..n).step_by(4) {
            let row = first + j;
            // SAFETY: `ptr` has checked the extent.
            let load = |i: usize| unsafe { I32x4::load(data.ptr(row * 4 * W + 16 * i, 16)) };
            let mut dots = [F32x4::splat(0.0); 2];
            match W {
                1 => dot::<BITS>(load(0), &masks, q, &mut dots),
                2 => {
                    let words = load(0).float_bits().unzip(load(1).float_bits());
                    dot::<BITS>(words[0].bits(), &masks, q, &mut dots);
                    dot::<BITS>(words[1].bits(), &masks, q.from(32 / BITS), &mut dots);
                }
                _ => {
                    let words = F32x4::transpose([0, 1, 2, 3].map(|i| load(i).float_bits()));
                    for (i, word) in words.into_iter().enumerate() {
                        dot::<BITS>(word.bits(), &masks, q.from(i * 32 / BITS), &mut dots);
                    }
                }
            }
            let [step, min] = self.meta.four(2 * row).unzip(self.meta.four(2 * row + 4));
            out.put(j, step.madd(dots[0].add(dots[1]), min.mul(sum)));
        }
    }

    #[inline(never)]
    fn score_set<const BITS: usize, const H: usize>(&self, places: Places, q: CodeQueries, out: Matrix) {
        let Self { dim, group, meta, .. } = *self;
        let (groups, words) = (dim / group, group * BITS / 32);
        let data = self.data.from(self.first * BITS / 8);
        let masks = masks::<BITS>();
        for j in (0..places.n).step_by(4) {
            let count = (places.n - j).min(4);
            let rows: [usize; 4] = std::array::from_fn(|r| places.at(j + r.min(count - 1)));
            let mut scores = [F32x4::splat(0.0); H];
            for g in 0..groups {
                let mut dots = [[F32x4::splat(0.0); 2]; H];
                for w in g * words..(g + 1) * words {
                    let codes = I32x4::new(rows.map(|row| word(data, (row * groups * words + w) * 4)));
                    for h in 0..H {
                        dot::<BITS>(codes, &masks, q.q.row(h).read().from(w * 32 / BITS), &mut dots[h]);
                    }
                }
                let [step, min] =
                    [0, 1].map(|i| F32x4::new(rows.map(|row| meta.at(2 * (row * groups + g) + i))));
                for h in 0..H {
                    let lowest = min.madd(q.sums.row(h).read().splat(g), scores[h]);
                    scores[h] = step.madd(dots[h][0].add(dots[h][1]), lowest);
                }
            }
            for (h, score) in scores.into_iter().enumerate() {
                out.row(h).put_part(j, count, score);
            }
        }
    }

    /// The row at a place as floats.
    pub fn load(&self, place: usize, out: ViewMut<f32>) {
        let groups = self.dim / self.group;
        for g in 0..groups {
            let pair = 2 * (place * groups + g);
            let (step, min) = (self.meta.at(pair), self.meta.at(pair + 1));
            let (steps, mins) = (F32x4::splat(step), F32x4::splat(min));
            let begin = self.first + place * self.dim + g * self.group;
            let out = out.from(g * self.group);
            let whole = if self.bits == 8 || begin.is_multiple_of(2) { self.group / 8 * 8 } else { 0 };
            for d in (0..whole).step_by(8) {
                for (i, codes) in self.eight(begin + d).into_iter().enumerate() {
                    out.put(d + 4 * i, codes.madd(steps, mins));
                }
            }
            for d in whole..self.group {
                out.set(d, F32x4::splat(self.code(begin + d)).madd(steps, mins).array()[0]);
            }
        }
    }

    /// Codes of eight elements from one that begins a byte on.
    #[inline(always)]
    fn eight(&self, element: usize) -> [F32x4; 2] {
        // SAFETY: `ptr` has checked the extent.
        let four = |at: usize| unsafe { I32x4::load_u8(self.data.ptr(at, 4)) };
        if self.bits == 8 {
            return [four(element).to_float(), four(element + 4).to_float()];
        }
        let both = four(element / 2);
        both.and(I32x4::splat(15)).to_float().zip(both.shr(4).to_float())
    }

    #[inline(always)]
    fn code(&self, element: usize) -> f32 {
        f32::from(match self.bits {
            8 => self.data.at(element),
            _ => self.data.at(element / 2) >> (element % 2 * 4) & 15,
        })
    }
}

/// Adds the products of the codes of four words with a query.
#[inline(always)]
fn dot<const BITS: usize>(words: I32x4, masks: &[I32x4; 8], q: View<f32>, dots: &mut [F32x4; 2]) {
    // Written out, since the compiler leaves a loop over them as it is.
    let last = words.shr_u(32 - BITS as u32);
    let code = |i: usize| if i + 1 == 32 / BITS { last } else { words.and(masks[i]) };
    let mut pair = |i: usize| {
        dots[0] = code(i).to_float().madd(q.splat(i), dots[0]);
        dots[1] = code(i + 1).to_float().madd(q.splat(i + 1), dots[1]);
    };
    pair(0);
    pair(2);
    if BITS == 4 {
        pair(4);
        pair(6);
    }
}

/// The bits of every code of a word.
#[inline(always)]
fn masks<const BITS: usize>() -> [I32x4; 8] {
    let lowest = std::hint::black_box((1u32 << BITS) - 1);
    std::array::from_fn(|i| I32x4::splat(lowest.wrapping_shl((i * BITS) as u32) as i32))
}

/// Four bytes, the lowest first.
#[inline(always)]
fn word(data: View<u8>, at: usize) -> i32 {
    // SAFETY: `ptr` has checked the extent; little-endian as the words of WASM are.
    i32::from_le(unsafe { data.ptr(at, 4).cast::<i32>().read_unaligned() })
}
