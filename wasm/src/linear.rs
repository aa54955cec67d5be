//! `linear`: products with packed weights, from the sums to what becomes of them.

use crate::half;
use crate::math::{Table, activate, table};
use crate::pool::parallel;
use crate::scratch::Scratch;
use crate::simd::F32x4;
use crate::status::{Fault, Outcome};
#[cfg(not(target_feature = "relaxed-simd"))]
use crate::tile::unreachable_rows;
use crate::tile::{PANEL, ROWS, multiply_packed, next_rows, pack_rows, with_rows};
use crate::view::{View, ViewMut, optional, size, view, view_mut};
use crate::weights::{Eight, Groups, I4, I8, Packed, bytes, floats, halves, nibbles, walk};
use std::ops::Range;

/// Floats of x that a block of rows may hold, so that they stay in the second-level cache.
const BLOCK: usize = 1 << 16;
/// Rows up to which a panel that holds no floats is widened in registers instead of in scratch memory.
const DIRECT: usize = 2;

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
    pub group: u32,
    pub activation: u32,
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
        let x = view(self.x, size(&[m, k])?)?;
        let w = Packed::new(self.w, n, k, self.wtype)?;
        let scaled = self.wtype == I8 || self.wtype == I4;
        if self.activation > 3 {
            return Err(Fault::BadArguments);
        }
        // Scales of whole outputs are applied to the sums, those of groups to the values.
        let whole = self.group == self.k;
        let groups = if scaled { Some(Groups::new(self.scales, n, k, self.group as usize)?) } else { None };
        let end = Epilogue {
            scales: if scaled && whole { optional(self.scales, n)? } else { None },
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
        let job = Product { x, w, groups: groups.filter(|_| !whole), k, panels, end };
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
    groups: Option<Groups>,
    k: usize,
    panels: usize,
    end: Epilogue,
}

impl Product {
    /// Rows `rows` times panels `panels`.
    fn block(&self, rows: Range<usize>, panels: Range<usize>, scratch: &mut Scratch) -> Outcome {
        debug_assert!(panels.end <= self.panels);
        if rows.len() <= DIRECT {
            return self.few(rows, panels);
        }
        let step = PANEL * self.k;
        let wide = if matches!(self.w, Packed::F32(_)) { 0 } else { step };
        let [x, wide] = scratch.floats([rows.len() * self.k, wide])?;
        pack_rows(self.x.from(rows.start * self.k), rows.len(), self.k, x);
        let x = x.read();
        let t = half::moves();
        for p in panels {
            let w = match self.w {
                Packed::F32(w) => w.from(p * step),
                Packed::F16(w) => self.widen(wide, p, None, |i| halves(t, w, i)),
                Packed::I8(w) => self.widen(wide, p, self.groups, |i| bytes(w, i)),
                Packed::I4(w) => self.widen(wide, p, self.groups, |i| nibbles(w, i)),
            };
            self.rows(rows.clone(), x, p, w);
        }
        Ok(())
    }

    /// A panel as floats.
    #[inline(always)]
    fn widen(
        &self,
        to: ViewMut<f32>,
        panel: usize,
        groups: Option<Groups>,
        load: impl Fn(usize) -> Eight,
    ) -> View<f32> {
        walk(panel, self.k, groups, load, |i, [w]| {
            to.put(i * PANEL, w[0]);
            to.put(i * PANEL + 4, w[1]);
        });
        to.read()
    }

    /// So few rows that a panel is read once, as it lies.
    fn few(&self, rows: Range<usize>, panels: Range<usize>) -> Outcome {
        let t = half::moves();
        match self.w {
            Packed::F32(w) => self.direct::<4>(rows, panels, None, |i| floats(w, i)),
            Packed::F16(w) => self.direct::<2>(rows, panels, None, |i| halves(t, w, i)),
            Packed::I8(w) => self.direct::<2>(rows, panels, self.groups, |i| bytes(w, i)),
            Packed::I4(w) => self.direct::<2>(rows, panels, self.groups, |i| nibbles(w, i)),
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

    /// One or two rows times panels whose values are widened on the way. One row meets `P` panels at a time, since the
    /// sums of a single panel are too few to keep the multipliers busy.
    #[inline(always)]
    fn direct<const P: usize>(
        &self,
        rows: Range<usize>,
        panels: Range<usize>,
        groups: Option<Groups>,
        load: impl Fn(usize) -> Eight + Copy,
    ) {
        let mut panel = panels.start;
        while rows.len() == 1 && panel + P <= panels.end {
            self.one::<P>(rows.start, panel, groups, load);
            panel += P;
        }
        for panel in panel..panels.end {
            if rows.len() == 1 {
                self.one::<1>(rows.start, panel, groups, load);
            } else {
                self.two(rows.start, panel, groups, load);
            }
        }
    }

    #[inline(always)]
    fn one<const P: usize>(
        &self,
        row: usize,
        panel: usize,
        groups: Option<Groups>,
        load: impl Fn(usize) -> Eight,
    ) {
        let x = self.x.from(row * self.k);
        let mut sums = [[F32x4::splat(0.0); 2]; P];
        walk(panel, self.k, groups, load, |i, w: [Eight; P]| {
            let a = x.splat(i);
            for p in 0..P {
                sums[p] = [a.madd(w[p][0], sums[p][0]), a.madd(w[p][1], sums[p][1])];
            }
        });
        for (p, sum) in sums.into_iter().enumerate() {
            self.end.tile(row, (panel + p) * PANEL, &[sum]);
        }
    }

    #[inline(always)]
    fn two(&self, row: usize, panel: usize, groups: Option<Groups>, load: impl Fn(usize) -> Eight) {
        let x = self.x.from(row * self.k);
        let mut sums = [[F32x4::splat(0.0); 2]; 2];
        walk(panel, self.k, groups, load, |i, [w]| {
            let (a, b) = (x.splat(i), x.splat(self.k + i));
            for c in 0..2 {
                sums[0][c] = a.madd(w[c], sums[0][c]);
                sums[1][c] = b.madd(w[c], sums[1][c]);
            }
        });
        self.end.tile(row, panel * PANEL, &sums);
    }
}
