//! What is read again is what was sent, from anywhere, over every seam; what is to go goes.
#![cfg(test)]

#[path = "support/s3.rs"]
mod s3;

use std::env;
use std::io::Cursor;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::codec::EncodingName;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::Source;
use audiox_core::store::{
    Coding, Crc32, Fault, Faulty, MemoryStore, Retention, SegmentKey, SegmentMeta, SegmentStore,
    SegmenterConfig, StoreErrorKind, StoredFormat, StreamId, StreamRecord, TimeRange,
};
use audiox_core::time::{MediaTime, UnixTime};
use audiox_io::wav::WavSource;
use audiox_s3::{
    ObjectSegmentStore, Replay, RetentionPolicy, Spool, SpoolConfig, StoreOptions, WavExport, open,
    sweep,
};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use s3::S3Server;

fn quick() -> SpoolConfig {
    SpoolConfig {
        segments: SegmenterConfig {
            max_media: Duration::from_millis(100),
            ..SegmenterConfig::default()
        },
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(5),
        ..SpoolConfig::default()
    }
}

fn id() -> StreamId {
    StreamId::parse("live").unwrap()
}

fn record(format: StoredFormat) -> StreamRecord {
    StreamRecord::new(id(), format, UnixTime::from_secs(1_000))
}

/// Three channels of two bytes: frames of six.
fn wide(pcm: &str) -> StoredFormat {
    let stream = StreamFormat::new(SampleRate::HZ_8000, Channels::new(3).unwrap());
    StoredFormat::pcm(stream, pcm.parse().unwrap())
}

fn audio(at: usize, len: usize) -> Bytes {
    (at..at + len)
        .map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn range(from: i64, to: i64) -> TimeRange {
    TimeRange::new(MediaTime(from), MediaTime(to))
}

/// Everything up to the end of what there is now; pieces must join.
async fn rest(replay: &mut Replay) -> Vec<u8> {
    let mut all = Vec::new();
    let frame = replay.format().frame_bytes().unwrap();
    let start = replay.position();
    while let Some(piece) = replay.next().await.unwrap() {
        assert_eq!(piece.at, start + (all.len() / frame) as i64);
        all.extend_from_slice(&piece.data);
    }
    all
}

#[track_caller]
fn assert_same(got: &[u8], wanted: &[u8]) {
    let differ = got.iter().zip(wanted).position(|(a, b)| a != b);
    assert_eq!((differ, got.len()), (None, wanted.len()));
}

/// A store with `len` bytes in segments of 800 frames, some of which end inside a frame.
async fn filled(format: StoredFormat, len: usize) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let dir = tempfile::tempdir().unwrap();
    let mut at = 0;
    while at < len {
        // The end of a process closes a segment wherever it is.
        let spool = Spool::open(dir.path(), store.clone(), quick())
            .await
            .unwrap();
        match at {
            0 => spool.begin(record(format.clone())).await.unwrap(),
            _ => drop(spool.resume(&id()).await.unwrap()),
        }
        let part = 20_011.min(len - at);
        for piece in audio(at, part).chunks(1_000) {
            let piece = Bytes::copy_from_slice(piece);
            spool.append(&id(), piece).await.unwrap();
        }
        at += part;
        if at == len {
            spool.end(&id()).await.unwrap();
        }
        spool.flush().await;
        spool.close().await;
        let spool = Spool::open(dir.path(), store.clone(), quick())
            .await
            .unwrap();
        spool.flush().await;
        spool.close().await;
    }
    store
}

