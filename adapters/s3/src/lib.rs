//! An archive of live streams in object storage or a folder.
//!
//! [`open`] turns a URL into an [`ObjectSegmentStore`], which keeps segments as they are sent and
//! an index beside them. A [`Spool`] stands before it (or any other store): it has what is live
//! on a disk before it says so, and uploads it however long that takes. [`Replay`] reads from both as
//! if they were one, [`WavExport`] makes files of what it reads, and [`sweep`] makes room.
//!
//! ```
//! use std::sync::Arc;
//!
//! use audiox_core::store::{SegmentStore, StoredFormat, StreamId, StreamRecord, TimeRange};
//! use audiox_core::time::UnixTime;
//! use audiox_s3::{Replay, Spool, SpoolConfig, StoreOptions, open};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let folder = dir.path().join("store").display().to_string(); // or s3://bucket/prefix
//! let store: Arc<dyn SegmentStore> = Arc::new(open(&folder, &StoreOptions::default()).await?);
//! let spool = dir.path().join("spool");
//! let spool = Spool::open(spool, store.clone(), SpoolConfig::default()).await?;
//!
//! let id = StreamId::parse("stage")?;
//! let now = UnixTime::from(std::time::SystemTime::UNIX_EPOCH.elapsed()?);
//! spool.begin(StreamRecord::new(id.clone(), StoredFormat::default(), now)).await?;
//! spool.append(&id, vec![1; 2_048].into()).await?; // in the spool from here on
//! spool.end(&id).await?;
//! spool.flush().await; // in the store from here on
//!
//! let mut replay = Replay::open(store, None, &id, TimeRange::ALL).await?;
//! assert_eq!(replay.next().await?.expect("it was stored").data, vec![1; 2_048]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod archive;
mod error;
mod export;
mod json;
mod open;
mod replay;
mod retention;
pub mod spool;
mod store;

pub use archive::SpooledArchive;
pub use export::WavExport;
pub use open::{StoreOptions, connect, open};
pub use replay::{Piece, Replay, ReplayStats};
pub use retention::{RetentionPolicy, Swept, sweep};
pub use spool::{Spool, SpoolConfig, SpoolStats};
pub use store::ObjectSegmentStore;
