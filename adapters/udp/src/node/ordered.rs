//! Packets decoded in their order: for codecs whose payloads build on those before them, or tell of
//! them.

use std::collections::VecDeque;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::{Decoder, RecoveredFrames};
use audiox_core::format::StreamFormat;
use audiox_core::packet::PacketMeta;
use audiox_core::time::{ExtSeq, Instant, MediaTime};

/// The packets of one stream on their way through its decoders.
///
/// A packet whose predecessor was decoded goes through at once. What is missing is waited for; then
/// the codec makes up for it, from what the packet behind it says of its past or from what came
/// before.
pub(super) struct Ordered {
    decoders: Vec<(u8, Box<dyn Decoder>)>,
    /// In the order of their numbers.
    waiting: VecDeque<Waiting>,
    /// The packet that comes next, and its time.
    next: Option<(ExtSeq, MediaTime)>,
    generation: u32,
    patience: Duration,
    /// Packets that came after their turn.
    late: u64,
}

struct Waiting {
    meta: PacketMeta,
    payload: Vec<u8>,
}

/// What came out.
pub(super) enum Next {
    /// A packet, with its frames; `None` where they could not be decoded.
    Packet {
        meta: Box<PacketMeta>,
        payload: Vec<u8>,
        format: StreamFormat,
        frames: Option<usize>,
    },
    /// What was missing before the next packet.
    Gap {
        at: MediaTime,
        format: StreamFormat,
        frames: usize,
        /// Of these, brought back by redundancy: the last. What was before them is made up.
        recovered: usize,
    },
}

impl Ordered {
    /// For a stream whose missing packets are waited for that long.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            decoders: Vec::new(),
            waiting: VecDeque::new(),
            next: None,
            generation: 0,
            patience,
            late: 0,
        }
    }

    /// Takes a packet. Of more than 4 096 that wait the oldest goes on without its predecessor.
    ///
    /// # Errors
    /// `make` cannot make a decoder.
    pub(super) fn push(
        &mut self,
        meta: &PacketMeta,
        payload: &[u8],
        make: impl FnOnce() -> Result<Box<dyn Decoder>, ConfigError>,
    ) -> Result<(), ConfigError> {
        if self.decoder(meta.payload_type).is_none() {
            self.decoders.push((meta.payload_type, make()?));
        }
        let is_next = self.generation == meta.generation;
        if is_next && self.next.is_some_and(|(seq, _)| meta.seq < seq) {
            self.late += 1;
            return Ok(());
        }
        // The newest generation is at the end.
        let before = |w: &Waiting| w.meta.generation != meta.generation || w.meta.seq < meta.seq;
        let at = self.waiting.partition_point(before);
        if self.waiting.get(at).is_none_or(|w| w.meta.seq != meta.seq) {
            let waiting = Waiting {
                meta: meta.clone(),
                payload: payload.to_vec(),
            };
            self.waiting.insert(at, waiting);
        }
        Ok(())
    }

    /// What comes next by `now`, its frames in `out`, which holds at least a second; all that
    /// waits where it is the `end`.
    pub(super) fn poll(&mut self, now: Instant, end: bool, out: &mut [f32]) -> Option<Next> {
        let (head, newest) = (self.waiting.front()?, self.waiting.back()?);
        // Nothing comes any more of a generation that another followed.
        let end = end || head.meta.generation != newest.meta.generation;
        if head.meta.generation != self.generation {
            self.generation = head.meta.generation;
            self.next = None;
            self.decoders.iter_mut().for_each(|(_, d)| d.reset());
        }
        let follows = self.next.is_none_or(|(seq, _)| head.meta.seq == seq);
        if !follows {
            let waited = now.saturating_since(head.meta.arrival) >= self.patience;
            if !waited && !end && self.waiting.len() < MAX_WAITING {
                return None;
            }
            if let Some(gap) = self.bridge(out) {
                return Some(gap);
            }
        }
        let head = self.waiting.pop_front()?;
        let decoder = self.decoder(head.meta.payload_type)?;
        let format = decoder.format();
        let decoded = decoder.decode(&head.payload, out).ok();
        let frames = decoded.unwrap_or(0) as i64;
        self.next = Some((head.meta.seq.next(), head.meta.at + frames));
        Some(Next::Packet {
            meta: Box::new(head.meta),
            payload: head.payload,
            format,
            frames: decoded,
        })
    }

    /// Packets that came after their turn, since this was last asked.
    pub(super) fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    /// What redundancy inside packets brought back, by the means.
    pub(super) fn recovered(&self) -> RecoveredFrames {
        let all = self.decoders.iter().map(|(_, d)| d.recovered());
        all.fold(RecoveredFrames::default(), |sum, of| sum + of)
    }

    /// Makes up for what is missing before the packet at the head, where that is no pause.
    fn bridge(&mut self, out: &mut [f32]) -> Option<Next> {
        let (_, at) = self.next?;
        let head = self.waiting.front()?;
        let (seq, to, payload_type) = (head.meta.seq, head.meta.at, head.meta.payload_type);
        let (_, decoder) = self
            .decoders
            .iter_mut()
            .find(|(pt, _)| *pt == payload_type)?;
        let format = decoder.format();
        let channels = format.channels.get();
        let frames = usize::try_from(to - at).ok()?;
        let longest = (out.len() / channels).min(format.rate.get() as usize);
        self.next = Some((seq, to));
        if frames == 0 {
            return None;
        }
        // In a pause nothing is made up, but what was lost at its end may be known.
        let is_pause = frames > longest;
        let frames = frames.min(longest);
        let out = &mut out[..frames * channels];
        let recovered = decoder.decode_fec(&head.payload, out).unwrap_or(0);
        let recovered = recovered.min(frames);
        if recovered == 0 && (is_pause || decoder.conceal(out) == 0) {
            return None;
        }
        let made = if decoder.conceals() && !is_pause {
            frames
        } else {
            recovered
        };
        out.copy_within((frames - made) * channels.., 0);
        Some(Next::Gap {
            at: to + -(made as i64),
            format,
            frames: made,
            recovered,
        })
    }

    fn decoder(&mut self, payload_type: u8) -> Option<&mut Box<dyn Decoder>> {
        let mut decoders = self.decoders.iter_mut();
        decoders.find(|(pt, _)| *pt == payload_type).map(|(_, d)| d)
    }
}

