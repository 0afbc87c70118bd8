//! Live audio transport as pure state machines.
//!
//! This crate is fully deterministic. It opens no socket, file or device, starts no thread,
//! takes no lock, and never asks what time it is: the caller passes `now` in and asks for the
//! next timeout. The same calls give the same results, so a day of network trouble can be
//! replayed in seconds (feature `sim`).
//!
//! # Words
//! A *sample* is one channel's value; a *frame* is one sample per channel; a *block* is a run of
//! frames with a format and a time; a *packet* goes on the wire and carries a *payload*; a
//! *datagram* is the UDP unit; *ptime* is a packet's duration; a *quantum* is the frames of one
//! device callback. Audio in memory is `f32`, interleaved, full scale ±1.0.
//!
//! # A stream by hand
//! Ten milliseconds from a sender to a receiver; what carries the datagram is the caller's affair,
//! and so is the time.
//! ```
//! use audiox_core::block::{AudioMut, AudioRef};
//! use audiox_core::codec::{PcmCoding, PcmDecoder, PcmEncoder};
//! use audiox_core::format::{Channels, SampleRate, StreamFormat};
//! use audiox_core::ingress::{IngressFraming, Origin};
//! use audiox_core::packet::Framing;
//! use audiox_core::playout::PlayoutConfig;
//! use audiox_core::receiver::{Receiver, ReceiverConfig};
//! use audiox_core::sender::{Sender, SenderConfig};
//! use audiox_core::time::{Instant, NtpTime, RtpTimestamp, SeqNum};
//! use std::time::Duration;
//!
//! let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
//! let now = Instant::from_nanos(0);
//! let config = SenderConfig {
//!     framing: Framing::Rtp,
//!     payload_type: 96,
//!     ssrc: 7,
//!     first_seq: SeqNum(0),
//!     first_timestamp: RtpTimestamp(0),
//!     cname: "example".into(),
//!     wall: (now, NtpTime(0xe000_0000_0000_0000)),
//! };
//! let encoder = PcmEncoder::new(PcmCoding::L16, format, 480)?;
//! let mut sender = Sender::new(config, Box::new(encoder), now)?;
//! let decoder = PcmDecoder::new(PcmCoding::L16, format, 960)?;
//! let config = ReceiverConfig {
//!     playout: PlayoutConfig::exact(Duration::ZERO),
//!     ..ReceiverConfig::new(IngressFraming::Rtp(vec![(96, format.rate)]))
//! };
//! let mut receiver = Receiver::new(config, vec![(96, Box::new(decoder))], now)?;
//!
//! let mut datagram = [0; 1_500];
//! sender.push(AudioRef::new(&[0.25; 480], format.channels));
//! while let Some(t) = sender.poll_transmit(now, &mut datagram) {
//!     receiver.handle_datagram(now, Origin(0), &datagram[..t.len]);
//! }
//! let mut heard = [0.0; 480];
//! let pulled = receiver.pull(now, AudioMut::new(&mut heard, format.channels));
//! assert_eq!((pulled.decoded, pulled.concealed), (480, 0));
//! assert_eq!(heard, [0.25; 480]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `sim` | the seeded simulator of networks and clocks |  |
//! | `conformance` | suites that every implementation of a contract trait runs |  |
//! | `fuzzing` | the bodies of fuzz targets, for the repository; no promise of stability | `sim` |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod block;
pub mod bus;
pub mod codec;
pub mod conceal;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod convert;
pub mod drift;
pub mod error;
pub mod fec;
pub mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod ingress;
pub mod jitter;
pub mod pacer;
pub mod packet;
pub mod packetizer;
pub mod pitch;
pub mod playout;
pub mod pool;
pub mod receiver;
pub mod redundancy;
pub mod registry;
pub mod report;
pub mod resample;
pub mod retransmit;
pub mod sender;
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod source;
pub mod stats;
pub mod store;
pub mod stretch;
pub mod time;
pub mod trace;

pub use error::{ConfigError, ParseError, WriteError};
