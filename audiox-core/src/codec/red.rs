//! RED for any codec: packets that carry the ones before them again (RFC 2198).
//!
//! To the rest of the library this is a codec of its own around another: what a packet holds of
//! its past is asked for through [`Decoder::decode_fec`], when a gap is reached and the packet
//! behind it is there. So redundancy never waits, and losses are recovered as far as the delay
//! allows.

use std::collections::VecDeque;
use std::fmt;

use super::{
    CodecFactory, CodecRegistry, CodecSpec, DecodeError, Decoder, EncodeError, Encoder,
    EncodingName, PcmCoding, RecoveredFrames,
};
use crate::block::AudioRef;
use crate::error::ConfigError;
use crate::format::{SampleRate, StreamFormat};
use crate::packet::red::{self, MAX_BLOCK, MAX_OFFSET, RedBlock, RedPayload};
use crate::redundancy::Means;

/// Sends each payload of another encoder again in the packets after it.
pub struct RedEncoder {
    inner: Box<dyn Encoder>,
    payload_type: u8,
    /// Earlier packets that each can carry, and does.
    most: usize,
    least: usize,
    distance: usize,
    /// The newest last.
    past: VecDeque<Past>,
    spare: Vec<Box<[u8]>>,
    primary: Box<[u8]>,
    max_payload: usize,
}

struct Past {
    bytes: Box<[u8]>,
    len: usize,
    /// Frames from its first to that of the next packet.
    age: u64,
}

impl RedEncoder {
    /// An encoder whose packets carry up to `distance` earlier ones, in RTP of type
    /// `payload_type`, and are at most `max_payload` bytes long: the oldest are left out where
    /// they do not fit, and such as are longer than 1 023 bytes or 16 383 ticks of the clock old.
    ///
    /// # Errors
    /// A distance outside 1 to 31, a payload type above 127, or less room than a packet takes by
    /// itself.
    pub fn new(
        inner: Box<dyn Encoder>,
        payload_type: u8,
        distance: usize,
        max_payload: usize,
    ) -> Result<Self, ConfigError> {
        if !(1..red::MAX_BLOCKS).contains(&distance) {
            let allowed = "a packet carries 1 to 31 earlier ones";
            return Err(ConfigError::new("red", distance, allowed));
        }
        if payload_type > 127 {
            let allowed = "RTP payload types are 0 to 127";
            return Err(ConfigError::new("pt", payload_type, allowed));
        }
        let longest = inner.max_payload_len();
        if max_payload <= longest {
            return Err(ConfigError::new(
                "max_payload",
                max_payload,
                format!("a packet takes {} bytes by itself", longest + 1),
            ));
        }
        let block = || vec![0; longest.min(MAX_BLOCK)].into_boxed_slice();
        Ok(Self {
            payload_type,
            most: distance,
            least: 0,
            distance,
            past: VecDeque::with_capacity(distance),
            spare: (0..=distance).map(|_| block()).collect(),
            primary: vec![0; longest].into_boxed_slice(),
            max_payload,
            inner,
        })
    }

    /// Carries `least` earlier packets, as far as there is room, also where
    /// [`set_copies`](Encoder::set_copies) asks for fewer.
    #[must_use]
    pub fn at_least(mut self, least: usize) -> Self {
        self.least = least.min(self.most);
        self
    }

    fn remember(&mut self, len: usize, frames: usize) {
        self.skipped(frames as u64);
        if self.past.len() == self.most
            && let Some(oldest) = self.past.pop_front()
        {
            self.spare.push(oldest.bytes);
        }
        if let Some(mut bytes) = self.spare.pop_if(|b| b.len() >= len) {
            bytes[..len].copy_from_slice(&self.primary[..len]);
            self.past.push_back(Past {
                bytes,
                len,
                age: frames as u64,
            });
        }
    }
}

impl Encoder for RedEncoder {
    fn format(&self) -> StreamFormat {
        self.inner.format()
    }

    fn clock_rate(&self) -> SampleRate {
        self.inner.clock_rate()
    }

    fn frames_per_packet(&self) -> usize {
        self.inner.frames_per_packet()
    }

    fn max_payload_len(&self) -> usize {
        self.max_payload
    }

