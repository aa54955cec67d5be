//! Rows of a cache in every form.

use super::Random;
use crate::cached::{PackBitmap, Quantize};
use crate::half::{narrow, widen_one};
use crate::simd::F32x4;

pub const FORMS: [u32; 5] = [0, 1, 2, 3, 4];
pub const BITMAP: u32 = 4;

pub fn half(x: f32) -> u16 {
    narrow(F32x4::splat(x)).array()[0] as u16
}

/// Keys or values of all heads: as they are stored and as what they are.
pub struct Stored {
    pub data: Vec<u8>,
    pub meta: Vec<u32>,
    /// Elements of the data and of the meta between heads.
    pub strides: [u32; 2],
    pub group: u32,
    pub floats: Vec<f32>,
}

/// Bytes of anything.
fn bytes<T: Copy>(x: &[T]) -> Vec<u8> {
    // SAFETY: numbers are bytes.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), size_of_val(x)) }.to_vec()
}

/// Random rows [heads, rows, dim] in a form; rows is a multiple of 64.
pub fn store(form: u32, heads: usize, rows: usize, dim: usize, values: bool, random: &mut Random) -> Stored {
    let x = random.floats(heads * rows * dim);
    let stride = (rows * dim) as u32;
    let group = if dim.is_multiple_of(16) { dim / 2 } else { dim };
    let mut stored = Stored {
        data: bytes(&x),
        meta: vec![0; 1],
        strides: [stride, 0],
        group: group as u32,
        floats: x.clone(),
    };
    match form {
        0 => {}
        1 => {
            let halves: Vec<u16> = x.iter().map(|&x| half(x)).collect();
            stored.floats = halves.iter().map(|&h| widen_one(h)).collect();
            stored.data = bytes(&halves);
        }
        2 | 3 => {
            let bits = if form == 2 { 8 } else { 4 };
            stored.data = vec![0; x.len() * bits / 8];
            stored.meta = vec![0; 2 * x.len() / group];
            stored.strides[1] = (2 * rows * dim / group) as u32;
            let record = Quantize {
                x: x.as_ptr(),
                codes: stored.data.as_mut_ptr(),
                meta: stored.meta.as_mut_ptr().cast(),
                rows: (heads * rows) as u32,
                cols: dim as u32,
                bits: bits as u32,
                group: group as u32,
            };
            record.run().unwrap();
            for (i, x) in stored.floats.iter_mut().enumerate() {
                let code = stored.data[i * bits / 8] >> if bits == 4 { i % 2 * 4 } else { 0 };
                let code = if bits == 4 { code & 15 } else { code };
                let [step, min] = [0, 1].map(|at| f32::from_bits(stored.meta[i / group * 2 + at]));
                let near = min + f32::from(code) * step;
                assert!((near - *x).abs() <= step * 0.501, "element {i}");
                *x = near;
            }
        }
        _ => {
            let drop = dim / 2;
            let mut packed = vec![0u16; x.len()];
            let words = 3 * (rows * dim / 64 + 1);
            stored.meta = vec![0; heads * words];
            stored.strides[1] = words as u32;
            let record = PackBitmap {
                x: x.as_ptr().cast(),
                packed: packed.as_mut_ptr(),
                meta: stored.meta.as_mut_ptr().cast(),
                heads: heads as u32,
                n: rows as u32,
                head_dim: dim as u32,
                x_head: stride,
                packed_head: stride,
                meta_at: 0,
                meta_head: words as u32,
                tile0: 0,
                drop: drop as u32,
                kind: u32::from(values),
                xtype: 0,
            };
            record.run().unwrap();
            stored.data = bytes(&packed);
            for row in stored.floats.chunks_mut(dim) {
                row.iter_mut().for_each(|x| *x = widen_one(half(*x)));
                let mut sizes: Vec<f32> = row.iter().map(|x| x.abs()).collect();
                sizes.sort_by(f32::total_cmp);
                row.iter_mut().filter(|x| x.abs() < sizes[drop - 1]).for_each(|x| *x = 0.0);
            }
        }
    }
    stored
}
