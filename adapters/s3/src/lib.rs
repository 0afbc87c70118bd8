//! An archive of live streams in object storage or a folder.
//!
//! [`open`] turns a URL into an [`ObjectSegmentStore`], which keeps segments as they are sent and
//! an index beside them. A [`Spool`] stands before it (or any other store): it has what is live
//! on a disk before it says so, and uploads it however long that takes. [`Replay`] reads from both as
//! if they were one, [`WavExport`] makes files of what it reads, and [`sweep`] makes room.
#![forbid(unsafe_code)]

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
