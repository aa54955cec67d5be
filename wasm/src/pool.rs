//! Threads: one job at a time, cut into chunks that the leader and the workers take by an atomic counter.
//!
//! A worker joins a job only while its gate is open; the leader takes part, closes the gate when no chunk is left and
//! waits for the workers that joined. A worker that sleeps through a job delays nobody.

use crate::scratch::Scratch;
use crate::status::{Fault, Outcome};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};

/// Most threads that can take part, the leader included.
pub const MAX_THREADS: usize = 64;
/// Work (in about cycles) below which a job is not worth a second thread.
const ALONE: usize = 30_000;
/// Work (in about cycles) that one chunk should have at least.
const CHUNK: usize = 12_000;

const OPEN: u32 = 1 << 7;
const ACTIVE: u32 = OPEN - 1;
const EPOCH: u32 = 1 << 8;

type Task<'a> = &'a (dyn Fn(usize, &mut Scratch) -> Outcome + Sync);

/// Epoch (upper 24 bits), open bit, number of workers inside.
static GATE: AtomicU32 = AtomicU32::new(0);
static THREADS: AtomicUsize = AtomicUsize::new(1);
static READY: AtomicU32 = AtomicU32::new(0);
static STOPPED: AtomicBool = AtomicBool::new(false);
static SLEEPERS: AtomicU32 = AtomicU32::new(0);
static LOST: AtomicBool = AtomicBool::new(false);
/// Address of the leader's `Task` while the gate is open or a worker is inside.
static TASK: AtomicUsize = AtomicUsize::new(0);
static CHUNKS: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);
static FAULT: AtomicU32 = AtomicU32::new(0);
/// Loop rounds that the leader waits without progress before it gives a worker up (a round takes 5 to 20 ns).
static PATIENCE: AtomicU32 = AtomicU32::new(3_000_000_000);
/// Loop rounds that an idle worker spins before it sleeps: 50 to 100 microseconds.
const SPIN: u32 = 20_000;

struct Arenas(UnsafeCell<[Scratch; MAX_THREADS]>);
// SAFETY: arena `i` is touched by thread `i` alone.
unsafe impl Sync for Arenas {}
static ARENAS: Arenas = Arenas(UnsafeCell::new([const { Scratch::new() }; MAX_THREADS]));

/// The arena of one thread.
///
/// # Safety
/// Called by thread `index` alone, with no other reference to the arena alive.
#[allow(clippy::mut_from_ref)]
unsafe fn arena(index: usize) -> &'static mut Scratch {
    let first = ARENAS.0.get().cast::<Scratch>();
    // SAFETY: the index is below the array's length; unaliased by contract.
    unsafe { &mut *first.add(index.min(MAX_THREADS - 1)) }
}

/// Number of threads that take part, the leader included.
pub fn threads() -> usize {
    THREADS.load(SeqCst)
}

/// Sets the number of threads that take part.
pub fn set_threads(n: u32) {
    THREADS.store((n as usize).clamp(1, MAX_THREADS), SeqCst);
}

/// Sets how many rounds the leader waits for a silent worker.
pub fn set_patience(rounds: u32) {
    PATIENCE.store(rounds, SeqCst);
}

/// Workers that have arrived.
pub fn ready() -> u32 {
    READY.load(SeqCst)
}

/// Does units `0..units` of about `cost` cycles each, in chunks on as many threads as are worth it.
pub fn parallel(
    units: usize,
    cost: usize,
    body: impl Fn(Range<usize>, &mut Scratch) -> Outcome + Sync,
) -> Outcome {
    if units == 0 {
        return Ok(());
    }
    // There is one leader; the host's test harness has many threads that would be one.
    #[cfg(not(target_arch = "wasm32"))]
    static LEADER: std::sync::Mutex<()> = std::sync::Mutex::new(());
    #[cfg(not(target_arch = "wasm32"))]
    let _turn = LEADER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let work = units.saturating_mul(cost.max(1));
    let threads = threads();
    if threads == 1 || units == 1 || work < ALONE || LOST.load(SeqCst) {
        // SAFETY: the leader is thread 0 and runs one job at a time.
        let scratch = unsafe { arena(0) };
        let outcome = body(0..units, scratch);
        scratch.trim();
        return outcome;
    }
    let chunks = (threads * 8).min(work / CHUNK).clamp(threads.min(units), units);
    let (whole, more) = (units / chunks, units % chunks);
    let start = |chunk: usize| chunk * whole + chunk.min(more);
    lead(chunks, &|chunk, scratch| body(start(chunk)..start(chunk + 1), scratch))
}

