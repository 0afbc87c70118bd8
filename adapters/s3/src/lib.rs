//! An archive of live streams in object storage or a folder.
//!
//! [`open`] turns a URL into an [`ObjectSegmentStore`], which keeps segments as they are sent and
//! an index beside them. A [`Spool`] stands before it (or any other store): it has what is live
//! on a disk before it says so, and uploads it however long that takes.
#![forbid(unsafe_code)]

mod error;
mod json;
mod open;
pub mod spool;
mod store;

pub use open::{StoreOptions, connect, open};
pub use spool::{Spool, SpoolConfig, SpoolStats};
pub use store::ObjectSegmentStore;
