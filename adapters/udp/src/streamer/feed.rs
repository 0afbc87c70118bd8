//! The next packet of one stream, made ready before it is due.

use audiox_core::block::AudioRef;
use audiox_core::codec::{Encoder, PcmCoding};
use audiox_core::convert;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::redundancy::{Means, RedundancyPlan};
use audiox_io::PrefetchReader;

use super::packets::RecordHead;
use super::plan::{StreamPlan, Wire};

/// A datagram buffer that is filled from the read-ahead ring, behind room for a header.
///
/// Nothing here allocates, locks or waits.
#[derive(Debug)]
pub(super) struct Feed {
    reader: PrefetchReader,
    format: StreamFormat,
    stored: PcmFormat,
    frames: usize,
    header: usize,
    datagram: Box<[u8]>,
    /// Stored bytes of the packet in the making, where these are not its payload already.
    bytes: Box<[u8]>,
    /// Bytes of the packet in the making that are there.
    have: usize,
    recode: Recode,
    samples: Box<[f32]>,
    /// Frames to leave out before the next packet.
    discard: u64,
    ended: bool,
}

/// From stored bytes to payload.
enum Recode {
    /// They are the same.
    Nothing,
    /// They differ in the order of each sample's bytes, so many of them.
    Swap(usize),
    Encode(Box<dyn Encoder>),
    /// They are records of packets.
    Packets,
}

/// What [`Feed::prepare`] came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Prepared {
    /// A packet stands in the buffer.
    Packet(Packet),
    /// The source was too slow: ask again.
    Starved,
    /// No more comes.
    Ended,
}

/// A payload in the buffer of a [`Feed`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Packet {
    pub(super) frames: usize,
    /// Bytes of payload; 0 where nothing need be sent.
    pub(super) len: usize,
    /// Largest magnitude of its samples; 1.0 is full scale.
    pub(super) peak: f32,
}

impl Feed {
    /// Tells the encoder that frames are left out.
    pub(super) fn skipped(&mut self, frames: u64) {
        if let Recode::Encode(encoder) = &mut self.recode {
            encoder.skipped(frames);
        }
    }

    /// Tells the encoder which share of the packets, 0 to 1, is being lost.
    pub(super) fn set_expected_loss(&mut self, share: f32) {
        if let Recode::Encode(encoder) = &mut self.recode {
            encoder.set_expected_loss(share);
        }
    }

    /// The means against loss that its payloads can hold.
    pub(super) fn means(&self) -> Means {
        match &self.recode {
            Recode::Encode(encoder) => encoder.means(),
            _ => Means::default(),
        }
    }

    /// Puts as much redundancy into payloads as was planned.
    pub(super) fn protect(&mut self, plan: &RedundancyPlan) {
        if let Recode::Encode(encoder) = &mut self.recode {
            encoder.set_expected_loss(plan.expected_loss);
            encoder.set_history(plan.history);
            encoder.set_copies(plan.copies);
        }
    }

    /// A feed of packets as planned, each between so many bytes for others. `encoder` is used where
    /// moving bytes is not enough.
    pub(super) fn new(
        reader: PrefetchReader,
        plan: &StreamPlan,
        (header, trailer): (usize, usize),
        encoder: Box<dyn Encoder>,
    ) -> Self {
        let frames = plan.packet.frames;
        let longest = plan.packets.map_or(0, |p| p.longest);
        let payload = encoder.max_payload_len().max(longest);
        let recode = match &plan.wire {
            _ if plan.packets.is_some() => Recode::Packets,
            Wire::Pcm(PcmCoding::Linear(wire)) if wire.sample == plan.stored.sample => {
                match wire.sample.bytes() {
                    width if width > 1 && wire.endian != plan.stored.endian => Recode::Swap(width),
                    _ => Recode::Nothing,
                }
            }
            _ => Recode::Encode(encoder),
        };
        let stored = frames * plan.stored.frame_bytes(plan.format.channels);
        let apart = match recode {
            Recode::Encode(_) => stored,
            Recode::Packets => RecordHead::LEN,
            Recode::Nothing | Recode::Swap(_) => 0,
        };
        Self {
            reader,
            format: plan.format,
            stored: plan.stored,
            frames,
            header,
            datagram: vec![0; header + payload + trailer].into(),
            bytes: vec![0; apart].into(),
            have: 0,
            recode,
            samples: vec![0.0; frames * plan.format.channels.get()].into(),
            discard: 0,
            ended: false,
        }
    }

    /// The buffer: header room, then the payload.
    pub(super) fn datagram(&mut self) -> &mut [u8] {
        &mut self.datagram
    }

