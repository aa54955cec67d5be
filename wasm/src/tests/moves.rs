use crate::cast::Cast;
use crate::elementwise::{Binary, Embed};
use crate::moves::{Copy4, Gather, Scatter};

#[test]
fn copy_follows_any_strides() {
    let x: Vec<u16> = (0..120).collect();
    for (xs, os) in
        [([60, 20, 5, 1], [60, 20, 5, 1]), ([60, 20, 5, 1], [1, 2, 6, 24]), ([0, 20, 0, 1], [60, 20, 5, 1])]
    {
        let n = [2u32, 3, 4, 5];
        let mut out = vec![0u16; 123];
        let record = Copy4 {
            x: x.as_ptr().cast(),
            out: out.as_mut_ptr().cast(),
            size: 2,
            n,
            x_offset: 0,
            x_stride: xs,
            out_offset: 3,
            out_stride: os,
        };
        record.run().unwrap();
        for at in 0..120usize {
            let i = [at / 60, at / 20 % 3, at / 5 % 4, at % 5];
            let place = |s: [u32; 4]| i.iter().zip(s).map(|(i, s)| i * s as usize).sum::<usize>();
            assert_eq!(out[3 + place(os)], x[place(xs)]);
        }
    }
}

#[test]
fn gather_and_scatter_skip_negative_indices() {
    let x: Vec<u32> = (0..12).collect();
    let index = [2, -1, 0, 2];
    let mut out = vec![7u32; 12];
    let record = Gather {
        x: x.as_ptr().cast(),
        index: index.as_ptr(),
        out: out.as_mut_ptr().cast(),
        n: 4,
        width: 3,
        size: 4,
    };
    record.run().unwrap();
    assert_eq!(out, [6, 7, 8, 0, 0, 0, 0, 1, 2, 6, 7, 8]);
    let mut out = vec![7u32; 9];
    Scatter(Gather { out: out.as_mut_ptr().cast(), ..record }).run().unwrap();
    assert_eq!(out, [6, 7, 8, 7, 7, 7, 9, 10, 11]);
}

#[test]
fn cast_rounds_to_even_and_keeps_signs() {
    let x = [0.5f32, 1.5, -2.5, 3e9, f32::NAN];
    let mut out = [0i32; 5];
    let record = Cast { x: x.as_ptr().cast(), out: out.as_mut_ptr().cast(), n: 5, from: 0, to: 3 };
    record.run().unwrap();
    assert_eq!(out, [0, 2, -2, i32::MAX, 0]);
    let bytes = [-1i8, 127, -128];
    let mut out = [0f32; 3];
    Cast { x: bytes.as_ptr().cast(), out: out.as_mut_ptr().cast(), n: 3, from: 2, to: 0 }.run().unwrap();
    assert_eq!(out, [-1.0, 127.0, -128.0]);
    assert!(Cast { from: 2, to: 1, ..record }.run().is_err());
}

#[test]
fn binary_repeats_its_second_operand_by_div_and_mod() {
    let a = [0f32; 12];
    let b = [1f32, 2.0, 3.0];
    let mut out = [0f32; 12];
    for (div, modulus) in [(1, 3), (4, 3), (2, 3), (12, 1), (3, 2)] {
        let record =
            Binary { a: a.as_ptr(), b: b.as_ptr(), out: out.as_mut_ptr(), n: 12, div, modulus, kind: 0 };
        record.run().unwrap();
        let want: Vec<f32> = (0..12).map(|i| b[i / div as usize % modulus as usize]).collect();
        assert_eq!(out[..], want);
    }
}

#[test]
fn binary_comparisons_give_ones_and_zeros_and_nan_is_in_no_relation() {
    let a = [1f32, 2.0, 3.0, -0.0, f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY];
    let b = [2f32, 2.0, 2.0, 0.0, 1.0, f32::NAN, f32::INFINITY, f32::INFINITY];
    let relations: [fn(&f32, &f32) -> bool; 5] = [f32::gt, f32::ge, f32::lt, f32::le, f32::eq];
    for (kind, relation) in (6..).zip(relations) {
        let mut out = [9f32; 8];
        let record =
            Binary { a: a.as_ptr(), b: b.as_ptr(), out: out.as_mut_ptr(), n: 8, div: 1, modulus: 8, kind };
        record.run().unwrap();
        let want: Vec<f32> = a.iter().zip(&b).map(|(a, b)| f32::from(u8::from(relation(a, b)))).collect();
        assert_eq!(out[..], want, "kind {kind}");
    }
}

#[test]
fn embed_fills_the_rows_of_skipped_cells() {
    let mut out = [0f32; 10];
    let record = Embed {
        x: [2f32, -100.0].as_ptr(),
        w: [1f32, 2.0, 3.0, 4.0, 5.0].as_ptr(),
        bias: [0.5f32; 5].as_ptr(),
        out: out.as_mut_ptr(),
        n: 2,
        e: 5,
        use_skip: 1,
        skip: -100.0,
    };
    record.run().unwrap();
    assert_eq!(out, [2.5, 4.5, 6.5, 8.5, 10.5, -100.0, -100.0, -100.0, -100.0, -100.0]);
}
