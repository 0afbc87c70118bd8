//! The registry and the bus in memory conform, and hold what they promise beside.
#![cfg(test)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use audiox_core::bus::{MemoryBus, StreamBus};
use audiox_core::conformance;
use audiox_core::registry::{
    DEFAULT_TTL, Listed, MemoryRegistry, SessionCursor, SessionFields, SessionId, SessionRegistry,
};
use audiox_core::store::{StoreErrorKind, StreamId};
use bytes::Bytes;
use proptest::prelude::*;

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

fn id(text: &str) -> SessionId {
    text.parse().unwrap()
}

#[test]
fn registry_in_memory_conforms() {
    now(conformance::session_registry(&MemoryRegistry::new()));
    let shared: Arc<dyn SessionRegistry> = Arc::new(MemoryRegistry::default());
    now(conformance::session_registry(&shared));
}

#[test]
fn bus_in_memory_conforms() {
    for max in [8, 1_000] {
        now(conformance::stream_bus(&MemoryBus::new(max).unwrap(), max));
    }
    assert!(MemoryBus::new(0).is_err());
}

#[test]
fn sessions_expire_as_time_is_told() {
    let registry = MemoryRegistry::new();
    let fields = SessionFields::new().with("user_name", "n").unwrap();
    let short = Some(Duration::from_secs(10));
    now(registry.put(&id("short"), &fields, short)).unwrap();
    now(registry.put(&id("usual"), &fields, None)).unwrap();
    registry.advance(Duration::from_secs(4));
    now(registry.append(&id("short"), "AAAA")).unwrap();
    let left = now(registry.session(&id("short"))).unwrap().ttl;
    assert_eq!(left, Some(Duration::from_secs(6)));
    registry.advance(Duration::from_secs(6));
    let gone = now(registry.append(&id("short"), "AAAA")).unwrap_err();
    assert_eq!(gone.kind, StoreErrorKind::NotFound);
    let left = now(registry.session(&id("usual"))).unwrap().ttl;
    assert_eq!(left, Some(DEFAULT_TTL - Duration::from_secs(10)));
}

#[test]
fn what_is_broken_is_listed_as_such_and_hides_nothing() {
    let registry = MemoryRegistry::new();
    registry.set_buffer(&id("a"), "not base64 at all\n");
    registry.set_broken(&id("b"), "it is a list, not a hash");
    registry.set_buffer(&id("c"), "AAAA");
    let page = now(registry.page(None, 10)).unwrap();
    let ids: Vec<_> = page.sessions.iter().map(Listed::id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(matches!(&page.sessions[1], Listed::Broken { why, .. } if why.contains("list")));
    let fields = SessionFields::new();
    for refused in [
        now(registry.session(&id("b"))).unwrap_err(),
        now(registry.buffer(&id("b"), 0, 1)).unwrap_err(),
        now(registry.append(&id("b"), "AAAA")).unwrap_err(),
        now(registry.put(&id("b"), &fields, None)).unwrap_err(),
    ] {
        assert_eq!(refused.kind, StoreErrorKind::Invalid);
        assert!(refused.to_string().contains("a list"), "{refused}");
    }
    now(registry.delete(&id("b"))).unwrap();
    assert_eq!(now(registry.page(None, 10)).unwrap().sessions.len(), 2);
}

#[test]
fn a_full_buffer_says_so_and_stays_as_it_is() {
    let registry = MemoryRegistry::with_max_buffer(8);
    registry.set_buffer(&id("a"), "AAAA");
    let full = now(registry.append(&id("a"), "BBBBBBBB")).unwrap_err();
    assert_eq!(full.kind, StoreErrorKind::Full);
    assert!(full.to_string().contains("8 characters"), "{full}");
    assert_eq!(now(registry.append(&id("a"), "BBBB")).unwrap(), 8);
    assert!(now(registry.append(&id("a"), "CCCC")).is_err());
    assert_eq!(now(registry.buffer(&id("a"), 0, 99)).unwrap(), "AAAABBBB");
}

#[test]
fn two_readers_wait_for_one_entry() {
    let bus = MemoryBus::new(4).unwrap();
    let stream = StreamId::parse("s").unwrap();
    let (mut one, mut two) = (
        pin!(bus.read(&stream, None, 1)),
        pin!(bus.read(&stream, None, 1)),
    );
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(one.as_mut().poll(cx).is_pending() && two.as_mut().poll(cx).is_pending());
    now(bus.publish(&stream, Bytes::from_static(b"x"))).unwrap();
    assert!(one.as_mut().poll(cx).is_ready() && two.as_mut().poll(cx).is_ready());
    assert_eq!(bus.stats().read, 2);
}

proptest! {
    #[test]
    fn any_cursor_gives_a_page_or_is_refused(text in "[0-9a-f]{1,64}|[A-Za-z0-9_.~-]{1,80}") {
        let registry = MemoryRegistry::new();
        for name in ["a", "b", "日本"] {
            registry.set_buffer(&id(name), "AAAA");
        }
        let cursor = SessionCursor::parse(&text).unwrap();
        match now(registry.page(Some(&cursor), 2)) {
            Ok(page) => prop_assert!(page.sessions.len() <= 2),
            Err(e) => prop_assert_eq!(e.kind, StoreErrorKind::Invalid),
        }
    }

    /// Whatever is appended in whatever pieces, any read gives what a plain text would.
    #[test]
    fn buffers_are_texts(pieces in prop::collection::vec("([A-Za-z0-9+/]{4}){0,5}", 0..8), from in 0u64..200, max in 0usize..200) {
        let registry = MemoryRegistry::new();
        registry.set_buffer(&id("a"), "");
        for piece in &pieces {
            now(registry.append(&id("a"), piece)).unwrap();
        }
        let text = pieces.concat();
        let start = (from as usize).min(text.len());
        let end = (start + max).min(text.len());
        prop_assert_eq!(now(registry.buffer(&id("a"), from, max)).unwrap(), &text.as_bytes()[start..end]);
    }
}