impl std::fmt::Debug for Ordered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ordered")
            .field("waiting", &self.waiting.len())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

const MAX_WAITING: usize = 4_096;

#[cfg(test)]
mod tests {
    use audiox_core::block::AudioRef;
    use audiox_core::codec::{Encoder, PcmCoding, PcmDecoder, PcmEncoder, RedDecoder, RedEncoder};
    use audiox_core::format::{Channels, SampleRate};

    use super::*;

    const FRAMES: usize = 10;

    fn format() -> StreamFormat {
        StreamFormat::new(SampleRate::HZ_8000, Channels::MONO)
    }

    fn decoder() -> Result<Box<dyn Decoder>, ConfigError> {
        let inner = PcmDecoder::new(PcmCoding::L16, format(), FRAMES)?;
        Ok(Box::new(RedDecoder::new(Box::new(inner), 9)))
    }

    /// Packets of a ramp, of which each carries the one before it.
    fn packets(n: usize) -> Vec<Vec<u8>> {
        let inner = PcmEncoder::new(PcmCoding::L16, format(), FRAMES).unwrap();
        let mut red = RedEncoder::new(Box::new(inner), 9, 1, 100).unwrap();
        (0..n)
            .map(|p| {
                let block: Vec<f32> = (0..FRAMES).map(|f| value(p * FRAMES + f)).collect();
                let mut out = vec![0; 100];
                let len = red
                    .encode(AudioRef::new(&block, Channels::MONO), &mut out)
                    .unwrap();
                out.truncate(len);
                out
            })
            .collect()
    }

    fn value(frame: usize) -> f32 {
        frame as f32 / 32_768.0
    }

    fn meta(seq: u64) -> PacketMeta {
        PacketMeta {
            seq: ExtSeq(1_000 + seq),
            at: MediaTime(seq as i64 * FRAMES as i64),
            arrival: at(seq),
            ..PacketMeta::default()
        }
    }

    fn at(ms: u64) -> Instant {
        Instant::EPOCH + Duration::from_millis(1_000 + ms)
    }

    fn run(order: &[u64], now: Instant, end: bool) -> (Vec<(i64, usize, usize)>, Ordered) {
        let all = packets(20);
        let mut ordered = Ordered::new(Duration::from_millis(100));
        let mut out = vec![0.0; 8_000];
        let mut seen = Vec::new();
        for &seq in order {
            let payload = &all[seq as usize];
            ordered.push(&meta(seq), payload, decoder).unwrap();
            while let Some(next) = ordered.poll(now, end, &mut out) {
                let (at, frames, recovered) = match next {
                    Next::Packet { meta, frames, .. } => (meta.at.0, frames.unwrap(), 0),
                    Next::Gap {
                        at,
                        frames,
                        recovered,
                        ..
                    } => (at.0, frames, recovered),
                };
                for (n, s) in out[..frames].iter().enumerate() {
                    assert_eq!(*s, value(at as usize + n));
                }
                seen.push((at, frames, recovered));
            }
        }
        (seen, ordered)
    }

