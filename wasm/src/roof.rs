//! The roof of a thread: multiply-adds on registers alone, which no kernel can beat.

use crate::simd::F32x4;

/// Independent sums: more than latency times issue width needs, few enough to stay in registers.
const SUMS: usize = 12;

/// `rounds` times 12 vector multiply-adds that touch no memory; the result only keeps them alive.
pub fn roof(rounds: u32, seed: f32) -> f32 {
    let factor = F32x4::splat(0.999 * seed);
    let term = F32x4::splat(0.001 * seed);
    let mut sums: [F32x4; SUMS] = std::array::from_fn(|i| F32x4::splat(i as f32 * seed));
    for _ in 0..rounds {
        for sum in &mut sums {
            // The sum is a factor, so that no part of the work can move out of the loop.
            *sum = sum.madd(factor, term);
        }
    }
    sums.into_iter().fold(F32x4::splat(0.0), F32x4::add).sum()
}
