use super::{Random, assert_close};
use crate::line_tiles::LineTiles;
use crate::lines::{LineSums, Mark, MergeLines};
use crate::status::Fault;
use std::ptr::{null, null_mut};

/// A seeded integer from `low` to `high - 1`.
fn int(random: &mut Random, low: i32, high: i32) -> i32 {
    low + ((f64::from(random.next()) + 1.0) / 2.0 * f64::from(high - low)) as i32
}

fn ints(random: &mut Random, n: usize, low: i32, high: i32) -> Vec<i32> {
    (0..n).map(|_| int(random, low, high)).collect()
}

#[test]
fn line_sums_add_columns_and_distances() {
    let mut random = Random::new(1);
    for (batch, n, length) in [(1, 1, 1), (2, 3, 5), (2, 9, 1024), (1, 6, 2500)] {
        let x = random.floats(batch * n * length);
        let rising: Vec<i32> = (0..n).map(|r| (length + r) as i32 - n as i32).collect();
        let mut wild = ints(&mut random, n, -5, length as i32 + 5);
        wild[0] = i32::MAX;
        wild[n / 2] = i32::MIN;
        for starts in [rising, wild] {
            let (mut columns, mut diagonals) = (vec![9f32; batch * length], vec![9f32; batch * length]);
            let record = LineSums {
                x: x.as_ptr(),
                starts: starts.as_ptr(),
                columns: columns.as_mut_ptr(),
                diagonals: diagonals.as_mut_ptr(),
                batch: batch as u32,
                n: n as u32,
                length: length as u32,
            };
            record.run().unwrap();
            let (mut by_column, mut by_distance) = (vec![0f64; batch * length], vec![0f64; batch * length]);
            for (at, &x) in x.iter().enumerate() {
                let (b, r, j) = (at / length / n, at / length % n, at % length);
                by_column[b * length + j] += f64::from(x);
                if let Some(d) = usize::try_from(i64::from(starts[r]) - j as i64).ok().filter(|&d| d < length)
                {
                    by_distance[b * length + d] += f64::from(x);
                }
            }
            assert_close(&columns, &by_column, 1e-6, &format!("columns of {n} x {length}"));
            assert_close(&diagonals, &by_distance, 1e-6, &format!("diagonals of {n} x {length}"));
            LineSums { diagonals: null_mut(), ..record }.run().unwrap();
            assert_close(&columns, &by_column, 1e-6, "columns alone");
        }
    }
}

