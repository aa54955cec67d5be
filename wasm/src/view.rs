//! Typed views over linear memory.
//!
//! Every operation turns the pointers of its record into views at its door, where the whole extent is checked against the
//! memory; kernels then index without checks. Debug builds (the host's tests) check every access.

use crate::simd::F32x4;
use crate::status::Fault;

/// Read-only elements.
#[derive(Clone, Copy)]
pub struct View<T> {
    ptr: *const T,
    #[cfg(debug_assertions)]
    len: usize,
}

/// Elements that several threads may write, each its own part.
#[derive(Clone, Copy)]
pub struct ViewMut<T> {
    ptr: *mut T,
    #[cfg(debug_assertions)]
    len: usize,
}

// SAFETY: a view is a pointer into memory that outlives the operation; kernels give each thread its own elements to write.
unsafe impl<T> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for View<T> {}
// SAFETY: as above.
unsafe impl<T> Send for ViewMut<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for ViewMut<T> {}

/// Product of sizes, refused where it overflows.
pub fn size(factors: &[usize]) -> Result<usize, Fault> {
    factors.iter().try_fold(1usize, |all, &factor| all.checked_mul(factor)).ok_or(Fault::BadArguments)
}

/// Elements from 0 to the last one that strides reach: `offset + sum (n - 1) * stride + 1`, or 0 where a count is 0.
pub fn extent(offset: usize, dims: &[(usize, usize)]) -> Result<usize, Fault> {
    if dims.iter().any(|&(n, _)| n == 0) {
        return Ok(0);
    }
    dims.iter()
        .try_fold(offset, |all, &(n, stride)| (n - 1).checked_mul(stride)?.checked_add(all))
        .and_then(|last| last.checked_add(1))
        .ok_or(Fault::BadArguments)
}

#[cfg(target_arch = "wasm32")]
fn inside(address: usize, bytes: usize) -> bool {
    let end = address as u64 + bytes as u64;
    end <= (core::arch::wasm32::memory_size::<0>() as u64) << 16
}

#[cfg(not(target_arch = "wasm32"))]
fn inside(_: usize, _: usize) -> bool {
    true
}

/// Elements from `ptr` to the end of the memory, for data whose own words say where it ends.
pub fn rest<T>(ptr: *const T) -> usize {
    #[cfg(target_arch = "wasm32")]
    let end = (core::arch::wasm32::memory_size::<0>() as u64) << 16;
    #[cfg(not(target_arch = "wasm32"))]
    let end = u64::MAX / 4;
    (end.saturating_sub(ptr as u64) / size_of::<T>() as u64) as usize
}

fn admit<T>(address: usize, len: usize) -> Result<(), Fault> {
    let bytes = size(&[len, size_of::<T>()])?;
    let good = address != 0 && address.is_multiple_of(align_of::<T>()) && inside(address, bytes);
    if good || len == 0 { Ok(()) } else { Err(Fault::BadArguments) }
}

/// A view of `len` elements at `ptr`; refused where they do not lie inside the memory.
pub fn view<T>(ptr: *const T, len: usize) -> Result<View<T>, Fault> {
    admit::<T>(ptr as usize, len)?;
    Ok(View {
        ptr,
        #[cfg(debug_assertions)]
        len,
    })
}

/// A view where the pointer is not 0.
pub fn optional<T>(ptr: *const T, len: usize) -> Result<Option<View<T>>, Fault> {
    if ptr.is_null() { Ok(None) } else { view(ptr, len).map(Some) }
}

/// A view to write `len` elements at `ptr`; refused where they do not lie inside the memory.
pub fn view_mut<T>(ptr: *mut T, len: usize) -> Result<ViewMut<T>, Fault> {
    admit::<T>(ptr as usize, len)?;
    Ok(ViewMut {
        ptr,
        #[cfg(debug_assertions)]
        len,
    })
}

impl<T: Copy> View<T> {
    /// Elements that stay where they are.
    pub fn of(x: &'static [T]) -> Self {
        Self {
            ptr: x.as_ptr(),
            #[cfg(debug_assertions)]
            len: x.len(),
        }
    }

    /// The rest from element `i` on.
    #[inline(always)]
    pub fn from(self, i: usize) -> Self {
        #[cfg(debug_assertions)]
        assert!(i <= self.len, "view starts at {i} of {}", self.len);
        Self {
            ptr: self.ptr.wrapping_add(i),
            #[cfg(debug_assertions)]
            len: self.len - i,
        }
    }

