//! The same lanes in plain Rust: the scalar path, which tests run on the host.

/// Four floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F32x4(pub [f32; 4]);

/// Four integers; a comparison gives all ones or all zeros per lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct I32x4(pub [i32; 4]);

fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> F32x4 {
    F32x4(std::array::from_fn(|i| f(a[i], b[i])))
}

fn izip(a: [i32; 4], b: [i32; 4], f: impl Fn(i32, i32) -> i32) -> I32x4 {
    I32x4(std::array::from_fn(|i| f(a[i], b[i])))
}

impl F32x4 {
    pub fn splat(x: f32) -> Self {
        Self([x; 4])
    }
    pub fn new(x: [f32; 4]) -> Self {
        Self(x)
    }
    pub fn array(self) -> [f32; 4] {
        self.0
    }
    /// # Safety
    /// Four floats can be read at `p`.
    pub unsafe fn load(p: *const f32) -> Self {
        // SAFETY: by contract; `[f32; 4]` needs no more than the alignment of `f32`.
        Self(unsafe { p.cast::<[f32; 4]>().read_unaligned() })
    }
    /// # Safety
    /// One float can be read at `p`.
    pub unsafe fn load_splat(p: *const f32) -> Self {
        // SAFETY: by contract.
        Self([unsafe { p.read() }; 4])
    }
    /// # Safety
    /// Four floats can be written at `p`.
    pub unsafe fn store(self, p: *mut f32) {
        // SAFETY: by contract.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    pub fn add(self, b: Self) -> Self {
        zip(self.0, b.0, |x, y| x + y)
    }
    pub fn sub(self, b: Self) -> Self {
        zip(self.0, b.0, |x, y| x - y)
    }
    pub fn mul(self, b: Self) -> Self {
        zip(self.0, b.0, |x, y| x * y)
    }
    pub fn div(self, b: Self) -> Self {
        zip(self.0, b.0, |x, y| x / y)
    }
    pub fn madd(self, b: Self, c: Self) -> Self {
        self.mul(b).add(c)
    }
    pub fn pmax(self, b: Self) -> Self {
        zip(self.0, b.0, |x, y| if x < y { y } else { x })
    }
    pub fn pmin(self, b: Self) -> Self {
        zip(self.0, b.0, |x, y| if y < x { y } else { x })
    }
    pub fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    pub fn nearest(self) -> Self {
        Self(self.0.map(f32::round_ties_even))
    }
    pub fn to_int(self) -> I32x4 {
        I32x4(self.0.map(|x| x as i32))
    }
    pub fn bits(self) -> I32x4 {
        I32x4(self.0.map(|x| x.to_bits() as i32))
    }
    pub fn lt(self, b: Self) -> I32x4 {
        I32x4(std::array::from_fn(|i| -i32::from(self.0[i] < b.0[i])))
    }
    pub fn eq(self, b: Self) -> I32x4 {
        I32x4(std::array::from_fn(|i| -i32::from(self.0[i] == b.0[i])))
    }
    /// Lanes of both in turn: a0 b0 a1 b1, a2 b2 a3 b3.
    pub fn zip(self, b: Self) -> [Self; 2] {
        let (a, b) = (self.0, b.0);
        [Self([a[0], b[0], a[1], b[1]]), Self([a[2], b[2], a[3], b[3]])]
    }
    /// Even lanes of both, odd lanes of both.
    pub fn unzip(self, b: Self) -> [Self; 2] {
        let (a, b) = (self.0, b.0);
        [Self([a[0], a[2], b[0], b[2]]), Self([a[1], a[3], b[1], b[3]])]
    }
    /// Rows of a 4 x 4 block to its columns.
    pub fn transpose(r: [Self; 4]) -> [Self; 4] {
        std::array::from_fn(|i| Self(std::array::from_fn(|j| r[j].0[i])))
    }
}

