//! One or two queries: keys and values are read where they lie.

use super::Unit;
use crate::attention::few::{Row, log_sum};
use crate::attention::lanes::KEYS;
use crate::attention::{FEW, Stored};
use crate::math::exp_down;
use crate::scratch::Scratch;
use crate::simd::{F32x4, I32x4};
use crate::status::Outcome;

/// All queries of a unit.
pub fn attend<T: Stored>(unit: &Unit<T>, scratch: &mut Scratch) -> Outcome {
    let (t, lists, queries) = (&unit.tensors, &unit.lists, &unit.queries);
    let row = Row::new(scratch, t.dim, KEYS)?;
    let mut tops = [f32::NEG_INFINITY; FEW];
    let mut totals = [0f32; FEW];
    let mut fresh = true;
    unit.each_block(|block| {
        let at = |j: usize| block.key[j] as usize * t.dim;
        for i in 0..queries.count {
            let position = queries.position[i];
            let hides = block.hides(lists, position, position);
            row.take(unit.query(i), t.layout.scale);
            let new = row.score(t.k, at, block.count, |j, s| {
                if !hides && t.bias.is_none() {
                    return s;
                }
                let key: [i32; 4] = std::array::from_fn(|l| block.key[(j + l).min(block.count - 1)]);
                let s = match t.bias {
                    Some(bias) => s.add(F32x4::new(key.map(|key| bias.at(key as usize)))),
                    None => s,
                };
                let dark = |l: usize| {
                    let bit = block.bit((j + l).min(block.count - 1));
                    -i32::from(
                        bit.is_some_and(|(word, bit)| lists.word(word, queries.row[i]) >> bit & 1 == 0),
                    )
                };
                let hidden = lists.hidden(I32x4::new(key), I32x4::splat(position));
                let hidden = hidden.or(I32x4::new(std::array::from_fn(dark)));
                F32x4::splat(f32::NEG_INFINITY).select(s, hidden)
            });
            let top = tops[i].max(new);
            let distance = if top == f32::NEG_INFINITY { 0.0 } else { tops[i] - top };
            let [fade, ..] = exp_down(t.table, F32x4::splat(distance)).array();
            totals[i] = totals[i] * fade + row.weigh(t.table, block.count, top);
            tops[i] = top;
            if let (Some(v), Some(out)) = (t.v, unit.out(i)) {
                row.mix(v, at, block.count, (!fresh).then_some(fade), 1.0, out);
            }
        }
        fresh = false;
    });
    for i in 0..queries.count {
        unit.put_stat(i, tops[i], log_sum(tops[i], totals[i]));
        if let Some(out) = unit.out(i) {
            let factor = if totals[i] == 0.0 { 0.0 } else { 1.0 / totals[i] };
            (0..t.dim).for_each(|d| out.set(d, out.read().at(d) * factor));
        }
    }
    Ok(())
}
