use super::{Random, assert_close};
use crate::attention::Attention;
use crate::half::{narrow, widen_one};
use crate::simd::F32x4;
use std::ptr::{null, null_mut};

#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    lq: usize,
    lk: usize,
    halves: bool,
    mask: bool,
    lens: bool,
    causal: bool,
}

fn check(case: Case) {
    let Case { batch, heads, kv_heads, dim, lq, lk, .. } = case;
    let mut random = Random::new((lq * 1000 + lk * 10 + dim) as u32);
    let q = random.floats(batch * lq * heads * dim);
    let mut kv = [random.floats(batch * lk * kv_heads * dim), random.floats(batch * lk * kv_heads * dim)];
    let halves = kv
        .each_ref()
        .map(|x| x.iter().map(|&x| narrow(F32x4::splat(x)).array()[0] as u16).collect::<Vec<u16>>());
    if case.halves {
        for (floats, halves) in kv.iter_mut().zip(&halves) {
            floats.iter_mut().zip(halves).for_each(|(f, &h)| *f = widen_one(h));
        }
    }
    let source = |i: usize| if case.halves { halves[i].as_ptr().cast() } else { kv[i].as_ptr().cast() };
    // Every third key is hidden, and all keys from the second query.
    let mask: Vec<u8> =
        (0..lq * lk).map(|at| u8::from((at / lk + at % lk) % 3 != 0 && at / lk != 1)).collect();
    let lens: Vec<i32> = (0..batch).map(|b| [lk as i32, lk as i32 / 2, 0, -3, 9999][b % 5]).collect();
    let mut out = vec![f32::NAN; batch * lq * heads * dim];
    let mut lse = vec![f32::NAN; batch * heads * lq];
    let (q_row, kv_row) = ((heads * dim) as u32, (kv_heads * dim) as u32);
    let record = Attention {
        q: q.as_ptr(),
        k: source(0),
        v: source(1),
        mask: if case.mask { mask.as_ptr() } else { null() },
        lens: if case.lens { lens.as_ptr() } else { null() },
        out: out.as_mut_ptr(),
        lse: lse.as_mut_ptr(),
        batch: batch as u32,
        heads: heads as u32,
        kv_heads: kv_heads as u32,
        head_dim: dim as u32,
        lq: lq as u32,
        lk: lk as u32,
        q_offset: 0,
        q_stride: [lq as u32 * q_row, dim as u32, q_row],
        k_offset: 0,
        k_stride: [lk as u32 * kv_row, dim as u32, kv_row],
        v_offset: 0,
        v_stride: [lk as u32 * kv_row, dim as u32, kv_row],
        out_stride: [lq as u32 * q_row, dim as u32, q_row],
        kvtype: u32::from(case.halves),
        causal: u32::from(case.causal),
        scale: 2.0,
    };
    record.run().unwrap();
    let (mut want, mut want_lse) = (vec![0f64; out.len()], vec![0f64; lse.len()]);
    for b in 0..batch {
        for h in 0..heads {
            let kv_head = h * kv_heads / heads;
            for i in 0..lq {
                let at =
                    |l: usize, row: usize, heads: usize, head: usize| ((b * l + row) * heads + head) * dim;
                let key = |j: usize| at(lk, j, kv_heads, kv_head);
                let shown = |j: usize| {
                    (!case.lens || (j as i32) < lens[b])
                        && (!case.mask || mask[i * lk + j] != 0)
                        && (!case.causal || j + lq <= i + lk)
                };
                let scores: Vec<f64> = (0..lk)
                    .map(|j| {
                        let term = |d| f64::from(q[at(lq, i, heads, h) + d]) * f64::from(kv[0][key(j) + d]);
                        if shown(j) { 2.0 * (0..dim).map(term).sum::<f64>() } else { f64::NEG_INFINITY }
                    })
                    .collect();
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = scores.iter().filter(|s| s.is_finite()).map(|s| (s - top).exp()).sum();
                want_lse[(b * heads + h) * lq + i] = if total == 0.0 { top } else { top + total.ln() };
                for d in 0..dim {
                    let terms = (0..lk).filter(|&j| scores[j].is_finite());
                    let sum: f64 =
                        terms.map(|j| (scores[j] - top).exp() * f64::from(kv[1][key(j) + d])).sum();
                    want[at(lq, i, heads, h) + d] = if total == 0.0 { 0.0 } else { sum / total };
                }
            }
        }
    }
    assert_close(&out, &want, 4e-6, &format!("{case:?}"));
    assert_close(&lse, &want_lse, 4e-6, &format!("{case:?}"));
}

const PLAIN: Case = Case {
    batch: 1,
    heads: 2,
    kv_heads: 2,
    dim: 8,
    lq: 4,
    lk: 8,
    halves: false,
    mask: false,
    lens: false,
    causal: false,
};

#[test]
fn attention_agrees_with_plain_loops_for_many_lengths_and_widths() {
    for (lq, lk) in
        [(1, 1), (1, 400), (2, 130), (3, 5), (6, 6), (9, 127), (8, 128), (17, 129), (5, 300), (200, 40)]
    {
        for dim in [1, 3, 4, 6, 8, 12, 25, 48] {
            check(Case { dim, lq, lk, ..PLAIN });
        }
    }
}

#[test]
fn attention_hides_keys_by_mask_lengths_and_causality() {
    for (lq, lk) in [(1, 9), (2, 20), (4, 4), (7, 3), (12, 12), (13, 150), (150, 150), (40, 20)] {
        for bits in 1..8 {
            let (mask, lens, causal) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
            check(Case { batch: 5, lq, lk, mask, lens, causal, ..PLAIN });
        }
    }
}

#[test]
fn attention_shares_key_heads_and_widens_halves() {
    for (lq, lk) in [(1, 40), (2, 7), (6, 200), (33, 17)] {
        for dim in [6, 16, 18] {
            check(Case { heads: 6, kv_heads: 2, dim, lq, lk, halves: true, ..PLAIN });
        }
    }
}

#[test]
fn attention_without_keys_gives_zeros() {
    for lq in [1, 2, 9] {
        check(Case { lq, lk: 0, ..PLAIN });
    }
}

#[test]
fn attention_refuses_an_unknown_type_of_keys() {
    let record = Attention {
        q: null(),
        k: null(),
        v: null(),
        mask: null(),
        lens: null(),
        out: null_mut(),
        lse: null_mut(),
        batch: 1,
        heads: 1,
        kv_heads: 1,
        head_dim: 4,
        lq: 1,
        lk: 1,
        q_offset: 0,
        q_stride: [4; 3],
        k_offset: 0,
        k_stride: [4; 3],
        v_offset: 0,
        v_stride: [4; 3],
        out_stride: [4; 3],
        kvtype: 2,
        causal: 0,
        scale: 1.0,
    };
    assert!(record.run().is_err());
    assert!(Attention { kvtype: 0, ..record }.run().is_err());
}
