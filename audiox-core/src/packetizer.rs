//! From blocks of any length to packets of one length, and how long a packet may be.

use std::time::Duration;

use crate::block::AudioRef;
use crate::error::ConfigError;
use crate::format::{Channels, SampleRate};

/// Largest UDP payload that fits an Ethernet MTU of 1 500 bytes over IPv4 (RFC 791, RFC 768).
pub const MAX_DATAGRAM_V4: usize = 1_500 - 20 - 8;
/// Largest UDP payload that fits an Ethernet MTU of 1 500 bytes over IPv6 (RFC 8200, RFC 768).
pub const MAX_DATAGRAM_V6: usize = 1_500 - 40 - 8;

/// How many frames go into a packet, and whether that is what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketPlan {
    /// Frames a packet.
    pub frames: usize,
    /// The packet time that makes.
    pub ptime: Duration,
    /// Frames that were asked for, where they would not have fitted the datagram.
    pub shortened_from: Option<usize>,
}

impl PacketPlan {
    /// Plans packets of about `ptime` (to the nearest frame) for uncompressed frames of
    /// `frame_bytes`, behind a header of `header` bytes, in datagrams of at most `max_datagram`.
    ///
    /// A `ptime` that would not fit is divided into equal parts that do, so that nothing
    /// fragments on its way.
    ///
    /// # Errors
    /// `ptime` is shorter than one frame or longer than a second, or not even one frame fits.
    pub fn new(
        rate: SampleRate,
        frame_bytes: usize,
        header: usize,
        ptime: Duration,
        max_datagram: usize,
    ) -> Result<Self, ConfigError> {
        let asked = rate.frames_in_nanos(i64::try_from(ptime.as_nanos()).unwrap_or(i64::MAX));
        let range = || {
            let least = rate.duration_of(1).as_secs_f64() * 1e3;
            format!("at {rate} a packet holds {least:.4} ms (one frame) to 1000 ms")
        };
        let asked = usize::try_from(asked).unwrap_or(0);
        if asked == 0 || ptime > Duration::from_secs(1) {
            return Err(ConfigError::new("ptime", format!("{ptime:?}"), range()));
        }
        let fits = max_datagram.saturating_sub(header) / frame_bytes.max(1);
        if fits == 0 {
            return Err(ConfigError::new(
                "mtu",
                max_datagram,
                format!(
                    "a frame of {frame_bytes} bytes and a header of {header} must fit the datagram"
                ),
            ));
        }
        let frames = asked.div_ceil(asked.div_ceil(fits));
        Ok(Self {
            frames,
            ptime: rate.duration_of(frames as u64),
            shortened_from: (frames != asked).then_some(asked),
        })
    }
}

/// Gathers blocks into packets of a fixed number of frames.
///
/// Holds at most [`PENDING_PACKETS`] full packets; what is pushed beyond that pushes the oldest
/// out, counted.
#[derive(Debug)]
pub struct Packetizer {
    channels: Channels,
    frames_per_packet: usize,
    samples: Box<[f32]>,
    start: usize,
    end: usize,
}

