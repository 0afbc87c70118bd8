//! Voice sessions and live streams in Redis.
//!
//! A [`RedisTarget`] says where Redis is: a single server, one found by Sentinel, or a cluster,
//! with TLS and an ACL user where wanted. [`RedisRegistry`] is the registry of voice sessions
//! there, [`SessionWriter`] records live audio into one, and [`RedisBus`] carries live streams
//! between machines.
//!
//! # Sessions
//! Each is a hash `session:<id>` with fields of text: `authenticated` and `is_recording`
//! (`True` or `False`), `user_id`, `user_name`, `connected_at`, `authenticated_at` (seconds since
//! 1970), and `audio_buffer`, audio as base64. Sessions are kept for an hour unless told
//! otherwise. A [`SessionWriter`] adds `audio_format`, `audio_rate` and `audio_channels`.
//!
//! Lists are made by `SCAN` and of small fields alone. What is no hash is listed as broken.
//! Buffers are read and grown by scripts, of which only the new part travels; where scripts are
//! denied, by whole values.
//!
//! # The player
//! With feature `http`, `player` shows, plays and downloads sessions, over any registry.
//!
//! # Example
//! The registry here is one in memory; that of a server is made by
//! `RedisRegistry::new(&RedisTarget::parse("redis://localhost")?, RegistryConfig::default())`.
//! ```
//! use std::sync::Arc;
//!
//! use audiox_core::registry::{MemoryRegistry, SessionId, SessionRegistry};
//! use audiox_core::store::StoredFormat;
//! use audiox_redis::{SessionWriter, WriterConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry: Arc<dyn SessionRegistry> = Arc::new(MemoryRegistry::new());
//! let id: SessionId = "demo".parse()?;
//! let config = WriterConfig::new(StoredFormat::default());
//! let writer = SessionWriter::start(registry.clone(), id.clone(), config).await?;
//! writer.push(vec![0; 3_000].into())?;
//! assert_eq!(writer.finish().await?.written, 3_000);
//!
//! let session = registry.session(&id).await?;
//! assert_eq!(session.buffer_len, 4_000); // base64
//! assert!(!session.is_recording());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `http` | the session player: calls, events and a page |  |
//! | `fuzzing` | the bodies of fuzz targets, for the repository; no promise of stability | `http` |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bus;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod link;
#[cfg(feature = "http")]
pub mod player;
mod registry;
mod session_target;
mod target;
mod writer;

pub use bus::{BusConfig, RedisBus};
pub use link::LinkConfig;
pub use registry::{RedisRegistry, RegistryConfig};
pub use session_target::{Container, SessionTarget};
pub use target::RedisTarget;
pub use writer::{SessionWriter, WriterConfig, WriterStats};
