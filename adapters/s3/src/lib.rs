//! An archive of live streams in object storage or a folder.
//!
//! [`open`] turns a URL into an [`ObjectSegmentStore`], which keeps segments as they are sent and
//! an index beside them.
#![forbid(unsafe_code)]

mod error;
mod json;
mod open;
mod store;

pub use open::{StoreOptions, connect, open};
pub use store::ObjectSegmentStore;
