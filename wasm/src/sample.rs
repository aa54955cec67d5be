//! `sample`: draws from a softmax by the Gumbel-max trick.

use crate::elementwise::fours;
use crate::math;
use crate::pool::parallel;
use crate::simd::{F32x4, I32x4};
use crate::status::Outcome;
use crate::view::{View, size, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sample {
    pub x: *const f32,
    pub out: *mut i32,
    pub rows: u32,
    pub cols: u32,
    pub scale: f32,
    pub seed: u32,
    pub draw: u32,
}

/// Above every Gumbel number that 23 random bits give: -ln(-ln(1 - 2^-24)) is 16.64.
const HIGHEST: f32 = 16.7;

impl Sample {
    pub fn run(&self) -> Outcome {
        let (rows, cols, scale) = (self.rows as usize, self.cols as usize, self.scale);
        let x = view(self.x, size(&[rows, cols])?)?;
        let out = view_mut(self.out, rows)?;
        let base = pcg(self.draw.wrapping_add(pcg(self.seed)));
        parallel(rows, cols * 8 + 10, |range, _| {
            for row in range {
                let key = pcg((row as u32).wrapping_add(base));
                out.set(row, draw(x.from(row * cols), cols, scale, key));
            }
            Ok(())
        })
    }
}

/// The column whose scaled logit and Gumbel number together are the largest.
fn draw(x: View<f32>, cols: usize, scale: f32, key: u32) -> i32 {
    let mut best = (f32::NEG_INFINITY, 0);
    let scales = F32x4::splat(scale);
    fours(0..cols, |i, c| {
        let scores = x.part(i, c, f32::NEG_INFINITY).mul(scales);
        // Most columns cannot win whatever they draw.
        if scores.max_lane() + HIGHEST <= best.0 {
            return;
        }
        let scores = scores.add(gumbel(i as u32, key)).array();
        for (lane, &score) in scores.iter().enumerate().take(c) {
            if score > best.0 {
                best = (score, (i + lane) as i32);
            }
        }
    });
    best.1
}

/// The Gumbel numbers of columns `i` to `i + 3`.
#[inline(always)]
fn gumbel(i: u32, key: u32) -> F32x4 {
    let bits = std::array::from_fn(|lane| (pcg(key.wrapping_add(i + lane as u32)) >> 9) as i32);
    let half = F32x4::splat(0.5);
    let u = I32x4::new(bits).to_float().add(half).mul(F32x4::splat(1.0 / 8_388_608.0));
    negative(math::log(negative(math::log(u))))
}

#[inline(always)]
fn negative(x: F32x4) -> F32x4 {
    x.bits().xor(I32x4::splat(i32::MIN)).float_bits()
}

/// The hash pcg of 32 bits (Jarzynski and Olano 2020).
#[inline(always)]
fn pcg(v: u32) -> u32 {
    let s = v.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let w = ((s >> ((s >> 28) + 4)) ^ s).wrapping_mul(277_803_737);
    (w >> 22) ^ w
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pcg_gives_the_numbers_of_its_definition() {
        assert_eq!([0, 1, u32::MAX].map(pcg), [129_708_002, 2_831_084_092, 3_861_530_882]);
    }

    #[test]
    fn gumbel_numbers_stay_below_their_bound() {
        let u = F32x4::splat(1.0 - 1.0 / 16_777_216.0);
        let top = negative(math::log(negative(math::log(u)))).array()[0];
        assert!(top > 16.6 && top < HIGHEST, "{top}");
    }
}