#[tokio::test]
async fn any_range_is_what_was_sent() {
    let store = filled(wide("s16le"), 100_003).await;
    let sent = audio(0, 100_003);
    let frames = 100_003 / 6;
    for (from, to) in [
        (0, i64::MAX),
        (0, 1),
        (799, 801),
        (3_335, 3_336),
        (3_336, 3_337),
        (3_334, 9_000),
        (frames - 1, frames),
        (frames, i64::MAX),
        (frames + 1, i64::MAX),
        (5, 5),
        (-3, 2),
    ] {
        let replay = Replay::open(store.clone(), None, &id(), range(from, to)).await;
        let mut replay = replay.unwrap();
        let start = (from.max(0) as usize * 6).min(sent.len());
        let end = usize::try_from(to)
            .unwrap()
            .saturating_mul(6)
            .min(sent.len());
        assert_same(&rest(&mut replay).await, &sent[start..end.max(start)]);
        let stats = replay.stats();
        assert_eq!(
            (stats.damaged, stats.missing_bytes),
            (0, 0),
            "{from} to {to}"
        );
    }
}

#[tokio::test]
async fn a_live_stream_is_read_to_its_last_byte_while_segments_move_into_the_store() {
    let (store, fault) = Faulty::new(MemoryStore::new());
    let store: Arc<dyn SegmentStore> = Arc::new(store);
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), store.clone(), quick())
        .await
        .unwrap();
    spool.begin(record(wide("s16le"))).await.unwrap();
    spool.append(&id(), audio(0, 10_000)).await.unwrap();

    let (id, listen) = (id(), range(100, i64::MAX));
    let replay = Replay::open(store.clone(), Some(spool.clone()), &id, listen);
    let mut replay = replay.await.unwrap();
    let mut got = rest(&mut replay).await;
    assert_eq!(got.len(), 10_000 - 600);
    // Nothing new, nothing given.
    assert!(replay.next().await.unwrap().is_none());

    let mut at = 10_000;
    for step in 1..200 {
        spool.append(&id, audio(at, 7 * step)).await.unwrap();
        at += 7 * step;
        fault.set(match step % 40 {
            10 => Fault::Fails(StoreErrorKind::Full),
            20 => Fault::LosesAnswers,
            _ => Fault::None,
        });
        if step % 3 == 0 {
            // A store that is away is told, and asked again: nothing is lost by it.
            loop {
                match replay.next().await {
                    Ok(Some(piece)) => got.extend_from_slice(&piece.data),
                    Ok(None) => break,
                    Err(e) => {
                        assert!(e.is_transient(), "{e}");
                        fault.set(Fault::None);
                    }
                }
            }
            assert_same(&got, &audio(600, at - 600));
        }
    }
    fault.set(Fault::None);
    spool.end(&id).await.unwrap();
    spool.flush().await;
    got.extend(rest_of(&mut replay).await);
    assert_same(&got, &audio(600, at - 600));
    assert_eq!(replay.stats().missing_bytes, 0);
}

/// The same without a look at where pieces begin: the first one may begin inside a frame.
async fn rest_of(replay: &mut Replay) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = replay.next().await.unwrap() {
        all.extend_from_slice(&piece.data);
    }
    all
}

/// Five seconds of 16-bit mono at 8 kHz under each key, an hour apart in media time.
async fn with_holes() -> (Arc<MemoryStore>, Vec<SegmentMeta>) {
    let store = Arc::new(MemoryStore::new());
    let stream = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    let format = StoredFormat::pcm(stream, "s16le".parse().unwrap());
    store.put_stream(&record(format)).await.unwrap();
    let mut metas = Vec::new();
    for i in 0..3u64 {
        let offset = i * 3_600 * 16_000;
        let data = audio(offset as usize, 80_000);
        let meta = SegmentMeta {
            key: SegmentKey::new(id(), 1_000 + i * 3_600),
            start: UnixTime::from_secs(1_000 + i * 3_600),
            end: UnixTime::from_secs(1_005 + i * 3_600),
            media_start: MediaTime(offset as i64 / 2),
            frames: 40_000,
            offset,
            bytes: 80_000,
            checksum: Some(Crc32::of(&data)),
            gaps: Vec::new(),
        };
        store.put(&meta, data).await.unwrap();
        metas.push(meta);
    }
    (store, metas)
}

