use super::{Random, assert_close};
use crate::cached::{Decode, PackBitmap, Quantize, ReadRows, ScoreRows};
use crate::half::{narrow, widen_one};
use crate::simd::F32x4;
use std::ptr::{null, null_mut};

pub const FORMS: [u32; 5] = [0, 1, 2, 3, 4];
const BITMAP: u32 = 4;

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

#[derive(Clone, Copy, Debug)]
struct Case {
    form: u32,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    rows: usize,
    /// Lists, 0 for none, and the tokens that an entry names.
    lists: usize,
    step: usize,
    band: bool,
    table: bool,
    merge: bool,
}

const FIRST: usize = 7;

fn check(case: Case) {
    let Case { form, heads, kv_heads, dim, rows, lists, step, .. } = case;
    let mut random = Random::new((rows * 100 + dim + form as usize) as u32);
    let room = (rows + 16).next_multiple_of(64);
    let [k, v] = [false, true].map(|values| store(form, kv_heads, room, dim, values, &mut random));
    let meta = [k.meta.clone(), v.meta.clone()].concat();
    let total = FIRST + rows + 3;
    let q = random.floats(heads * dim);
    // Pages of 16 rows in reverse order, the second one missing.
    let pages = rows.div_ceil(16);
    let table: Vec<i32> = (0..kv_heads * pages)
        .map(|i| if i % pages == 1 { -1 } else { (pages - 1 - i % pages) as i32 })
        .collect();
    let cap = total.div_ceil(step) + 2;
    // Descending entries, one of them twice, some past the end; the second list is empty.
    let entries = |n: usize, i: usize| match (n, i) {
        (1, _) => -1,
        (_, 0) => 2,
        _ if i + 1 >= cap => -1,
        _ => (cap - i) as i32,
    };
    let list: Vec<i32> = (0..lists * cap).map(|at| entries(at / cap, at % cap)).collect();
    let band = vec![[20, 9], [0, rows as i32], [3, 0]].into_iter().cycle().take(kv_heads).collect::<Vec<_>>();
    let old = (random.floats(heads * dim), random.floats(heads));
    let (mut out, mut lse) = old.clone();
    let record = Decode {
        q: q.as_ptr(),
        k: k.data.as_ptr(),
        v: v.data.as_ptr(),
        meta: meta.as_ptr().cast(),
        table: if case.table { table.as_ptr() } else { null() },
        list: if lists > 0 { list.as_ptr() } else { null() },
        band: if case.band { band.as_ptr().cast() } else { null() },
        out: out.as_mut_ptr(),
        lse: lse.as_mut_ptr(),
        heads: heads as u32,
        kv_heads: kv_heads as u32,
        head_dim: dim as u32,
        first: FIRST as u32,
        rows: rows as u32,
        total: total as u32,
        k_head: k.strides[0],
        v_head: v.strides[0],
        k_meta_at: 0,
        v_meta_at: k.meta.len() as u32,
        meta_head: k.strides[1],
        form,
        group: k.group,
        page: 16,
        table_head: pages as u32,
        lists: lists as u32,
        list_cap: cap as u32,
        step: step as u32,
        merge: u32::from(case.merge),
        scale: 0.5,
    };
    record.run().unwrap();
    let (mut want, mut want_lse) = (Vec::new(), Vec::new());
    for h in 0..heads {
        let g = h * kv_heads / heads;
        let named: Vec<usize> = match lists {
            0 => (0..total).collect(),
            _ => list[h * lists / heads * cap..]
                .iter()
                .take_while(|&&e| e >= 0)
                .flat_map(|&e| e as usize * step..(e as usize + 1) * step)
                .collect(),
        };
        let rows = named
            .into_iter()
            .filter(|t| (FIRST..FIRST + rows).contains(t))
            .filter(|&t| !case.band || (t as i32) < band[g][0] || ((total - 1 - t) as i32) < band[g][1]);
        let places: Vec<usize> = rows
            .map(|t| t - FIRST)
            .filter_map(|row| match case.table {
                true => usize::try_from(table[g * pages + row / 16]).ok().map(|page| page * 16 + row % 16),
                false => Some(row),
            })
            .collect();
        let at = |x: &Stored, place: usize, d: usize| f64::from(x.floats[(g * room + place) * dim + d]);
        let score = |&place: &usize| -> f64 {
            0.5 * (0..dim).map(|d| f64::from(q[h * dim + d]) * at(&k, place, d)).sum::<f64>()
        };
        let mut scores: Vec<f64> = places.iter().map(score).collect();
        if case.merge {
            scores.push(f64::from(old.1[h]));
        }
        let sum: f64 = scores.iter().map(|s| s.exp()).sum();
        want_lse.push(sum.ln());
        for d in 0..dim {
            let mut mixed: f64 = places.iter().zip(&scores).map(|(&p, s)| s.exp() * at(&v, p, d)).sum();
            if case.merge {
                mixed += f64::from(old.1[h]).exp() * f64::from(old.0[h * dim + d]);
            }
            want.push(if sum == 0.0 { 0.0 } else { mixed / sum });
        }
    }
    assert_close(&out, &want, 1e-5, &format!("{case:?}"));
    assert_close(&lse, &want_lse, 1e-5, &format!("{case:?}"));
}

const PLAIN: Case = Case {
    form: 0,
    heads: 2,
    kv_heads: 2,
    dim: 64,
    rows: 70,
    lists: 0,
    step: 1,
    band: false,
    table: false,
    merge: false,
};

