//! The same arrivals once more, under other settings, in virtual time.

use std::f32::consts::TAU;
use std::time::Duration;

use super::{Arrival, TraceEvent, TraceHead};
use crate::block::AudioMut;
use crate::codec::{DecodeError, Decoder};
use crate::error::ConfigError;
use crate::format::StreamFormat;
use crate::packet::PacketBuf;
use crate::playout::{Part, Playout, PlayoutConfig};
use crate::stats::PlayoutStats;
use crate::time::{Instant, MediaTime};

/// Runs traces again.
///
/// The packets arrive as they did and the device asks as it did; only what playout makes of it
/// is decided anew. In place of the audio, which a trace does not hold, a voice-like signal
/// plays, so that time-stretch finds what it would find.
#[derive(Debug)]
pub struct Replay {
    playout: Playout,
    output: StreamFormat,
    start: Option<Instant>,
    out: Box<[f32]>,
    spare: Vec<PacketBuf>,
    report: ReplayReport,
    /// The point being made, and the counters at its start.
    point: ReplayPoint,
    before: PlayoutStats,
}

/// What would have been heard.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplayReport {
    /// Playout's counters.
    pub stats: PlayoutStats,
    /// A tenth of a second each.
    pub points: Vec<ReplayPoint>,
    /// Mean delay from the luckiest arrival to being asked for, while sound played.
    pub mean_delay: Duration,
    /// The longest.
    pub max_delay: Duration,
}

/// A tenth of a second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayPoint {
    /// Since the first event.
    pub at: Duration,
    /// Delay at the end.
    pub delay: Duration,
    /// Delay aimed at, at the end.
    pub target: Duration,
    /// Frames made up.
    pub concealed: u64,
    /// Frames that time-stretch put in.
    pub inserted: u64,
    /// Frames that were left out to get faster.
    pub removed: u64,
}

impl Replay {
    /// Runs the events of a trace with this head under `config`, whose output format is the
    /// trace's whatever it says. A trace without pulls is asked for 10 ms every 10 ms.
    ///
    /// # Errors
    /// `config` does not suit the trace.
    pub fn run(
        head: &TraceHead,
        events: &[TraceEvent],
        config: &PlayoutConfig,
    ) -> Result<ReplayReport, ConfigError> {
        let mut replay = Self::new(head, events, config)?;
        let pulls = events.iter().any(|e| matches!(e, TraceEvent::Pull { .. }));
        let quantum = (head.output.rate.get() / 100).max(1);
        let mut pulled = 0u64;
        // A trace without pulls is asked by a device of its own.
        let most = match pulls {
            true => 0,
            false => MAX_SECONDS * u64::from(head.output.rate.get()),
        };
        let last = events
            .iter()
            .rposition(|e| matches!(e, TraceEvent::Arrival(_)));
        for (n, event) in events.iter().enumerate() {
            if last.is_none_or(|last| n > last) {
                // How it would have gone on without a sender is not asked.
                replay.playout.finish();
            }
            match event {
                TraceEvent::Arrival(a) => {
                    let first = *replay.start.get_or_insert(a.at);
                    let due = |pulled| first + head.output.rate.duration_of(pulled);
                    while pulled < most && due(pulled) <= a.at {
                        replay.pull(due(pulled), quantum);
                        pulled += u64::from(quantum);
                    }
                    replay.insert(a);
                }
                TraceEvent::Pull { at, frames } => {
                    replay.start.get_or_insert(*at);
                    replay.pull(*at, *frames);
                }
                TraceEvent::Decision { .. } | TraceEvent::Lost(_) => {}
            }
        }
        Ok(replay.finish())
    }

    fn new(
        head: &TraceHead,
        events: &[TraceEvent],
        config: &PlayoutConfig,
    ) -> Result<Self, ConfigError> {
        let frames = events.iter().map(|e| match e {
            TraceEvent::Arrival(a) => a.frames,
            _ => 0,
        });
        let frames = frames.max().unwrap_or(0).clamp(1, MAX_PACKET);
        let config = PlayoutConfig {
            output: Some(head.output),
            map: None,
            ..config.clone()
        };
        let decoder = Voice::new(head.stream, frames as usize);
        Ok(Self {
            playout: Playout::new(&config, vec![(0, Box::new(decoder))])?,
            output: head.output,
            start: None,
            out: vec![0.0; QUANTUM * head.output.channels.get()].into_boxed_slice(),
            spare: Vec::new(),
            report: ReplayReport::default(),
            point: ReplayPoint::default(),
            before: PlayoutStats::default(),
        })
    }

