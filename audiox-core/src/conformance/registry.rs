use std::collections::BTreeMap;
use std::time::Duration;

use super::random::Random;
use crate::registry::{
    DEFAULT_TTL, Listed, SessionCursor, SessionFields, SessionId, SessionRegistry, field,
};
use crate::store::{StoreError, StoreErrorKind};

/// Holds a registry to what [`SessionRegistry`] promises: fields and buffers come back as they
/// were written, also under odd names; buffers are read in any pieces and only grow; pages of any
/// size together list every session, with its buffer's length and none of its text; what is gone
/// is gone.
///
/// It makes sessions whose ids begin with `conformance-`, and removes them.
///
/// # Panics
/// A promise is broken.
pub async fn session_registry(registry: &dyn SessionRegistry) {
    registry.check().await.expect("the registry can be used");
    assert!(!registry.to_string().is_empty(), "it has no name");
    fields_and_ttl(registry).await;
    buffers(registry).await;
    refusals(registry).await;
    odd_names(registry).await;
    pages(registry).await;
    removal(registry).await;
}

async fn fields_and_ttl(registry: &dyn SessionRegistry) {
    let id = fresh(registry, "fields").await;
    assert_eq!(kind(registry.session(&id).await), StoreErrorKind::NotFound);
    let new = fields(&[("user_name", "Ännchen <b>"), ("is_recording", "True")]);
    registry.put(&id, &new, None).await.expect("a new session");
    let there = registry.session(&id).await.expect("put before");
    assert_eq!(there.id, id);
    assert_eq!(there.get("user_name"), Some("Ännchen <b>"));
    assert!(there.is_recording() && !there.authenticated());
    assert_eq!((there.buffer_len, there.more_fields), (0, 0));
    let ttl = there.ttl.expect("a new session has one");
    assert!(ttl <= DEFAULT_TTL && ttl > DEFAULT_TTL / 2, "{ttl:?}");

    let shorter = Duration::from_secs(600);
    let marks = SessionFields::new()
        .with_mark(field::AUTHENTICATED, true)
        .expect("a known field");
    registry
        .put(&id, &marks, Some(shorter))
        .await
        .expect("more");
    registry
        .put(
            &id,
            &fields(&[("is_recording", "False"), ("extra", "")]),
            None,
        )
        .await
        .expect("other values");
    let there = registry.session(&id).await.expect("put before");
    assert!(there.authenticated() && !there.is_recording());
    assert_eq!(there.get("user_name"), Some("Ännchen <b>"), "it was kept");
    assert_eq!(there.get("extra"), Some(""));
    assert_eq!(there.fields.len(), 4, "{:?}", there.fields);
    let ttl = there.ttl.expect("it was set");
    assert!(ttl <= shorter && ttl > shorter / 2, "{ttl:?}");
    registry.append(&id, "AAAA").await.expect("a first group");
    let ttl = registry.session(&id).await.expect("still there").ttl;
    assert!(ttl.is_some_and(|ttl| ttl <= shorter), "appending keeps it");
    registry.delete(&id).await.expect("removal");
}

