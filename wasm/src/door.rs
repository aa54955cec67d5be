//! Where calls come in: memory, records and the table of operations.

use crate::attention::{Attention, Planned};
use crate::cached::{Decode, PackBitmap, Quantize, ReadRows, ScoreRows};
use crate::cast::Cast;
use crate::elementwise::{Binary, Embed, Fill, ScaleAdd, Unary};
use crate::line_tiles::LineTiles;
use crate::linear::Linear;
use crate::lines::{LineSums, Mark, MergeLines};
use crate::matmul::Matmul;
use crate::moves::{Copy4, Gather, Scatter};
use crate::norm::{LayerNorm, RmsNorm, Softmax};
use crate::rope::Rope;
use crate::rows::{GroupMean, Reduce};
use crate::sample::Sample;
use crate::scan::{Compact, Scan};
use crate::status::{Fault, Outcome};
use crate::topk::TopK;
use crate::weights::Pack;
use std::alloc::{Layout, alloc as take, dealloc as give};
use std::cell::UnsafeCell;

const WORDS: usize = 64;

#[repr(C, align(64))]
struct Record(UnsafeCell<[u32; WORDS]>);
// SAFETY: only the leader writes and reads the record.
unsafe impl Sync for Record {}
static RECORD: Record = Record(UnsafeCell::new([0; WORDS]));

pub fn args() -> *mut u32 {
    RECORD.0.get().cast()
}

fn layout(bytes: u32) -> Option<Layout> {
    Layout::from_size_align((bytes as usize).max(1), 64).ok()
}

pub fn alloc(bytes: u32) -> *mut u8 {
    // SAFETY: the layout has a size above 0.
    layout(bytes).map_or(std::ptr::null_mut(), |layout| unsafe { take(layout) })
}

/// # Safety
/// `ptr` came from `alloc(bytes)` and was not given back since.
pub unsafe fn dealloc(ptr: *mut u8, bytes: u32) {
    if let Some(layout) = layout(bytes).filter(|_| !ptr.is_null()) {
        // SAFETY: by contract, with the same layout as in `alloc`.
        unsafe { give(ptr, layout) }
    }
}

/// The operations by number.
macro_rules! operations {
    ($($code:literal => $record:ty,)*) => {
        pub fn op_words(op: u32) -> u32 {
            match op {
                $($code => (size_of::<$record>() / 4) as u32,)*
                _ => 0,
            }
        }

        pub fn run(op: u32) -> Outcome {
            match op {
                $($code => {
                    const { assert!(size_of::<$record>() <= 2 * 4 * WORDS) };
                    // SAFETY: the area is as large and as aligned as any record, and every word is valid in every field.
                    unsafe { args().cast::<$record>().read() }.run()
                })*
                _ => Err(Fault::UnknownOperation),
            }
        }
    };
}

operations! {
    1 => Pack,
    2 => Linear,
    3 => Matmul,
    4 => LayerNorm,
    5 => RmsNorm,
    6 => Softmax,
    7 => Rope,
    8 => Attention,
    9 => Unary,
    10 => Binary,
    11 => Embed,
    12 => ScaleAdd,
    13 => Copy4,
    14 => Gather,
    15 => Scatter,
    16 => GroupMean,
    17 => Reduce,
    18 => TopK,
    19 => Cast,
    20 => Fill,
    21 => Scan,
    22 => Compact,
    23 => Sample,
    24 => Planned,
    25 => LineSums,
    26 => Mark,
    27 => MergeLines,
    28 => LineTiles,
    29 => Decode,
    30 => ScoreRows,
    31 => ReadRows,
    32 => Quantize,
    33 => PackBitmap,
}
