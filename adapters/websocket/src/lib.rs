//! A relay for live audio: one sender, thousands of listeners, everything kept.
//!
//! [`Relay`] is the logic: streams, who listens to them, and the [`Archive`] that keeps them;
//! [`api::app`] puts it on an HTTP server. What unmodified clients of the original speak is
//! in [`api`]; what there is beside it:
//!
//! - senders may keep one request open, or use a WebSocket (`/api/streams/<id>/ingest`);
//! - listeners may use a plain WebSocket (`/api/streams/<id>/listen`, see [`packet`]) or HTTP
//!   (`/api/streams/<id>/live.wav`, `live.ogg`), and may begin in the past and slide into the present.
//!
//! # Who waits for whom
//! A sender's bytes go to the listeners at once, and then to the archive; the sender is answered
//! when the archive has accepted them. Listeners wait for nobody: each has a bounded queue, loses
//! the oldest of what it does not take, and is told so.
//!
//! [`Archive`]: audiox_core::store::Archive
//!
//! # Example
//! ```
//! use std::sync::Arc;
//!
//! use audiox_core::store::{SegmenterConfig, StoredFormat};
//! use audiox_websocket::{MemoryArchive, Relay, RelayConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let archive = Arc::new(MemoryArchive::new(SegmenterConfig::default()));
//! let relay = Relay::new(RelayConfig::default(), archive).await?;
//! let id = relay.create(StoredFormat::default(), Some("stage".into())).await?;
//! relay.publish(&id, vec![0; 2_048].into()).await?;
//! relay.end(&id).await?;
//! assert_eq!(relay.info(&id)?.bytes, 2_048);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `client` | who publishes and who listens, without an async runtime |  |
//! | `load` | listeners by the thousand, to see what a relay carries | `client` |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod access;
pub mod api;
#[cfg(feature = "client")]
pub mod client;
mod error;
mod feed;
mod format;
#[cfg(feature = "load")]
pub mod load;
mod memory;
mod metrics;
mod ogg;
pub mod packet;
mod relay;
mod stream;
mod wav;
mod when;

pub use error::RelayError;
pub use memory::MemoryArchive;
pub use ogg::{OggEncoder, OggFactory};
pub use relay::{Relay, RelayConfig, StreamInfo};
pub use when::When;