impl Packetizer {
    /// A packetizer for packets of `frames_per_packet` frames (at least one).
    pub fn new(channels: Channels, frames_per_packet: usize) -> Self {
        let frames_per_packet = frames_per_packet.max(1);
        let capacity = frames_per_packet * channels.get() * (PENDING_PACKETS + 1);
        Self {
            channels,
            frames_per_packet,
            samples: vec![0.0; capacity].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// Adds a block of the same channel count and returns how many of the oldest frames had to
    /// be dropped for it.
    pub fn push(&mut self, block: AudioRef<'_>) -> usize {
        let ch = self.channels.get();
        let mut input = block.samples();
        let mut dropped = 0;
        if input.len() > self.samples.len() {
            let excess = input.len() - self.samples.len();
            dropped += excess / ch;
            input = &input[excess..];
        }
        let room = self.samples.len() - (self.end - self.start);
        if input.len() > room {
            let excess = input.len() - room;
            dropped += excess / ch;
            self.start += excess;
        }
        if self.end + input.len() > self.samples.len() {
            self.samples.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.samples[self.end..self.end + input.len()].copy_from_slice(input);
        self.end += input.len();
        dropped
    }

    /// Frames waiting.
    pub fn frames(&self) -> usize {
        (self.end - self.start) / self.channels.get()
    }

    /// Whether a full packet is waiting.
    pub fn is_ready(&self) -> bool {
        self.frames() >= self.frames_per_packet
    }

    /// Takes the next packet: a full one, or with `flush` also a last short one.
    pub fn take(&mut self, flush: bool) -> Option<AudioRef<'_>> {
        let frames = self.frames().min(self.frames_per_packet);
        if frames == 0 || (frames < self.frames_per_packet && !flush) {
            return None;
        }
        let from = self.start;
        self.start += frames * self.channels.get();
        Some(AudioRef::new(
            &self.samples[from..self.start],
            self.channels,
        ))
    }

    /// Drops what is waiting.
    pub fn reset(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

/// Full packets that may wait in a [`Packetizer`].
pub const PENDING_PACKETS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_packet_that_would_fragment_is_divided_evenly() {
        let plan = |frame_bytes, header, ptime, mtu| {
            PacketPlan::new(SampleRate::HZ_48000, frame_bytes, header, ptime, mtu)
        };
        let mono = plan(2, 12, ms(10), MAX_DATAGRAM_V4).unwrap();
        assert_eq!((mono.frames, mono.shortened_from), (480, None));
        let stereo = plan(4, 12, ms(10), MAX_DATAGRAM_V4).unwrap();
        assert_eq!((stereo.frames, stereo.ptime), (240, ms(5)));
        assert_eq!(stereo.shortened_from, Some(480));
        let jumbo = plan(4, 12, ms(10), 9_000).unwrap();
        assert_eq!(jumbo.shortened_from, None);
        for frames in 1..2_000 {
            let p = plan(
                6,
                12,
                SampleRate::HZ_48000.duration_of(frames + 1),
                MAX_DATAGRAM_V6,
            )
            .unwrap();
            assert!(p.frames * 6 + 12 <= MAX_DATAGRAM_V6);
        }
    }

    #[test]
    fn impossible_packet_times_name_the_range() {
        let plan = |ptime| PacketPlan::new(SampleRate::HZ_8000, 2, 12, ptime, MAX_DATAGRAM_V4);
        let small = plan(Duration::from_micros(10)).unwrap_err().to_string();
        assert!(
            small.contains("ptime") && small.contains("0.1250 ms"),
            "{small}"
        );
        assert!(plan(ms(1_001)).is_err());
        assert!(PacketPlan::new(SampleRate::HZ_8000, 4_096, 12, ms(1), 1_472).is_err());
    }

    #[test]
    fn overflow_drops_the_oldest_frames() {
        let mut p = Packetizer::new(Channels::MONO, 2);
        let data: Vec<f32> = (0..20).map(|n| n as f32).collect();
        assert_eq!(p.push(AudioRef::new(&data, Channels::MONO)), 2);
        assert_eq!(p.take(false).unwrap().samples(), &[2.0, 3.0]);
        assert_eq!(p.push(AudioRef::new(&data[..4], Channels::MONO)), 2);
        assert_eq!(p.take(false).unwrap().samples(), &[6.0, 7.0]);
    }

    proptest! {
        #[test]
        fn every_frame_comes_out_once_in_order(sizes in prop::collection::vec(0usize..30, 1..60), per in 1usize..20) {
            let mut p = Packetizer::new(Channels::STEREO, per);
            let (mut next, mut expected) = (0u32, 0u32);
            for size in sizes {
                let block: Vec<f32> = (0..size * 2).map(|i| (next + i as u32) as f32).collect();
                next += size as u32 * 2;
                let dropped = p.push(AudioRef::new(&block, Channels::STEREO)) as u32;
                expected += dropped * 2;
                while let Some(packet) = p.take(false) {
                    prop_assert_eq!(packet.frames(), per);
                    for s in packet.samples() {
                        prop_assert_eq!(*s, expected as f32);
                        expected += 1;
                    }
                }
            }
            while let Some(packet) = p.take(true) {
                expected += packet.samples().len() as u32;
            }
            prop_assert_eq!(next, expected);
        }
    }
}
