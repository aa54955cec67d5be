//! The kernels of Filigree's WASM device: exports only, one file per kernel.

#![deny(unsafe_op_in_unsafe_fn)]
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by row and column")]
#![cfg_attr(all(target_arch = "wasm32", target_feature = "atomics"), feature(stdarch_wasm_atomic_wait))]

// wasm-bindgen prepares the module for threads and needs its own allocator functions in it.
use wasm_bindgen as _;

pub mod attention;
pub mod cached;
pub mod cast;
mod door;
pub mod elementwise;
mod half;
mod line_bits;
pub mod line_tiles;
pub mod linear;
pub mod lines;
mod math;
pub mod matmul;
pub mod moves;
pub mod norm;
mod pool;
mod radix;
mod roof;
pub mod rope;
pub mod rows;
pub mod sample;
pub mod scan;
mod scratch;
mod simd;
mod status;
#[cfg(test)]
mod tests;
mod tile;
pub mod topk;
mod view;
pub mod weights;

/// Memory of `bytes` bytes, aligned to 64, or 0 when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(bytes: u32) -> *mut u8 {
    door::alloc(bytes)
}

/// Gives memory of `alloc` back; `bytes` as asked for then.
///
/// # Safety
/// `ptr` came from `alloc(bytes)` and was not given back since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dealloc(ptr: *mut u8, bytes: u32) {
    // SAFETY: by contract.
    unsafe { door::dealloc(ptr, bytes) }
}

/// The 64 words where the leader writes a record.
#[unsafe(no_mangle)]
pub extern "C" fn args() -> *mut u32 {
    door::args()
}

/// Words of an operation's record; 0 where there is no such operation.
#[unsafe(no_mangle)]
pub extern "C" fn op_words(op: u32) -> u32 {
    door::op_words(op)
}

/// Runs the record in `args()`: 0 done, 1 unknown operation, 2 out of memory, 3 bad arguments, 4 worker lost.
#[unsafe(no_mangle)]
pub extern "C" fn run(op: u32) -> u32 {
    status::code(door::run(op))
}

/// Bytes of a packed weight [n, k]; `u32::MAX` where they overflow.
#[unsafe(no_mangle)]
pub extern "C" fn weight_bytes(n: u32, k: u32, dtype: u32) -> u32 {
    weights::weight_bytes(n, k, dtype)
}

/// Columns of a panel of packed weights.
#[unsafe(no_mangle)]
pub extern "C" fn panel() -> u32 {
    tile::PANEL as u32
}

/// 1 where the build fuses multiply and add (relaxed SIMD).
#[unsafe(no_mangle)]
pub extern "C" fn relaxed() -> u32 {
    u32::from(cfg!(target_feature = "relaxed-simd"))
}

/// Sets the number of threads that take part, the leader included.
#[unsafe(no_mangle)]
pub extern "C" fn set_threads(n: u32) {
    pool::set_threads(n);
}

/// Sets how many rounds the leader waits for a silent worker before `run` answers 4.
#[unsafe(no_mangle)]
pub extern "C" fn set_patience(rounds: u32) {
    pool::set_patience(rounds);
}

/// The life of a worker: returns after `stop()`.
#[unsafe(no_mangle)]
pub extern "C" fn worker(index: u32) {
    pool::worker(index);
}

/// Workers that have arrived.
#[unsafe(no_mangle)]
pub extern "C" fn ready() -> u32 {
    pool::ready()
}

/// Makes every worker return.
#[unsafe(no_mangle)]
pub extern "C" fn stop() {
    pool::stop();
}

/// 12 vector multiply-adds per round on registers alone, for benchmarks.
#[unsafe(no_mangle)]
pub extern "C" fn roof(rounds: u32, seed: f32) -> f32 {
    roof::roof(rounds, seed)
}
