use super::{Random, assert_close, erf_exact};
use crate::half::{narrow, widen_one};
use crate::linear::Linear;
use crate::matmul::Matmul;
use crate::simd::F32x4;
use crate::status::Fault;
use crate::weights::{F16, F32, I4, I8, Pack, weight_bytes};
use std::ptr::null;

const SHAPES: [(usize, usize, usize); 9] = [
    (1, 40, 5),
    (1, 7, 16),
    (2, 9, 33),
    (3, 8, 1),
    (5, 17, 20),
    (7, 24, 64),
    (13, 15, 3),
    (33, 31, 70),
    (50, 64, 1),
];

const TYPES: [u32; 4] = [F32, F16, I8, I4];

/// A weight, packed, and its values without scales.
fn packed(w: &[f32], n: usize, k: usize, wtype: u32) -> (Vec<u64>, Vec<f32>) {
    let mut out = vec![u64::MAX; (weight_bytes(n as u32, k as u32, wtype) as usize).div_ceil(8)];
    let halves: Vec<u16> = w.iter().map(|&x| narrow(F32x4::splat(x)).array()[0] as u16).collect();
    let bytes: Vec<i8> = w.iter().map(|x| (x * 127.0) as i8).collect();
    let nibbles: Vec<u8> = w.iter().map(|x| (x * 8.0 + 8.0) as u8).collect();
    let pairs: Vec<u8> = nibbles.chunks(2).map(|n| n[0] | n.get(1).unwrap_or(&0) << 4).collect();
    let (src, values) = match wtype {
        F32 => (w.as_ptr().cast(), w.to_vec()),
        F16 => (halves.as_ptr().cast(), halves.iter().map(|&h| widen_one(h)).collect()),
        I8 => (bytes.as_ptr().cast(), bytes.iter().map(|&b| f32::from(b)).collect()),
        _ => (pairs.as_ptr(), nibbles.iter().map(|&b| f32::from(b) - 8.0).collect()),
    };
    let record = Pack { src, out: out.as_mut_ptr().cast(), n: n as u32, k: k as u32, dtype: wtype };
    record.run().unwrap();
    (out, values)
}

/// Lengths of groups to try with rows of `k`: one for the whole row, then shorter ones.
fn groups(k: usize, wtype: u32) -> Vec<usize> {
    let short = [1, 2, 5, 10, 32].into_iter().filter(|&g| g < k && k.is_multiple_of(g));
    let scaled = wtype == I8 || wtype == I4;
    std::iter::once(k).chain(short.filter(|_| scaled)).collect()
}

fn activated(kind: u32, x: f64) -> f64 {
    match kind {
        1 => x * 0.5 * (1.0 + erf_exact(x / 2f64.sqrt())),
        2 => x / (1.0 + (-x).exp()),
        3 => x.max(0.0),
        _ => x,
    }
}

#[test]
fn linear_agrees_with_plain_loops_for_every_weight_type_and_ending() {
    let mut random = Random::new(1);
    for (m, n, k) in SHAPES {
        for wtype in TYPES {
            if wtype == I4 && k % 2 == 1 {
                continue;
            }
            for group in groups(k, wtype) {
                for activation in 0..4 {
                    check_linear(&mut random, (m, n, k), wtype, group, activation);
                }
            }
        }
    }
}

fn check_linear(
    random: &mut Random,
    (m, n, k): (usize, usize, usize),
    wtype: u32,
    group: usize,
    activation: u32,
) {
    let (x, w) = (random.floats(m * k), random.floats(n * k));
    let (bias, scales, residual) = (random.floats(n), random.floats(n * k / group), random.floats(m * n));
    let (pack, values) = packed(&w, n, k, wtype);
    let full = activation % 2 == 1;
    let mut out = vec![0f32; m * n];
    let record = Linear {
        x: x.as_ptr(),
        w: pack.as_ptr().cast(),
        scales: scales.as_ptr(),
        bias: if full { bias.as_ptr() } else { null() },
        residual: if full { residual.as_ptr() } else { null() },
        out: out.as_mut_ptr(),
        m: m as u32,
        n: n as u32,
        k: k as u32,
        wtype,
        group: group as u32,
        activation,
    };
    record.run().unwrap();
    let scaled = wtype == I8 || wtype == I4;
    let value = |at: usize| {
        let scale = if scaled { scales[at / group] } else { 1.0 };
        f64::from(values[at]) * f64::from(scale)
    };
    let want: Vec<f64> = (0..m * n)
        .map(|at| {
            let (i, j) = (at / n, at % n);
            let sum: f64 = (0..k).map(|d| f64::from(x[i * k + d]) * value(j * k + d)).sum();
            let y = activated(activation, sum + if full { f64::from(bias[j]) } else { 0.0 });
            y + if full { f64::from(residual[at]) } else { 0.0 }
        })
        .collect();
    // Sums of bytes reach some hundreds, and the error of GELU grows with them.
    let tolerance = [3e-6, 3e-6, 1e-3, 0.0, 0.0, 1e-4][wtype as usize];
    assert_close(
        &out,
        &want,
        tolerance,
        &format!("{m}x{n}x{k}, type {wtype}, group {group}, activation {activation}"),
    );
}