#[tokio::test]
async fn what_is_gone_is_skipped_and_counted() {
    let (store, metas) = with_holes().await;
    let mut replay = Replay::open(store, None, &id(), range(20_000, i64::MAX))
        .await
        .unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = replay.next().await.unwrap() {
        pieces.push((piece.at, piece.data.len()));
    }
    let at = |i: usize| metas[i].media_start;
    let half = (MediaTime(20_000), 40_000);
    assert_eq!(pieces, [half, (at(1), 80_000), (at(2), 80_000)]);
    assert_eq!(replay.stats().missing_bytes, 2 * 3_595 * 16_000);
    assert_eq!(replay.stats().segments, 3);
}

#[tokio::test]
async fn bytes_that_have_changed_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().to_str().unwrap();
    let store = open(url, &StoreOptions::default()).await.unwrap();
    let (memory, metas) = with_holes().await;
    store
        .put_stream(&memory.stream(&id()).await.unwrap())
        .await
        .unwrap();
    for meta in &metas {
        let data = memory.get(&meta.key).await.unwrap();
        store.put(meta, data).await.unwrap();
    }
    let file = dir.path().join(metas[1].key.to_string());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let file = dir.path().join(metas[2].key.to_string());
    let cut = std::fs::read(&file).unwrap()[..10_000].to_vec();
    std::fs::write(&file, cut).unwrap();
    std::fs::remove_file(dir.path().join(metas[0].key.to_string())).unwrap();
    let mut replay = Replay::open(Arc::new(store), None, &id(), TimeRange::ALL)
        .await
        .unwrap();
    assert_eq!(rest_of(&mut replay).await.len(), 90_000);
    let stats = replay.stats();
    assert_eq!((stats.segments, stats.damaged), (2, 2));
    // The first one, the end of the last, and what lies between.
    let missing = 80_000 + 70_000 + 2 * 3_595 * 16_000;
    assert_eq!(stats.missing_bytes, missing);
}

#[tokio::test]
async fn packets_come_as_whole_segments() {
    let store = Arc::new(MemoryStore::new());
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), store.clone(), quick())
        .await
        .unwrap();
    let mut format = wide("s16le");
    format.coding = Coding::Codec(EncodingName::OPUS);
    spool.begin(record(format)).await.unwrap();
    for i in 0..20 {
        let packet = audio(i * 33, 33);
        let appended = spool.append_frames(&id(), packet, 160, None).await;
        assert_eq!(appended.unwrap(), MediaTime(160 * i as i64));
    }
    spool.end(&id()).await.unwrap();
    spool.flush().await;
    // Segments of 800 frames, of five packets.
    let mut replay = Replay::open(store, None, &id(), range(900, 1_700))
        .await
        .unwrap();
    let mut got = Vec::new();
    while let Some(piece) = replay.next().await.unwrap() {
        got.push((piece.at.0, piece.data));
    }
    assert_eq!(got, [(800, audio(165, 165)), (1_600, audio(330, 165))]);
}

/// Numbers that an index may claim, ours and hostile.
fn claim(random: &mut u64, most: u64) -> u64 {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let n = *random >> 33;
    match n % 5 {
        0 => 0,
        1 => n % 7,
        2 => most - n % 3,
        _ => n % 100_000,
    }
}

