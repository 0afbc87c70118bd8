//! Folders, memory and a real S3 server keep what every store keeps, and say at once what is
//! wrong with them.
#![cfg(test)]

#[path = "support/s3.rs"]
mod s3;

use audiox_core::conformance;
use audiox_core::store::{
    SegmentKey, SegmentStore, StoreError, StoreErrorKind, StoredFormat, StreamId, StreamRecord,
    TimeRange,
};
use audiox_core::time::UnixTime;
use audiox_s3::{ObjectSegmentStore, StoreOptions, connect, open};
use s3::S3Server;

async fn refused(url: &str, options: &StoreOptions) -> StoreError {
    let e = open(url, options).await.expect_err("it cannot be used");
    let text = e.to_string();
    assert!(!text.contains('\n') && text.len() < 500, "{text}");
    e
}

#[tokio::test]
async fn memory_conforms() {
    let store = open("memory:", &StoreOptions::default()).await.unwrap();
    conformance::segment_store(&store).await;
}

#[tokio::test]
async fn folders_conform() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/on the way");
    let store = open(path.to_str().unwrap(), &StoreOptions::default())
        .await
        .unwrap();
    conformance::segment_store(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_s3_server_conforms() {
    let server = S3Server::start();
    let store = open("s3://archive/some/where", &server.options())
        .await
        .unwrap();
    conformance::segment_store(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_what_clients_of_the_bucket_expect() {
    let server = S3Server::start();
    let store = open("s3://archive", &server.options()).await.unwrap();
    let (record, meta, data) = one_segment();
    store.put_stream(&record).await.unwrap();
    store.put(&meta, data.clone()).await.unwrap();
    let file = server.bucket().join("live-1/1700000000.raw");
    assert_eq!(std::fs::read(file).unwrap(), data);
}

fn one_segment() -> (StreamRecord, audiox_core::store::SegmentMeta, bytes::Bytes) {
    use audiox_core::store::{SegmentEvent, Segmenter, SegmenterConfig};
    let id = StreamId::parse("live-1").unwrap();
    let start = UnixTime::from_secs(1_700_000_000);
    let record = StreamRecord::new(id.clone(), StoredFormat::default(), start);
    let data = bytes::Bytes::from_static(b"some audio");
    let config = SegmenterConfig::default();
    let mut segmenter = Segmenter::new(id, StoredFormat::default(), config).unwrap();
    segmenter.push(audiox_core::time::Instant::EPOCH, start, data.clone());
    segmenter.finish(start);
    let closed = std::iter::from_fn(|| segmenter.poll()).find_map(|event| match event {
        SegmentEvent::Closed(meta) => Some(meta),
        _ => None,
    });
    (record, closed.unwrap(), data)
}

#[tokio::test]
async fn streams_of_segments_alone_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("0b3e8a52-9a5f-4f4e-8a0e-0d8c3a5d9f11");
    std::fs::create_dir(&folder).unwrap();
    // An odd byte, and things that are no segments.
    for (name, len) in [
        ("1700000010.raw", 441_000),
        ("1700000005.raw", 441_001),
        ("1700000015.raw", 7),
        ("notes.txt", 3),
        ("01700000000.raw", 3),
    ] {
        std::fs::write(folder.join(name), vec![1; len]).unwrap();
    }
    std::fs::create_dir(dir.path().join("no stream")).unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let store = open(dir.path().to_str().unwrap(), &StoreOptions::default())
        .await
        .unwrap();
    let streams = store.streams(None, 10).await.unwrap();
    assert_eq!(streams.len(), 1);
    let record = &streams[0];
    assert_eq!(record.format, StoredFormat::default());
    assert_eq!(record.started.as_secs(), 1_700_000_005);
    assert_eq!(record.ended.unwrap().as_secs(), 1_700_000_015);
    let listed = store.list(&record.id, TimeRange::ALL).await.unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|m| (m.key.second, m.offset, m.media_start.0, m.frames))
        .collect();
    assert_eq!(
        told,
        [
            (1_700_000_005, 0, 0, 220_500),
            (1_700_000_010, 441_001, 220_500, 220_500),
            (1_700_000_015, 882_001, 441_000, 4)
        ]
    );
    assert_eq!(store.get(&listed[2].key).await.unwrap().len(), 7);
    store.delete_stream(&record.id).await.unwrap();
    assert!(store.streams(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_somebody_spoilt_is_told_and_harms_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path().to_str().unwrap(), &StoreOptions::default())
        .await
        .unwrap();
    let (record, meta, data) = one_segment();
    store.put_stream(&record).await.unwrap();
    store.put(&meta, data.clone()).await.unwrap();
    let folder = dir.path().join("live-1");
    for (file, text) in [
        ("index/0.json", "{\"version\":1,\"segments\":[{}]}"),
        ("index/0.json", "\u{0}\u{0}"),
        ("stream.json", "{\"version\":1,\"id\":\"../x\"}"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
        let e = match file {
            "stream.json" => store.stream(&record.id).await.unwrap_err(),
            _ => store.list(&record.id, TimeRange::ALL).await.unwrap_err(),
        };
        assert_eq!(e.kind, StoreErrorKind::Invalid);
        assert!(e.to_string().contains(file), "{e}");
    }
    assert_eq!(store.get(&meta.key).await.unwrap(), data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_told_at_the_start_or_made() {
    let server = S3Server::start();
    let e = refused("s3://absent/x", &server.options()).await;
    assert_eq!(e.kind, StoreErrorKind::NotFound);
    assert!(e.to_string().contains("--create-bucket"), "{e}");
    let mut options = server.options();
    options.create_bucket = true;
    // The second time it is there already.
    for _ in 0..2 {
        let store = open("s3://absent/x", &options).await.unwrap();
        assert!(store.streams(None, 1).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_access_is_told_at_the_start() {
    let server = S3Server::start();
    for (name, value) in [
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ("AWS_ACCESS_KEY_ID", "other"),
    ] {
        let e = refused("s3://archive", &server.options().with_var(name, value)).await;
        assert_eq!(e.kind, StoreErrorKind::Denied, "{e}");
        assert!(!e.to_string().contains("secret"), "{e}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_at_the_start() {
    let mut server = S3Server::start();
    server.kill();
    let e = refused("s3://archive", &server.options()).await;
    assert!(e.is_transient(), "{e}");
    assert!(e.to_string().contains("is the service running"), "{e}");
    // Who goes on all the same finds it there later.
    let store = connect("s3://archive", &server.options()).await.unwrap();
    assert!(store.check().await.unwrap_err().is_transient());
    server.revive();
    store.check().await.unwrap();
}

#[tokio::test]
async fn folders_that_cannot_be_written_are_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let e = refused(file.to_str().unwrap(), &StoreOptions::default()).await;
    assert!(e.to_string().contains("a file"), "{e}");
    for url in [
        "gopher://x",
        "s3://",
        "s3://a",
        "s3://a b c/x",
        "s3://good/../up",
        "",
    ] {
        let e = refused(url, &StoreOptions::default()).await;
        assert_eq!(e.kind, StoreErrorKind::Invalid, "{e}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_lead_to_the_server() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let (credentials, config) = (dir.path().join("credentials"), dir.path().join("config"));
    std::fs::write(
        &credentials,
        "[default]\naws_access_key_id=no\naws_secret_access_key=no\n\
         [studio]\naws_access_key_id=ours\naws_secret_access_key=secret\n",
    )
    .unwrap();
    let text = format!(
        "[profile studio]\nregion=us-east-1\nendpoint_url={}\n",
        server.endpoint()
    );
    std::fs::write(&config, text).unwrap();
    let files = StoreOptions::default()
        .with_var("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap())
        .with_var("AWS_CONFIG_FILE", config.to_str().unwrap());
    open(
        "s3://archive",
        &files.clone().with_var("AWS_PROFILE", "studio"),
    )
    .await
    .unwrap();
    let mut named = files.clone();
    named.profile = Some("studio".into());
    open("s3://archive", &named).await.unwrap();
    let e = refused("s3://archive", &files.with_var("AWS_PROFILE", "other")).await;
    assert!(e.to_string().contains("profile other"), "{e}");
}

#[tokio::test]
async fn segments_come_from_stores_of_ones_own_client() {
    let client = std::sync::Arc::new(object_store::memory::InMemory::new());
    let store = ObjectSegmentStore::new(client, "a/b".into(), "mine");
    assert_eq!(store.to_string(), "mine");
    let key: SegmentKey = "x/1.raw".parse().unwrap();
    let e = store.get(&key).await.unwrap_err();
    assert_eq!(e.kind, StoreErrorKind::NotFound);
    assert!(
        e.to_string().starts_with("mine: not found: a/b/x/1.raw"),
        "{e}"
    );
}
