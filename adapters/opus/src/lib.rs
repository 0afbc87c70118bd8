//! Opus for audiox: libopus behind [`Encoder`] and [`Decoder`] of audiox-core.
//!
//! Rates 8, 12, 16, 24 and 48 kHz; mono, stereo, surround and up to 255 discrete channels;
//! packets of 2.5 to 120 ms; constant and variable bitrate; discontinuous transmission; in-band
//! error correction, and concealment by the codec that knows what it concealed.
//!
//! ```
//! use audiox_core::block::AudioRef;
//! use audiox_core::codec::{Decoder, Encoder};
//! use audiox_core::format::{Channels, SampleRate, StreamFormat};
//! use audiox_opus::{OpusConfig, OpusDecoder, OpusEncoder};
//!
//! let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
//! let mut encoder = OpusEncoder::new(&OpusConfig::default(), format, 960)?;
//! let mut decoder = OpusDecoder::new(&OpusConfig::default(), format, 5_760)?;
//!
//! let block = [0.0; 960];
//! let mut payload = vec![0; encoder.max_payload_len()];
//! let len = encoder.encode(AudioRef::new(&block, format.channels), &mut payload)?;
//! let mut heard = vec![0.0; decoder.max_frames()];
//! assert_eq!(decoder.decode(&payload[..len], &mut heard)?, 960);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With feature `dred`, also deep redundancy: a coarse copy of up to a second in each packet, out
//! of which a whole burst comes back ([`OpusConfig::history`], [`Decoder::recover`]); and
//! concealment by a neural network ([`Concealment::Deep`]).
//!
//! Ogg Opus files are decoded by [`OpusSource`] and encoded by [`OpusSink`].
//!
//! In RTP (RFC 7587) a stream is `opus/48000/2` whatever it carries, with a clock of 48 kHz;
//! [`register`] puts both names, `opus` and WebRTC's `multiopus`, into a codec registry.
//!
//! # Unsafe code
//! libopus is C. All calls to it are in one private module, `raw`, whose types cannot be called
//! wrongly; payloads are checked by safe code ([`packet`]) before they get there.
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `dred` | deep redundancy and deep concealment, 2 MB more of program |  |
//! | `fuzzing` | the bodies of fuzz targets, for the repository; no promise of stability |  |
//!
//! [`Encoder`]: audiox_core::codec::Encoder
//! [`Decoder`]: audiox_core::codec::Decoder
//! [`Decoder::recover`]: audiox_core::codec::Decoder::recover
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod decoder;
#[cfg(feature = "dred")]
mod dred;
mod encoder;
mod factory;
mod file;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod layout;
pub mod packet;
mod params;
#[allow(unsafe_code, reason = "libopus is C; this module is all that calls it")]
mod raw;

pub use config::{Application, Bitrate, Concealment, DRED, InbandFec, OpusConfig, RateControl};
pub use decoder::OpusDecoder;
pub use encoder::OpusEncoder;
pub use factory::{MULTIOPUS, OPUS, OpusFactory, register};
pub use file::{OpusSink, OpusSource};
pub use layout::Layout;
pub use params::OpusParams;