#[tokio::test]
async fn whatever_an_index_claims_replay_and_export_come_to_an_end() {
    let client = Arc::new(InMemory::new());
    let store = Arc::new(ObjectSegmentStore::new(
        client.clone(),
        "".into(),
        "hostile",
    ));
    store.put_stream(&record(wide("s16le"))).await.unwrap();
    let mut random = 1;
    let (mut listed, mut heard) = (0, 0);
    for _ in 0..300 {
        let (mut second, mut entries) = (0, Vec::new());
        for _ in 0..claim(&mut random, 9) % 9 {
            second += 1 + claim(&mut random, 9);
            let most = i64::MAX as u64;
            let mut next = |most| claim(&mut random, most);
            entries.push(format!(
                "{{\"second\":{second},\"start_ns\":{},\"end_ns\":1,\"media_start\":{},\"frames\":{},\
                 \"offset\":{},\"bytes\":{},\"crc32\":{}}}",
                next(u64::MAX), next(most / 2), next(most / 2), next(most), next(most), next(9),
            ));
            let data = audio(0, next(5_000) as usize % 10_000);
            let path = format!("live/{second}.raw").into();
            client.put(&path, data.into()).await.unwrap();
        }
        let page = format!("{{\"version\":1,\"segments\":[{}]}}", entries.join(","));
        client
            .put(&"live/index/0.json".into(), page.into())
            .await
            .unwrap();
        let Ok(metas) = store.list(&id(), TimeRange::ALL).await else {
            continue;
        };
        listed += metas.len();
        let (from, to) = (claim(&mut random, 1 << 62), claim(&mut random, 1 << 62));
        let (from, to) = (from as i64, to as i64);
        let mut replay = Replay::open(store.clone(), None, &id(), range(from, to))
            .await
            .unwrap();
        while let Some(piece) = replay.next().await.unwrap() {
            heard += piece.data.len();
            assert!(piece.at >= MediaTime(from) && piece.at < MediaTime(to));
        }
        // As long as it says, unless nobody could wait for that.
        let replay = Replay::open(store.clone(), None, &id(), range(from, to))
            .await
            .unwrap();
        if let Ok(mut export) = WavExport::open(replay).await
            && export.len() < 1 << 20
        {
            let mut len = 0;
            while let Some(data) = export.next().await.unwrap() {
                len += data.len() as u64;
            }
            assert_eq!(len, export.len());
        }
    }
    assert!(listed > 300 && heard > 100_000, "{listed} {heard}");
}

async fn exported(replay: Replay) -> Vec<u8> {
    let mut export = WavExport::open(replay).await.unwrap();
    let (len, mut file) = (export.len(), Vec::new());
    while let Some(data) = export.next().await.unwrap() {
        file.extend_from_slice(&data);
    }
    assert_eq!(file.len() as u64, len);
    file
}

#[tokio::test]
async fn a_wav_export_is_the_stream_in_a_file_of_true_length() {
    for pcm in ["s16le", "s16be", "u8"] {
        let store = filled(wide(pcm), 50_001).await;
        let ranges = [(0, i64::MAX), (801, 2_000), (3_335, 3_338)];
        for (from, to) in ranges {
            let replay = Replay::open(store.clone(), None, &id(), range(from, to)).await;
            let file = exported(replay.unwrap()).await;
            let mut wav = WavSource::new(Cursor::new(file), "export").unwrap();
            assert!(wav.notices().is_empty());
            let frame = wide(pcm).frame_bytes().unwrap();
            let end = (50_001 / frame).min(usize::try_from(to).unwrap());
            let mut wanted = audio(from as usize * frame, (end - from as usize) * frame).to_vec();
            if pcm == "s16be" {
                wanted.chunks_exact_mut(2).for_each(<[u8]>::reverse);
            }
            assert_eq!(wav.frames(), (end - from as usize) as u64);
            let mut got = vec![0; wanted.len()];
            let mut n = 0;
            while n < got.len() {
                n += wav.read_native(&mut got[n..]).unwrap();
            }
            assert_same(&got, &wanted);
        }
    }
}

#[tokio::test]
async fn a_wav_export_keeps_time_over_what_is_gone() {
    let (store, metas) = with_holes().await;
    let replay = Replay::open(store, None, &id(), TimeRange::ALL)
        .await
        .unwrap();
    let file = exported(replay).await;
    let data = &file[128..];
    assert_eq!(data.len(), 2 * 3_600 * 16_000 + 80_000);
    for meta in &metas {
        let at = meta.offset as usize;
        assert_same(&data[at..at + 80_000], &audio(at, 80_000));
    }
    assert!(data[80_000..3_600 * 16_000].iter().all(|b| *b == 0));
}

