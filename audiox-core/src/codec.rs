//! Encoders and decoders: one call a packet, behind a vtable made once.
//!
//! PCM and G.711 are here; others are registered in a [`CodecRegistry`] by their own crates.

pub mod g711;
mod payload_type;
mod pcm;
mod red;
mod registry;
mod spec;

pub use payload_type::{check_payload_type, static_payload_type};
pub use pcm::{PcmCoding, PcmDecoder, PcmEncoder};
pub use red::{RedDecoder, RedEncoder, RedFactory};
pub use registry::{CodecFactory, CodecRegistry};
pub use spec::{CodecSpec, EncodingName};

use std::time::Duration;

use crate::block::AudioRef;
use crate::format::{SampleRate, StreamFormat};
use crate::redundancy::Means;

/// Turns frames into payloads. Never allocates after construction.
pub trait Encoder: Send {
    /// Format of the frames it takes.
    fn format(&self) -> StreamFormat;

    /// Frames in a full packet.
    fn frames_per_packet(&self) -> usize;

    /// The rate of the RTP clock that its packets are stamped by: that of the frames or a
    /// multiple of it (Opus counts at 48 kHz whatever it encodes, RFC 7587 section 4.1).
    fn clock_rate(&self) -> SampleRate {
        self.format().rate
    }

    /// Bytes that a payload can take at most.
    fn max_payload_len(&self) -> usize;

    /// Encodes at most [`frames_per_packet`](Self::frames_per_packet) frames and returns the
    /// payload's length. A shorter block is the stream's last: PCM writes it short, a codec with
    /// fixed packet lengths pads it with silence. A length of 0 says that this packet need not
    /// travel: it is silence, and the receiver makes it up.
    ///
    /// # Errors
    /// The block is too long or of another channel count, or `payload` too small.
    fn encode(&mut self, input: AudioRef<'_>, payload: &mut [u8]) -> Result<usize, EncodeError>;

    /// Frames by which decoded audio is late against what was encoded.
    fn lookahead(&self) -> usize {
        0
    }

    /// The [`Means`] against loss that its payloads can hold: what the three settings below have
    /// an effect on.
    fn means(&self) -> Means {
        Means::default()
    }

    /// Which part of the packets is being lost, 0 to 1, from receivers' reports; a codec with
    /// redundancy of its own makes as much of it as that takes.
    fn set_expected_loss(&mut self, _fraction: f32) {}

    /// Adds to each payload, from the next on, a coarse copy of the audio before it, reaching back
    /// by up to `history`: as far as the codec can and its bitrate affords. Zero adds none.
    fn set_history(&mut self, _history: Duration) {}

    /// Repeats each payload in up to so many packets after it, from the next on.
    fn set_copies(&mut self, _packets: usize) {}

    /// Aims for this many bits a second, all channels together, from the next packet on. Codecs
    /// of one bitrate stay at it; others take the nearest they have.
    fn set_bitrate(&mut self, _bits_per_second: u32) {}

    /// The sender leaves `frames` out that were not encoded: the next packet begins that much
    /// later.
    fn skipped(&mut self, _frames: u64) {}

    /// Forgets the past: the next packet starts a stream. Settings stay.
    fn reset(&mut self);
}

/// Turns payloads into frames. Never allocates after construction.
pub trait Decoder: Send {
    /// Format of the frames it yields.
    fn format(&self) -> StreamFormat;

    /// The rate of the RTP clock that its packets are stamped by: that of the frames or a
    /// multiple of it.
    fn clock_rate(&self) -> SampleRate {
        self.format().rate
    }

    /// Frames that one payload can hold at most; sizes all scratch.
    fn max_frames(&self) -> usize;

    /// Frames in `payload`, without decoding it.
    ///
    /// # Errors
    /// The payload is malformed.
    fn frames_in(&self, payload: &[u8]) -> Result<usize, DecodeError>;

    /// Decodes into `out` (frames × channels, interleaved) and returns the number of frames.
    ///
    /// # Errors
    /// The payload is malformed or longer than `out`; the caller conceals and counts.
    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError>;

