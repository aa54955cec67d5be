//! Keys on their way from the lists of a plan to its queries.

use crate::attention::lanes::KEYS;

/// Bit of a key that has none.
pub const NO_BIT: u64 = u64::MAX;

/// A block of keys that at least one query may see.
pub struct Block {
    pub count: usize,
    pub key: [i32; KEYS],
    /// Whether the keys follow each other.
    pub run: bool,
    /// Bit of row 0 in the plan's bits, or `NO_BIT`; written only where the plan has bits.
    bit: [u64; KEYS],
    has_bits: bool,
    /// The largest key, and the smallest one from the sink on.
    high: i32,
    low: i32,
}

impl Block {
    pub fn new(has_bits: bool) -> Self {
        Self {
            count: 0,
            key: [0; KEYS],
            run: false,
            bit: [NO_BIT; KEYS],
            has_bits,
            high: i32::MIN,
            low: i32::MAX,
        }
    }

    #[inline(always)]
    pub fn push(&mut self, key: i32, bit: u64) {
        self.key[self.count] = key;
        if self.has_bits {
            self.bit[self.count] = bit;
        }
        self.count += 1;
    }

    /// The block when all its keys are there.
    pub fn settle(&mut self, sink: i32) -> &Self {
        let keys = &self.key[..self.count];
        self.run = keys.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        self.high = keys.iter().copied().fold(i32::MIN, i32::max);
        self.low = keys.iter().map(|&key| if key < sink { i32::MAX } else { key }).fold(i32::MAX, i32::min);
        self
    }

    /// Whether any of the keys may be hidden from a query at positions `low` to `high`.
    pub fn hides(&self, causal: bool, window: i32, low: i32, high: i32) -> bool {
        let far = self.low < i32::MAX && high - self.low >= window;
        self.has_bits || far || causal && self.high > low
    }

    /// Keys up to the last one that is not above `high`.
    pub fn up_to(&self, high: i32) -> usize {
        if self.high <= high {
            return self.count;
        }
        self.key[..self.count].iter().rposition(|&key| key <= high).map_or(0, |last| last + 1)
    }

    /// Word of row 0 and bit in it of key `j`, if it has one.
    #[inline(always)]
    pub fn bit(&self, j: usize) -> Option<(usize, u32)> {
        let bit = self.bit[j];
        (bit != NO_BIT).then_some(((bit >> 5) as usize, (bit & 31) as u32))
    }
}
