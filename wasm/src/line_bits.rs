//! Flags of lines as bits, 32 to a word, the first lowest.

use crate::pool::parallel;
use crate::status::Fault;
use crate::view::{View, size, view_mut};

/// Words of a line's bits, with one more for windows over the end.
pub fn words(length: usize) -> usize {
    length / 32 + 2
}

/// The 32 bits from `at` on.
#[inline(always)]
pub fn window(bits: View<u32>, at: usize) -> u32 {
    let pair = u64::from(bits.at(at / 32)) | u64::from(bits.at(at / 32 + 1)) << 32;
    (pair >> (at % 32)) as u32
}

/// Whether one of the bits from `low` to `high` is set.
#[inline(always)]
pub fn any(bits: View<u32>, low: usize, high: usize) -> bool {
    (low..=high).step_by(32).any(|at| window(bits, at) & mask(high - at + 1) != 0)
}

/// The lowest `n` bits.
#[inline(always)]
pub fn mask(n: usize) -> u32 {
    if n < 32 { (1 << n) - 1 } else { !0 }
}

/// The lines of all heads as bits; those of distances from behind.
pub fn pack(lines: View<f32>, heads: usize, pairs: usize, length: usize) -> Result<Vec<u32>, Fault> {
    let words = words(length);
    let count = size(&[heads, 3, pairs])?;
    let mut bits = Vec::new();
    let total = size(&[count, words])?;
    bits.try_reserve_exact(total).map_err(|_| Fault::OutOfMemory)?;
    bits.resize(total, 0u32);
    let out = view_mut(bits.as_mut_ptr(), total)?;
    parallel(count, length, |range, _| {
        for line in range {
            let mirrored = line / pairs % 3 == 1;
            let flags = lines.from(line * length);
            for word in 0..words {
                let first = word * 32;
                let bits = (first..length.min(first + 32)).fold(0, |bits, i| {
                    let flag = flags.at(if mirrored { length - 1 - i } else { i });
                    bits | u32::from(flag != 0.0) << (i - first)
                });
                out.set(line * words + word, bits);
            }
        }
        Ok(())
    })?;
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::view;

    #[test]
    fn pack_turns_distances_around_and_windows_reach_over_the_end() {
        let length = 40;
        let mut lines = vec![0f32; 3 * length];
        (lines[1], lines[33], lines[length + 2], lines[2 * length + 39]) = (1.0, f32::NAN, -2.0, 1.0);
        let bits = pack(view(lines.as_ptr(), 3 * length).unwrap(), 1, 1, length).unwrap();
        let bits = view(bits.as_ptr(), bits.len()).unwrap();
        assert_eq!(words(length), 3);
        assert_eq!([0, 1, 2, 33, 34].map(|at| window(bits, at)), [2, 1, 0x8000_0000, 1, 0]);
        assert_eq!([5, 37].map(|at| window(bits.from(3), at)), [0, 1]);
        assert_eq!(window(bits.from(6), 8), 0x8000_0000);
        let found = |low, high| any(bits, low, high);
        assert!(found(1, 1) && found(0, 39) && found(2, 33) && found(33, 39));
        assert!(!found(0, 0) && !found(2, 32) && !found(34, 39) && !found(5, 4));
    }
}