    /// Fills `out` with the frames *before* `next`, from redundancy inside `next`, and returns how
    /// many of them, at its end, were recovered; those before are concealed, where the codec
    /// [conceals](Self::conceals). 0 where there is no such redundancy: nothing was done then.
    ///
    /// # Errors
    /// `next` is malformed.
    fn decode_fec(&mut self, _next: &[u8], _out: &mut [f32]) -> Result<usize, DecodeError> {
        Ok(0)
    }

    /// How many frames before a payload its redundancy may reach back at most: the longest gap
    /// for which it is worth to wait for the payload behind it.
    fn max_recovery(&self) -> usize {
        0
    }

    /// As [`decode_fec`](Self::decode_fec), of a part of a gap: `out` begins `ahead` frames before
    /// `next`. The parts of a gap are recovered in their order, each when its time comes, then
    /// `next` is decoded. Codecs without a longer memory have only the part right before `next`.
    ///
    /// # Errors
    /// `next` is malformed.
    fn recover(
        &mut self,
        next: &[u8],
        ahead: usize,
        out: &mut [f32],
    ) -> Result<usize, DecodeError> {
        if ahead == out.len() / self.format().channels.get() {
            self.decode_fec(next, out)
        } else {
            Ok(0)
        }
    }

    /// The frames that [`decode_fec`](Self::decode_fec) and [`recover`](Self::recover) brought
    /// back since the decoder was made.
    fn recovered(&self) -> RecoveredFrames {
        RecoveredFrames::default()
    }

    /// Whether it has a concealment of its own.
    fn conceals(&self) -> bool {
        false
    }

    /// Conceals `out`'s whole length from the past; returns frames written, 0 where the codec
    /// has no concealment of its own.
    fn conceal(&mut self, _out: &mut [f32]) -> usize {
        0
    }

    /// Whether what [`conceal`](Self::conceal) makes of the present signal is better than its
    /// waveform continued. If not it is called all the same, so that the codec's state follows,
    /// and what it makes is not heard.
    fn conceals_better(&self) -> bool {
        true
    }

    /// Forgets the past.
    fn reset(&mut self);
}

/// Frames that redundancy inside other payloads brought back, by the means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveredFrames {
    /// By a copy of the payload (RED).
    pub copies: u64,
    /// By a coarse copy in the payload right behind it (in-band FEC).
    pub in_band: u64,
    /// By the coarse history in a payload farther behind it (DRED).
    pub history: u64,
}

impl RecoveredFrames {
    /// By all means together.
    pub fn total(&self) -> u64 {
        self.copies + self.in_band + self.history
    }
}

impl std::ops::Add for RecoveredFrames {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            copies: self.copies + other.copies,
            in_band: self.in_band + other.in_band,
            history: self.history + other.history,
        }
    }
}

/// A block could not be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// More frames than a packet holds.
    #[error("{frames} frames in a packet of at most {max}")]
    TooLong {
        /// Frames given.
        frames: usize,
        /// Frames a packet holds.
        max: usize,
    },
    /// The block's channel count is not the encoder's.
    #[error("{actual} channels where {expected} are encoded")]
    Channels {
        /// The encoder's channels.
        expected: usize,
        /// The block's channels.
        actual: usize,
    },
    /// The payload buffer is too small.
    #[error("payload buffer of {available} bytes is too small, {needed} are needed")]
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes available.
        available: usize,
    },
    /// The codec library refused, with its code.
    #[error("codec error {0}")]
    Codec(i32),
}

/// A payload could not be decoded. The stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not a payload of this codec.
    #[error("malformed payload")]
    Malformed,
    /// More frames than the output holds.
    #[error("{frames} frames do not fit the output of {max}")]
    TooLong {
        /// Frames in the payload.
        frames: usize,
        /// Frames the output holds.
        max: usize,
    },
    /// The payload is of another rate or channel count: make a new decoder.
    #[error("the payload's format changed")]
    FormatChanged,
}
