//! Live audio between machines, over networks that lose, delay and reorder packets.
//!
//! A sender and a recorder, each in a line:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("heard.wav").display().to_string();
//! let recording = audiox::recv("rtp://127.0.0.1:46024?codec=L16&rate=48000&channels=1", file)
//!     .until_ended()
//!     .start()?;
//! let sending = audiox::send("tone:440,length=500ms", "rtp://127.0.0.1:46024").start()?;
//!
//! assert_eq!(sending.wait()?.packets(), 50);
//! assert_eq!(recording.wait()?.streams.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! Both work on threads of their own. Their handles tell how it goes ([`snapshot`], as often as
//! wanted), stop it ([`stop`]), and wait for its report ([`wait`]).
//!
//! The guide, in the repository's `guide/`, explains how it works, and how to embed it.
//!
//! # From here on
//!
//! | to | use |
//! | --- | --- |
//! | name sources and sinks as the command does | [`sources_from_str`], [`sink_from_str`], [`Endpoint`] |
//! | copy sources into files and pipes | [`Transfer`] |
//! | send audio of a program's own | a [`Source`] in a [`StreamSpec`] for a [`Streamer`] |
//! | hear what comes as a listener would, delay adapted and losses concealed | [`play`](play()), a [`Player`] |
//! | take received audio into a program | a [`Sink`] by [`Target::Sinks`] of a [`Node`] |
//! | relay live audio to many listeners and keep it; publish to a relay, listen to one | `relay` (feature `relay`) |
//! | open a recording in memory, whatever it is, and say how it sounds | [`sound`] |
//! | list, hear and download voice sessions in Redis | `player` (feature `player`) |
//! | compare a recording with its original, draw both | [`compare`], [`plot`] |
//! | record live audio into a voice session in Redis, list and read sessions | `session`, `redis` (feature `redis`) |
//! | try a program against a bad network in virtual time | `core::sim` (feature `sim` of audiox-core) |
//! | have a protocol without threads or sockets | [`core::sender`], [`core::receiver`] |
//!
//! ```no_run
//! use audiox::core::convert::Gain;
//! use audiox::core::format::{Channels, SampleRate, StreamFormat};
//! use audiox::io::Signal;
//! use audiox::udp::streamer::{StreamSpec, Streamer, StreamerConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
//! let tone = Signal::tone(format, 440.0, Gain::from_db(-12.0)?)?;
//! let config = StreamerConfig::new("rtp://192.0.2.7:5004?codec=L24&ptime=5".parse()?);
//! let sending = Streamer::start(config, vec![StreamSpec::new("440 Hz", tone)])?;
//! std::fs::write("session.sdp", sending.sdp().unwrap_or_default())?;
//! sending.wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `cli`, on by default, is the `audiox` command; a program that embeds the library leaves it
//!   out with `default-features = false`.
//! - `devices`, on by default, are microphones and speakers. On Linux it takes the headers of ALSA.
//! - `opus`, on by default, is the Opus codec. It builds libopus, which takes cmake and a C
//!   compiler.
//! - `grpc`, on by default, is the server of small devices, and such a device. It brings `opus`.
//! - `relay`, on by default, is the relay with its archive in a folder or on S3.
//! - `redis`, on by default, is voice sessions and live streams in Redis.
//! - `player`, on by default, is the player of voice sessions in Redis. It brings `redis`.
//! - `dred` adds to it redundancy and concealment by neural networks, and 2 MB to the program.
//!
//! [`snapshot`]: udp::streamer::StreamerHandle::snapshot
//! [`stop`]: udp::streamer::StreamerHandle::stop
//! [`wait`]: udp::streamer::StreamerHandle::wait
//! [`Source`]: core::source::Source
//! [`StreamSpec`]: udp::streamer::StreamSpec
//! [`Streamer`]: udp::streamer::Streamer
//! [`Sink`]: core::source::Sink
//! [`Target::Sinks`]: udp::node::Target::Sinks
//! [`Node`]: udp::node::Node
//! [`Player`]: udp::player::Player
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use audiox_core as core;
#[cfg(feature = "grpc")]
pub use audiox_grpc as grpc;
pub use audiox_io as io;
pub use audiox_net as net;
#[cfg(feature = "opus")]
pub use audiox_opus as opus;
#[cfg(feature = "redis")]
pub use audiox_redis as redis;
#[cfg(feature = "relay")]
pub use audiox_s3 as s3;
pub use audiox_udp as udp;
#[cfg(feature = "relay")]
pub use audiox_websocket as websocket;

pub mod codecs;
pub mod compare;
#[cfg(feature = "devices")]
pub mod device;
pub mod error;
pub mod play;
#[cfg(feature = "player")]
pub mod player;
pub mod plot;
pub mod recv;
#[cfg(feature = "relay")]
pub mod relay;
pub mod send;
#[cfg(feature = "redis")]
pub mod session;
pub mod sink;
pub mod sound;
#[cfg(feature = "grpc")]
pub mod sounds;
pub mod source;
pub mod time;
pub mod transfer;

pub use audiox_net::Endpoint;
pub use codecs::codecs;
pub use error::Error;
pub use play::{PlayBuilder, play};
pub use recv::{RecvBuilder, recv};
pub use send::{SendBuilder, send};
pub use sink::{SinkName, sink_from_str};
pub use source::{SourceOptions, sources_from_str};
pub use transfer::{Transfer, Transferred};

/// The guide's Rust, compiled as documentation examples.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../guide/embedding.md")]
    mod embedding {}
    #[doc = include_str!("../guide/jitter-buffer.md")]
    mod jitter_buffer {}
    #[doc = include_str!("../guide/drift.md")]
    mod drift {}
    #[doc = include_str!("../guide/adapters/udp-rtp.md")]
    mod udp_rtp {}
    #[doc = include_str!("../guide/adapters/many-streams.md")]
    mod many_streams {}
    #[doc = include_str!("../guide/adapters/opus.md")]
    mod opus {}
}