async fn buffers(registry: &dyn SessionRegistry) {
    let id = fresh(registry, "buffers").await;
    // Nothing is written, so nothing is made.
    let nothing = registry.put(&id, &fields(&[]), None).await;
    nothing.expect("nothing to do");
    assert_eq!(kind(registry.session(&id).await), StoreErrorKind::NotFound);
    let named = fields(&[("user_name", "n")]);
    registry.put(&id, &named, None).await.expect("a session");
    assert!(read(registry, &id, 0, 10).await.is_empty(), "no buffer yet");
    let mut random = Random(7);
    let mut wanted = String::new();
    for groups in [1usize, 3, 0, 1_000, 1, 250_000] {
        let text: String = (0..groups * 4)
            .map(|_| char::from(ALPHABET[random.below(ALPHABET.len())]))
            .collect();
        wanted += &text;
        let length = registry.append(&id, &text).await.expect("whole groups");
        assert_eq!(length, wanted.len() as u64);
    }
    let there = registry.session(&id).await.expect("put before");
    assert_eq!(there.buffer_len, wanted.len() as u64);
    assert_eq!(there.fields.len(), 1, "the buffer is no small field");
    for piece in [wanted.len() + 5, 333_333, 65_536] {
        let mut text = Vec::new();
        loop {
            let more = registry.buffer(&id, text.len() as u64, piece).await;
            let more = more.expect("a piece");
            assert!(more.len() <= piece, "{} for {piece}", more.len());
            if more.is_empty() {
                break;
            }
            text.extend_from_slice(&more);
        }
        assert!(text == wanted.as_bytes(), "in pieces of {piece}");
    }
    for (from, max) in [(5, 7), (0, 1), (0, 0), (wanted.len() - 2, 9)] {
        let end = (from + max).min(wanted.len());
        let got = read(registry, &id, from as u64, max).await;
        assert_eq!(got, wanted.as_bytes()[from..end], "{from} and {max}");
    }
    for from in [
        wanted.len() as u64,
        u64::from(u32::MAX),
        i64::MAX as u64,
        u64::MAX,
    ] {
        assert!(read(registry, &id, from, 10).await.is_empty(), "at {from}");
        let most = registry.buffer(&id, from, usize::MAX).await;
        assert!(most.expect("nothing").is_empty(), "at {from}");
    }
    registry.delete(&id).await.expect("removal");
}

async fn refusals(registry: &dyn SessionRegistry) {
    let id = fresh(registry, "refusals").await;
    let gone = registry.append(&id, "AAAA").await;
    assert_eq!(kind(gone), StoreErrorKind::NotFound);
    let gone = registry.session(&id).await;
    assert_eq!(kind(gone), StoreErrorKind::NotFound, "nothing came of it");
    let gone = registry.buffer(&id, 0, 1).await;
    assert_eq!(kind(gone), StoreErrorKind::NotFound);
    registry
        .put(&id, &fields(&[("user_name", "n")]), None)
        .await
        .expect("a session");
    for bad in ["A", "AAAAA", "AA\nA", "A-_A", "AA==AAAA", "===="] {
        let refused = registry.append(&id, bad).await;
        assert_eq!(kind(refused), StoreErrorKind::Invalid, "{bad:?}");
    }
    assert_eq!(registry.append(&id, "AAAA").await.expect("whole"), 4);
    assert_eq!(registry.append(&id, "AA==").await.expect("the end"), 8);
    let more = registry.append(&id, "AAAA").await;
    assert_eq!(kind(more), StoreErrorKind::Invalid, "behind the end");
    assert_eq!(read(registry, &id, 0, 99).await, b"AAAAAA==");
    let foreign = SessionCursor::parse("~~no~such~~").expect("its letters are allowed");
    let page = registry.page(Some(&foreign), 10).await;
    assert_eq!(kind(page), StoreErrorKind::Invalid, "a foreign cursor");
    registry.delete(&id).await.expect("removal");
}

/// Ids that mean something elsewhere: patterns, paths, markup, protocols.
async fn odd_names(registry: &dyn SessionRegistry) {
    let long = "x".repeat(SessionId::MAX - "conformance-".len());
    let names = [
        "*",
        "[a]",
        "?",
        "a:b/c d",
        "..",
        "{slot}",
        "}{",
        "<b>&amp;",
        "日本 \u{1f3a4}",
        "%00",
        "\"'\\",
        &long,
    ];
    let mut ids = Vec::new();
    for (i, name) in names.into_iter().enumerate() {
        let id = fresh(registry, name).await;
        let i = i.to_string();
        registry
            .put(&id, &fields(&[("user_id", &i)]), None)
            .await
            .expect("a session");
        ids.push(id);
    }
    for (i, id) in ids.iter().enumerate() {
        let there = registry.session(id).await.expect("put before");
        assert_eq!(there.get("user_id"), Some(i.to_string().as_str()), "{id}");
        registry.append(id, "AAAA").await.expect("a group");
    }
    let listed = list(registry, 3).await;
    for id in &ids {
        assert_eq!(listed.get(id.as_str()), Some(&4), "{id}");
        registry.delete(id).await.expect("removal");
    }
}