#[test]
fn mark_skips_what_is_outside_or_not_counted() {
    let index = [0, 3, -1, 4, i32::MIN, 2, 1, 1];
    let mut out = [9f32; 8];
    let record =
        Mark { index: index.as_ptr(), counts: null(), out: out.as_mut_ptr(), rows: 2, k: 4, cols: 4 };
    record.run().unwrap();
    assert_eq!(out, [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
    Mark { counts: [1, -3].as_ptr(), ..record }.run().unwrap();
    assert_eq!(out, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    Mark { counts: [9, 2].as_ptr(), ..record }.run().unwrap();
    assert_eq!(out, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
}

fn merge(columns: &[i32], diagonals: &[i32], caps: [usize; 2], block: u32, offset: u32) -> [Vec<i32>; 2] {
    let blocks = 2;
    let [mut tiles, mut lists] = caps.map(|cap| vec![9; blocks * cap]);
    let record = MergeLines {
        columns: columns.as_ptr(),
        diagonals: diagonals.as_ptr(),
        tiles: tiles.as_mut_ptr(),
        lists: lists.as_mut_ptr(),
        heads: 1,
        column_count: columns.len() as u32,
        diagonal_count: diagonals.len() as u32,
        blocks: blocks as u32,
        tile_cap: caps[0] as u32,
        column_cap: caps[1] as u32,
        block,
        offset,
    };
    record.run().unwrap();
    assert_eq!(MergeLines { block: 0, ..record }.run(), Err(Fault::BadArguments));
    [tiles, lists]
}

#[test]
fn merge_lines_covers_diagonals_and_lists_columns_before_and_between() {
    // Block 0 ends at 12, block 1 at 16: ranges [0, 4) and [8, 12), then [2, 6) and [12, 16).
    let [tiles, lists] = merge(&[0, 1, 5, 9, 13, -1], &[10, 0, -1, 3], [3, 4], 4, 8);
    assert_eq!(tiles, [0, 8, -1, 2, 12, -1]);
    assert_eq!(lists, [5, -1, -1, -1, 0, 1, 9, -1]);
    let [tiles, lists] = merge(&[0, 1, 5, 9, 13, -1], &[10, 0, -1, 3], [1, 1], 4, 8);
    assert_eq!(tiles, [0, 2]);
    assert_eq!(lists, [5, 0]);
    // Diagonals close to each other extend the range by whole blocks.
    assert_eq!(merge(&[], &[9, 7, 2, 0], [4, 0], 4, 8)[0], [0, 4, 8, -1, 3, 7, 11, 15]);
    assert_eq!(merge(&[3], &[-1], [1, 1], 4, 8), [vec![-1, -1], vec![-1, -1]]);
}

#[test]
fn merge_lines_takes_lists_in_any_order() {
    let mut random = Random::new(2);
    for _ in 0..200 {
        let (columns, diagonals) = (ints(&mut random, 9, -1, 40), ints(&mut random, 9, -1, 40));
        let (block, offset) = (int(&mut random, 1, 9) as u32, int(&mut random, 0, 30) as u32);
        merge(&columns, &diagonals, [5, 5], block, offset);
    }
    let ends = [i32::MAX, 0, i32::MIN, i32::MAX];
    merge(&ends, &ends, [3, 3], u32::MAX, u32::MAX);
}

/// Tokens of some classes: queries, keys and their lines.
struct Case {
    queries: Vec<i32>,
    keys: Vec<i32>,
    lines: Vec<f32>,
    heads: usize,
    classes: [usize; 2],
    lq: usize,
    lk: usize,
    length: usize,
}

impl Case {
    fn visible(&self, h: usize, row: usize, slot: usize) -> bool {
        let &Self { lq, lk, length, classes: [query_classes, key_classes], .. } = self;
        if row >= lq || slot >= lk {
            return false;
        }
        let (queries, keys) = (&self.queries[h * (1 + key_classes) * lq..], &self.keys[h * 2 * lk..]);
        let (a, b) = (queries[row], keys[slot]);
        if a < 0 || a as usize >= query_classes || b < 0 || b as usize >= key_classes {
            return false;
        }
        let (rank, count) = (keys[lk + slot], queries[(1 + b as usize) * lq + row]);
        let line = |kind: usize, at: i32| {
            let pair = ((h * 3 + kind) * query_classes + a as usize) * key_classes + b as usize;
            self.lines[pair * length + at as usize] != 0.0
        };
        rank >= 0
            && rank <= count
            && (count as usize) < length
            && (line(0, rank) || line(1, count - rank) || line(2, count))
    }

    fn check(&self, block_q: usize, tile_k: usize, random: &mut Random) {
        let (blocks, across) = (self.lq.div_ceil(block_q), self.lk.div_ceil(tile_k));
        let mut occupied = vec![9; self.heads * blocks * across];
        let record = LineTiles {
            queries: self.queries.as_ptr(),
            keys: self.keys.as_ptr(),
            lines: self.lines.as_ptr(),
            tiles: null(),
            out: occupied.as_mut_ptr(),
            heads: self.heads as u32,
            query_head: ((1 + self.classes[1]) * self.lq) as u32,
            key_head: (2 * self.lk) as u32,
            query_classes: self.classes[0] as u32,
            key_classes: self.classes[1] as u32,
            lq: self.lq as u32,
            lk: self.lk as u32,
            length: self.length as u32,
            block_q: block_q as u32,
            tile_k: tile_k as u32,
            tile_cap: 0,
        };
        record.run().unwrap();
        let rows = |n: usize| n * block_q..(n + 1) * block_q;
        for (at, &seen) in occupied.iter().enumerate() {
            let (h, n, t) = (at / across / blocks, at / across % blocks, at % across);
            let want =
                rows(n).any(|row| (t * tile_k..(t + 1) * tile_k).any(|slot| self.visible(h, row, slot)));
            assert_eq!(seen, i32::from(want), "head {h}, block {n}, tile {t}");
        }
        let (tile_cap, words) = (3, tile_k.div_ceil(32));
        let mut tiles = ints(random, self.heads * blocks * tile_cap, -1, self.lk as i32 + 3);
        tiles[0] = i32::MAX;
        let mut bits = vec![9; tiles.len() * block_q * words];
        LineTiles { tiles: tiles.as_ptr(), out: bits.as_mut_ptr(), tile_cap: tile_cap as u32, ..record }
            .run()
            .unwrap();
        for (at, &got) in bits.iter().enumerate() {
            let (tile, r, word) = (at / words / block_q, at / words % block_q, at % words);
            let (unit, t) = (tile / tile_cap, tile % tile_cap);
            let ended = tiles[unit * tile_cap..=unit * tile_cap + t].iter().any(|&start| start < 0);
            let want = (word * 32..tile_k.min(word * 32 + 32)).fold(0u32, |bits, s| {
                let row = unit % blocks * block_q + r;
                let seen = !ended && self.visible(unit / blocks, row, tiles[tile] as usize + s);
                bits | u32::from(seen) << (s % 32)
            });
            assert_eq!(got as u32, want, "tile {tile}, row {r}, word {word}");
        }
    }
}

#[test]
fn line_tiles_agree_with_plain_loops() {
    let mut random = Random::new(3);
    for (heads, classes, lq, lk, block_q, tile_k) in [
        (1, [1, 1], 1, 1, 1, 1),
        (2, [1, 1], 150, 150, 16, 64),
        (2, [2, 3], 90, 130, 7, 33),
        (1, [3, 2], 300, 70, 8, 5),
    ] {
        for sorted in [true, false] {
            for rare in [2, 40, 400] {
                let length = lq.max(lk);
                let mut token_classes = ints(&mut random, length, 0, classes[1] as i32);
                let mut order: Vec<usize> = (0..length).collect();
                let mut seen = vec![vec![]; classes[1]];
                let mut counts = vec![-1; classes[1]];
                for &class in &token_classes {
                    counts[class as usize] += 1;
                    seen.iter_mut().zip(&counts).for_each(|(seen, &count)| seen.push(count));
                }
                let mut ranks: Vec<i32> = (0..length).map(|j| seen[token_classes[j] as usize][j]).collect();
                if sorted {
                    order.sort_by_key(|&j| token_classes[j]);
                } else {
                    // Also what no tokens give: classes, ranks and counts that do not exist.
                    (0..length / 5).for_each(|i| ranks[i * 5] = int(&mut random, -3, length as i32 + 3));
                    (0..length / 9).for_each(|i| token_classes[i * 9] = int(&mut random, -1, 4));
                    seen[0][0] = i32::MAX;
                    ranks[length / 2] = i32::MAX;
                }
                let by = |list: &[i32], n: usize| order[..n].iter().map(|&j| list[j]).collect::<Vec<_>>();
                let own: Vec<i32> = token_classes.iter().map(|&b| b % classes[0] as i32).collect();
                let mut queries = by(&own, lq);
                seen.iter().for_each(|seen| queries.extend(by(seen, lq)));
                let keys = [by(&token_classes, lk), by(&ranks, lk)].concat();
                let lines = (0..heads * 3 * classes[0] * classes[1] * length)
                    .map(|_| f32::from(u8::from(int(&mut random, 0, rare) == 0)))
                    .collect();
                let (queries, keys) = (queries.repeat(heads), keys.repeat(heads));
                Case { queries, keys, lines, heads, classes, lq, lk, length }.check(
                    block_q,
                    tile_k,
                    &mut random,
                );
            }
        }
    }
}
