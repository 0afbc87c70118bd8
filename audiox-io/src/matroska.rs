//! The audio of Matroska and WebM files (RFC 9559), packet by packet.
//!
//! [`MatroskaReader`] yields the packets of the first audio track that is read here, with their places in
//! frames; [`MatroskaOpus`] makes [`OpusPackets`](crate::opus::OpusPackets) of a track of Opus.
//!
//! # Recordings of browsers
//! What a browser's MediaRecorder writes has no length, no index, and a segment and clusters of
//! unknown size; it ends anywhere, and another recording may follow in the same bytes. Elements are
//! therefore taken as they come: segments and clusters are entered, whatever size they claim, and a
//! recording ends where its bytes do. The file is read through once, packet header by packet header,
//! when it is opened: so its length is that of the packets that are there, and any frame can be found again.
//!
//! # Time
//! Lengths are those that packets state themselves. Block times, which are rounded to
//! milliseconds and follow a recorder's clock, only tell where packets are missing: where they leap ahead by more
//! than 60 ms. Slower drift is followed.
//!
//! # Damage
//! Where an element cannot be, the next cluster is searched for; what lies between is a hole in the time, as
//! far as block times tell.
//!
//! # Why an own reader
//! The crate `symphonia`, which decodes the other kinds, has a Matroska demuxer. In 0.6.1 it tells neither
//! `CodecDelay` nor `DiscardPadding` exactly, places packets by milliseconds, so that nothing can be sought to
//! the frame, and counts no length where none is stated; clusters of unknown size, all of what
//! browsers write, failed in it until lately. And Opus packets are wanted as packets, without any decoder.

mod counter;
mod ebml;
mod input;
mod opus;
mod reader;
mod timeline;
mod track;

#[cfg(feature = "compressed")]
pub(crate) use counter::{stream_info, xiph_headers};
pub use opus::MatroskaOpus;
pub use reader::{MatroskaEvent, MatroskaLink, MatroskaPacket, MatroskaReader};
pub use track::{Track, TrackCodec};
