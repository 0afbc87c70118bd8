//! The audio path asks nothing of the allocator: whatever it needs, it took when it was made.
#![cfg(test)]

#[path = "support/counting.rs"]
#[allow(dead_code, reason = "long runs use the rest")]
mod counting;

#[path = "no_alloc/engine.rs"]
mod engine;

#[path = "no_alloc/resample.rs"]
mod resample;

#[path = "no_alloc/stream.rs"]
mod stream;

#[path = "no_alloc/samples.rs"]
mod samples;

#[path = "no_alloc/session.rs"]
mod session;

use counting::{Counts, assert_no_alloc, counted};

#[test]
fn the_counter_counts() {
    let ((), counts) = counted(|| {
        let mut v = vec![1u8; 16];
        v.reserve_exact(1_000);
        drop(std::hint::black_box(v));
    });
    let expected = Counts {
        allocations: 2,
        frees: 2,
    };
    assert_eq!(counts, expected);
}

#[test]
fn other_threads_do_not_disturb_the_count() {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let work =
                || (0..1_000usize).for_each(|i| drop(std::hint::black_box(vec![0u8; i + 1])));
            counted(work).1.allocations
        });
        assert_no_alloc(|| {
            while !other.is_finished() {
                std::thread::yield_now();
            }
        });
        assert_eq!(other.join().unwrap(), 1_000);
    });
}

#[test]
#[should_panic(expected = "the allocator was called")]
fn an_allocation_fails_the_assertion() {
    assert_no_alloc(|| std::hint::black_box(Box::new(1)));
}