    #[inline(always)]
    pub fn at(self, i: usize) -> T {
        // SAFETY: `ptr` has checked the extent in debug builds; the door has in all.
        unsafe { self.ptr(i, 1).read() }
    }

    /// Pointer to `n` elements from `i` on.
    #[inline(always)]
    pub fn ptr(self, i: usize, n: usize) -> *const T {
        #[cfg(debug_assertions)]
        assert!(i + n <= self.len, "read of {n} at {i} of {}", self.len);
        let _ = n;
        self.ptr.wrapping_add(i)
    }
}

impl<T: Copy> ViewMut<T> {
    /// The rest from element `i` on.
    #[inline(always)]
    pub fn from(self, i: usize) -> Self {
        #[cfg(debug_assertions)]
        assert!(i <= self.len, "view starts at {i} of {}", self.len);
        Self {
            ptr: self.ptr.wrapping_add(i),
            #[cfg(debug_assertions)]
            len: self.len - i,
        }
    }

    #[inline(always)]
    pub fn set(self, i: usize, value: T) {
        // SAFETY: `ptr` has checked the extent in debug builds; the door has in all.
        unsafe { self.ptr(i, 1).write(value) }
    }

    /// Pointer to `n` elements from `i` on.
    #[inline(always)]
    pub fn ptr(self, i: usize, n: usize) -> *mut T {
        #[cfg(debug_assertions)]
        assert!(i + n <= self.len, "write of {n} at {i} of {}", self.len);
        let _ = n;
        self.ptr.wrapping_add(i)
    }

    /// The same elements to read.
    #[inline(always)]
    pub fn read(self) -> View<T> {
        View {
            ptr: self.ptr,
            #[cfg(debug_assertions)]
            len: self.len,
        }
    }
}

impl View<f32> {
    /// Four floats from `i` on.
    #[inline(always)]
    pub fn four(self, i: usize) -> F32x4 {
        // SAFETY: `ptr` has checked the extent.
        unsafe { F32x4::load(self.ptr(i, 4)) }
    }

    /// Element `i` in all lanes.
    #[inline(always)]
    pub fn splat(self, i: usize) -> F32x4 {
        // SAFETY: `ptr` has checked the extent.
        unsafe { F32x4::load_splat(self.ptr(i, 1)) }
    }

    /// The `n` (at most 4) floats from `i` on, then `rest`.
    #[inline(always)]
    pub fn part(self, i: usize, n: usize, rest: f32) -> F32x4 {
        if n >= 4 {
            return self.four(i);
        }
        // SAFETY: `ptr` has checked the extent.
        unsafe { F32x4::load_part(self.ptr(i, n), n, rest) }
    }
}

impl ViewMut<f32> {
    /// Writes four floats from `i` on.
    #[inline(always)]
    pub fn put(self, i: usize, value: F32x4) {
        // SAFETY: `ptr` has checked the extent.
        unsafe { value.store(self.ptr(i, 4)) }
    }

    /// The same memory as halves.
    pub fn halves(self) -> ViewMut<u16> {
        ViewMut {
            ptr: self.ptr.cast(),
            #[cfg(debug_assertions)]
            len: 2 * self.len,
        }
    }

    /// Writes `n` (at most 4) lanes from `i` on.
    #[inline(always)]
    pub fn put_part(self, i: usize, n: usize, value: F32x4) {
        if n >= 4 {
            return self.put(i, value);
        }
        // SAFETY: `ptr` has checked the extent.
        unsafe { value.store_part(self.ptr(i, n), n) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_refuses_an_overflow() {
        assert_eq!(size(&[3, 4, 5]), Ok(60));
        assert_eq!(size(&[usize::MAX, 2]), Err(Fault::BadArguments));
    }

    #[test]
    fn extent_counts_to_the_last_element() {
        assert_eq!(extent(5, &[(3, 10), (2, 1)]), Ok(27));
        assert_eq!(extent(5, &[(3, 10), (0, 1)]), Ok(0));
        assert_eq!(extent(0, &[(usize::MAX, usize::MAX)]), Err(Fault::BadArguments));
    }

    #[test]
    fn view_refuses_null_and_misaligned_pointers() {
        let x = [0f32; 2];
        assert!(view(x.as_ptr(), 2).is_ok());
        assert!(view(std::ptr::null::<f32>(), 2).is_err());
        assert!(view(x.as_ptr().cast::<u8>().wrapping_add(1).cast::<f32>(), 1).is_err());
    }
}
