use crate::pool::{parallel, ready, set_threads, stop, worker};
use crate::status::Fault;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

#[test]
fn parallel_does_every_unit_once_and_reports_faults() {
    for units in [1usize, 7, 1000] {
        let done: Vec<AtomicU32> = (0..units).map(|_| AtomicU32::new(0)).collect();
        let outcome = parallel(units, 1000, |range, _| {
            range.for_each(|i| {
                done[i].fetch_add(1, SeqCst);
            });
            Ok(())
        });
        assert_eq!(outcome, Ok(()));
        assert!(done.iter().all(|d| d.load(SeqCst) == 1));
    }
    assert_eq!(parallel(100, 1000, |_, _| Err(Fault::OutOfMemory)), Err(Fault::OutOfMemory));
}

#[test]
fn workers_share_the_chunks_of_many_jobs_and_leave_when_told_to() {
    let workers: Vec<_> = (1..3).map(|index| std::thread::spawn(move || worker(index))).collect();
    while ready() < 2 {
        std::thread::yield_now();
    }
    set_threads(3);
    for job in 0..500usize {
        let sum = AtomicU32::new(0);
        let outcome = parallel(job, 5000, |range, scratch| {
            let [room] = scratch.floats([8 * range.len()])?;
            range.clone().for_each(|i| room.set(i - range.start, i as f32));
            range.clone().for_each(|i| {
                sum.fetch_add(room.read().at(i - range.start) as u32, SeqCst);
            });
            Ok(())
        });
        assert_eq!(outcome, Ok(()));
        assert_eq!(sum.load(SeqCst) as usize, job * job.saturating_sub(1) / 2);
    }
    set_threads(1);
    stop();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(ready(), 0);
}
