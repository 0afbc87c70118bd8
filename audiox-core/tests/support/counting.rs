//! A global allocator that counts what each thread asks of it, so that a test can say "nothing".
//!
//! Counting is per thread: tests that run beside each other do not disturb one another, and what
//! a test's own other threads allocate is not counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Calls to the allocator; a reallocation counts as one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) allocations: u64,
    pub(crate) frees: u64,
}

/// Runs `work` and says what it asked of the allocator on this thread.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    let before = COUNTS.get();
    let result = work();
    let after = COUNTS.get();
    let counts = Counts {
        allocations: after.allocations - before.allocations,
        frees: after.frees - before.frees,
    };
    (result, counts)
}

/// Runs `work` and panics where it allocated or freed anything on this thread.
#[track_caller]
pub(crate) fn assert_no_alloc<T>(work: impl FnOnce() -> T) -> T {
    let (result, counts) = counted(work);
    assert_eq!(counts, Counts::default(), "the allocator was called");
    result
}

/// Bytes that this thread has asked for and not given back.
pub(crate) fn live_bytes() -> i64 {
    LIVE.get()
}

struct Counting;

// The one place with `unsafe` in these tests: the trait demands it. Every call goes to the
// system's allocator unchanged, so its promises hold. Counting touches a thread-local cell that
// is initialised at compile time and has no destructor: it neither allocates nor can be gone.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, 0);
        hold(layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, 0);
        hold(layout.size() as i64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(1, 1);
        hold(new_size as i64 - layout.size() as i64);
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, 1);
        hold(-(layout.size() as i64));
        unsafe { System.dealloc(ptr, layout) }
    }
}

fn count(allocations: u64, frees: u64) {
    let counts = COUNTS.get();
    COUNTS.set(Counts {
        allocations: counts.allocations + allocations,
        frees: counts.frees + frees,
    });
}

fn hold(bytes: i64) {
    LIVE.set(LIVE.get() + bytes);
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocations: 0, frees: 0 }) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}
