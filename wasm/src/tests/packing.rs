use super::Random;
use super::stored::half;
use crate::cached::{PackBitmap, Quantize};

#[test]
fn quantize_rounds_to_even_within_the_range_of_a_group() {
    // Steps of 1: ties go to even codes.
    let x: Vec<f32> = vec![-7.0, 8.0, -6.5, -5.5, 3.0, 3.0, 3.0, 3.0];
    let (mut codes, mut meta) = (vec![0u8; 4], vec![0f32; 4]);
    let record = Quantize {
        x: x.as_ptr(),
        codes: codes.as_mut_ptr(),
        meta: meta.as_mut_ptr(),
        rows: 1,
        cols: 8,
        bits: 4,
        group: 4,
    };
    record.run().unwrap();
    assert_eq!(codes, [0xf0, 0x20, 0, 0]);
    assert_eq!(meta, [1.0, -7.0, 1.0 / 15.0, 3.0]);
    assert!(Quantize { group: 3, ..record }.run().is_err());
    assert!(Quantize { bits: 5, ..record }.run().is_err());
}

#[test]
fn quantize_takes_groups_of_any_size() {
    let mut random = Random::new(8);
    for group in [1, 2, 3, 7, 32] {
        let x = random.floats(3 * 2 * group);
        let (mut codes, mut meta) = (vec![0u8; x.len()], vec![0f32; 12]);
        let record = Quantize {
            x: x.as_ptr(),
            codes: codes.as_mut_ptr(),
            meta: meta.as_mut_ptr(),
            rows: 3,
            cols: 2 * group as u32,
            bits: 8,
            group: group as u32,
        };
        record.run().unwrap();
        for (at, part) in x.chunks(group).enumerate() {
            let [min, max] = [f32::min, f32::max].map(|f| part.iter().copied().reduce(f).unwrap());
            let range = if max == min { 1.0 } else { max - min };
            assert_eq!(meta[2 * at..2 * at + 2], [range / 255.0, min]);
            for (i, &x) in part.iter().enumerate() {
                let want = if max == min { 0.0 } else { ((x - min) * (255.0 / range)).round_ties_even() };
                assert_eq!(f32::from(codes[at * group + i]), want);
            }
        }
    }
}

/// Rows [2, 64, 64] of which each keeps its largest element and what is as large, packed after `tile0` tiles.
fn pack(x: &[f32], kind: u32, limit: u32, tile0: u32) -> (Vec<u16>, Vec<i32>) {
    let mut packed = vec![7u16; 2 * limit as usize];
    let words = 3 * (tile0 + 65);
    let mut meta = vec![0i32; 2 * words as usize];
    // Where the second head goes on.
    meta[(words + 3 * tile0 + 2) as usize] = 4;
    let record = PackBitmap {
        x: x.as_ptr().cast(),
        packed: packed.as_mut_ptr(),
        meta: meta.as_mut_ptr(),
        heads: 2,
        n: 64,
        head_dim: 64,
        x_head: 64 * 64,
        packed_head: limit,
        meta_at: 0,
        meta_head: words,
        tile0,
        drop: 64,
        kind,
        xtype: 0,
    };
    record.run().unwrap();
    assert!(PackBitmap { n: 63, ..record }.run().is_err());
    assert!(PackBitmap { drop: 0, ..record }.run().is_err());
    (packed, meta)
}

#[test]
fn pack_bitmap_appends_tiles_of_columns_or_rows() {
    // Row r keeps column r alone, with the value r + 1; row 63 keeps two equal ones.
    let mut x = vec![0.25f32; 2 * 64 * 64];
    (0..2 * 64).for_each(|row| x[row * 64 + row % 64] = -((row % 64 + 1) as f32));
    [63, 127].iter().for_each(|row| x[row * 64] = 64.0);
    for kind in [0, 1] {
        let (packed, meta) = pack(&x, kind, 1024, 5);
        for head in 0..2 {
            let meta = &meta[head * 210..];
            let first = 4 * head as i32;
            for tile in 0..64 {
                let words = &meta[3 * (5 + tile)..];
                let bits = u64::from(words[0] as u32) << 32 | u64::from(words[1] as u32);
                let also = match kind {
                    0 if tile == 0 => 1,
                    1 if tile == 63 => 1 << 63,
                    _ => 0,
                };
                assert_eq!(bits, 1 << (63 - tile) | also, "kind {kind}, tile {tile}");
                assert_eq!(words[2], first + 4 * tile as i32);
                let place = head * 1024 + 2 * words[2] as usize;
                let own = half(-(tile as f32 + 1.0));
                let want = match also {
                    0 => [own, 0],
                    1 => [own, half(64.0)],
                    _ => [half(64.0), own],
                };
                assert_eq!(packed[place..place + 2], want);
                assert!(packed[place + 2..place + 8].iter().all(|&half| half == 0));
            }
            assert_eq!(meta[3 * 69..3 * 70], [0, 0, first + 256]);
        }
    }
}

#[test]
fn pack_bitmap_writes_no_tile_that_does_not_fit() {
    let x = vec![1f32; 2 * 64 * 64];
    let (packed, meta) = pack(&x, 1, 64 * 10, 0);
    assert!(packed[..640].iter().all(|&half_| half_ == half(1.0)));
    // The second head goes on at element 8 and has room for nine tiles.
    assert!(packed[640..648].iter().all(|&half| half == 7));
    assert!(packed[648..648 + 576].iter().all(|&half_| half_ == half(1.0)));
    assert!(packed[648 + 576..].iter().all(|&half| half == 7));
    assert_eq!(meta[3 * 64 + 2], 64 * 32);
}

#[test]
fn pack_bitmap_drops_zeros_of_either_sign() {
    let mut x = vec![0f32; 2 * 64 * 64];
    x[1] = -0.0;
    let (_, meta) = pack(&x, 0, 1024, 0);
    assert!(meta[..3 * 64].iter().all(|&word| word == 0));
}
