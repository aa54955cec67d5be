//! How cached rows are stored.

use super::STAGED;
use super::bitmap::{TILE, Tiles};
use super::codes::Codes;
use super::element::Lift;
use crate::attention::Stored;
use crate::half;
use crate::status::Fault;
use crate::view::{View, ViewMut, extent, rest, size, view};

/// Numbers of the forms in the contract.
const F32: u32 = 0;
const F16: u32 = 1;
const INT8: u32 = 2;
const INT4: u32 = 3;
const BITMAP: u32 = 4;

/// What an operation says about its keys or its values; strides count elements.
#[derive(Clone, Copy)]
pub struct Spec {
    pub data: *const u8,
    pub meta: *const u8,
    pub form: u32,
    pub heads: usize,
    pub dim: usize,
    /// Places of a head.
    pub places: usize,
    pub head: u32,
    pub meta_at: u32,
    pub meta_head: u32,
    pub group: u32,
    /// Values, not keys.
    pub values: bool,
}

/// The rows of all key heads, their extents checked.
#[derive(Clone, Copy)]
pub struct Store {
    all: Rows,
    head: usize,
    meta_head: usize,
}

/// The rows of one key head.
#[derive(Clone, Copy)]
pub enum Rows {
    F32(View<f32>),
    F16(View<u16>),
    Codes(Codes),
    Tiles(Tiles),
}

impl Store {
    pub fn new(spec: Spec) -> Result<Self, Fault> {
        let Spec { heads, dim, places, .. } = spec;
        let [head, meta_at, meta_head, group] =
            [spec.head, spec.meta_at, spec.meta_head, spec.group].map(|v| v as usize);
        let elements = extent(0, &[(heads, head), (places, dim), (dim, 1)])?;
        let all = match spec.form {
            F32 => Rows::F32(view(spec.data.cast(), elements)?),
            F16 => Rows::F16(view(spec.data.cast(), elements)?),
            INT8 | INT4 => {
                if group == 0 || !dim.is_multiple_of(group) {
                    return Err(Fault::BadArguments);
                }
                let bits = if spec.form == INT8 { 8 } else { 4 };
                let pairs = 2 * (dim / group);
                let meta = extent(meta_at, &[(heads, meta_head), (places, pairs), (pairs, 1)])?;
                Rows::Codes(Codes {
                    data: view(spec.data, size(&[elements, bits])?.div_ceil(8))?,
                    first: 0,
                    bits,
                    meta: view(spec.meta.cast(), meta)?.from(meta_at.min(meta)),
                    dim,
                    group,
                })
            }
            BITMAP => {
                let triples = size(&[3, places.div_ceil(64), dim])?;
                if !dim.is_multiple_of(64) {
                    return Err(Fault::BadArguments);
                }
                // Only the tiles know how large a pool of pages is.
                let data = spec.data.cast::<u16>();
                let room = if head == 0 { rest(data) } else { size(&[heads, head])? };
                let meta = extent(meta_at, &[(heads, meta_head), (triples, 1)])?;
                Rows::Tiles(Tiles {
                    data: view(data, room)?,
                    limit: if head == 0 { room } else { head },
                    meta: view(spec.meta.cast(), meta)?.from(meta_at.min(meta)),
                    dim,
                    values: spec.values,
                })
            }
            _ => return Err(Fault::BadArguments),
        };
        Ok(Self { all, head, meta_head })
    }

    /// The rows of head `g`; there is at least one place.
    pub fn head(&self, g: usize) -> Rows {
        let (at, meta) = (g * self.head, g * self.meta_head);
        match self.all {
            Rows::F32(x) => Rows::F32(x.from(at)),
            Rows::F16(x) => Rows::F16(x.from(at)),
            Rows::Codes(x) => Rows::Codes(Codes { first: at, meta: x.meta.from(meta), ..x }),
            Rows::Tiles(x) => Rows::Tiles(Tiles { data: x.data.from(at), meta: x.meta.from(meta), ..x }),
        }
    }
}

impl Rows {
    /// What queries, scores and weights of these rows make up for when they are read as factors.
    pub fn lift(&self) -> Lift {
        match self {
            Rows::F32(_) | Rows::Codes(_) => Lift::NONE,
            Rows::F16(_) | Rows::Tiles(_) => Lift::HALVES,
        }
    }

    /// The `dim` columns of the row at a place as floats; `stage` has room for them.
    pub fn load(&self, place: usize, dim: usize, stage: Stage, out: ViewMut<f32>) {
        match self {
            Rows::F32(x) => copy(x.from(place * dim), dim, out),
            Rows::F16(x) => copy(x.from(place * dim), dim, out),
            Rows::Codes(x) => x.load(place, out),
            Rows::Tiles(x) => {
                x.load(place, stage.halves());
                copy(stage.halves().read(), dim, out);
            }
        }
    }
}

/// Room for `STAGED` rows or tiles.
#[derive(Clone, Copy)]
pub struct Stage(pub ViewMut<f32>);

impl Stage {
    /// Floats that it needs.
    pub fn room(dim: usize) -> usize {
        STAGED * dim.next_multiple_of(4).max(TILE)
    }

    pub fn floats(self) -> ViewMut<f32> {
        self.0
    }

    pub fn halves(self) -> ViewMut<u16> {
        self.0.halves()
    }
}

fn copy<T: Stored>(x: View<T>, dim: usize, out: ViewMut<f32>) {
    let t = half::moves();
    for d in (0..dim).step_by(4) {
        let width = (dim - d).min(4);
        out.put_part(d, width, T::part(t, x, d, width));
    }
}