    fn insert(&mut self, a: &Arrival) {
        if a.frames == 0 {
            return;
        }
        let mut packet = self
            .spare
            .pop()
            .unwrap_or_else(|| PacketBuf::with_capacity(PAYLOAD));
        let mut payload = [0; PAYLOAD];
        payload[..8].copy_from_slice(&a.media.0.to_le_bytes());
        payload[8..].copy_from_slice(&a.frames.min(MAX_PACKET).to_le_bytes());
        packet.fill(&payload);
        packet.meta.payload = 0..PAYLOAD;
        packet.meta.payload_type = 0;
        packet.meta.arrival = a.at;
        packet.meta.seq = a.seq;
        packet.meta.at = a.media;
        packet.meta.generation = a.generation;
        packet.meta.recovered = a.recovered;
        packet.meta.synthesised = a.synthesised;
        self.playout.insert(packet);
        self.collect();
    }

    fn pull(&mut self, at: Instant, frames: u32) {
        let channels = self.output.channels;
        let of = (frames as usize).min(MAX_QUANTUM);
        let mut done = 0;
        while done < of {
            let n = (of - done).min(QUANTUM);
            let out = &mut self.out[..n * channels.get()];
            let part = Part { now: at, done, of };
            let out = AudioMut::new(out, channels);
            let pulled = self.playout.pull_part(part, out);
            if pulled.idle < n {
                self.point.delay = pulled.delay;
                self.point.target = self.playout.target_delay();
                self.report.max_delay = self.report.max_delay.max(pulled.delay);
            }
            done += n;
        }
        self.collect();
        let since = at.saturating_since(self.start.unwrap_or(at));
        if since >= self.point.at + POINT {
            self.mark(since);
        }
    }

    fn mark(&mut self, next: Duration) {
        let (now, then) = (*self.playout.stats(), self.before);
        self.point.concealed = now.concealed_samples - then.concealed_samples;
        self.point.inserted =
            now.inserted_samples_for_deceleration - then.inserted_samples_for_deceleration;
        self.point.removed =
            now.removed_samples_for_acceleration - then.removed_samples_for_acceleration;
        self.report.points.push(self.point);
        self.point.at = next;
        self.before = now;
    }

    fn finish(mut self) -> ReplayReport {
        self.mark(self.point.at);
        self.report.stats = *self.playout.stats();
        let heard: Vec<_> = self
            .report
            .points
            .iter()
            .filter(|p| !p.delay.is_zero())
            .collect();
        let sum: Duration = heard.iter().map(|p| p.delay).sum();
        self.report.mean_delay = sum / u32::try_from(heard.len().max(1)).unwrap_or(u32::MAX);
        self.report
    }

    fn collect(&mut self) {
        while let Some(p) = self.playout.poll_recycled() {
            self.spare.push(p);
        }
    }
}

/// Speaks a vowel: harmonics of a hundred and some hertz, in syllables.
#[derive(Debug)]
struct Voice {
    format: StreamFormat,
    max: usize,
    period: Box<[f32]>,
    syllable: Box<[f32]>,
}

impl Voice {
    fn new(format: StreamFormat, max: usize) -> Self {
        let period = cycle(|x| {
            (1..=12)
                .map(|h| (TAU * x * h as f32).sin() / h as f32)
                .sum::<f32>()
                * 0.2
        });
        let syllable = cycle(|x| (0.5 - 0.5 * (TAU * x).cos()).sqrt());
        Self {
            format,
            max,
            period,
            syllable,
        }
    }

    fn at(&self, media: i64) -> f32 {
        let rate = i64::from(self.format.rate.get());
        let look = |table: &[f32], hertz: i64| {
            let place = (media.rem_euclid(rate) * hertz * table.len() as i64 / rate) as usize;
            table[place % table.len()]
        };
        look(&self.period, PITCH) * look(&self.syllable, SYLLABLES)
    }
}

impl Decoder for Voice {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn max_frames(&self) -> usize {
        self.max
    }

    fn frames_in(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        let (_, frames) = parse(payload).ok_or(DecodeError::Malformed)?;
        Ok(frames)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let (MediaTime(at), frames) = parse(payload).ok_or(DecodeError::Malformed)?;
        let channels = self.format.channels.get();
        let max = out.len() / channels;
        if frames > max {
            return Err(DecodeError::TooLong { frames, max });
        }
        for (n, frame) in out.chunks_exact_mut(channels).take(frames).enumerate() {
            frame.fill(self.at(at.wrapping_add(n as i64)));
        }
        Ok(frames)
    }

