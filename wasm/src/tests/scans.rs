use super::{Random, assert_close};
use crate::sample::Sample;
use crate::scan::{Compact, Scan};
use crate::status::Fault;

const SHAPES: [(usize, usize); 6] = [(1, 1), (1, 2), (3, 7), (4, 4), (2, 1000), (1, 5000)];

#[test]
fn scan_sums_floats_with_and_without_the_element_itself() {
    let mut random = Random::new(1);
    for (rows, cols) in SHAPES {
        let x = random.floats(rows * cols);
        for exclusive in [0, 1] {
            let mut out = vec![f32::NAN; rows * cols];
            let record = Scan {
                x: x.as_ptr().cast(),
                out: out.as_mut_ptr().cast(),
                rows: rows as u32,
                cols: cols as u32,
                exclusive,
                dtype: 0,
            };
            record.run().unwrap();
            let want: Vec<f64> = x
                .chunks(cols)
                .flat_map(|row| {
                    let end = |c: usize| c + 1 - exclusive as usize;
                    (0..cols).map(move |c| row[..end(c)].iter().map(|&x| f64::from(x)).sum())
                })
                .collect();
            assert_close(&out, &want, 1e-6, &format!("{rows}x{cols}, exclusive {exclusive}"));
        }
    }
}

#[test]
fn scan_wraps_integers_and_refuses_other_types() {
    let x = [1, i32::MAX, 5, -7, 2, 3];
    let mut out = [9; 6];
    let (xp, op) = (x.as_ptr().cast(), out.as_mut_ptr().cast());
    let record = Scan { x: xp, out: op, rows: 2, cols: 3, exclusive: 0, dtype: 3 };
    record.run().unwrap();
    assert_eq!(out, [1, i32::MIN, i32::MIN + 5, -7, -5, -2]);
    Scan { exclusive: 1, ..record }.run().unwrap();
    assert_eq!(out, [0, 1, i32::MIN, 0, -7, -5]);
    assert_eq!(Scan { dtype: 2, ..record }.run(), Err(Fault::BadArguments));
}

#[test]
fn compact_lists_flags_up_to_its_capacity() {
    let mut random = Random::new(2);
    for (rows, cols) in SHAPES {
        for limit in [-1.0, 0.0, 0.9, 1.0] {
            let x: Vec<i32> =
                (0..rows * cols).map(|i| if random.next() < limit { 0 } else { i as i32 - 3 }).collect();
            for capacity in [0, 1, cols / 2, cols, cols + 3] {
                let (mut out, mut counts) = (vec![9; rows * capacity], vec![9; rows]);
                let record = Compact {
                    x: x.as_ptr(),
                    out: out.as_mut_ptr(),
                    counts: counts.as_mut_ptr(),
                    rows: rows as u32,
                    cols: cols as u32,
                    capacity: capacity as u32,
                    step: 3,
                };
                record.run().unwrap();
                for row in 0..rows {
                    let flags = &x[row * cols..(row + 1) * cols];
                    let mut want: Vec<i32> =
                        (0..cols).filter(|&c| flags[c] != 0).map(|c| 3 * c as i32).collect();
                    want.truncate(capacity);
                    assert_eq!(counts[row] as usize, want.len());
                    want.resize(capacity, -1);
                    assert_eq!(out[row * capacity..(row + 1) * capacity], want);
                }
            }
        }
    }
}

fn pcg(v: u32) -> u32 {
    let s = (u64::from(v) * 747_796_405 + 2_891_336_453) % (1 << 32);
    let w = ((s >> ((s >> 28) + 4)) ^ s) * 277_803_737 % (1 << 32);
    ((w >> 22) ^ w) as u32
}

fn run_sample(x: &[f32], cols: usize, scale: f32, seed: u32, draw: u32) -> Vec<i32> {
    let mut out = vec![-1; x.len() / cols];
    let rows = out.len() as u32;
    Sample { x: x.as_ptr(), out: out.as_mut_ptr(), rows, cols: cols as u32, scale, seed, draw }
        .run()
        .unwrap();
    out
}

#[test]
fn sample_takes_the_largest_of_logits_plus_gumbel_numbers() {
    let mut random = Random::new(3);
    for (rows, cols) in SHAPES {
        for (scale, seed, draw) in [(1.0, 0, 0), (3.0, 7, 1), (0.1, u32::MAX, u32::MAX), (40.0, 1, 2)] {
            let x = random.floats(rows * cols);
            let want: Vec<i32> = (0..rows)
                .map(|r| {
                    let key = pcg((r as u32).wrapping_add(pcg(draw.wrapping_add(pcg(seed)))));
                    let mut best = (f64::NEG_INFINITY, 0);
                    for c in 0..cols {
                        let h = pcg(key.wrapping_add(c as u32));
                        let u = (f64::from(h >> 9) + 0.5) / 8_388_608.0;
                        let score = f64::from(scale * x[r * cols + c]) - (-u.ln()).ln();
                        if score > best.0 {
                            best = (score, c as i32);
                        }
                    }
                    best.1
                })
                .collect();
            assert_eq!(run_sample(&x, cols, scale, seed, draw), want, "{rows}x{cols}, scale {scale}");
        }
    }
}

#[test]
fn sample_never_draws_minus_infinity_unless_there_is_nothing_else() {
    let none = f32::NEG_INFINITY;
    for draw in 0..200 {
        let x = [none, none, -1e30, none, none, none, none, f32::NAN, none, 3.0];
        let got = run_sample(&x, 5, 1.0, 5, draw);
        assert_eq!(got, [2, 4]);
        assert_eq!(run_sample(&[none; 9], 9, 1.0, 5, draw), [0]);
    }
}