#[test]
fn linear_gives_a_row_the_same_bits_alone_and_among_others() {
    let mut random = Random::new(2);
    let (m, n, k) = (45, 40, 30);
    let (x, w) = (random.floats(m * k), random.floats(n * k));
    for (wtype, group) in TYPES.into_iter().flat_map(|t| groups(k, t).into_iter().map(move |g| (t, g))) {
        let (pack, _) = packed(&w, n, k, wtype);
        let scales = random.floats(n * k / group);
        let run = |x: &[f32], rows: usize| {
            let mut out = vec![0f32; rows * n];
            let record = Linear {
                x: x.as_ptr(),
                w: pack.as_ptr().cast(),
                scales: scales.as_ptr(),
                bias: null(),
                residual: null(),
                out: out.as_mut_ptr(),
                m: rows as u32,
                n: n as u32,
                k: k as u32,
                wtype,
                group: group as u32,
                activation: 0,
            };
            record.run().unwrap();
            out
        };
        let all = run(&x, m);
        for i in 0..m {
            assert_eq!(run(&x[i * k..(i + 1) * k], 1), all[i * n..(i + 1) * n]);
        }
    }
}

#[test]
fn linear_refuses_what_it_does_not_know() {
    let mut out = [0f32; 8];
    let x = [0f32; 64];
    let mut record = Linear {
        x: x.as_ptr(),
        w: x.as_ptr().cast(),
        scales: null(),
        bias: null(),
        residual: null(),
        out: out.as_mut_ptr(),
        m: 1,
        n: 8,
        k: 4,
        wtype: 3,
        group: 4,
        activation: 0,
    };
    assert_eq!(record.run(), Err(Fault::BadArguments));
    for wtype in [I8, I4] {
        // No scales, then groups that do not fit.
        record = Linear { wtype, group: 4, scales: null(), ..record };
        assert_eq!(record.run(), Err(Fault::BadArguments));
        for group in [0, 3, 8] {
            record = Linear { group, scales: x.as_ptr(), ..record };
            assert_eq!(record.run(), Err(Fault::BadArguments));
        }
    }
    record.wtype = 0;
    record.activation = 4;
    assert_eq!(record.run(), Err(Fault::BadArguments));
}

#[test]
fn weight_bytes_says_when_a_size_overflows() {
    assert_eq!(weight_bytes(9, 3, 0), 16 * 3 * 4);
    assert_eq!(weight_bytes(9, 3, 1), 16 * 3 * 2);
    assert_eq!(weight_bytes(9, 3, 2), 16 * 3);
    assert_eq!(weight_bytes(9, 4, 5), 16 * 2);
    assert_eq!(weight_bytes(1 << 20, 1 << 20, 0), u32::MAX);
    assert_eq!(weight_bytes(8, 8, 3), u32::MAX);
}

#[test]
fn matmul_agrees_with_plain_loops_and_shares_operands() {
    let mut random = Random::new(3);
    for (m, n, k) in SHAPES {
        for shared in [false, true] {
            let batch = 3;
            let (a, b) = (random.floats(batch * m * k), random.floats(batch * n * k));
            let b_step = if shared { 0 } else { n * k };
            let mut out = vec![0f32; batch * m * n];
            let record = Matmul {
                a: a.as_ptr(),
                b: b.as_ptr(),
                out: out.as_mut_ptr(),
                batch: batch as u32,
                m: m as u32,
                n: n as u32,
                k: k as u32,
                a_batch: (m * k) as u32,
                b_batch: b_step as u32,
                alpha: 0.5,
            };
            record.run().unwrap();
            let want: Vec<f64> = (0..batch * m * n)
                .map(|at| {
                    let (z, i, j) = (at / (m * n), at / n % m, at % n);
                    let term = |d| f64::from(a[z * m * k + i * k + d]) * f64::from(b[z * b_step + j * k + d]);
                    0.5 * (0..k).map(term).sum::<f64>()
                })
                .collect();
            assert_close(&out, &want, 3e-6, &format!("{m}x{n}x{k}, shared {shared}"));
        }
    }
}
