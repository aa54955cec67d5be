//! `pack`: weights in panels, and how their values become floats.
//!
//! A packed weight [n, k] is a row of panels of 8 outputs; a panel holds, for each of the k inputs, the 8 values side by
//! side (zeros beyond n), in the weight's own type. Eight int4 values are four bytes: the first four outputs in the low
//! nibbles, the others in the high ones, in two's complement.

use crate::half::{self, Moves};
use crate::pool::parallel;
use crate::simd::{F32x4, I32x4};
use crate::status::{Fault, Outcome};
use crate::tile::PANEL;
use crate::view::{View, size, view, view_mut};

/// Numbers of the weight types in the contract.
pub const F32: u32 = 0;
pub const F16: u32 = 1;
pub const I8: u32 = 2;
pub const I4: u32 = 5;

/// Bytes of eight int4 values.
const NIBBLES: usize = PANEL / 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pack {
    pub src: *const u8,
    pub out: *mut u8,
    pub n: u32,
    pub k: u32,
    pub dtype: u32,
}

/// Bytes of a packed weight, or `u32::MAX` where they overflow or the type is not one of weights.
pub fn weight_bytes(n: u32, k: u32, dtype: u32) -> u32 {
    let eight = match dtype {
        F32 => 4 * PANEL,
        F16 => 2 * PANEL,
        I8 => PANEL,
        I4 => NIBBLES,
        _ => return u32::MAX,
    };
    let inputs = u64::from(n).div_ceil(PANEL as u64).checked_mul(u64::from(k));
    let bytes = inputs.and_then(|i| i.checked_mul(eight as u64)).unwrap_or(u64::MAX);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Pack {
    pub fn run(&self) -> Outcome {
        let (n, k) = (self.n as usize, self.k as usize);
        match self.dtype {
            F32 => pack(self.src.cast::<f32>(), self.out.cast(), n, k),
            F16 => pack(self.src.cast::<u16>(), self.out.cast(), n, k),
            I8 => pack(self.src.cast::<i8>(), self.out.cast(), n, k),
            I4 => pack_nibbles(self.src, self.out, n, k),
            _ => Err(Fault::BadArguments),
        }
    }
}

fn pack<T: Copy + Default>(src: *const T, out: *mut T, n: usize, k: usize) -> Outcome {
    let panels = n.div_ceil(PANEL);
    let src = view(src, size(&[n, k])?)?;
    let out = view_mut(out, size(&[panels, PANEL, k])?)?;
    parallel(panels, k * PANEL * 2, |range, _| {
        for p in range {
            let to = out.from(p * PANEL * k);
            for c in 0..PANEL {
                let row = p * PANEL + c;
                for i in 0..k {
                    to.set(i * PANEL + c, if row < n { src.at(row * k + i) } else { T::default() });
                }
            }
        }
        Ok(())
    })
}

fn pack_nibbles(src: *const u8, out: *mut u8, n: usize, k: usize) -> Outcome {
    if !k.is_multiple_of(2) {
        return Err(Fault::BadArguments);
    }
    let panels = n.div_ceil(PANEL);
    let src = view(src, size(&[n, k / 2])?)?;
    let out = view_mut(out, size(&[panels, NIBBLES, k])?)?;
    // Value + 8 to two's complement is a change of the upper bit.
    let nibble = |row: usize, i: usize| {
        if row < n { src.at((row * k + i) / 2) >> (4 * (i % 2)) & 15 ^ 8 } else { 0 }
    };
    parallel(panels, k * PANEL * 2, |range, _| {
        for p in range {
            let to = out.from(p * NIBBLES * k);
            for c in 0..NIBBLES {
                let row = p * PANEL + c;
                for i in 0..k {
                    to.set(i * NIBBLES + c, nibble(row, i) | nibble(row + NIBBLES, i) << 4);
                }
            }
        }
        Ok(())
    })
}

/// A packed weight in its own type.
#[derive(Clone, Copy)]
pub enum Packed {
    F32(View<f32>),
    F16(View<u16>),
    I8(View<i8>),
    I4(View<u8>),
}

impl Packed {
    /// The packed weight [n, k] at `ptr`.
    pub fn new(ptr: *const u8, n: usize, k: usize, dtype: u32) -> Result<Self, Fault> {
        let inputs = size(&[n.div_ceil(PANEL), k])?;
        Ok(match dtype {
            F32 => Self::F32(view(ptr.cast(), size(&[inputs, PANEL])?)?),
            F16 => Self::F16(view(ptr.cast(), size(&[inputs, PANEL])?)?),
            I8 => Self::I8(view(ptr.cast(), size(&[inputs, PANEL])?)?),
            I4 => Self::I4(view(ptr, size(&[inputs, NIBBLES])?)?),
            _ => return Err(Fault::BadArguments),
        })
    }
}

/// Eight floats: the values of a panel's outputs for one input.
pub type Eight = [F32x4; 2];

/// The values of input `i`, counted through all panels.
#[inline(always)]
pub fn floats(w: View<f32>, i: usize) -> Eight {
    [w.four(i * PANEL), w.four(i * PANEL + 4)]
}

/// The values of input `i`, counted through all panels.
#[inline(always)]
pub fn halves(t: Moves, w: View<u16>, i: usize) -> Eight {
    // SAFETY: `ptr` has checked the extent.
    [0, 4].map(|c| half::widen(t, unsafe { I32x4::load_halves(w.ptr(i * PANEL + c, 4)) }))
}

/// The values of input `i`, counted through all panels.
#[inline(always)]
pub fn bytes(w: View<i8>, i: usize) -> Eight {
    // SAFETY: `ptr` has checked the extent.
    [0, 4].map(|c| unsafe { I32x4::load_i8(w.ptr(i * PANEL + c, 4)) }.to_float())
}

/// The values of input `i`, counted through all panels.
#[inline(always)]
pub fn nibbles(w: View<u8>, i: usize) -> Eight {
    // SAFETY: `ptr` has checked the extent.
    let both = unsafe { I32x4::load_i8(w.ptr(i * NIBBLES, NIBBLES).cast()) };
    [both.shl(28).shr(28).to_float(), both.shr(4).to_float()]
}

/// Scales [n, k / len] of a weight where `len` consecutive inputs of an output share one.
#[derive(Clone, Copy)]
pub struct Groups {
    scales: View<f32>,
    n: usize,
    /// Groups of an output.
    count: usize,
    /// Inputs of a group.
    len: usize,
}

impl Groups {
    /// The groups of a weight [n, k] whose scales lie at `ptr`.
    pub fn new(ptr: *const f32, n: usize, k: usize, len: usize) -> Result<Self, Fault> {
        if len == 0 || !k.is_multiple_of(len) {
            return Err(Fault::BadArguments);
        }
        let count = k / len;
        Ok(Self { scales: view(ptr, size(&[n, count])?)?, n, count, len })
    }

    /// The scales of a panel's outputs in one group; anything beyond n.
    #[inline(always)]
    fn eight(self, panel: usize, group: usize) -> Eight {
        let scale = |row: usize| self.scales.at(row.min(self.n - 1) * self.count + group);
        let row = panel * PANEL;
        [0, 4].map(|c| F32x4::new(std::array::from_fn(|lane| scale(row + c + lane))))
    }
}

/// Calls `visit` with each of the `k` inputs of `P` panels and its values there, scaled where there are groups.
#[inline(always)]
pub fn walk<const P: usize>(
    panel: usize,
    k: usize,
    groups: Option<Groups>,
    load: impl Fn(usize) -> Eight,
    mut visit: impl FnMut(usize, [Eight; P]),
) {
    let Some(groups) = groups else {
        for i in 0..k {
            visit(i, std::array::from_fn(|p| load((panel + p) * k + i)));
        }
        return;
    };
    for group in 0..groups.count {
        let scales: [Eight; P] = std::array::from_fn(|p| groups.eight(panel + p, group));
        for i in group * groups.len..(group + 1) * groups.len {
            visit(
                i,
                std::array::from_fn(|p| {
                    let ([low, high], s) = (load((panel + p) * k + i), scales[p]);
                    [low.mul(s[0]), high.mul(s[1])]
                }),
            );
        }
    }
}
