//! Playout under any treatment: whatever is pulled is accounted for, finite, and never louder
//! than what came in.
#![cfg(test)]

use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::{DecodeError, Decoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::packet::PacketBuf;
use audiox_core::playout::{Latency, Playout, PlayoutConfig, Profile};
use audiox_core::time::{ExtSeq, Instant, MediaTime};
use proptest::prelude::*;

/// Payloads say how many frames they are of, and of what.
struct Wild(StreamFormat);

impl Decoder for Wild {
    fn format(&self) -> StreamFormat {
        self.0
    }

    fn max_frames(&self) -> usize {
        6_000
    }

    fn frames_in(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        match payload {
            [high, low, _] => Ok(usize::from(u16::from_be_bytes([*high, *low])) % 6_000),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let frames = self.frames_in(payload)?;
        let samples = frames * self.0.channels.get();
        let max = out.len() / self.0.channels.get();
        let room = out.get_mut(..samples);
        let room = room.ok_or(DecodeError::TooLong { frames, max })?;
        for (n, s) in room.iter_mut().enumerate() {
            *s = match payload[2] {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => 0.0,
                k => ((n * usize::from(k)) as f32 * 0.01).sin() * 0.9,
            };
        }
        Ok(frames)
    }

    fn reset(&mut self) {}
}

#[derive(Debug, Clone)]
enum Step {
    /// Packets from this number on, so many, each of so many frames and of this content.
    Send(i64, u8, u16, u8),
    /// Time goes on, or back, by so many nanoseconds.
    Pass(i64),
    /// A slice of so many frames.
    Pull(usize),
    Generation,
    Finish,
    Reset,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (-5i64..5, 1u8..5, prop_oneof![Just(480u16), 0u16..6_000], 0u8..40)
            .prop_map(|(n, count, frames, kind)| Step::Send(n, count, frames, kind)),
        1 => (any::<i64>(), Just(1u8), Just(480u16), 3u8..40)
            .prop_map(|(n, count, frames, kind)| Step::Send(n, count, frames, kind)),
        6 => (0i64..40_000_000).prop_map(Step::Pass),
        1 => any::<i64>().prop_map(Step::Pass),
        8 => prop_oneof![Just(480usize), Just(1), 1usize..5_000].prop_map(Step::Pull),
        1 => Just(Step::Generation),
        1 => Just(Step::Finish),
        1 => Just(Step::Reset),
    ]
}

fn any_config() -> impl Strategy<Value = PlayoutConfig> {
    let latency = (0u64..3_000).prop_map(Duration::from_millis);
    let kind = prop_oneof![
        prop::sample::select(Profile::ALL.to_vec()).prop_map(Profile::config),
        latency.clone().prop_map(PlayoutConfig::fixed),
        latency.prop_map(PlayoutConfig::exact),
    ];
    let output = prop::option::of((
        prop::sample::select(vec![8_000, 44_100, 48_000, 192_000]),
        prop::sample::select(vec![1, 2, 5]),
    ));
    (kind, output, 0u64..100).prop_map(|(config, output, delay)| PlayoutConfig {
        output: output.map(|(hz, channels)| format(hz, channels)),
        output_delay: Duration::from_millis(delay),
        ..config
    })
}

fn format(hz: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(hz).unwrap(),
        Channels::new(channels).unwrap(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn whatever_is_pulled_is_accounted_for_and_no_louder_than_what_came(
        config in any_config(),
        hz in prop::sample::select(vec![8_000, 24_000, 48_000, 192_000]),
        channels in prop::sample::select(vec![1, 2, 7]),
        start in prop_oneof![Just(0), Just(1_000_000_000), Just(u64::MAX - 1_000_000_000)],
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let stream = format(hz, channels);
        let decoders: Vec<(u8, Box<dyn Decoder>)> = vec![(96, Box::new(Wild(stream)))];
        // Maps between many channels may be refused.
        let Ok(mut playout) = Playout::new(&config, decoders) else {
            return Ok(());
        };
        let out_channels = playout.format().channels;
        let (mut now, mut seq, mut at, mut generation) = (start, 70_000u64, 0i64, 0);
        let mut pulled = 0u64;
        let mut out = vec![0.0; 5_000 * out_channels.get()];
        for step in steps {
            match step {
                Step::Send(jump, count, frames, kind) => {
                    seq = seq.wrapping_add_signed(jump);
                    at = at.wrapping_add(jump.wrapping_mul(480));
                    for _ in 0..count {
                        let mut packet = PacketBuf::with_capacity(3);
                        let [high, low] = frames.to_be_bytes();
                        packet.fill(&[high, low, kind]);
                        packet.meta.payload = 0..3;
                        packet.meta.payload_type = if kind == 39 { 97 } else { 96 };
                        packet.meta.arrival = Instant::from_nanos(now);
                        packet.meta.seq = ExtSeq(seq);
                        packet.meta.at = MediaTime(at);
                        packet.meta.generation = generation;
                        playout.insert(packet);
                        seq = seq.wrapping_add(1);
                        at = at.wrapping_add(frames.into());
                    }
                }
                Step::Pass(nanos) => now = now.saturating_add_signed(nanos),
                Step::Pull(frames) => {
                    let slice = &mut out[..frames * out_channels.get()];
                    slice.fill(f32::NAN);
                    let told = playout.pull(
                        Instant::from_nanos(now),
                        AudioMut::new(slice, out_channels),
                    );
                    pulled += frames as u64;
                    prop_assert_eq!(told.decoded + told.concealed + told.idle, frames);
                    let loudest = slice.iter().fold(0.0f32, |m, s| m.max(s.abs()));
                    prop_assert!(slice.iter().all(|s| s.is_finite()));
                    // Mixing down adds up to two channels; a resampler overshoots at edges.
                    prop_assert!(loudest < 0.9 * 2.0 * 1.3, "{}", loudest);
                    while playout.poll_recycled().is_some() {}
                }
                Step::Generation => generation += 1,
                Step::Finish => playout.finish(),
                Step::Reset => playout.reset(),
            }
            prop_assert!(playout.packets_buffered() <= config.width);
        }
        // Counted at the stream's rate.
        let s = playout.stats();
        let sum = s.frames_decoded + s.concealed_samples + s.frames_idle;
        prop_assert_eq!(s.frames_pulled, sum);
        if playout.format().rate == stream.rate && config.latency == Latency::Fixed(Duration::ZERO) {
            prop_assert_eq!(sum, pulled);
        }
    }
}
