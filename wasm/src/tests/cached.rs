use super::stored::{BITMAP, FORMS, store};
use super::{Random, assert_close};
use crate::cached::{ReadRows, ScoreRows};
use std::ptr::{null, null_mut};

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
                        let place = page * 16 + row as i32 % 16;
                        let at = (g * rows) as i32 + place;
                        if page < 0 { 0.0 } else { f64::from(x.floats[at as usize * dim + d]) }
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
