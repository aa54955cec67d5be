//! `quantize`: floats to codes with a step and a smallest value for every group.

use crate::pool::parallel;
use crate::simd::F32x4;
use crate::status::{Fault, Outcome};
use crate::view::{View, ViewMut, size, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Quantize {
    pub x: *const f32,
    pub codes: *mut u8,
    pub meta: *mut f32,
    pub rows: u32,
    pub cols: u32,
    pub bits: u32,
    pub group: u32,
}

impl Quantize {
    pub fn run(&self) -> Outcome {
        let [rows, cols, bits, group] = [self.rows, self.cols, self.bits, self.group].map(|v| v as usize);
        if rows == 0 || cols == 0 {
            return Ok(());
        }
        let whole = group > 0 && cols.is_multiple_of(group) && (group * bits).is_multiple_of(8);
        if !whole || bits != 8 && bits != 4 {
            return Err(Fault::BadArguments);
        }
        let groups = size(&[rows, cols / group])?;
        let x = view(self.x, size(&[rows, cols])?)?;
        let codes = view_mut(self.codes, size(&[groups, group * bits / 8])?)?;
        let meta = view_mut(self.meta, size(&[groups, 2])?)?;
        parallel(groups, group * 2 + 20, |range, _| {
            for at in range {
                let [step, min] =
                    quantize(x.from(at * group), group, bits, codes.from(at * group * bits / 8));
                meta.set(2 * at, step);
                meta.set(2 * at + 1, min);
            }
            Ok(())
        })
    }
}

/// Writes the codes of a group; gives its step and its smallest value.
fn quantize(x: View<f32>, n: usize, bits: usize, codes: ViewMut<u8>) -> [f32; 2] {
    let four = |d: usize| x.part(d, (n - d).min(4), x.at(0));
    let (mut low, mut high) = (four(0), four(0));
    for d in (0..n).step_by(4) {
        (low, high) = (four(d).pmin(low), four(d).pmax(high));
    }
    let min = low.array().into_iter().fold(f32::INFINITY, f32::min);
    let max = high.array().into_iter().fold(f32::NEG_INFINITY, f32::max);
    let most = ((1u32 << bits) - 1) as f32;
    let (range, factor) = if max == min { (1.0, 0.0) } else { (max - min, most / (max - min)) };
    let (mins, factors) = (F32x4::splat(min), F32x4::splat(factor));
    for d in (0..n).step_by(4) {
        let code = four(d).sub(mins).mul(factors).nearest();
        let code = F32x4::splat(0.0).pmax(code).pmin(F32x4::splat(most)).to_int().array();
        let count = (n - d).min(4);
        if bits == 8 {
            (0..count).for_each(|i| codes.set(d + i, code[i] as u8));
        } else {
            (0..count).step_by(2).for_each(|i| codes.set((d + i) / 2, (code[i] | code[i + 1] << 4) as u8));
        }
    }
    [range / most, min]
}