impl I32x4 {
    pub fn splat(x: i32) -> Self {
        Self([x; 4])
    }
    pub fn new(x: [i32; 4]) -> Self {
        Self(x)
    }
    pub fn array(self) -> [i32; 4] {
        self.0
    }
    fn of_bytes(b: [u8; 16]) -> Self {
        Self(std::array::from_fn(|i| i32::from_le_bytes(std::array::from_fn(|j| b[4 * i + j]))))
    }
    fn bytes(self) -> [u8; 16] {
        std::array::from_fn(|i| self.0[i / 4].to_le_bytes()[i % 4])
    }
    /// 16 bytes.
    /// # Safety
    /// 16 bytes can be read at `p`.
    pub unsafe fn load(p: *const u8) -> Self {
        // SAFETY: by contract.
        Self::of_bytes(unsafe { p.cast::<[u8; 16]>().read() })
    }
    /// # Safety
    /// 16 bytes can be written at `p`.
    pub unsafe fn store(self, p: *mut u8) {
        // SAFETY: by contract.
        unsafe { p.cast::<[u8; 16]>().write(self.bytes()) }
    }
    /// Bit i of the result is the sign of lane i.
    pub fn signs(self) -> u32 {
        (0..4).map(|i| u32::from(self.0[i] < 0) << i).sum()
    }
    /// Byte i of the result is byte `from[i]` of `self`, 0 where the upper bit of `from[i]` is set; other indices are below 16.
    pub fn swizzle(self, from: Self) -> Self {
        let (x, from) = (self.bytes(), from.bytes());
        Self::of_bytes(from.map(|i| if i < 128 { x[usize::from(i)] } else { 0 }))
    }
    /// Four 16-bit values, sign-extended.
    /// # Safety
    /// Four 16-bit values can be read at `p`.
    pub unsafe fn load_halves(p: *const u16) -> Self {
        // SAFETY: by contract.
        Self(unsafe { p.cast::<[i16; 4]>().read_unaligned() }.map(i32::from))
    }
    /// # Safety
    /// Four bytes can be read at `p`.
    pub unsafe fn load_i8(p: *const i8) -> Self {
        // SAFETY: by contract.
        Self(unsafe { p.cast::<[i8; 4]>().read_unaligned() }.map(i32::from))
    }
    /// # Safety
    /// Four bytes can be read at `p`.
    pub unsafe fn load_u8(p: *const u8) -> Self {
        // SAFETY: by contract.
        Self(unsafe { p.cast::<[u8; 4]>().read_unaligned() }.map(i32::from))
    }
    /// Lower 16 bits of each lane to memory.
    /// # Safety
    /// Four 16-bit values can be written at `p`.
    pub unsafe fn store_u16(self, p: *mut u16) {
        // SAFETY: by contract.
        unsafe { p.cast::<[u16; 4]>().write_unaligned(self.0.map(|x| x as u16)) }
    }
    pub fn add(self, b: Self) -> Self {
        izip(self.0, b.0, i32::wrapping_add)
    }
    pub fn sub(self, b: Self) -> Self {
        izip(self.0, b.0, i32::wrapping_sub)
    }
    pub fn and(self, b: Self) -> Self {
        izip(self.0, b.0, |x, y| x & y)
    }
    pub fn or(self, b: Self) -> Self {
        izip(self.0, b.0, |x, y| x | y)
    }
    pub fn xor(self, b: Self) -> Self {
        izip(self.0, b.0, |x, y| x ^ y)
    }
    /// `self` without the bits of `b`.
    pub fn and_not(self, b: Self) -> Self {
        izip(self.0, b.0, |x, y| x & !y)
    }
    pub fn shl(self, n: u32) -> Self {
        Self(self.0.map(|x| x.wrapping_shl(n)))
    }
    pub fn shr(self, n: u32) -> Self {
        Self(self.0.map(|x| x >> n))
    }
    pub fn shr_u(self, n: u32) -> Self {
        Self(self.0.map(|x| ((x as u32) >> n) as i32))
    }
    pub fn gt(self, b: Self) -> Self {
        izip(self.0, b.0, |x, y| -i32::from(x > y))
    }
    pub fn eq(self, b: Self) -> Self {
        izip(self.0, b.0, |x, y| -i32::from(x == y))
    }
    pub fn to_float(self) -> F32x4 {
        F32x4(self.0.map(|x| x as f32))
    }
    pub fn float_bits(self) -> F32x4 {
        F32x4(self.0.map(|x| f32::from_bits(x as u32)))
    }
}
