//! What the spool accepted is in the store in the end, byte for byte, whatever happens meanwhile.
#![cfg(test)]

#[path = "support/s3.rs"]
mod s3;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use audiox_core::codec::EncodingName;
use audiox_core::store::{
    Coding, Fault, FaultHandle, Faulty, Gap, GapKind, MemoryStore, SegmentStore, SegmenterConfig,
    StoreErrorKind, StoredFormat, StreamId, StreamRecord, TimeRange,
};
use audiox_core::time::{MediaTime, UnixTime};
use audiox_s3::{Spool, SpoolConfig, StoreOptions, connect, open};
use bytes::Bytes;
use s3::S3Server;
use tempfile::TempDir;

/// Segments of 100 ms (8 820 bytes), and no time lost between tries.
fn quick() -> SpoolConfig {
    SpoolConfig {
        segments: SegmenterConfig {
            max_media: Duration::from_millis(100),
            ..SegmenterConfig::default()
        },
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(20),
        ..SpoolConfig::default()
    }
}

fn id() -> StreamId {
    StreamId::parse("live").unwrap()
}

fn record() -> StreamRecord {
    StreamRecord::new(id(), StoredFormat::default(), UnixTime::from_secs(1_000))
}

/// The bytes of a stream from `at` on: no stretch is like another.
fn audio(at: usize, len: usize) -> Bytes {
    (at..at + len)
        .map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// All that the store has of a stream, its index checked against it.
async fn kept(store: &dyn SegmentStore) -> Vec<u8> {
    let mut all = Vec::new();
    let mut media = 0;
    for meta in store.list(&id(), TimeRange::ALL).await.unwrap() {
        assert_eq!(meta.offset, all.len() as u64, "{}", meta.key);
        assert_eq!(meta.media_start.0, media, "{}", meta.key);
        media = meta.media_end().0;
        let data = store.get(&meta.key).await.unwrap();
        assert!(
            meta.checksum.is_some() && meta.describes(&data),
            "{}",
            meta.key
        );
        all.extend_from_slice(&data);
    }
    all
}

#[track_caller]
fn assert_same(got: &[u8], wanted: &[u8]) {
    let differ = got.iter().zip(wanted).position(|(a, b)| a != b);
    assert_eq!((differ, got.len()), (None, wanted.len()));
}

struct Setup {
    dir: TempDir,
    store: Arc<Faulty<MemoryStore>>,
    fault: FaultHandle,
}

impl Setup {
    fn new() -> Self {
        let (store, fault) = Faulty::new(MemoryStore::new());
        Self {
            dir: tempfile::tempdir().unwrap(),
            store: Arc::new(store),
            fault,
        }
    }

    async fn spool(&self, config: SpoolConfig) -> Spool {
        let store = Arc::clone(&self.store) as Arc<dyn SegmentStore>;
        Spool::open(self.dir.path(), store, config).await.unwrap()
    }

    async fn kept(&self) -> Vec<u8> {
        kept(self.store.inner()).await
    }

    /// Names in the spool's folder of the stream.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("live"));
        let entries = entries.into_iter().flatten();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

async fn append(spool: &Spool, range: std::ops::Range<usize>) {
    for at in range.clone().step_by(2_048) {
        let len = 2_048.min(range.end - at);
        let first = spool.append(&id(), audio(at, len)).await.unwrap();
        assert_eq!(first, MediaTime(at as i64 / 2));
    }
}

#[tokio::test]
async fn what_is_appended_arrives_in_order_through_a_store_that_often_fails() {
    let setup = Setup::new();
    setup.fault.set(Fault::Sometimes {
        percent: 40,
        seed: 1,
    });
    let spool = setup.spool(quick()).await;
    let mut stored = spool.stored();
    spool.begin(record()).await.unwrap();
    append(&spool, 0..500_001).await;
    let ended = spool.end(&id()).await.unwrap();
    assert!(ended.ended.is_some());
    spool.flush().await;
    assert_same(&setup.kept().await, &audio(0, 500_001));
    assert_eq!(setup.store.inner().stream(&id()).await.unwrap(), ended);

    let listed = setup.store.inner().list(&id(), TimeRange::ALL).await;
    for meta in listed.unwrap() {
        assert_eq!(stored.recv().await.unwrap(), meta);
    }
    let stats = spool.stats();
    assert_eq!((stats.stored_segments, stats.stored_bytes), (57, 500_001));
    assert_eq!((stats.disk_bytes, stats.waiting_segments), (0, 0));
    assert!(stats.retries > 10 && stats.last_error.is_none());
    assert!(!setup.dir.path().join("live").exists());
    let e = spool.append(&id(), audio(0, 2)).await.unwrap_err();
    assert_eq!(e.kind, StoreErrorKind::NotFound);
}

#[tokio::test]
async fn time_alone_closes_a_segment() {
    let setup = Setup::new();
    let mut config = quick();
    config.segments.max_elapsed = Duration::from_millis(100);
    let spool = setup.spool(config).await;
    let mut stored = spool.stored();
    spool.begin(record()).await.unwrap();
    append(&spool, 0..100).await;
    // Announced without another append.
    let meta = stored.recv().await.unwrap();
    assert_eq!((meta.bytes, meta.frames), (100, 50));
}

#[tokio::test]
async fn a_store_that_hangs_delays_nothing_and_what_waits_can_be_read() {
    let setup = Setup::new();
    setup.fault.set(Fault::Hangs);
    let spool = setup.spool(quick()).await;
    spool.begin(record()).await.unwrap();
    append(&spool, 0..100_000).await;
    let stats = spool.stats();
    assert_eq!((stats.waiting_segments, stats.disk_bytes), (11, 100_000));
    assert!(stats.oldest_waiting.is_some());

    let mut all = Vec::new();
    let waiting = spool.waiting(&id()).await;
    for meta in &waiting {
        let data = spool.get(&meta.key).await.unwrap();
        assert_eq!(data.len() as u64, meta.bytes);
        all.extend_from_slice(&data);
    }
    assert_same(&all, &audio(0, 100_000));
    let open: Vec<_> = waiting.iter().map(|m| m.checksum.is_none()).collect();
    assert!(open[11] && !open[10]);

    setup.fault.set(Fault::None);
    spool.flush().await;
    assert_eq!(spool.waiting(&id()).await.len(), 1);
    let e = spool.get(&waiting[0].key).await.unwrap_err();
    assert_eq!(e.kind, StoreErrorKind::NotFound);
    spool.end(&id()).await.unwrap();
    spool.flush().await;
    assert_same(&setup.kept().await, &audio(0, 100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_that_dies_and_comes_back_has_everything() {
    let mut server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open("s3://archive", &server.options()).await.unwrap());
    let spool = Spool::open(dir.path(), store.clone(), quick())
        .await
        .unwrap();
    let mut stored = spool.stored();
    spool.begin(record()).await.unwrap();
    append(&spool, 0..60_000).await;
    for _ in 0..3 {
        stored.recv().await.unwrap();
    }
    // In the middle of an upload, as like as not.
    server.kill();
    append(&spool, 60_000..200_000).await;
    while spool.stats().last_error.is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(spool.stats().waiting_segments >= 15);
    server.revive();
    append(&spool, 200_000..210_000).await;
    spool.end(&id()).await.unwrap();
    spool.flush().await;
    assert_same(&kept(&*store).await, &audio(0, 210_000));
    // The objects are the bytes and nothing else, for whoever reads the bucket.
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(server.bucket().join("live")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "raw") {
            objects.push(path);
        }
    }
    objects.sort();
    let raw: Vec<u8> = objects
        .iter()
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    assert_same(&raw, &audio(0, 210_000));
}

#[tokio::test]
async fn a_restart_finds_what_waits_and_goes_on_with_what_was_live() {
    let setup = Setup::new();
    setup.fault.set(Fault::Fails(StoreErrorKind::Denied));
    let spool = setup.spool(quick()).await;
    spool.begin(record()).await.unwrap();
    append(&spool, 0..50_001).await;
    let done = StreamId::parse("done").unwrap();
    let other = StreamRecord::new(done.clone(), StoredFormat::default(), UnixTime::EPOCH);
    spool.begin(other).await.unwrap();
    spool.append(&done, audio(7, 30)).await.unwrap();
    let ended = spool.end(&done).await.unwrap();
    let text = spool.stats().last_error;
    assert!(text.is_none_or(|e| e.contains("denied")));
    spool.close().await;

    // Several times, with nothing in between.
    for _ in 0..2 {
        let spool = setup.spool(quick()).await;
        assert_eq!(spool.interrupted(), [record()]);
        spool.close().await;
    }
    setup.fault.set(Fault::None);
    let spool = setup.spool(quick()).await;
    // Known from the start, whether or not the store can be asked.
    assert_eq!(spool.records(), [ended.clone(), record()]);
    spool.flush().await;
    assert_eq!(spool.records(), [record()]);
    assert_eq!(setup.store.inner().stream(&done).await.unwrap(), ended);
    let listed = setup.store.inner().list(&done, TimeRange::ALL).await;
    let key = &listed.unwrap()[0].key;
    assert_same(&setup.store.inner().get(key).await.unwrap(), &audio(7, 30));
    assert_same(&setup.kept().await, &audio(0, 50_001));
    // The newest entry alone stays, to go on by.
    assert_eq!(setup.files().len(), 2);
    spool.close().await;

    let spool = setup.spool(quick()).await;
    let e = spool.begin(record()).await.unwrap_err();
    assert_eq!(e.kind, StoreErrorKind::AlreadyExists);
    assert_eq!(spool.resume(&id()).await.unwrap(), record());
    assert!(spool.interrupted().is_empty());
    append(&spool, 50_001..80_000).await;
    spool.close().await;

    // This time it is not resumed: it ended with its last byte.
    let spool = setup.spool(quick()).await;
    let ended = spool.end(&id()).await.unwrap();
    assert!(ended.ended.unwrap() > UnixTime::from_secs(1_700_000_000));
    spool.flush().await;
    assert_same(&setup.kept().await, &audio(0, 80_000));
    assert_eq!(setup.store.inner().stream(&id()).await.unwrap(), ended);
    assert!(setup.files().is_empty());
}

#[tokio::test]
async fn a_folder_has_one_spool() {
    let setup = Setup::new();
    let spool = setup.spool(quick()).await;
    let store = Arc::clone(&setup.store) as Arc<dyn SegmentStore>;
    let e = Spool::open(setup.dir.path(), store, quick())
        .await
        .unwrap_err();
    assert!(e.to_string().contains("another process"), "{e}");
    spool.close().await;
    setup.spool(quick()).await.close().await;
}

#[tokio::test]
async fn a_full_disk_is_stood_in_for_by_memory_and_then_refused_whole() {
    let setup = Setup::new();
    setup.fault.set(Fault::Hangs);
    let config = SpoolConfig {
        disk_limit: Some(20_000),
        memory_limit: 30_000,
        ..quick()
    };
    let spool = setup.spool(config).await;
    spool.begin(record()).await.unwrap();
    let mut accepted = 0;
    loop {
        match spool.append(&id(), audio(accepted, 1_000)).await {
            Ok(_) => accepted += 1_000,
            Err(e) => {
                assert_eq!(e.kind, StoreErrorKind::Full);
                break;
            }
        }
    }
    assert!((45_000..=50_000).contains(&accepted), "{accepted}");
    // What does not fit as a whole leaves nothing behind, however many segments it would be.
    let before = spool.stats();
    let e = spool
        .append(&id(), audio(accepted, 40_000))
        .await
        .unwrap_err();
    assert_eq!(e.kind, StoreErrorKind::Full);
    let after = spool.stats();
    assert_eq!(
        (before.disk_bytes, before.memory_bytes),
        (after.disk_bytes, after.memory_bytes)
    );
    assert_eq!((after.refused, after.refused_bytes), (2, 41_000));
    assert!(after.disk_errors > 0);

    setup.fault.set(Fault::None);
    spool.flush().await;
    append(&spool, accepted..accepted + 40_000).await;
    spool.end(&id()).await.unwrap();
    spool.flush().await;
    assert_same(&setup.kept().await, &audio(0, accepted + 40_000));
    let stats = spool.stats();
    assert_eq!((stats.disk_bytes, stats.memory_bytes), (0, 0));
}

#[tokio::test]
async fn without_memory_a_full_disk_refuses_and_a_crash_loses_nothing() {
    let setup = Setup::new();
    setup.fault.set(Fault::Hangs);
    let config = SpoolConfig {
        disk_limit: Some(12_345),
        memory_limit: 0,
        ..quick()
    };
    let spool = setup.spool(config).await;
    spool.begin(record()).await.unwrap();
    let mut accepted = 0;
    while spool.append(&id(), audio(accepted, 100)).await.is_ok() {
        accepted += 100;
    }
    assert_eq!(accepted, 12_300);
    spool.close().await;
    setup.fault.set(Fault::None);
    let spool = setup.spool(quick()).await;
    spool.flush().await;
    assert_same(&setup.kept().await, &audio(0, accepted));
}

#[tokio::test]
async fn made_up_audio_and_packets_keep_their_entries_over_a_restart() {
    let setup = Setup::new();
    setup.fault.set(Fault::Hangs);
    let spool = setup.spool(SpoolConfig::default()).await;
    spool.begin(record()).await.unwrap();
    append(&spool, 0..1_000).await;
    let silence = Bytes::from_static(&[0; 200]);
    let kind = Some(GapKind::Concealed);
    spool.append_frames(&id(), silence, 0, kind).await.unwrap();
    let packets = StreamId::parse("packets").unwrap();
    let mut other = StreamRecord::new(packets.clone(), StoredFormat::default(), UnixTime::EPOCH);
    other.format.coding = Coding::Codec(EncodingName::OPUS);
    spool.begin(other).await.unwrap();
    for i in 0..5 {
        let packet = audio(i * 33, 33);
        let at = spool.append_frames(&packets, packet, 960, None).await;
        assert_eq!(at.unwrap(), MediaTime(960 * i as i64));
    }
    // As a crash would leave it: nothing was closed.
    let left = tempfile::tempdir().unwrap();
    copy(setup.dir.path(), left.path());
    let store: Arc<dyn SegmentStore> = Arc::new(MemoryStore::new());
    let after = Spool::open(left.path(), Arc::clone(&store), quick())
        .await
        .unwrap();
    after.flush().await;
    let metas = store.list(&id(), TimeRange::ALL).await.unwrap();
    let gap = Gap {
        at: MediaTime(500),
        frames: 100,
        kind: GapKind::Concealed,
    };
    assert_eq!((metas[0].frames, &metas[0].gaps), (600, &vec![gap]));
    let metas = store.list(&packets, TimeRange::ALL).await.unwrap();
    assert_eq!((metas[0].frames, metas[0].bytes), (4_800, 165));
    assert_same(&store.get(&metas[0].key).await.unwrap(), &audio(0, 165));
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[tokio::test]
async fn rubbish_in_the_folder_stops_nobody() {
    let setup = Setup::new();
    setup.fault.set(Fault::Hangs);
    let spool = setup.spool(quick()).await;
    spool.begin(record()).await.unwrap();
    append(&spool, 0..20_000).await;
    spool.close().await;
    let live = setup.dir.path().join("live");
    let mut raws: Vec<_> = std::fs::read_dir(&live)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "raw"))
        .collect();
    raws.sort();
    // An entry that a dying disk has emptied, one half-written, and what belongs to nobody.
    std::fs::write(raws[1].with_extension("json"), "").unwrap();
    std::fs::write(raws[2].with_extension("tmp"), "{").unwrap();
    std::fs::write(live.join("notes.txt"), "x").unwrap();
    std::fs::write(live.join("12.raw"), "").unwrap();
    std::fs::create_dir(setup.dir.path().join("half")).unwrap();
    std::fs::create_dir(setup.dir.path().join("bad")).unwrap();
    std::fs::write(setup.dir.path().join("bad/stream.json"), "null").unwrap();
    std::fs::write(setup.dir.path().join("a file"), "").unwrap();

    setup.fault.set(Fault::None);
    let spool = setup.spool(quick()).await;
    assert_eq!(spool.interrupted().len(), 1);
    spool.flush().await;
    assert_same(&setup.kept().await, &audio(0, 20_000));
    assert!(setup.dir.path().join("bad/stream.json").exists());
}

#[tokio::test]
async fn a_stream_removed_from_the_store_while_it_is_live_comes_back() {
    let setup = Setup::new();
    let spool = setup.spool(quick()).await;
    spool.begin(record()).await.unwrap();
    append(&spool, 0..9_000).await;
    spool.flush().await;
    setup.store.inner().delete_stream(&id()).await.unwrap();
    append(&spool, 9_000..20_000).await;
    spool.end(&id()).await.unwrap();
    spool.flush().await;
    let metas = setup.store.inner().list(&id(), TimeRange::ALL).await;
    assert_eq!(metas.unwrap()[0].offset, 8_820);
}

#[tokio::test]
async fn settings_out_of_range_are_refused_by_name() {
    let setup = Setup::new();
    let good = quick();
    let uploads = SpoolConfig { uploads: 0, ..good };
    let retry_max = Duration::ZERO;
    let retries = SpoolConfig { retry_max, ..good };
    for (config, field) in [(uploads, "uploads"), (retries, "retry_min")] {
        let store = Arc::clone(&setup.store) as Arc<dyn SegmentStore>;
        let e = Spool::open(setup.dir.path(), store, config)
            .await
            .unwrap_err();
        assert!(e.to_string().contains(field), "{e}");
    }
}

/// Not a test by itself: what the tests below run in a process of its own.
#[test]
fn child() {
    let Some((what, dir)) = env::var("AUDIOX_CHILD").ok().and_then(|v| {
        let (what, dir) = v.split_once(' ')?;
        Some((what.to_owned(), dir.to_owned()))
    }) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async move {
        match what.as_str() {
            "stream" => stream_until_killed(Path::new(&dir)).await,
            "small-files" => fill_files(Path::new(&dir)).await,
            other => panic!("{other}"),
        }
    });
}

/// Starts this program again as `child`, by way of `shell` where one is given.
fn spawn_child(what: &str, dir: &Path, limits: Option<&str>) -> Child {
    let program = env::current_exe().unwrap();
    let args = ["--exact", "child", "--nocapture"];
    let mut command = match limits {
        None => Command::new(program),
        Some(limits) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\""));
            shell.arg(program);
            shell
        }
    };
    command
        .args(args)
        .env("AUDIOX_CHILD", format!("{what} {}", dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Appends for ever, and prints how much was accepted after each time.
async fn stream_until_killed(dir: &Path) {
    let (path, options) = (dir.join("store"), StoreOptions::default());
    let store = connect(path.to_str().unwrap(), &options);
    let (store, fault) = Faulty::new(store.await.unwrap());
    if dir.join("down").exists() {
        fault.set(Fault::Fails(StoreErrorKind::Transient));
    }
    let store = Arc::new(store);
    let spool = Spool::open(dir.join("spool"), store, quick())
        .await
        .unwrap();
    let mut at = match spool.interrupted().is_empty() {
        true => {
            spool.begin(record()).await.unwrap();
            0
        }
        false => {
            spool.resume(&id()).await.unwrap();
            // Where it goes on, its sender learns from the first answer.
            let at = spool.append(&id(), Bytes::new()).await.unwrap();
            at.0 as usize * 2
        }
    };
    println!("\naccepted {at}");
    loop {
        spool.append(&id(), audio(at, 1_024)).await.unwrap();
        at += 1_024;
        println!("accepted {at}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn kill_9_loses_nothing_that_was_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..6 {
        // Every other time while the store is away as well.
        let down = dir.path().join("down");
        match round % 2 {
            0 => drop(std::fs::remove_file(down)),
            _ => std::fs::write(down, "").unwrap(),
        }
        let mut child = spawn_child("stream", dir.path(), None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut accepted = || loop {
            let line = lines.next().unwrap().unwrap();
            if let Some(n) = line.strip_prefix("accepted ") {
                break n.parse::<usize>().unwrap();
            }
        };
        let first = accepted();
        assert!(first >= last, "round {round}: {first} of {last}");
        last = first;
        // At other places in a segment each time, and with some on their way to the store.
        for _ in 0..20 + 37 * round {
            last = accepted();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died.
        while let Some(Ok(line)) = lines.next() {
            if let Some(n) = line.strip_prefix("accepted ").and_then(|n| n.parse().ok()) {
                last = n;
            }
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let path = dir.path().join("store");
        let store = open(path.to_str().unwrap(), &StoreOptions::default()).await;
        let store = Arc::new(store.unwrap());
        let folder = dir.path().join("spool");
        let spool = Spool::open(folder, store.clone(), quick()).await.unwrap();
        assert_eq!(spool.interrupted(), [record()]);
        spool.end(&id()).await.unwrap();
        spool.flush().await;
        let all = kept(&*store).await;
        assert!(all.len() >= last && all.len() <= last + 1_024, "{last}");
        assert_same(&all, &audio(0, all.len()));
        let ended = store.stream(&id()).await.unwrap();
        assert!(ended.ended.is_some());
    });
}

/// A disk that takes the first bytes of a file and no more.
async fn fill_files(dir: &Path) {
    let store = Arc::new(MemoryStore::new());
    let spool = Spool::open(dir, store.clone(), quick()).await.unwrap();
    spool.begin(record()).await.unwrap();
    append(&spool, 0..200_000).await;
    spool.end(&id()).await.unwrap();
    spool.flush().await;
    assert_same(&kept(&*store).await, &audio(0, 200_000));
    let stats = spool.stats();
    println!("\nerrors {}", stats.disk_errors);
}

#[cfg(unix)]
#[test]
fn a_disk_that_fails_in_the_middle_of_a_write_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Blocks of 512 bytes: segments of 8 820 do not fit into a file.
    let limits = "trap '' XFSZ; ulimit -f 9";
    let child = spawn_child("small-files", dir.path(), Some(limits));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let errors = said.lines().find_map(|l| l.strip_prefix("errors "));
    assert!(errors.unwrap().parse::<u64>().unwrap() >= 22, "{said}");
}