    fn reset(&mut self) {}
}

fn parse(payload: &[u8]) -> Option<(MediaTime, usize)> {
    let (at, frames) = payload.split_first_chunk::<8>()?;
    let frames = u32::from_le_bytes(frames.try_into().ok()?);
    Some((MediaTime(i64::from_le_bytes(*at)), frames as usize))
}

fn cycle(of: impl Fn(f32) -> f32) -> Box<[f32]> {
    (0..TABLE).map(|n| of(n as f32 / TABLE as f32)).collect()
}

const TABLE: usize = 1_024;
const PITCH: i64 = 120;
const SYLLABLES: i64 = 4;
const PAYLOAD: usize = 12;
const POINT: Duration = Duration::from_millis(100);
/// Frames pulled at once.
const QUANTUM: usize = 4_096;
/// Frames of a pull that are believed; a damaged trace asks for more.
const MAX_QUANTUM: usize = 1 << 20;
/// Frames of a packet that are believed.
const MAX_PACKET: u32 = 1 << 16;
/// Seconds of a trace without pulls that are played; a damaged one never ends.
const MAX_SECONDS: u64 = 48 * 3_600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SampleRate;
    use crate::playout::Inserted;
    use crate::time::ExtSeq;

    fn head() -> TraceHead {
        let format = StreamFormat::new(SampleRate::HZ_8000, crate::format::Channels::MONO);
        TraceHead {
            stream: format,
            output: format,
        }
    }

    fn arrivals(seconds: u64, lost: impl Fn(u64) -> bool) -> Vec<TraceEvent> {
        (0..seconds * 100)
            .filter(|n| !lost(*n))
            .map(|n| {
                TraceEvent::Arrival(Arrival {
                    at: Instant::from_nanos(1_000_000_000 + n * 10_000_000),
                    seq: ExtSeq(n + 1),
                    media: MediaTime(n as i64 * 80),
                    frames: 80,
                    bytes: 160,
                    generation: 0,
                    recovered: false,
                    synthesised: false,
                    marker: false,
                    outcome: Inserted::Queued,
                })
            })
            .collect()
    }

    #[test]
    fn a_trace_without_pulls_is_played_by_a_device_of_its_own() {
        let config = PlayoutConfig::exact(Duration::from_millis(30));
        let events = arrivals(10, |n| n % 50 == 20);
        let report = Replay::run(&head(), &events, &config).unwrap();
        // Ten seconds less what the latency still holds.
        assert_eq!(report.stats.concealed_samples, 20 * 80);
        assert!((79_000..=80_000).contains(&report.stats.frames_pulled));
        assert!((99..=101).contains(&report.points.len()));
        let made: u64 = report.points.iter().map(|p| p.concealed).sum();
        assert_eq!(made, 20 * 80);
    }

    #[test]
    fn the_same_trace_comes_out_the_same_and_other_settings_otherwise() {
        let events = arrivals(10, |n| n % 7 == 3);
        let run = |ms| {
            let config = PlayoutConfig::fixed(Duration::from_millis(ms));
            Replay::run(&head(), &events, &config).unwrap()
        };
        assert_eq!(run(40), run(40));
        assert!(
            run(80).stats.mean_jitter_buffer_delay() > run(40).stats.mean_jitter_buffer_delay()
        );
    }

    #[test]
    fn impossible_values_end_in_silence() {
        let mut events = arrivals(1, |_| false);
        for (i, e) in events.iter_mut().enumerate() {
            if let TraceEvent::Arrival(a) = e {
                match i % 4 {
                    0 => a.frames = u32::MAX,
                    1 => a.media = MediaTime(i64::MIN + i as i64),
                    2 => a.seq = ExtSeq(u64::MAX - i as u64),
                    _ => a.at = Instant::from_nanos(u64::MAX),
                }
            }
        }
        events.insert(
            50,
            TraceEvent::Pull {
                at: Instant::EPOCH,
                frames: u32::MAX,
            },
        );
        for config in [
            PlayoutConfig::default(),
            PlayoutConfig::exact(Duration::ZERO),
        ] {
            Replay::run(&head(), &events, &config).unwrap();
        }
    }
}
