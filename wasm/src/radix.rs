//! The largest numbers of a row: a sample tells how large they are, what is as large is sorted by radix or only divided.

use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::Fault;
use crate::view::{View, ViewMut, view_mut};

/// Numbers of the sample.
const SAMPLE: usize = 1024;
/// Entries from which large digits are faster than small ones.
const LARGE: usize = 8192;

/// For every set of lanes, where in a vector their bytes are.
static LANES: [[u8; 16]; 16] = {
    let mut table = [[0x80; 16]; 16];
    let mut set = 0;
    while set < 16 {
        let (mut lane, mut next) = (0, 0);
        while lane < 4 {
            let mut byte = 0;
            while byte < 4 && set >> lane & 1 == 1 {
                table[set][next] = 4 * lane + byte;
                next += 1;
                byte += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    table
};

/// Entries by their keys: those of numbers in the upper half, their indices in the lower one.
type Entries = ViewMut<u64>;

/// Calls `f(place, index)` for the `k` (at least 1) largest of `cols` numbers, the first of equal ones, NaN last: in order if
/// `sorted`, else by their indices.
pub fn largest(
    x: View<f32>,
    cols: usize,
    k: usize,
    sorted: bool,
    scratch: &mut Scratch,
    mut f: impl FnMut(usize, usize),
) -> Result<(), Fault> {
    // Entries, and room for one vector of indices more than there are.
    let room = 2 * cols + 4;
    let [from, to, counts] = scratch.floats([room, room, 3 << 11])?;
    let counts = view_mut(counts.ptr(0, 3 << 11).cast::<u32>(), 3 << 11)?;
    let indices = view_mut(to.ptr(0, room).cast::<u32>(), room)?;
    let [from, to] = [from, to].map(|part| view_mut(part.ptr(0, 2 * cols).cast::<u64>(), cols));
    let (from, to) = (from?, to?);
    let some = floor(x, cols, k).map_or(0, |floor| as_large(x, cols, floor, indices));
    let (mut low, mut high) = (u32::MAX, 0);
    let mut enter = |n: usize, i: usize| {
        let key = key(x.at(i));
        (low, high) = (low.min(key), high.max(key));
        from.set(n, u64::from(key) << 32 | i as u64);
    };
    let n = if some >= k { some } else { cols };
    if some >= k {
        (0..n).for_each(|n| enter(n, indices.read().at(n) as usize));
    } else {
        (0..n).for_each(|n| enter(n, n));
    }
    if !sorted {
        (0..n).for_each(|i| to.set(i, from.read().at(i)));
        // SAFETY: `ptr` has checked the extent, and nobody else uses the scratch memory.
        let all = unsafe { std::slice::from_raw_parts_mut(to.ptr(0, n), n) };
        let last = *all.select_nth_unstable(k - 1).1;
        let chosen = (0..n).map(|i| from.read().at(i)).filter(|&entry| entry <= last);
        chosen.enumerate().for_each(|(place, entry)| f(place, entry as u32 as usize));
        return Ok(());
    }
    let sorted = if n < LARGE {
        sort::<8>(from, to, n, low, high, counts)
    } else {
        sort::<11>(from, to, n, low, high, counts)
    };
    (0..k).for_each(|i| f(i, sorted.at(i) as u32 as usize));
    Ok(())
}

/// A number that about `k` of all are not below, rather more than fewer; none where a sample says little.
fn floor(x: View<f32>, cols: usize, k: usize) -> Option<f32> {
    let share = (k * SAMPLE).div_ceil(cols);
    let rank = share + 3 * share.isqrt() + 4;
    if cols < 2 * SAMPLE || rank > SAMPLE / 2 {
        return None;
    }
    let mut sample: [u32; SAMPLE] = std::array::from_fn(|i| key(x.at(i * cols / SAMPLE)));
    let key = *sample.select_nth_unstable(rank).1;
    (key != u32::MAX).then(|| number(key))
}

/// Writes the indices of all numbers that are not below `floor`; gives how many.
fn as_large(x: View<f32>, cols: usize, floor: f32, to: ViewMut<u32>) -> usize {
    let floors = F32x4::splat(floor);
    let (mut index, step) = (I32x4::new([0, 1, 2, 3]), I32x4::splat(4));
    let mut n = 0;
    let whole = cols / 4 * 4;
    for i in (0..whole).step_by(4) {
        let x = x.four(i);
        let set = floors.lt(x).or(floors.eq(x)).signs();
        // SAFETY: a row of the table has 16 bytes; `ptr` has checked the extent.
        unsafe {
            let lanes = I32x4::load(LANES[set as usize].as_ptr());
            index.swizzle(lanes).store(to.ptr(n, 4).cast());
        }
        n += set.count_ones() as usize;
        index = index.add(step);
    }
    for i in whole..cols {
        if x.at(i) >= floor {
            to.set(n, i as u32);
            n += 1;
        }
    }
    n
}

/// Sorts entries whose keys are from `low` to `high` by digits of `BITS` bits, the lowest first.
fn sort<const BITS: usize>(
    mut from: Entries,
    mut to: Entries,
    n: usize,
    low: u32,
    high: u32,
    counts: ViewMut<u32>,
) -> View<u64> {
    let digits = ((high - low).checked_ilog2().map_or(0, |top| top as usize + 1)).div_ceil(BITS);
    let slot = |entry: u64, digit: usize| {
        let key = (entry >> 32) as u32 - low;
        (digit << BITS) + ((key >> (digit * BITS)) as usize & ((1 << BITS) - 1))
    };
    (0..digits << BITS).for_each(|at| counts.set(at, 0));
    for i in 0..n {
        for digit in 0..digits {
            let at = slot(from.read().at(i), digit);
            counts.set(at, counts.read().at(at) + 1);
        }
    }
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
    from.read()
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

/// The number with a key.
fn number(key: u32) -> f32 {
    f32::from_bits(key ^ if key >> 31 == 0 { 0x7fff_ffff } else { 0 })
}