    fn encode(&mut self, input: AudioRef<'_>, payload: &mut [u8]) -> Result<usize, EncodeError> {
        let frames = input.frames();
        let len = self.inner.encode(input, &mut self.primary)?;
        if len == 0 {
            self.skipped(frames as u64);
            return Ok(0);
        }
        let ticks = u64::from(self.clock_rate().get() / self.format().rate.get());
        let mut room = payload.len().min(self.max_payload).saturating_sub(1 + len);
        let fits = |p: &&Past| match room.checked_sub(HEAD + p.len) {
            Some(rest) if p.age * ticks <= MAX_OFFSET.into() => {
                room = rest;
                true
            }
            _ => false,
        };
        // The newest first, until one does not fit; sent are the oldest first.
        let newest = self.past.iter().rev().take(self.distance);
        let kept = newest.take_while(fits).count();
        let blocks = self
            .past
            .iter()
            .skip(self.past.len() - kept)
            .map(|p| RedBlock {
                payload_type: self.payload_type,
                offset: (p.age * ticks) as u16,
                payload: &p.bytes[..p.len],
            });
        let primary = (self.payload_type, &self.primary[..len]);
        let written = red::write(blocks, primary, payload);
        self.remember(len, frames);
        written.map_err(|_| EncodeError::BufferTooSmall {
            needed: 1 + len,
            available: payload.len(),
        })
    }

    fn lookahead(&self) -> usize {
        self.inner.lookahead()
    }

    fn means(&self) -> Means {
        Means {
            // What is fixed is nothing to choose.
            copies: if self.least < self.most { self.most } else { 0 },
            ..self.inner.means()
        }
    }

    fn set_expected_loss(&mut self, fraction: f32) {
        self.inner.set_expected_loss(fraction);
    }

    fn set_copies(&mut self, packets: usize) {
        self.distance = packets.clamp(self.least, self.most);
    }

    fn set_history(&mut self, history: std::time::Duration) {
        self.inner.set_history(history);
    }

    fn set_bitrate(&mut self, bits_per_second: u32) {
        self.inner.set_bitrate(bits_per_second);
    }

    fn skipped(&mut self, frames: u64) {
        self.past.iter_mut().for_each(|p| p.age += frames);
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.spare.extend(self.past.drain(..).map(|p| p.bytes));
    }
}

impl fmt::Debug for RedEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedEncoder")
            .field("format", &self.format())
            .field("payload_type", &self.payload_type)
            .field("distance", &self.distance)
            .finish_non_exhaustive()
    }
}

/// Decodes the packets of a [`RedEncoder`], or of anybody's, around the decoder of one codec.
pub struct RedDecoder {
    inner: Box<dyn Decoder>,
    payload_type: u8,
    /// A redundant block, decoded.
    block: Box<[f32]>,
    /// Frames brought back so far.
    copied: u64,
}

impl RedDecoder {
    /// A decoder of packets whose blocks are of `inner`'s codec, RTP type `payload_type`; blocks
    /// of other types are left out.
    pub fn new(inner: Box<dyn Decoder>, payload_type: u8) -> Self {
        let samples = inner.max_frames() * inner.format().channels.get();
        Self {
            block: vec![0.0; samples].into_boxed_slice(),
            payload_type,
            copied: 0,
            inner,
        }
    }

    fn parse<'a>(&self, payload: &'a [u8]) -> Result<RedPayload<'a>, DecodeError> {
        RedPayload::parse(payload)
            .ok()
            .filter(|p| p.payload_type() == self.payload_type)
            .ok_or(DecodeError::Malformed)
    }

    /// Frames before the packet at which a block begins, and those that it holds.
    fn place(&self, block: &RedBlock<'_>) -> Option<(usize, usize)> {
        let ticks = self.clock_rate().get() / self.format().rate.get();
        let begins = usize::from(block.offset) / ticks.max(1) as usize;
        let frames = self.inner.frames_in(block.payload).ok()?;
        let ours = block.payload_type == self.payload_type && (1..=begins).contains(&frames);
        ours.then_some((begins, frames))
    }
}

impl Decoder for RedDecoder {
    fn format(&self) -> StreamFormat {
        self.inner.format()
    }

    fn clock_rate(&self) -> SampleRate {
        self.inner.clock_rate()
    }

    fn max_frames(&self) -> usize {
        self.inner.max_frames()
    }

    fn frames_in(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        self.inner.frames_in(self.parse(payload)?.primary())
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        self.inner.decode(self.parse(payload)?.primary(), out)
    }

    fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let red = self.parse(next)?;
        let ch = self.format().channels.get();
        let gap = out.len() / ch;
        // Of blocks that follow each other without a hole, up to the packet, the earliest.
        let mut reach = 0;
        for _ in 0..red::MAX_BLOCKS {
            let places = red.redundant().filter_map(|b| self.place(&b));
            let before = places
                .filter(|(begins, frames)| *begins > reach && begins - frames <= reach)
                .map(|(begins, _)| begins)
                .max();
            match before {
                Some(begins) if reach < gap => reach = begins,
                _ => break,
            }
        }
        let recovered = reach.min(gap);
        if recovered == 0 {
            return self.inner.decode_fec(red.primary(), out);
        }
        let mut at = gap - recovered;
        let head = &mut out[..at * ch];
        let deep = match head.is_empty() {
            true => 0,
            // The codec's own memory may reach further back than the copies.
            false => self.inner.recover(red.primary(), gap, head).unwrap_or(0),
        };
        if deep == 0 {
            self.inner.conceal(head);
        }
        // Where the next frame to be written lies before the packet.
        let mut left = recovered;
        for _ in 0..red::MAX_BLOCKS {
            let covers =
                |(begins, frames): (usize, usize)| begins >= left && begins - frames < left;
            let block = red
                .redundant()
                .filter(|b| self.place(b).is_some_and(covers))
                .last();
            let Some((block, (begins, _))) = block.and_then(|b| Some((b, self.place(&b)?))) else {
                break;
            };
            let decoded = self.inner.decode(block.payload, &mut self.block)?;
            let skip = begins - left;
            let n = decoded.saturating_sub(skip).min(left);
            let part = &self.block[skip * ch..(skip + n) * ch];
            out[at * ch..(at + n) * ch].copy_from_slice(part);
            at += n;
            left -= n;
            if n == 0 || left == 0 {
                break;
            }
        }
        out[at * ch..].fill(0.0);
        self.copied += recovered as u64;
        Ok(recovered + deep)
    }

    fn recover(
        &mut self,
        next: &[u8],
        ahead: usize,
        out: &mut [f32],
    ) -> Result<usize, DecodeError> {
        if ahead == out.len() / self.format().channels.get() {
            return self.decode_fec(next, out);
        }
        let red = self.parse(next)?;
        self.inner.recover(red.primary(), ahead, out)
    }

    fn recovered(&self) -> RecoveredFrames {
        let copies = RecoveredFrames {
            copies: self.copied,
            ..RecoveredFrames::default()
        };
        copies + self.inner.recovered()
    }

    fn max_recovery(&self) -> usize {
        let ticks = self.clock_rate().get() / self.format().rate.get();
        let held = self.inner.max_frames() * (red::MAX_BLOCKS - 1);
        let reach = usize::from(MAX_OFFSET) / ticks.max(1) as usize;
        held.min(reach)
            .min(self.format().rate.get() as usize / LONGEST)
            .max(self.inner.max_recovery())
    }

    fn conceals(&self) -> bool {
        self.inner.conceals()
    }

    fn conceal(&mut self, out: &mut [f32]) -> usize {
        self.inner.conceal(out)
    }

    fn conceals_better(&self) -> bool {
        self.inner.conceals_better()
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

impl fmt::Debug for RedDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedDecoder")
            .field("format", &self.format())
            .field("payload_type", &self.payload_type)
            .finish_non_exhaustive()
    }
}

/// Makes [`RedEncoder`]s and [`RedDecoder`]s around one encoding of a registry.
#[derive(Debug, Clone)]
pub struct RedFactory {
    /// Knows the encoding.
    pub codecs: CodecRegistry,
    /// What the blocks hold.
    pub encoding: EncodingName,
    /// The blocks' RTP payload type.
    pub payload_type: u8,
    /// Earlier packets that each carries, 1 to 31.
    pub distance: usize,
    /// Of these, such as are carried whatever is planned
    /// ([`at_least`](RedEncoder::at_least)).
    pub least: usize,
    /// Bytes of a payload at most.
    pub max_payload: usize,
}

impl RedFactory {
    fn inner(&self, spec: &CodecSpec) -> CodecSpec {
        CodecSpec::new(self.encoding.clone(), spec.format())
    }
}

impl CodecFactory for RedFactory {
    fn rate_for(&self, rate: SampleRate) -> SampleRate {
        self.codecs.rate_for(&self.encoding, rate)
    }