async fn pages(registry: &dyn SessionRegistry) {
    let mut ids = Vec::new();
    for i in 0..150 {
        let id = fresh(registry, &format!("page-{i}")).await;
        let text = [(field::USER_NAME, "n"), ("hidden", "not for lists")];
        registry
            .put(&id, &fields(&text), None)
            .await
            .expect("a session");
        for _ in 0..i % 3 {
            registry.append(&id, "AAAAAAAA").await.expect("groups");
        }
        ids.push(id);
    }
    for limit in [1, 7, 100, 1_000] {
        let listed = list(registry, limit).await;
        for (i, id) in ids.iter().enumerate() {
            let length = listed.get(id.as_str()).copied();
            assert_eq!(length, Some(i as u64 % 3 * 8), "{id} in pages of {limit}");
        }
    }
    let page = registry.page(None, 1_000).await.expect("a page");
    for listed in page.sessions {
        if let Listed::Session(record) = listed
            && ids.contains(&record.id)
        {
            assert_eq!(record.get(field::USER_NAME), Some("n"));
            let shown = record.fields.iter().map(|f| f.name.as_str());
            assert!(shown.into_iter().all(|name| field::LISTED.contains(&name)));
            assert!(record.ttl.is_some());
        }
    }
    for id in &ids {
        registry.delete(id).await.expect("removal");
    }
}

async fn removal(registry: &dyn SessionRegistry) {
    let id = fresh(registry, "removal").await;
    let other = fresh(registry, "removal-2").await;
    for id in [&id, &other] {
        registry
            .put(id, &fields(&[("a", "1")]), None)
            .await
            .expect("a session");
        registry.append(id, "AAAA").await.expect("a group");
    }
    for _ in 0..2 {
        registry.delete(&id).await.expect("removal");
        assert_eq!(kind(registry.session(&id).await), StoreErrorKind::NotFound);
        assert!(!list(registry, 100).await.contains_key(id.as_str()));
        assert_eq!(
            registry
                .session(&other)
                .await
                .expect("still there")
                .buffer_len,
            4
        );
    }
    // What is made anew has nothing of the old.
    registry
        .put(&id, &fields(&[("b", "2")]), None)
        .await
        .expect("a session");
    let there = registry.session(&id).await.expect("put before");
    assert_eq!((there.get("a"), there.buffer_len), (None, 0));
    for id in [&id, &other] {
        registry.delete(id).await.expect("removal");
    }
}

/// Every session's length of buffer by its id, gathered from pages.
async fn list(registry: &dyn SessionRegistry, limit: usize) -> BTreeMap<String, u64> {
    let (mut all, mut cursor) = (BTreeMap::new(), None);
    for _ in 0..100_000 {
        let page = registry.page(cursor.as_ref(), limit).await.expect("a page");
        assert!(
            page.sessions.len() <= 2 * limit + 20,
            "far more than {limit}"
        );
        for listed in page.sessions {
            if let Listed::Session(record) = listed {
                all.insert(record.id.as_str().to_owned(), record.buffer_len);
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
    panic!("a list in pages of {limit} has no end");
}

async fn read(registry: &dyn SessionRegistry, id: &SessionId, from: u64, max: usize) -> Vec<u8> {
    let piece = registry.buffer(id, from, max).await;
    piece.expect("a piece").to_vec()
}

/// An id of which nothing is left from earlier.
async fn fresh(registry: &dyn SessionRegistry, name: &str) -> SessionId {
    let id = SessionId::parse(&format!("conformance-{name}")).expect("a valid id");
    registry.delete(&id).await.expect("removal");
    id
}

fn fields(all: &[(&str, &str)]) -> SessionFields {
    let none = SessionFields::new();
    let add = |fields: SessionFields, (name, value): &(&str, &str)| fields.with(name, value);
    all.iter().try_fold(none, add).expect("they are in range")
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.expect_err("it cannot be done").kind
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
