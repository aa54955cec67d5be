//! Kernels against plain loops in double precision, over many shapes.

mod attention;
mod cached;
mod decode;
mod lines;
mod moves;
mod packing;
mod products;
mod rows;
mod scans;
mod stored;
mod threads;
mod topk;

/// Seeded numbers in [-1, 1).
pub struct Random(u32);

impl Random {
    pub fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(2_654_435_761).max(1))
    }

    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Fails where a number is further than `tolerance` (absolute and relative) from what it should be.
pub fn assert_close(got: &[f32], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let near = (f64::from(g) - w).abs() <= tolerance * (1.0 + w.abs());
        assert!(
            near || f64::from(g) == w || g.is_nan() && w.is_nan(),
            "{what}, element {i}: {g}, expected {w}"
        );
    }
}

/// Error function in double precision: its Maclaurin series up to 3, a continued fraction beyond.
pub fn erf_exact(x: f64) -> f64 {
    if x.abs() < 3.0 {
        let (mut sum, mut term) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let a = x.abs();
    let fraction = (1..100).rev().fold(a, |f, n| a + f64::from(n) / 2.0 / f);
    x.signum() * (1.0 - (-a * a).exp() / fraction / std::f64::consts::PI.sqrt())
}
