use super::{Random, assert_close};
use crate::norm::{LayerNorm, RmsNorm, Softmax};
use crate::rope::Rope;
use crate::rows::{GroupMean, Reduce};
use crate::status::Fault;
use std::ptr::null;

#[test]
fn layer_norm_and_rms_norm_agree_with_plain_loops() {
    let mut random = Random::new(1);
    for cols in [1, 3, 4, 7, 8, 13, 64, 129] {
        let rows = 5;
        let (x, weight, bias) = (random.floats(rows * cols), random.floats(cols), random.floats(cols));
        let (mut normed, mut scaled) = (vec![0f32; rows * cols], vec![0f32; rows * cols]);
        let [xp, wp, bp] = [x.as_ptr(), weight.as_ptr(), bias.as_ptr()];
        let (r, c) = (rows as u32, cols as u32);
        LayerNorm { x: xp, weight: wp, bias: bp, out: normed.as_mut_ptr(), rows: r, cols: c, eps: 1e-5 }
            .run()
            .unwrap();
        RmsNorm { x: xp, weight: wp, out: scaled.as_mut_ptr(), rows: r, cols: c, eps: 1e-5 }.run().unwrap();
        let (mut want_normed, mut want_scaled) = (vec![], vec![]);
        for row in x.chunks(cols) {
            let n = cols as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
            let square = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
            for (j, &x) in row.iter().enumerate() {
                let (x, w, b) = (f64::from(x), f64::from(weight[j]), f64::from(bias[j]));
                want_normed.push((x - mean) / (variance + 1e-5).sqrt() * w + b);
                want_scaled.push(x / (square + 1e-5).sqrt() * w);
            }
        }
        assert_close(&normed, &want_normed, 1e-5, &format!("layerNorm of {cols}"));
        assert_close(&scaled, &want_scaled, 1e-5, &format!("rmsNorm of {cols}"));
    }
}

#[test]
fn softmax_agrees_with_plain_loops_and_gives_zeros_for_empty_rows() {
    let mut random = Random::new(2);
    for cols in [1, 2, 4, 5, 11, 100] {
        let mut x = random.floats(3 * cols);
        x[cols..2 * cols].fill(f32::NEG_INFINITY);
        x[0] = 500.0;
        let mut out = vec![0f32; 3 * cols];
        let record = Softmax {
            x: x.as_ptr(),
            lens: null(),
            out: out.as_mut_ptr(),
            rows: 3,
            cols: cols as u32,
            period: 1,
            scale: 0.5,
        };
        record.run().unwrap();
        let mut want = vec![];
        for row in x.chunks(cols) {
            let top = row.iter().fold(f64::NEG_INFINITY, |a, &x| a.max(f64::from(x) * 0.5));
            let weights: Vec<f64> = row
                .iter()
                .map(|&x| if x.is_finite() { (f64::from(x) * 0.5 - top).exp() } else { 0.0 })
                .collect();
            let total: f64 = weights.iter().sum();
            want.extend(weights.iter().map(|w| if total == 0.0 { 0.0 } else { w / total }));
        }
        assert_close(&out, &want, 1e-6, &format!("softmax of {cols}"));
    }
}

