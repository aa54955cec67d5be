//! Scratch memory: one arena per thread, which grows to the largest need and stays.

use crate::status::Fault;
use crate::view::{ViewMut, size, view_mut};
use std::alloc::{Layout, alloc, dealloc};

const ALIGN: usize = 64;
/// An arena larger than this is given back after the operation.
const KEEP: usize = 16 << 20;

/// Scratch memory of one thread.
pub struct Scratch {
    ptr: *mut u8,
    bytes: usize,
}

impl Scratch {
    /// An arena that owns nothing yet.
    pub const fn new() -> Self {
        Self { ptr: std::ptr::null_mut(), bytes: 0 }
    }

    /// Room for `sizes[i]` floats each, every part aligned to 64 bytes; what was there before is lost.
    pub fn floats<const N: usize>(&mut self, sizes: [usize; N]) -> Result<[ViewMut<f32>; N], Fault> {
        let mut starts = [0usize; N];
        let mut end = 0usize;
        for (start, len) in starts.iter_mut().zip(sizes) {
            *start = end;
            let part = size(&[len, 4])?.checked_next_multiple_of(ALIGN).ok_or(Fault::OutOfMemory)?;
            end = end.checked_add(part).ok_or(Fault::OutOfMemory)?;
        }
        self.grow(end)?;
        let mut parts = [view_mut(self.ptr.cast::<f32>(), 0)?; N];
        for i in 0..N {
            parts[i] = view_mut(self.ptr.wrapping_add(starts[i]).cast::<f32>(), sizes[i])?;
        }
        Ok(parts)
    }

    /// Gives a large arena back.
    pub fn trim(&mut self) {
        if self.bytes > KEEP {
            self.free();
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let wanted = bytes.max(1 << 16).checked_next_power_of_two().filter(|&b| b <= KEEP).unwrap_or(bytes);
        let layout = Layout::from_size_align(wanted, ALIGN).map_err(|_| Fault::OutOfMemory)?;
        self.free();
        // SAFETY: the layout has a size above 0.
        let ptr = unsafe { alloc(layout) };
        if ptr.is_null() {
            return Err(Fault::OutOfMemory);
        }
        *self = Self { ptr, bytes: wanted };
        Ok(())
    }

    fn free(&mut self) {
        if self.bytes > 0 {
            // SAFETY: `ptr` came from `alloc` with this very layout, which was valid then.
            unsafe { dealloc(self.ptr, Layout::from_size_align_unchecked(self.bytes, ALIGN)) };
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_gives_disjoint_aligned_parts() {
        let mut scratch = Scratch::new();
        let [a, b] = scratch.floats([3, 40_000]).unwrap();
        let (a, b) = (a.ptr(0, 3) as usize, b.ptr(0, 40_000) as usize);
        assert_eq!((a % 64, b % 64), (0, 0));
        assert!(b >= a + 12);
        let kept = scratch.ptr;
        scratch.floats([100]).unwrap();
        assert_eq!(scratch.ptr, kept);
        scratch.free();
    }

    #[test]
    fn floats_refuses_more_than_the_address_space() {
        assert_eq!(Scratch::new().floats([usize::MAX / 8]).err(), Some(Fault::OutOfMemory));
    }
}