#[tokio::test]
async fn what_is_no_pcm_or_not_there_is_no_wav() {
    let store = Arc::new(MemoryStore::new());
    let e = Replay::open(store.clone(), None, &id(), TimeRange::ALL).await;
    assert_eq!(e.unwrap_err().kind, StoreErrorKind::NotFound);
    for (coding, kind) in [
        (Coding::Codec(EncodingName::OPUS), StoreErrorKind::Invalid),
        (wide("s16le").coding, StoreErrorKind::NotFound),
    ] {
        let format = StoredFormat {
            coding,
            ..wide("u8")
        };
        store.put_stream(&record(format)).await.unwrap();
        let replay = Replay::open(store.clone(), None, &id(), TimeRange::ALL).await;
        let e = WavExport::open(replay.unwrap()).await.unwrap_err();
        assert_eq!(e.kind, kind, "{e}");
    }
}

#[tokio::test]
async fn what_is_old_or_too_much_goes() {
    let day = Duration::from_secs(86_400);
    let hours = |n: u64| UnixTime::from_secs(1_005 + n * 3_600);
    let sweep_with = async |store: &MemoryStore, streams: Retention, total, now| {
        let policy = RetentionPolicy {
            streams,
            max_total_bytes: total,
        };
        let swept = sweep(store, &policy, now).await.unwrap();
        let left = store.list(&id(), TimeRange::ALL).await;
        (swept.segments, swept.streams, left.map_or(99, |l| l.len()))
    };
    let aged = |age| Retention {
        max_age: Some(age),
        max_bytes: None,
    };
    let sized = |bytes| Retention {
        max_age: None,
        max_bytes: Some(bytes),
    };
    let (store, _) = with_holes().await;
    let keep = sweep_with(&store, Retention::FOR_GOOD, None, hours(10_000)).await;
    assert_eq!(keep, (0, 0, 3));
    assert_eq!(
        sweep_with(&store, aged(day), None, hours(24)).await,
        (0, 0, 3)
    );
    assert_eq!(
        sweep_with(&store, aged(day), None, hours(25)).await,
        (1, 0, 2)
    );
    assert_eq!(
        sweep_with(&store, sized(160_000), None, hours(25)).await,
        (0, 0, 2)
    );
    assert_eq!(
        sweep_with(&store, sized(159_999), None, hours(25)).await,
        (1, 0, 1)
    );
    // A live stream stays without segments; an ended one goes.
    assert_eq!(
        sweep_with(&store, sized(0), None, hours(25)).await,
        (1, 0, 0)
    );
    let (store, _) = with_holes().await;
    let mut ended = store.stream(&id()).await.unwrap();
    ended.ended = Some(hours(3));
    store.put_stream(&ended).await.unwrap();
    assert_eq!(
        sweep_with(&store, Retention::FOR_GOOD, Some(100_000), hours(3)).await,
        (2, 0, 1)
    );
    assert_eq!(
        sweep_with(&store, Retention::FOR_GOOD, Some(0), hours(3)).await,
        (1, 1, 99)
    );
    // What a stream says itself goes before what holds for all.
    let (store, _) = with_holes().await;
    let mut own = store.stream(&id()).await.unwrap();
    own.retention = aged(30 * day);
    store.put_stream(&own).await.unwrap();
    assert_eq!(
        sweep_with(&store, aged(day), None, hours(100)).await,
        (0, 0, 3)
    );
}

#[test]
fn the_smallest_archiver_writes_into_a_folder_and_onto_a_server() {
    assert!(include_str!("../examples/archive.rs").lines().count() <= 42);
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/archive");
    let server = S3Server::start();
    let runs: [(&[&str], &str); 2] = [(&[], "/store"), (&["s3://archive/x"], "s3://archive/x")];
    for (args, name) in runs {
        let output = Command::new(&program)
            .args(args)
            .env("AWS_ACCESS_KEY_ID", "ours")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", server.endpoint())
            .env_remove("AWS_PROFILE")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{wrong}");
        let wanted = "88200 bytes are in ";
        assert!(said.contains(wanted) && said.contains(name), "{said}");
    }
    let streams = std::fs::read_dir(server.bucket().join("x")).unwrap();
    assert_eq!(streams.count(), 1);
}