fn lead(chunks: usize, task: Task) -> Outcome {
    TASK.store(&raw const task as usize, SeqCst);
    CHUNKS.store(chunks, SeqCst);
    FAULT.store(0, SeqCst);
    NEXT.store(0, SeqCst);
    let closed = GATE.load(SeqCst).wrapping_add(EPOCH) & !(OPEN | ACTIVE);
    GATE.store(closed | OPEN, SeqCst);
    if SLEEPERS.load(SeqCst) > 0 {
        wake(&GATE, (chunks - 1) as u32);
    }
    // SAFETY: the leader is thread 0 and runs one job at a time.
    let scratch = unsafe { arena(0) };
    take(task, scratch);
    scratch.trim();
    GATE.fetch_and(!OPEN, SeqCst);
    let mut rounds = PATIENCE.load(SeqCst);
    while GATE.load(SeqCst) & ACTIVE != 0 {
        // An exchange, not a load, so that a round takes long enough to count time by.
        if GATE.fetch_or(0, SeqCst) & ACTIVE == 0 {
            break;
        }
        rounds -= 1;
        if rounds == 0 {
            LOST.store(true, SeqCst);
            return Err(Fault::WorkerLost);
        }
    }
    match FAULT.load(SeqCst) {
        0 => Ok(()),
        2 => Err(Fault::OutOfMemory),
        _ => Err(Fault::BadArguments),
    }
}

/// Takes chunks until none is left.
fn take(task: Task, scratch: &mut Scratch) {
    loop {
        let chunk = NEXT.fetch_add(1, SeqCst);
        if chunk >= CHUNKS.load(SeqCst) {
            return;
        }
        if let Err(fault) = task(chunk, scratch) {
            FAULT.store(fault as u32, SeqCst);
            NEXT.store(CHUNKS.load(SeqCst), SeqCst);
        }
    }
}

/// The life of worker `index` (1 or more): joins jobs until `stop` is called.
pub fn worker(index: u32) {
    READY.fetch_add(1, SeqCst);
    let mut seen = GATE.load(SeqCst) & !(OPEN | ACTIVE);
    let mut spins = 0;
    while !STOPPED.load(SeqCst) {
        let gate = GATE.load(SeqCst);
        let fresh = gate & OPEN != 0 && gate & !(OPEN | ACTIVE) != seen;
        if fresh
            && (index as usize) < threads()
            && GATE.compare_exchange(gate, gate + 1, SeqCst, SeqCst).is_ok()
        {
            seen = gate & !(OPEN | ACTIVE);
            // SAFETY: the leader keeps the task alive until every worker that joined has left.
            let task = unsafe { *(TASK.load(SeqCst) as *const Task) };
            // SAFETY: each worker has an index of its own.
            let scratch = unsafe { arena(index as usize) };
            take(task, scratch);
            scratch.trim();
            GATE.fetch_sub(1, SeqCst);
            spins = 0;
        } else if !fresh && spins > SPIN {
            SLEEPERS.fetch_add(1, SeqCst);
            if !STOPPED.load(SeqCst) {
                sleep(&GATE, gate);
            }
            SLEEPERS.fetch_sub(1, SeqCst);
            spins = 0;
        } else {
            spins += 1;
            std::hint::spin_loop();
        }
    }
    READY.fetch_sub(1, SeqCst);
}

/// Makes every worker return.
pub fn stop() {
    STOPPED.store(true, SeqCst);
    GATE.fetch_add(EPOCH, SeqCst);
    wake(&GATE, u32::MAX);
}

#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
fn sleep(on: &AtomicU32, expected: u32) {
    // SAFETY: the address is that of a live, aligned atomic.
    unsafe { core::arch::wasm32::memory_atomic_wait32(on.as_ptr().cast(), expected as i32, -1) };
}

#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
fn wake(on: &AtomicU32, count: u32) {
    // SAFETY: the address is that of a live, aligned atomic.
    unsafe { core::arch::wasm32::memory_atomic_notify(on.as_ptr().cast(), count) };
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "atomics")))]
fn sleep(_: &AtomicU32, _: u32) {
    std::thread::yield_now();
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "atomics")))]
fn wake(_: &AtomicU32, _: u32) {}