#[test]
fn softmax_reads_only_the_columns_below_the_length_of_a_row() {
    let x = [0.0f32, f32::NAN, f32::NAN, 1.0, 1.0, f32::NAN, 3.0, 3.0, 3.0, f32::NAN, f32::NAN, f32::NAN];
    let mut out = [9f32; 12];
    let lens = [1, 2];
    let record = Softmax {
        x: x.as_ptr(),
        lens: lens.as_ptr(),
        out: out.as_mut_ptr(),
        rows: 2,
        cols: 3,
        period: 2,
        scale: 1.0,
    };
    record.run().unwrap();
    assert_eq!(out[..6], [1.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
    let third = 1.0 / 3.0;
    Softmax { lens: [7, i32::MIN].as_ptr(), x: x[6..].as_ptr(), ..record }.run().unwrap();
    assert_eq!(out[..6], [third, third, third, 0.0, 0.0, 0.0]);
    assert_eq!(Softmax { period: 0, ..record }.run(), Err(Fault::BadArguments));
}

#[test]
fn rope_turns_pairs_by_position_times_frequency() {
    let mut random = Random::new(3);
    let (rows, stride, offset, heads, dim, length) = (7usize, 20usize, 2usize, 3usize, 6usize, 3usize);
    for interleaved in [0, 1] {
        let mut x = random.floats(rows * stride);
        let freqs = [1.0f32, 0.1, 0.01];
        let mut want: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        for row in 0..rows {
            for head in 0..heads {
                for i in 0..dim / 2 {
                    let (a, b) = if interleaved == 1 { (2 * i, 2 * i + 1) } else { (i, i + dim / 2) };
                    let base = row * stride + offset + head * dim;
                    let (sin, cos) = ((5 + row % length) as f64 * f64::from(freqs[i])).sin_cos();
                    let (p, q) = (want[base + a], want[base + b]);
                    (want[base + a], want[base + b]) = (p * cos - q * sin, p * sin + q * cos);
                }
            }
        }
        let record = Rope {
            x: x.as_mut_ptr(),
            freqs: freqs.as_ptr(),
            rows: rows as u32,
            stride: stride as u32,
            offset: offset as u32,
            heads: heads as u32,
            head_dim: dim as u32,
            length: length as u32,
            start: 5,
            interleaved,
        };
        record.run().unwrap();
        assert_close(&x, &want, 1e-6, &format!("rope, interleaved {interleaved}"));
    }
}

#[test]
fn reduce_keeps_nan_and_counts_every_column() {
    let x = [1.0f32, 5.0, -2.0, 4.0, 3.0, f32::NAN, 0.0, 0.0, 0.0, 0.0];
    let mut out = [0f32; 2];
    for (kind, want) in [(0, 11.0), (1, 2.2), (2, 5.0), (3, -2.0)] {
        Reduce { x: x.as_ptr(), out: out.as_mut_ptr(), rows: 2, cols: 5, kind }.run().unwrap();
        assert!((out[0] - want).abs() < 1e-6 && out[1].is_nan(), "kind {kind}: {out:?}");
    }
}

#[test]
fn group_mean_divides_by_size_members_or_count() {
    let x: Vec<f32> = (0..10).map(|i| i as f32).collect();
    let run = |counts: *const i32, divisor| {
        let mut out = [0f32; 6];
        let record = GroupMean {
            x: x.as_ptr(),
            counts,
            out: out.as_mut_ptr(),
            rows: 2,
            h: 5,
            e: 1,
            g: 2,
            divisor,
            rows_per_count: 1,
            kind: 1,
        };
        record.run().unwrap();
        out
    };
    assert_eq!(run(null(), 0), [0.5, 2.5, 2.0, 5.5, 7.5, 4.5]);
    assert_eq!(run(null(), 1), [0.5, 2.5, 4.0, 5.5, 7.5, 9.0]);
    assert_eq!(run([1, 4].as_ptr(), 0), [0.0, 0.0, 0.0, 5.5, 7.5, 0.0]);
}

#[test]
fn group_mean_finds_sums_and_extremes_of_real_members() {
    let mut random = Random::new(6);
    for e in [1usize, 3, 16, 37] {
        let (h, g) = (7usize, 3usize);
        let mut x = random.floats(2 * h * e);
        x[0] = f32::NAN;
        for counts in [null(), [4, 0].as_ptr()] {
            for kind in [0, 2, 3] {
                let mut out = vec![9f32; 2 * 3 * e];
                let record = GroupMean {
                    x: x.as_ptr(),
                    counts,
                    out: out.as_mut_ptr(),
                    rows: 2,
                    h: h as u32,
                    e: e as u32,
                    g: g as u32,
                    divisor: 0,
                    rows_per_count: 1,
                    kind,
                };
                record.run().unwrap();
                let want: Vec<f64> = (0..2 * 3 * e)
                    .map(|at| {
                        let (row, first, c) = (at / e / 3, at / e % 3 * g, at % e);
                        let limit = if counts.is_null() { h } else { [4, 0][row] };
                        let members =
                            (first..limit.min(first + g)).map(|m| f64::from(x[(row * h + m) * e + c]));
                        match kind {
                            0 => members.sum(),
                            2 => members.reduce(|a, b| if a.is_nan() { a } else { a.max(b) }).unwrap_or(0.0),
                            _ => members.reduce(|a, b| if a.is_nan() { a } else { a.min(b) }).unwrap_or(0.0),
                        }
                    })
                    .collect();
                assert_close(&out, &want, 1e-6, &format!("kind {kind} of {e}"));
            }
        }
    }
    let nothing = GroupMean {
        x: null(),
        counts: null(),
        out: std::ptr::null_mut(),
        rows: 0,
        h: 1,
        e: 1,
        g: 1,
        divisor: 0,
        rows_per_count: 1,
        kind: 4,
    };
    assert_eq!(nothing.run(), Err(Fault::BadArguments));
}