    fn encoder(&self, spec: &CodecSpec, frames: usize) -> Result<Box<dyn Encoder>, ConfigError> {
        let inner = self.codecs.encoder(&self.inner(spec), frames)?;
        // PCM knows how long its packets are: such as never fit a block are a mistake.
        let len = inner.max_payload_len();
        if PcmCoding::from_encoding(&self.encoding).is_some() && len > MAX_BLOCK {
            return Err(ConfigError::new(
                "red",
                format_args!("packets of {len} bytes"),
                format!("RED carries up to {MAX_BLOCK} bytes again; choose a shorter ptime"),
            ));
        }
        let max = self.max_payload.max(len + 1);
        let red = RedEncoder::new(inner, self.payload_type, self.distance, max)?;
        Ok(Box::new(red.at_least(self.least)))
    }

    fn decoder(&self, spec: &CodecSpec, frames: usize) -> Result<Box<dyn Decoder>, ConfigError> {
        let inner = self.codecs.decoder(&self.inner(spec), frames)?;
        Ok(Box::new(RedDecoder::new(inner, self.payload_type)))
    }

    fn rtpmap(&self, spec: &CodecSpec) -> CodecSpec {
        CodecSpec {
            encoding: EncodingName::RED,
            ..self.codecs.rtpmap(&self.inner(spec))
        }
    }

    /// The payload types of the blocks (RFC 2198 section 5), as often as there may be blocks.
    fn fmtp(&self, _: &CodecSpec) -> Option<String> {
        Some(vec![self.payload_type.to_string(); self.distance + 1].join("/"))
    }
}