    #[test]
    fn packets_go_through_in_order_however_they_come() {
        let (seen, mut ordered) = run(&[0, 2, 3, 1, 5, 5, 4, 2], at(5), false);
        let ats: Vec<_> = seen.iter().map(|(at, ..)| *at).collect();
        assert_eq!(ats, [0, 10, 20, 30, 40, 50]);
        assert_eq!(ordered.take_late(), 1);
    }

    #[test]
    fn what_is_missing_is_waited_for_and_then_taken_from_the_packet_behind_it() {
        let (seen, mut ordered) = run(&[0, 2, 5], at(50), false);
        assert_eq!(seen, [(0, 10, 0)]);
        let mut out = vec![0.0; 8_000];
        // The second had waited long enough, and behind it two are missing, of which one is known.
        let now = at(102);
        let gap = ordered.poll(now, false, &mut out);
        assert!(matches!(gap, Some(Next::Gap { recovered: 10, .. })));
        let packet = ordered.poll(now, false, &mut out);
        assert!(matches!(packet, Some(Next::Packet { meta: m, .. }) if m.at.0 == 20));
        assert!(ordered.poll(now, false, &mut out).is_none());
        let gap = ordered.poll(now, true, &mut out);
        assert!(matches!(
            gap,
            Some(Next::Gap {
                at: MediaTime(40),
                frames: 10,
                recovered: 10,
                ..
            })
        ));
        assert_eq!(out[0], value(40));
        assert!(matches!(
            ordered.poll(now, true, &mut out),
            Some(Next::Packet { .. })
        ));
        assert!(ordered.poll(now, true, &mut out).is_none());
    }

    #[test]
    fn another_generation_begins_anew() {
        let mut ordered = Ordered::new(Duration::from_millis(100));
        let (all, mut out) = (packets(3), vec![0.0; 8_000]);
        ordered.push(&meta(2), &all[2], decoder).unwrap();
        assert!(ordered.poll(at(2), false, &mut out).is_some());
        let other = PacketMeta {
            generation: 1,
            ..meta(0)
        };
        ordered.push(&other, &all[0], decoder).unwrap();
        let next = ordered.poll(at(3), false, &mut out);
        assert!(matches!(next, Some(Next::Packet { meta: m, .. }) if m.at.0 == 0));
    }

    #[test]
    fn what_waits_of_the_generation_before_is_not_forgotten() {
        let mut ordered = Ordered::new(Duration::from_millis(100));
        let (all, mut out) = (packets(6), vec![0.0; 8_000]);
        for seq in [0, 3, 4] {
            let payload = &all[seq as usize];
            ordered.push(&meta(seq), payload, decoder).unwrap();
        }
        let other = PacketMeta {
            generation: 1,
            ..meta(2)
        };
        ordered.push(&other, &all[2], decoder).unwrap();
        let mut seen = Vec::new();
        while let Some(next) = ordered.poll(at(5), false, &mut out) {
            seen.push(match next {
                Next::Packet { meta, .. } => (meta.generation, meta.at.0),
                Next::Gap { at, .. } => (9, at.0),
            });
        }
        assert_eq!(seen, [(0, 0), (9, 20), (0, 30), (0, 40), (1, 20)]);
    }

    #[test]
    fn the_end_of_a_pause_is_taken_from_the_packet_behind_it() {
        let mut ordered = Ordered::new(Duration::from_millis(100));
        let (all, mut out) = (packets(6), vec![0.0; 8_000]);
        ordered.push(&meta(0), &all[0], decoder).unwrap();
        assert!(ordered.poll(at(0), false, &mut out).is_some());
        // Two seconds later; packet 1 would have been first.
        let behind = PacketMeta {
            at: MediaTime(16_000),
            ..meta(2)
        };
        ordered.push(&behind, &all[2], decoder).unwrap();
        let gap = ordered.poll(at(5), true, &mut out);
        assert!(matches!(
            gap,
            Some(Next::Gap {
                at: MediaTime(15_990),
                frames: 10,
                recovered: 10,
                ..
            })
        ));
        assert_eq!(out[0], value(10));
        assert!(matches!(
            ordered.poll(at(5), true, &mut out),
            Some(Next::Packet { .. })
        ));
    }
}