#[test]
fn decode_agrees_with_plain_loops_in_every_form() {
    for form in FORMS {
        for (heads, kv_heads) in [(1, 1), (4, 2), (7, 1), (5, 2)] {
            for rows in [1, 63, 128, 200] {
                check(Case { form, heads, kv_heads, rows, ..PLAIN });
            }
        }
        check(Case { form, dim: 128, rows: 1100, heads: 3, kv_heads: 1, ..PLAIN });
    }
}

#[test]
fn decode_takes_any_width() {
    for form in FORMS.into_iter().filter(|&form| form != BITMAP) {
        for dim in [1, 3, 6, 20, 33].into_iter().filter(|dim| form != 3 || dim % 2 == 0) {
            check(Case { form, heads: 6, dim, ..PLAIN });
        }
    }
}

#[test]
fn decode_reads_the_tokens_of_lists_bands_and_tables() {
    for form in FORMS {
        for (lists, step) in [(0, 1), (1, 1), (2, 3), (2, 16), (4, 1), (4, 64)] {
            for bits in 0..8 {
                let (band, table, merge) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
                check(Case { form, heads: 4, rows: 150, lists, step, band, table, merge, ..PLAIN });
            }
        }
    }
}

#[test]
fn decode_without_rows_gives_zeros_or_what_was_there() {
    for merge in [false, true] {
        check(Case { rows: 0, merge, ..PLAIN });
    }
}

#[test]
fn score_rows_agrees_with_plain_loops() {
    for (form, dim) in
        [(0, 5), (0, 64), (1, 12), (2, 4), (2, 8), (2, 16), (2, 7), (3, 8), (3, 16), (3, 32), (3, 10)]
    {
        for (heads, kv_heads, rows) in [(1, 1, 64usize), (6, 2, 50), (2, 2, 3), (4, 1, 2100)] {
            let mut random = Random::new((dim * 10 + rows) as u32);
            let room = rows.next_multiple_of(64);
            let k = store(form, kv_heads, room, dim, false, &mut random);
            let q = random.floats(heads * dim);
            let stride = rows + 2;
            let mut out = vec![9f32; heads * stride];
            let record = ScoreRows {
                q: q.as_ptr(),
                k: k.data.as_ptr(),
                meta: k.meta.as_ptr().cast(),
                out: out.as_mut_ptr(),
                heads: heads as u32,
                kv_heads: kv_heads as u32,
                head_dim: dim as u32,
                rows: rows as u32,
                k_head: k.strides[0],
                meta_head: k.strides[1],
                form,
                group: k.group,
                out_head: stride as u32,
                scale: 0.25,
            };
            record.run().unwrap();
            let want: Vec<f64> = (0..heads * stride)
                .map(|at| {
                    let (h, row) = (at / stride, at % stride);
                    let first = (h * kv_heads / heads * room + row) * dim;
                    let dot = |d: usize| f64::from(q[h * dim + d]) * f64::from(k.floats[first + d]);
                    if row < rows { 0.25 * (0..dim).map(dot).sum::<f64>() } else { 9.0 }
                })
                .collect();
            assert_close(&out, &want, 1e-5, &format!("form {form}, {dim} columns, {rows} rows"));
        }
    }
}

#[test]
fn read_rows_gives_what_is_stored() {
    for form in FORMS {
        for values in [false, true] {
            let (heads, rows, dim) = (2, 128, 64);
            let x = store(form, heads, rows, dim, values, &mut Random::new(form + 3));
            let table = [7, 3, -1, 0, 1, 2, 3, 4];
            for (table, pages) in [(null(), 0), (table.as_ptr(), 4)] {
                let mut out = vec![9f32; heads * 50 * dim];
                let record = ReadRows {
                    k: x.data.as_ptr(),
                    meta: x.meta.as_ptr().cast(),
                    table,
                    out: out.as_mut_ptr(),
                    heads: heads as u32,
                    head_dim: dim as u32,
                    first: 9,
                    count: 50,
                    k_head: x.strides[0],
                    k_meta_at: 0,
                    meta_head: x.strides[1],
                    form,
                    group: x.group,
                    page: 16,
                    table_head: pages,
                    kind: u32::from(values),
                };
                record.run().unwrap();
                let lists = [[7, 3, -1, 0], [1, 2, 3, 4]];
                let want: Vec<f64> = (0..out.len())
                    .map(|at| {
                        let (g, row, d) = (at / dim / 50, 9 + at / dim % 50, at % dim);
                        let page = if pages == 0 { row as i32 / 16 } else { lists[g][row / 16] };
                        let place = page as usize * 16 + row % 16;
                        if page < 0 { 0.0 } else { f64::from(x.floats[(g * rows + place) * dim + d]) }
                    })
                    .collect();
                assert_close(&out, &want, 1e-7, &format!("form {form}, values {values}, {pages} pages"));
            }
        }
    }
}

#[test]
fn cached_rows_refuse_what_does_not_fit() {
    let x = [0f32; 8];
    let record = ScoreRows {
        q: x.as_ptr(),
        k: x.as_ptr().cast(),
        meta: x.as_ptr().cast(),
        out: null_mut(),
        heads: 1,
        kv_heads: 1,
        head_dim: 4,
        rows: 1,
        k_head: 4,
        meta_head: 2,
        form: 2,
        group: 3,
        out_head: 1,
        scale: 1.0,
    };
    assert!(record.run().is_err());
    let mut out = [0f32; 1];
    let good = ScoreRows { out: out.as_mut_ptr(), group: 4, ..record };
    assert!(good.run().is_ok());
    for form in [BITMAP, 5] {
        assert!(ScoreRows { form, ..good }.run().is_err());
    }
    assert!(ScoreRows { kv_heads: 0, ..good }.run().is_err());
    assert!(ScoreRows { group: 3, ..good }.run().is_err());
}
