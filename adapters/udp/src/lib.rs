//! Audio over UDP and RTP: paced streams out, aligned recordings in.
//!
//! [`streamer`] sends any number of sources in real time from one thread, in step with each
//! other and with streamers on other machines; [`node`] records; [`player`] plays as a
//! listener would hear it; [`fanout`] sends each channel of a source to
//! whoever wants it; [`listener`] only listens, to tell how a stream fares.
//!
//! A tenth of a second of a tone, sent and recorded on this machine:
//! ```
//! use audiox_core::convert::Gain;
//! use audiox_core::format::{Channels, SampleRate, StreamFormat};
//! use audiox_io::{NullSink, Signal};
//! use audiox_udp::node::{Listen, Node, NodeConfig, Target};
//! use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};
//!
//! let url = "rtp://127.0.0.1:0?codec=L16&rate=48000&channels=1".parse()?;
//! let sinks = Target::Sinks(Box::new(|_, format, _| Ok(Box::new(NullSink::new(format)))));
//! let mut config = NodeConfig::new(Listen::from_endpoint(&url)?, sinks);
//! config.stop_when_ended = true;
//! let recording = Node::start(config)?;
//!
//! let to = format!("rtp://{}?codec=L16", recording.local_addrs()[0]).parse()?;
//! let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
//! let tone = Signal::tone(format, 440.0, Gain::from_db(-12.0)?)?.with_length(4_800);
//! let streams = vec![StreamSpec::new("440 Hz", tone)];
//! let sent = Streamer::start(StreamerConfig::new(to), streams)?.wait()?;
//!
//! assert_eq!(sent.packets(), 10);
//! assert_eq!(recording.wait()?.streams[0].source.packets_received, 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `http` | the control API and page of the fan-out |  |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod error;
pub mod fanout;
pub mod listener;
pub mod node;
pub mod player;
mod port;
pub mod streamer;

pub use error::Error;