    /// Leaves out the next `frames` frames, as they come.
    pub(super) fn discard(&mut self, frames: u64) {
        self.discard += frames;
    }

    /// Leaves out what is there already, by whole packets.
    pub(super) fn discard_waiting(&mut self) {
        let waiting = self.reader.frames_ahead() as u64;
        self.discard += waiting - waiting % self.frames as u64;
    }

    /// Fills the buffer with the next packet: a full one, or a short one at the end.
    pub(super) fn prepare(&mut self) -> Prepared {
        if matches!(self.recode, Recode::Packets) {
            return self.prepare_record();
        }
        let frame_bytes = self.stored.frame_bytes(self.format.channels);
        loop {
            let full = self.frames * frame_bytes;
            let room = match self.recode {
                Recode::Encode(_) => &mut self.bytes[..],
                _ => &mut self.datagram[self.header..],
            };
            if !self.ended {
                let filled = self.reader.fill(&mut room[self.have..full]);
                self.have += filled.bytes;
                self.ended = filled.end;
            }
            if self.have < full && !self.ended {
                return Prepared::Starved;
            }
            let frames = self.have / frame_bytes;
            self.have = 0;
            if frames == 0 {
                return Prepared::Ended;
            }
            if self.discard == 0 {
                return Prepared::Packet(self.finish(frames));
            }
            self.discard = self.discard.saturating_sub(frames as u64);
        }
    }

    /// As [`prepare`](Self::prepare), of records: first the head, then the packet, as far as they are there.
    fn prepare_record(&mut self) -> Prepared {
        loop {
            let mut head = None;
            if let Some(missing) = self.bytes.get_mut(self.have..RecordHead::LEN) {
                self.have += self.reader.fill(missing).bytes;
            }
            if self.have >= RecordHead::LEN {
                head = self
                    .bytes
                    .first_chunk()
                    .map(|bytes| RecordHead::read(*bytes));
            }
            let Some(head) = head else {
                return self.starved();
            };
            let (from, end) = (self.have - RecordHead::LEN, head.len);
            let payload = &mut self.datagram[self.header..];
            let Some(missing) = payload.get_mut(from..end) else {
                // No packet is longer than the longest.
                return Prepared::Ended;
            };
            self.have += self.reader.fill(missing).bytes;
            if self.have < RecordHead::LEN + head.len {
                return self.starved();
            }
            self.have = 0;
            if self.discard == 0 {
                return Prepared::Packet(Packet {
                    frames: head.ticks,
                    len: head.len,
                    peak: 0.0,
                });
            }
            self.discard = self.discard.saturating_sub(head.ticks as u64);
        }
    }

    /// Whether more comes, where less than a record has.
    fn starved(&mut self) -> Prepared {
        match self.reader.fill(&mut []).end {
            true => Prepared::Ended,
            false => Prepared::Starved,
        }
    }

    /// Why the source ended, where that was an error.
    pub(super) fn take_error(&mut self) -> Option<audiox_core::source::SourceError> {
        self.reader.take_error()
    }

    fn finish(&mut self, frames: usize) -> Packet {
        let len = frames * self.stored.frame_bytes(self.format.channels);
        let payload = &mut self.datagram[self.header..];
        let stored = match self.recode {
            Recode::Encode(_) => &self.bytes[..len],
            _ => &payload[..len],
        };
        let decoded = convert::decode(self.stored, stored, &mut self.samples);
        let samples = &self.samples[..decoded];
        let peak = samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        let len = match &mut self.recode {
            Recode::Nothing => len,
            Recode::Swap(width) => {
                swap_bytes(*width, &mut payload[..len]);
                len
            }
            // They are prepared without being looked into.
            Recode::Packets => 0,
            // The block has the encoder's channels and no more than its frames, and the buffer
            // its longest payload. Where a codec refuses, the packet is left out like silence
            // that need not travel, which keeps the time line.
            Recode::Encode(encoder) => encoder
                .encode(AudioRef::new(samples, self.format.channels), payload)
                .unwrap_or(0),
        };
        Packet { frames, len, peak }
    }
}

impl std::fmt::Debug for Recode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Swap(width) => f.debug_tuple("Swap").field(width).finish(),
            Self::Encode(_) => f.write_str("Encode"),
            Self::Packets => f.write_str("Packets"),
        }
    }
}

fn swap_bytes(width: usize, bytes: &mut [u8]) {
    fn each<const N: usize>(bytes: &mut [u8]) {
        bytes
            .as_chunks_mut::<N>()
            .0
            .iter_mut()
            .for_each(|s| s.reverse());
    }
    match width {
        2 => each::<2>(bytes),
        3 => each::<3>(bytes),
        _ => each::<4>(bytes),
    }
}
