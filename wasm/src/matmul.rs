//! `matmul`: batches of a b^T with plain row-major operands.

use crate::pool::parallel;
use crate::simd::F32x4;
use crate::status::Outcome;
#[cfg(not(target_feature = "relaxed-simd"))]
use crate::tile::unreachable_rows;
use crate::tile::{PANEL, multiply, next_rows, with_rows};
use crate::view::{View, ViewMut, extent, size, view, view_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Matmul {
    pub a: *const f32,
    pub b: *const f32,
    pub out: *mut f32,
    pub batch: u32,
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub a_batch: u32,
    pub b_batch: u32,
    pub alpha: f32,
}

impl Matmul {
    pub fn run(&self) -> Outcome {
        let [batch, m, n, k] = [self.batch, self.m, self.n, self.k].map(|v| v as usize);
        let (a_step, b_step) = (self.a_batch as usize, self.b_batch as usize);
        let a = view(self.a, extent(0, &[(batch, a_step), (size(&[m, k])?, 1)])?)?;
        let b = view(self.b, extent(0, &[(batch, b_step), (size(&[n, k])?, 1)])?)?;
        let out = view_mut(self.out, size(&[batch, m, n])?)?;
        let panels = n.div_ceil(PANEL);
        let shape = Shape { m, n, k, alpha: F32x4::splat(self.alpha) };
        parallel(size(&[batch, panels])?, (m + 8) * k + 4 * m + 20, |range, scratch| {
            let [packed] = scratch.floats([PANEL * k])?;
            for at in range {
                let (i, j) = (at / panels, at % panels * PANEL);
                let (a, out) = (a.from(if k == 0 { 0 } else { i * a_step }), out.from(i * m * n + j));
                pack(b.from(if k == 0 { 0 } else { i * b_step + j * k }), (n - j).min(PANEL), k, packed);
                panel(shape, a, packed.read(), out, (n - j).min(PANEL));
            }
            Ok(())
        })
    }
}

#[derive(Clone, Copy)]
struct Shape {
    m: usize,
    n: usize,
    k: usize,
    alpha: F32x4,
}

/// All rows of a times one panel, `width` columns of which exist.
fn panel(shape: Shape, a: View<f32>, b: View<f32>, out: ViewMut<f32>, width: usize) {
    let Shape { m, n, k, alpha } = shape;
    let mut row = 0;
    while row < m {
        let count = next_rows(m - row);
        let (x, w) = (a.ptr(row * k, count * k), b.ptr(0, PANEL * k));
        with_rows!(count, R => {
            let mut sums = [[F32x4::splat(0.0); 2]; R];
            // SAFETY: the pointers above cover R rows of a and one panel.
            unsafe { multiply::<R, 2>(x, k, w, k, &mut sums) };
            for (r, sum) in sums.into_iter().enumerate() {
                let at = (row + r) * n;
                out.put_part(at, width.min(4), sum[0].mul(alpha));
                if width > 4 {
                    out.put_part(at + 4, width - 4, sum[1].mul(alpha));
                }
            }
        });
        row += count;
    }
}

/// `count` rows of b to a panel of 8 columns; zeros beyond.
fn pack(b: View<f32>, count: usize, k: usize, to: ViewMut<f32>) {
    for half in [0, 4] {
        for i in (0..k).step_by(4) {
            let width = (k - i).min(4);
            let rows = std::array::from_fn(|r| {
                if half + r < count { b.part((half + r) * k + i, width, 0.0) } else { F32x4::splat(0.0) }
            });
            let columns = F32x4::transpose(rows);
            (0..width).for_each(|c| to.put((i + c) * PANEL + half, columns[c]));
        }
    }
}