/// Bytes of a redundant block's head.
const HEAD: usize = 4;
/// Gaps of up to a second ÷ this are recovered at once.
const LONGEST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{PcmCoding, PcmDecoder, PcmEncoder};
    use crate::format::Channels;

    const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::STEREO);
    /// 5 ms.
    const FRAMES: usize = 40;

    fn encoder(distance: usize, max_payload: usize) -> Result<RedEncoder, ConfigError> {
        let inner = PcmEncoder::new(PcmCoding::L16, FORMAT, FRAMES).unwrap();
        RedEncoder::new(Box::new(inner), 96, distance, max_payload)
    }

    fn decoder() -> RedDecoder {
        let inner = PcmDecoder::new(PcmCoding::L16, FORMAT, FRAMES).unwrap();
        RedDecoder::new(Box::new(inner), 96)
    }

    /// Frames that tell their number.
    fn block(n: usize) -> Vec<f32> {
        let frames = n * FRAMES..(n + 1) * FRAMES;
        frames
            .flat_map(|f| [(f % 1_000) as f32 / 1_024.0, -0.25])
            .collect()
    }

    fn packets(distance: usize, max_payload: usize, count: usize) -> Vec<Vec<u8>> {
        let mut encoder = encoder(distance, max_payload).unwrap();
        let mut out = vec![0; max_payload];
        (0..count)
            .map(|n| {
                let block = block(n);
                let len = encoder.encode(AudioRef::new(&block, FORMAT.channels), &mut out);
                out[..len.unwrap()].to_vec()
            })
            .collect()
    }

    #[test]
    fn packets_carry_those_before_them_as_far_as_they_fit() {
        let primary = 4 * FRAMES;
        for (distance, max, carried) in [(1, 1_400, 1), (3, 1_400, 3), (31, 1_400, 7), (3, 400, 1)]
        {
            let sent = packets(distance, max, 12);
            for (n, p) in sent.iter().enumerate() {
                let red = RedPayload::parse(p).unwrap();
                assert_eq!(red.primary().len(), primary);
                let blocks: Vec<_> = red.redundant().collect();
                assert_eq!(blocks.len(), carried.min(n));
                for (i, b) in blocks.iter().rev().enumerate() {
                    assert_eq!(usize::from(b.offset), (i + 1) * FRAMES);
                    let before = RedPayload::parse(&sent[n - 1 - i]).unwrap();
                    assert_eq!(b.payload, before.primary());
                }
            }
        }
        for (distance, max, field) in [
            (0, 1_400, "red"),
            (32, 1_400, "red"),
            (1, primary, "max_payload"),
        ] {
            assert_eq!(encoder(distance, max).err().unwrap().field, field);
        }
    }

    #[test]
    fn a_gap_comes_back_from_the_packet_behind_it_frame_for_frame() {
        let sent = packets(4, 1_400, 12);
        let mut out = vec![9.0; 2 * FRAMES];
        let mut d = decoder();
        assert_eq!(d.decode(&sent[5], &mut out), Ok(FRAMES));
        assert_eq!(out, block(5));
        for lost in 0..6 {
            let next = &sent[6 + lost];
            let gap: Vec<f32> = (6..6 + lost).flat_map(block).collect();
            let mut out = vec![9.0; gap.len()];
            let frames = gap.len() / 2;
            let recovered = d.decode_fec(next, &mut out).unwrap();
            assert_eq!(recovered, frames.min(4 * FRAMES));
            let tail = 2 * (frames - recovered);
            assert_eq!(out[tail..], gap[tail..]);
        }
        // A part of a packet, as when the rest was made up already.
        let mut part = vec![0.0; 2 * (FRAMES + 7)];
        assert_eq!(d.decode_fec(&sent[8], &mut part), Ok(FRAMES + 7));
        let whole: Vec<f32> = (6..8).flat_map(block).collect();
        assert_eq!(part, whole[whole.len() - part.len()..]);
    }

    #[test]
    fn what_is_fixed_is_neither_chosen_nor_taken_away() {
        let carried = |encoder: RedEncoder| {
            let mut encoder = encoder;
            let mut out = vec![0; 1_400];
            encoder.set_copies(0);
            let sent = (0..9).map(|n| {
                let block = block(n);
                let len = encoder.encode(AudioRef::new(&block, FORMAT.channels), &mut out);
                let red = RedPayload::parse(&out[..len.unwrap()]).unwrap();
                red.redundant().count()
            });
            sent.last()
        };
        let free = encoder(3, 1_400).unwrap();
        assert_eq!(free.means().copies, 3);
        assert_eq!(carried(free), Some(0));
        let fixed = encoder(3, 1_400).unwrap().at_least(3);
        assert_eq!(fixed.means().copies, 0);
        assert_eq!(carried(fixed), Some(3));
    }

    /// PCM that remembers everything, as 0.5.
    struct Deep(PcmDecoder);

    impl Decoder for Deep {
        fn format(&self) -> StreamFormat {
            self.0.format()
        }

        fn max_frames(&self) -> usize {
            self.0.max_frames()
        }

        fn frames_in(&self, payload: &[u8]) -> Result<usize, DecodeError> {
            self.0.frames_in(payload)
        }

        fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
            self.0.decode(payload, out)
        }

        fn recover(&mut self, _: &[u8], _: usize, out: &mut [f32]) -> Result<usize, DecodeError> {
            out.fill(0.5);
            Ok(out.len() / 2)
        }

        fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
            self.recover(next, out.len() / 2, out)
        }

        fn reset(&mut self) {}
    }

    #[test]
    fn the_codecs_own_memory_helps_where_copies_do_not_reach() {
        let sent = packets(1, 1_400, 12);
        let inner = Deep(PcmDecoder::new(PcmCoding::L16, FORMAT, FRAMES).unwrap());
        let mut d = RedDecoder::new(Box::new(inner), 96);
        let mut out = vec![9.0; 2 * 3 * FRAMES];
        assert_eq!(d.decode_fec(&sent[8], &mut out), Ok(3 * FRAMES));
        assert!(out[..4 * FRAMES].iter().all(|s| *s == 0.5));
        assert_eq!(out[4 * FRAMES..], block(7));
        assert_eq!(d.recovered().copies, FRAMES as u64);
        // A part of a longer gap.
        out.fill(9.0);
        assert_eq!(d.recover(&sent[8], 9 * FRAMES, &mut out), Ok(3 * FRAMES));
        assert!(out.iter().all(|s| *s == 0.5));
        assert_eq!(d.recovered().copies, FRAMES as u64);
    }

    #[test]
    fn foreign_blocks_and_damage_are_left_out() {
        let mut d = decoder();
        let mut out = vec![0.0; 2 * FRAMES];
        assert_eq!(d.frames_in(&[]), Err(DecodeError::Malformed));
        // Another codec's packet.
        assert_eq!(
            d.decode(&[97, 0, 0, 0, 0], &mut out),
            Err(DecodeError::Malformed)
        );
        // Another codec's block before ours, and one of no whole frame.
        let mut bytes = [0; 300];
        let own = [1; 4 * FRAMES];
        for (payload_type, payload) in [(97, &own[..]), (96, &own[..7]), (96, &[])] {
            let b = RedBlock {
                payload_type,
                offset: FRAMES as u16,
                payload,
            };
            let len = red::write([b].into_iter(), (96, &own[..4]), &mut bytes).unwrap();
            assert_eq!(d.decode_fec(&bytes[..len], &mut out), Ok(0));
        }
    }
}
