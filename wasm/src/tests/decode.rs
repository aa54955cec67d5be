use super::stored::{BITMAP, FORMS, Stored, store};
use super::{Random, assert_close};
use crate::cached::Decode;
use std::ptr::null;

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
        let mut weights: Vec<f64> = places.iter().map(|place| score(place).exp()).collect();
        if case.merge {
            weights.push(f64::from(old.1[h]).exp());
        }
        let sum: f64 = weights.iter().sum();
        want_lse.push(sum.ln());
        for d in 0..dim {
            let mut mixed: f64 = places.iter().zip(&weights).map(|(&p, w)| w * at(&v, p, d)).sum();
            if case.merge {
                mixed += weights[places.len()] * f64::from(old.0[h * dim + d]);
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
            for rows in [1, 63, 150] {
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
            for bits in [0, 1, 2, 4, 7] {
                let (band, table, merge) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
                check(Case { form, heads: 4, rows: 80, lists, step, band, table, merge, ..PLAIN });
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
