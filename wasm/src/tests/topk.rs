use super::Random;
use crate::topk::TopK;
use std::cmp::Ordering::Equal;

#[test]
fn topk_orders_ties_by_index_and_nan_last() {
    let x = [1.0, f32::NAN, 3.0, 3.0, -f32::INFINITY, 2.0];
    let (mut values, mut indices) = ([0f32; 6], [0i32; 6]);
    for k in 1..=6u32 {
        let record = TopK {
            x: x.as_ptr(),
            values: values.as_mut_ptr(),
            indices: indices.as_mut_ptr(),
            rows: 1,
            cols: 6,
            k,
            sorted: 1,
        };
        record.run().unwrap();
        assert_eq!(indices[..k as usize], [2, 3, 5, 0, 4, 1][..k as usize]);
    }
}

#[test]
fn topk_agrees_with_a_stable_sort() {
    let mut random = Random::new(5);
    for cols in [1usize, 63, 64, 300, 4095, 4096, 10_000] {
        let mut x = random.floats(2 * cols);
        // One row has few values and so many equal ones, the other all kinds of numbers.
        x[..cols].iter_mut().for_each(|x| *x = (*x * 3.0).round());
        let odd = [f32::NAN, -0.0, 0.0, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN, 1e-40, -1e-40, 3e38];
        (0..cols).step_by(3).for_each(|i| x[cols + i] = odd[i / 3 % odd.len()]);
        for k in [1, cols.div_ceil(40), cols.div_ceil(3), cols] {
            let (mut values, mut indices) = (vec![9f32; 2 * k], vec![-1; 2 * k]);
            let record = TopK {
                x: x.as_ptr(),
                values: values.as_mut_ptr(),
                indices: indices.as_mut_ptr(),
                rows: 2,
                cols: cols as u32,
                k: k as u32,
                sorted: 1,
            };
            record.run().unwrap();
            for row in 0..2 {
                let x = &x[row * cols..(row + 1) * cols];
                let mut want: Vec<usize> = (0..cols).collect();
                want.sort_by(|&a, &b| {
                    x[a].is_nan().cmp(&x[b].is_nan()).then(x[b].partial_cmp(&x[a]).unwrap_or(Equal))
                });
                for i in 0..k {
                    let at = row * k + i;
                    assert_eq!(indices[at] as usize, want[i], "{cols} columns, k {k}, row {row}, place {i}");
                    assert_eq!(values[at].to_bits(), x[want[i]].to_bits());
                }
            }
        }
    }
}

#[test]
fn topk_without_order_gives_the_same_elements() {
    let mut random = Random::new(6);
    for cols in [40usize, 5000] {
        let mut x = random.floats(2 * cols);
        x[..cols].iter_mut().for_each(|x| *x = (*x * 3.0).round());
        (cols..2 * cols).step_by(3).for_each(|i| x[i] = f32::NAN);
        for k in [1, cols / 16, cols / 2, cols] {
            let chosen = [0, 1].map(|sorted| {
                let (mut values, mut indices) = (vec![9f32; 2 * k], vec![-1; 2 * k]);
                let record = TopK {
                    x: x.as_ptr(),
                    values: values.as_mut_ptr(),
                    indices: indices.as_mut_ptr(),
                    rows: 2,
                    cols: cols as u32,
                    k: k as u32,
                    sorted,
                };
                record.run().unwrap();
                for at in 0..2 * k {
                    let place = at / k * cols + indices[at] as usize;
                    assert_eq!(values[at].to_bits(), x[place].to_bits());
                }
                indices.chunks_mut(k).for_each(|row| row.sort_unstable());
                indices
            });
            assert_eq!(chosen[0], chosen[1], "{cols} columns, k {k}");
        }
    }
}
