//! `pack` and `linear`: products with packed weights.
//!
//! A packed weight [n, k] is a row of panels of 8 outputs; a panel holds, for each of the k inputs, the 8 values side by
//! side (zeros beyond n), in the weight's own type.

use crate::half;
use crate::math::{Table, activate, table};
use crate::pool::parallel;
use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::{Fault, Outcome};
#[cfg(not(target_feature = "relaxed-simd"))]
use crate::tile::unreachable_rows;
use crate::tile::{PANEL, ROWS, multiply_packed, next_rows, pack_rows, with_rows};
use crate::view::{View, ViewMut, optional, size, view, view_mut};
use std::ops::Range;

/// Floats of x that a block of rows may hold, so that they stay in the second-level cache.
const BLOCK: usize = 1 << 16;
/// Rows up to which a panel of halves or bytes is widened in registers instead of in scratch memory.
const DIRECT: usize = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pack {
    pub src: *const u8,
    pub out: *mut u8,
    pub n: u32,
    pub k: u32,
    pub dtype: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Linear {
    pub x: *const f32,
    pub w: *const u8,
    pub scales: *const f32,
    pub bias: *const f32,
    pub residual: *const f32,
    pub out: *mut f32,
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub wtype: u32,
    pub activation: u32,
}

/// Bytes of a packed weight, or `u32::MAX` where they overflow or the type is not one of weights.
pub fn weight_bytes(n: u32, k: u32, dtype: u32) -> u32 {
    let element = match dtype {
        0 => 4u64,
        1 => 2,
        2 => 1,
        _ => return u32::MAX,
    };
    let elements = u64::from(n).next_multiple_of(PANEL as u64).checked_mul(u64::from(k));
    let bytes = elements.and_then(|e| e.checked_mul(element)).unwrap_or(u64::MAX);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Pack {
    pub fn run(&self) -> Outcome {
        let (n, k) = (self.n as usize, self.k as usize);
        match self.dtype {
            0 => pack(self.src.cast::<f32>(), self.out.cast(), n, k),
            1 => pack(self.src.cast::<u16>(), self.out.cast(), n, k),
            2 => pack(self.src.cast::<i8>(), self.out.cast(), n, k),
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

/// A packed weight in its own type.
#[derive(Clone, Copy)]
enum Packed {
    F32(View<f32>),
    F16(View<u16>),
    I8(View<i8>),
}

/// What happens to the sums on their way out.
#[derive(Clone, Copy)]
struct Epilogue {
    scales: Option<View<f32>>,
    bias: Option<View<f32>>,
    residual: Option<View<f32>>,
    out: ViewMut<f32>,
    n: usize,
    activation: u32,
    table: Table,
}

impl Epilogue {
    /// Finishes 4 columns of one row from column `j` on; only `count` of them exist.
    #[inline(always)]
    fn four(&self, row: usize, j: usize, count: usize, sum: F32x4) {
        let mut y = sum;
        if let Some(scales) = self.scales {
            y = y.mul(scales.part(j, count, 0.0));
        }
        if let Some(bias) = self.bias {
            y = y.add(bias.part(j, count, 0.0));
        }
        y = activate(self.table, self.activation, y);
        let at = row * self.n + j;
        if let Some(residual) = self.residual {
            y = y.add(residual.part(at, count, 0.0));
        }
        self.out.put_part(at, count, y);
    }

    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&self, row: usize, j: usize, sums: &[[F32x4; C]; R]) {
        let plain = self.activation == 0 && j + 4 * C <= self.n;
        for c in 0..C {
            let j = j + 4 * c;
            if plain {
                let scale = self.scales.map(|s| s.four(j));
                let bias = self.bias.map(|b| b.four(j));
                for r in 0..R {
                    let at = (row + r) * self.n + j;
                    let mut y = sums[r][c];
                    y = scale.map_or(y, |s| y.mul(s));
                    y = bias.map_or(y, |b| y.add(b));
                    y = self.residual.map_or(y, |x| y.add(x.four(at)));
                    self.out.put(at, y);
                }
            } else if j < self.n {
                self.finish(row, j, &std::array::from_fn::<F32x4, R, _>(|r| sums[r][c]));
            }
        }
    }

    /// The way out with an activation or at the right edge; kept out of line, since it is long.
    #[inline(never)]
    fn finish(&self, row: usize, j: usize, sums: &[F32x4]) {
        for (r, &sum) in sums.iter().enumerate() {
            self.four(row + r, j, (self.n - j).min(4), sum);
        }
    }
}

impl Linear {
    pub fn run(&self) -> Outcome {
        let (m, n, k) = (self.m as usize, self.n as usize, self.k as usize);
        let panels = n.div_ceil(PANEL);
        let elements = size(&[panels, PANEL, k])?;
        let x = view(self.x, size(&[m, k])?)?;
        let w = match self.wtype {
            0 => Packed::F32(view(self.w.cast(), elements)?),
            1 => Packed::F16(view(self.w.cast(), elements)?),
            2 => Packed::I8(view(self.w.cast(), elements)?),
            _ => return Err(Fault::BadArguments),
        };
        if self.activation > 3 || (self.wtype == 2 && self.scales.is_null()) {
            return Err(Fault::BadArguments);
        }
        let end = Epilogue {
            scales: if self.wtype == 2 { optional(self.scales, n)? } else { None },
            bias: optional(self.bias, n)?,
            residual: optional(self.residual, size(&[m, n])?)?,
            out: view_mut(self.out, size(&[m, n])?)?,
            n,
            activation: self.activation,
            table: table(),
        };
        if m == 0 || n == 0 {
            return Ok(());
        }
        let job = Product { x, w, k, panels, end };
        if m <= 32 {
            // Few rows: threads share the panels.
            let cost = k * (m + 4) / 2 + 8 * m;
            return parallel(panels, cost, |range, scratch| job.block(0..m, range, scratch));
        }
        // Blocks small enough for the cache and many enough to share evenly, of whole tiles.
        let largest = (BLOCK / k.max(1)).clamp(24, 1024);
        let wanted = m.div_ceil(largest).max(crate::pool::threads() * 4);
        let block = m.div_ceil(wanted).max(24).next_multiple_of(ROWS);
        let blocks = m.div_ceil(block);
        parallel(blocks, block * panels * k, |range, scratch| {
            range
                .into_iter()
                .try_for_each(|b| job.block(b * block..(b * block + block).min(m), 0..panels, scratch))
        })
    }
}

/// One product, ready to be computed block by block.
struct Product {
    x: View<f32>,
    w: Packed,
    k: usize,
    panels: usize,
    end: Epilogue,
}

impl Product {
    /// Rows `rows` times panels `panels`.
    fn block(&self, rows: Range<usize>, panels: Range<usize>, scratch: &mut Scratch) -> Outcome {
        debug_assert!(panels.end <= self.panels);
        let step = PANEL * self.k;
        if rows.len() <= DIRECT {
            return self.few(rows, panels);
        }
        let wide = if matches!(self.w, Packed::F32(_)) { 0 } else { step };
        let [x, wide] = scratch.floats([rows.len() * self.k, wide])?;
        pack_rows(self.x.from(rows.start * self.k), rows.len(), self.k, x);
        let x = x.read();
        let t = half::moves();
        for p in panels {
            let w = match self.w {
                Packed::F32(w) => w.from(p * step),
                Packed::F16(w) => widen_panel(wide, step, |i| half::widen(t, load_u16(w, p * step + i))),
                Packed::I8(w) => widen_panel(wide, step, |i| load_i8(w, p * step + i).to_float()),
            };
            self.rows(rows.clone(), x, p, w);
        }
        Ok(())
    }

    /// So few rows that a panel is read once, as it lies.
    fn few(&self, rows: Range<usize>, panels: Range<usize>) -> Outcome {
        let t = half::moves();
        match self.w {
            Packed::F32(w) => {
                let mut p = panels.start;
                while rows.len() == 1 && p + 4 <= panels.end {
                    self.row_of_four(rows.start, p, w.from(p * PANEL * self.k));
                    p += 4;
                }
                (p..panels.end).for_each(|p| self.direct(rows.clone(), p, |i| w.four(i)));
            }
            Packed::F16(w) => {
                panels.for_each(|p| self.direct(rows.clone(), p, |i| half::widen(t, load_u16(w, i))));
            }
            Packed::I8(w) => {
                panels.for_each(|p| self.direct(rows.clone(), p, |i| load_i8(w, i).to_float()));
            }
        }
        Ok(())
    }

    /// Packed rows times one panel of floats.
    fn rows(&self, rows: Range<usize>, x: View<f32>, panel: usize, w: View<f32>) {
        let w = w.ptr(0, PANEL * self.k);
        let mut row = rows.start;
        while row < rows.end {
            let count = next_rows(rows.end - row);
            let x = x.ptr((row - rows.start) * self.k, count * self.k);
            with_rows!(count, R => {
                let mut sums = [[F32x4::splat(0.0); 2]; R];
                // SAFETY: the views above cover R packed rows of x and one panel.
                unsafe { multiply_packed::<R>(x, w, self.k, &mut sums) };
                self.end.tile(row, panel * PANEL, &sums);
            });
            row += count;
        }
    }

    /// One row times four panels at once: more sums in flight than one panel has.
    fn row_of_four(&self, row: usize, panel: usize, w: View<f32>) {
        let step = PANEL * self.k;
        let x = self.x.from(row * self.k);
        let mut sums = [[F32x4::splat(0.0); 2]; 4];
        for i in 0..self.k {
            let a = x.splat(i);
            for (p, sum) in sums.iter_mut().enumerate() {
                let at = p * step + i * PANEL;
                sum[0] = a.madd(w.four(at), sum[0]);
                sum[1] = a.madd(w.four(at + 4), sum[1]);
            }
        }
        for (p, sum) in sums.into_iter().enumerate() {
            self.end.tile(row, (panel + p) * PANEL, &[sum]);
        }
    }

    /// One or two rows times one panel whose values are widened on the way.
    #[inline(always)]
    fn direct(&self, rows: Range<usize>, panel: usize, four: impl Fn(usize) -> F32x4) {
        let from = panel * PANEL * self.k;
        let x = self.x.from(rows.start * self.k);
        let zero = F32x4::splat(0.0);
        if rows.len() == 1 {
            let mut sums = [[zero; 2]; 1];
            for i in 0..self.k {
                let a = x.splat(i);
                for (c, sum) in sums[0].iter_mut().enumerate() {
                    *sum = a.madd(four(from + i * PANEL + 4 * c), *sum);
                }
            }
            return self.end.tile(rows.start, panel * PANEL, &sums);
        }
        let mut sums = [[zero; 2]; 2];
        for i in 0..self.k {
            let (a, b) = (x.splat(i), x.splat(self.k + i));
            for c in 0..2 {
                let w = four(from + i * PANEL + 4 * c);
                sums[0][c] = a.madd(w, sums[0][c]);
                sums[1][c] = b.madd(w, sums[1][c]);
            }
        }
        self.end.tile(rows.start, panel * PANEL, &sums);
    }
}

#[inline(always)]
fn load_u16(w: View<u16>, i: usize) -> I32x4 {
    // SAFETY: `ptr` has checked the extent.
    unsafe { I32x4::load_halves(w.ptr(i, 4)) }
}

#[inline(always)]
fn load_i8(w: View<i8>, i: usize) -> I32x4 {
    // SAFETY: `ptr` has checked the extent.
    unsafe { I32x4::load_i8(w.ptr(i, 4)) }
}

#[inline(always)]
fn widen_panel(to: ViewMut<f32>, len: usize, four: impl Fn(usize) -> F32x4) -> View<f32> {
    for i in (0..len).step_by(4) {
        to.put(i, four(i));
    }
    to.read()
}
