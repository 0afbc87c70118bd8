//! The store in memory conforms, and trouble is as it was asked for.
#![cfg(test)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use audiox_core::conformance;
use audiox_core::store::{
    Fault, Faulty, MemoryStore, SegmentStore, StoreErrorKind, StoredFormat, StreamId, StreamRecord,
};
use audiox_core::time::UnixTime;

/// Runs what never waits for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn record() -> StreamRecord {
    let id = StreamId::parse("s").unwrap();
    StreamRecord::new(id, StoredFormat::default(), UnixTime::EPOCH)
}

#[test]
fn memory_conforms_alone_and_in_wrappers() {
    now(conformance::segment_store(&MemoryStore::new()));
    let (faulty, _) = Faulty::new(MemoryStore::new());
    now(conformance::segment_store(&Arc::new(faulty)));
}

#[test]
fn a_store_that_is_down_does_nothing() {
    let (store, handle) = Faulty::new(MemoryStore::new());
    for kind in [StoreErrorKind::Denied, StoreErrorKind::Transient] {
        handle.set(Fault::Fails(kind));
        let e = now(store.put_stream(&record())).unwrap_err();
        assert_eq!(
            (e.kind, e.is_transient()),
            (kind, kind == StoreErrorKind::Transient)
        );
    }
    handle.set(Fault::None);
    assert!(now(store.stream(&record().id)).is_err());
    assert_eq!((handle.calls(), handle.failed()), (3, 2));
}

#[test]
fn a_lost_answer_leaves_the_deed() {
    let (store, handle) = Faulty::new(MemoryStore::new());
    handle.set(Fault::LosesAnswers);
    assert!(now(store.put_stream(&record())).unwrap_err().is_transient());
    assert_eq!(now(store.inner().stream(&record().id)).unwrap(), record());
}

#[test]
fn hanging_calls_go_on_when_the_trouble_ends() {
    let (store, handle) = Faulty::new(MemoryStore::new());
    handle.set(Fault::Hangs);
    let record = record();
    let mut call = pin!(store.put_stream(&record));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    handle.set(Fault::None);
    assert!(matches!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
}

#[test]
fn trouble_now_and_then_comes_as_often_as_said_and_the_same_again() {
    let run = || {
        let (store, handle) = Faulty::new(MemoryStore::new());
        handle.set(Fault::Sometimes {
            percent: 30,
            seed: 7,
        });
        (0..1_000)
            .map(|_| now(store.put_stream(&record())).is_ok())
            .collect::<Vec<_>>()
    };
    let first = run();
    assert_eq!(first, run());
    let failed = first.iter().filter(|ok| !**ok).count();
    assert!((250..350).contains(&failed), "{failed}");
}
