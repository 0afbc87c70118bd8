//! Headerless PCM: interleaved samples and nothing else in a datagram.
//!
//! There is no sequence number and no time on the wire, so both are counted here, in the order
//! of arrival. A lost datagram is therefore invisible, and one that was overtaken is heard where
//! it arrived; only starvation can be noticed. Who needs more sends RTP.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::error::{ConfigError, ParseError};
use crate::format::{Channels, PcmFormat};
use crate::time::{ExtSeq, MediaTime};

/// Gives each datagram of one headerless stream its sequence number and media time.
#[derive(Debug, Clone)]
pub struct RawFraming {
    bytes_per_frame: NonZeroUsize,
    seq: ExtSeq,
    at: MediaTime,
}

impl RawFraming {
    /// Framing for frames of `bytes_per_frame` bytes; the first datagram gets sequence number
    /// and media time 0.
    ///
    /// # Errors
    /// Zero bytes per frame.
    pub fn new(bytes_per_frame: usize) -> Result<Self, ConfigError> {
        let Some(bytes_per_frame) = NonZeroUsize::new(bytes_per_frame) else {
            return Err(ConfigError::new(
                "bytes_per_frame",
                bytes_per_frame,
                "a frame has at least one byte",
            ));
        };
        Ok(Self::with_frame(bytes_per_frame))
    }

    /// Framing for PCM of this sample format and channel count.
    pub fn for_pcm(format: PcmFormat, channels: Channels) -> Self {
        let bytes = NonZeroUsize::new(format.frame_bytes(channels));
        Self::with_frame(bytes.expect("no format has samples of zero bytes"))
    }

    /// Accounts for a datagram of `len` bytes that just arrived.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] where it does not hold a single whole frame; it is then not
    /// counted.
    #[inline]
    pub fn accept(&mut self, len: usize) -> Result<RawPacket, ParseError> {
        let frames = len / self.bytes_per_frame;
        let trailing = len % self.bytes_per_frame;
        if frames == 0 {
            return Err(ParseError::Truncated {
                expected: self.bytes_per_frame.get(),
                actual: len,
            });
        }
        let packet = RawPacket {
            seq: self.seq,
            at: self.at,
            frames,
            payload: 0..len - trailing,
            trailing,
        };
        self.seq = self.seq.next();
        self.at = self.at + i64::try_from(frames).unwrap_or(i64::MAX);
        Ok(packet)
    }

    /// Media time of the next datagram's first frame: the frames accepted so far.
    pub fn next_time(&self) -> MediaTime {
        self.at
    }

    /// Starts again at sequence number and media time 0.
    pub fn reset(&mut self) {
        *self = Self::with_frame(self.bytes_per_frame);
    }

    fn with_frame(bytes_per_frame: NonZeroUsize) -> Self {
        Self {
            bytes_per_frame,
            seq: ExtSeq::default(),
            at: MediaTime::default(),
        }
    }
}

/// What is known about a headerless datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPacket {
    /// Its place in the order of arrival.
    pub seq: ExtSeq,
    /// Frames that came before it.
    pub at: MediaTime,
    /// Whole frames in it, at least one.
    pub frames: usize,
    /// Where these frames lie.
    pub payload: Range<usize>,
    /// Bytes behind them that make no whole frame. They are not heard: not 0 means that sender
    /// and receiver disagree about the format, or that the datagram was cut.
    pub trailing: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequence_and_time_follow_from_what_arrived() {
        let mut raw = RawFraming::for_pcm(PcmFormat::S16LE, Channels::STEREO);
        let first = raw.accept(40).unwrap();
        assert_eq!((first.seq, first.at), (ExtSeq(0), MediaTime(0)));
        assert_eq!(
            (first.frames, first.payload, first.trailing),
            (10, 0..40, 0)
        );
        let last = raw.accept(4).unwrap();
        assert_eq!(
            (last.seq, last.at, last.frames),
            (ExtSeq(1), MediaTime(10), 1)
        );
        assert_eq!(raw.next_time(), MediaTime(11));
        raw.reset();
        assert_eq!(raw.accept(4).unwrap().seq, ExtSeq(0));
    }

    #[test]
    fn trailing_bytes_are_told_and_left_out() {
        let mut raw = RawFraming::new(6).unwrap();
        let packet = raw.accept(17).unwrap();
        assert_eq!(
            (packet.frames, packet.payload, packet.trailing),
            (2, 0..12, 5)
        );
        assert_eq!(raw.next_time(), MediaTime(2));
    }

    #[test]
    fn less_than_a_frame_is_refused_and_changes_nothing() {
        let mut raw = RawFraming::new(6).unwrap();
        for actual in [0, 5] {
            let expected = 6;
            assert_eq!(
                raw.accept(actual),
                Err(ParseError::Truncated { expected, actual })
            );
        }
        assert_eq!(raw.accept(6).unwrap().seq, ExtSeq(0));
        assert!(RawFraming::new(0).is_err());
    }

    proptest! {
        #[test]
        fn no_frame_is_lost_or_counted_twice(
            frame in 1usize..5_000,
            lens in proptest::collection::vec(0usize..70_000, 0..50),
        ) {
            let mut raw = RawFraming::new(frame).unwrap();
            let (mut packets, mut frames) = (0, 0);
            for len in lens {
                if let Ok(p) = raw.accept(len) {
                    prop_assert_eq!((p.seq.0, p.at.0), (packets, frames));
                    prop_assert_eq!(p.payload.len(), p.frames * frame);
                    prop_assert_eq!(p.payload.end + p.trailing, len);
                    packets += 1;
                    frames += p.frames as i64;
                } else {
                    prop_assert!(len < frame);
                }
            }
            prop_assert_eq!(raw.next_time().0, frames);
        }
    }
}
