//! Archives a second of a tone and reads it back. With a URL (`s3://bucket/prefix` and the usual
//! `AWS_*` variables, or a folder) it goes there, else into a folder that is removed again.
#![allow(clippy::print_stdout, reason = "it shows what it does")]
use std::sync::Arc;

use audiox_core::store::{SegmentStore, StoredFormat, StreamId, StreamRecord, TimeRange};
use audiox_core::time::UnixTime;
use audiox_s3::{Replay, Spool, SpoolConfig, StoreOptions, open};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let folder = dir.path().join("store").display().to_string();
    let url = std::env::args().nth(1).unwrap_or(folder);
    let store: Arc<dyn SegmentStore> = Arc::new(open(&url, &StoreOptions::from_env()).await?);
    let config = SpoolConfig::default();
    let spool = Spool::open(dir.path().join("spool"), store.clone(), config).await?;

    // 16-bit mono at 44.1 kHz, 1 024 frames at a time, as a live sender would.
    let sine = |i| ((f64::from(i) * 0.0627).sin() * 8_000.0) as i16;
    let sent: Vec<u8> = (0..44_100).flat_map(|i| sine(i).to_le_bytes()).collect();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?;
    let id = StreamId::parse(&format!("tone-{}", now.as_nanos()))?;
    let record = StreamRecord::new(id.clone(), StoredFormat::default(), UnixTime::from(now));
    spool.begin(record).await?;
    for post in sent.chunks(2_048) {
        spool.append(&id, post.to_vec().into()).await?;
    }
    spool.end(&id).await?;
    spool.flush().await;

    let mut replay = Replay::open(store, None, &id, TimeRange::ALL).await?;
    let mut read = Vec::new();
    while let Some(piece) = replay.next().await? {
        read.extend_from_slice(&piece.data);
    }
    assert_eq!(read, sent);
    println!("{id}: {} bytes are in {url} as they were sent", read.len());
    Ok(())
}
