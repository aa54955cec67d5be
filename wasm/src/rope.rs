//! `rope`: rotary positions, in place.

use crate::pool::parallel;
use crate::status::{Fault, Outcome};
use crate::view::{extent, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Rope {
    pub x: *mut f32,
    pub freqs: *const f32,
    pub rows: u32,
    pub stride: u32,
    pub offset: u32,
    pub heads: u32,
    pub head_dim: u32,
    pub length: u32,
    pub start: u32,
    pub interleaved: u32,
}

impl Rope {
    pub fn run(&self) -> Outcome {
        let [rows, stride, offset, heads, dim, length] =
            [self.rows, self.stride, self.offset, self.heads, self.head_dim, self.length].map(|v| v as usize);
        if dim % 2 != 0 || length == 0 {
            return Err(Fault::BadArguments);
        }
        let (half, start) = (dim / 2, self.start as usize);
        let x = view_mut(self.x, extent(offset, &[(rows, stride), (heads, dim), (dim, 1)])?)?;
        let freqs = view(self.freqs, half)?;
        if rows == 0 || heads * half == 0 {
            return Ok(());
        }
        // Positions repeat after `length` rows: their sines and cosines are made once per position and thread.
        let positions = length.min(rows);
        let (step, gap) = if self.interleaved != 0 { (2, 1) } else { (1, half) };
        parallel(positions, rows.div_ceil(length) * heads * dim * 2 + half * 80, |range, scratch| {
            let [sines, cosines] = scratch.floats([half, half])?;
            for position in range {
                for i in 0..half {
                    let angle = (start + position) as f64 * f64::from(freqs.at(i));
                    sines.set(i, angle.sin() as f32);
                    cosines.set(i, angle.cos() as f32);
                }
                for row in (position..rows).step_by(length) {
                    for head in 0..heads {
                        let head = x.from(row * stride + offset + head * dim);
                        for i in 0..half {
                            let (sin, cos) = (sines.read().at(i), cosines.read().at(i));
                            let (a, b) = (head.read().at(i * step), head.read().at(i * step + gap));
                            head.set(i * step, a * cos - b * sin);
                            head.set(i * step + gap, a * sin + b * cos);
                        }
                    }
                }
            }
            Ok(())
        })
    }
}
