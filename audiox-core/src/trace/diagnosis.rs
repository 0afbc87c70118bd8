//! What a trace shows, in figures and in plain words.

use std::fmt;
use std::time::Duration;

use super::losses::Losses;
use super::{Arrival, Replay, ReplayReport, TraceEvent, TraceHead};
use crate::drift::{DriftEstimate, DriftEstimator};
use crate::error::ConfigError;
use crate::jitter::{DelayConfig, DelayEstimator};
use crate::playout::{Inserted, Profile};

/// The state of a stream's network and clocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// From the first arrival to the last.
    pub span: Duration,
    /// Packets that came, duplicates not counted.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// How they were lost.
    pub pattern: LossPattern,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Times the sender started over.
    pub restarts: u64,
    /// Events missing from the trace.
    pub untraced: u64,
    /// How much later than the luckiest recent packet others came: the median, 90, 99 and
    /// 99.9 %, and the latest.
    pub jitter: [Duration; 5],
    /// Times that nothing came for more than ten packets' time and 100 ms, and then all at once.
    pub stalls: u64,
    /// The longest of them.
    pub longest_stall: Duration,
    /// Sender's clock against the local one.
    pub drift: Option<DriftEstimate>,
    /// A packet's duration, where all have the same.
    pub ptime: Duration,
    /// What each profile would make of it.
    pub profiles: Vec<(Profile, ReplayReport)>,
    /// The one with the least delay that makes up hardly more than what was lost.
    pub suits: Profile,
}

/// How packets were lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LossPattern {
    /// None was.
    None,
    /// That cannot be told: the packets bear no numbers (raw streams).
    Unknown,
    /// One at a time, as on a noisy line.
    Single,
    /// In runs, as where a queue overflows or a radio fades.
    Bursts {
        /// Mean number of packets in a run.
        mean: f64,
        /// The longest run.
        longest: u64,
    },
}

impl Diagnosis {
    /// Reads a trace.
    ///
    /// # Errors
    /// The trace's format cannot be played.
    pub fn new(head: &TraceHead, events: &[TraceEvent]) -> Result<Self, ConfigError> {
        let mut seen = Seen::default();
        let mut delay = DelayEstimator::new(&DelayConfig::default())?;
        let mut drift = DriftEstimator::new();
        let rate = head.stream.rate;
        for event in events {
            match event {
                TraceEvent::Arrival(a) => {
                    if seen.arrival(a) {
                        delay.reset();
                        drift.reset();
                    }
                    if a.recovered || a.outcome == Inserted::Duplicate {
                        continue;
                    }
                    let media = rate.nanos_of(a.media.0);
                    let duration = rate.nanos_of(i64::from(a.frames));
                    delay.observe(a.at, a.seq, media, duration);
                    drift.observe(a.at, media);
                    if let Some(lucky) = delay.lucky_arrival(media) {
                        seen.lateness.push(a.at.saturating_since(lucky));
                    }
                    seen.frames = a.frames;
                }
                TraceEvent::Lost(n) => seen.untraced += n,
                TraceEvent::Pull { .. } | TraceEvent::Decision { .. } => {}
            }
        }
        let mut profiles = Vec::with_capacity(Profile::ALL.len());
        for profile in Profile::ALL {
            profiles.push((profile, Replay::run(head, events, &profile.config())?));
        }
        let best = profiles
            .iter()
            .map(|(_, r)| r.stats.concealed_ratio())
            .fold(f64::INFINITY, f64::min);
        let suits = profiles
            .iter()
            .find(|(_, r)| r.stats.concealed_ratio() <= best + TOLERATED)
            .map_or(Profile::Robust, |(p, _)| *p);
        let ptime = rate.duration_of(u64::from(seen.frames));
        Ok(seen.finish(drift.estimate(), ptime, profiles, suits))
    }

    /// Share of packets lost, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.lost as f64 / self.packets.saturating_add(self.lost).max(1) as f64
    }
}

impl fmt::Display for Diagnosis {
    /// A sentence a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        if self.packets == 0 {
            return f.write_str("No packet came. Is the sender running, and does it send here?");
        }
        writeln!(
            f,
            "{} packets of {:.1} ms in {:.1} s.",
            self.packets,
            ms(self.ptime),
            self.span.as_secs_f64()
        )?;
        match self.pattern {
            LossPattern::None => writeln!(f, "Nothing was lost.")?,
            LossPattern::Unknown => writeln!(
                f,
                "The packets bear no numbers, so how many were lost cannot be told."
            )?,
            LossPattern::Single => writeln!(
                f,
                "{:.2} % were lost, one at a time: a noisy line or radio. Redundancy of one packet would bring them back.",
                self.loss() * 100.0
            )?,
            LossPattern::Bursts { mean, longest } => writeln!(
                f,
                "{:.2} % were lost, {mean:.1} in a row on average and {longest} at most: a queue that overflows or a radio that fades. Less traffic on the way, or redundancy that spans such a run, would help.",
                self.loss() * 100.0
            )?,
        }
        let [p50, p90, p99, p999, max] = self.jitter;
        writeln!(
            f,
            "Behind the luckiest packets, half come within {:.1} ms, 90 % within {:.1}, 99 % within {:.1}, 99.9 % within {:.1}, all within {:.1} ms.",
            ms(p50),
            ms(p90),
            ms(p99),
            ms(p999),
            ms(max)
        )?;
        if self.stalls > 0 {
            writeln!(
                f,
                "{} times nothing came for 100 ms or more ({:.0} ms at most) and then much at once: Wi-Fi scanning or power saving, or a busy machine.",
                self.stalls,
                ms(self.longest_stall)
            )?;
        }
        if self.reordered > 0 {
            writeln!(
                f,
                "{:.2} % overtook each other: there is more than one way through the network.",
                self.reordered as f64 / self.packets as f64 * 100.0
            )?;
        }
        if self.duplicates > 0 {
            writeln!(f, "{} came twice.", self.duplicates)?;
        }
        if self.restarts > 0 {
            writeln!(f, "The sender started over {} times.", self.restarts)?;
        }
        match self.drift {
            Some(d) if d.ppm.abs() > IMPOSSIBLE_PPM => writeln!(
                f,
                "{:.1} % {} sound comes than the rate says, more than clocks differ: {}the rate is not what was announced.",
                d.ppm.abs() / 1e4,
                if d.ppm > 0.0 { "more" } else { "less" },
                match self.pattern {
                    LossPattern::Unknown => "packets are lost, or ",
                    _ => "",
                }
            )?,
            Some(d) if d.ppm.abs() > 3.0 * d.sigma_ppm + NOTABLE_PPM => writeln!(
                f,
                "The sender's clock is {:.1} ppm {} than this machine's (±{:.1}): {:.0} ms an hour, which playout resamples away.",
                d.ppm.abs(),
                if d.ppm > 0.0 { "faster" } else { "slower" },
                d.sigma_ppm,
                d.ppm.abs() * 3.6
            )?,
            Some(d) => writeln!(
                f,
                "The clocks agree, as far as {:.0} s show (within {:.1} ppm).",
                d.span.as_secs_f64(),
                d.ppm.abs() + 3.0 * d.sigma_ppm
            )?,
            None => writeln!(f, "Too short to compare the clocks.")?,
        }
        if self.untraced > 0 {
            writeln!(
                f,
                "{} events are missing from the trace: what wrote it was too slow.",
                self.untraced
            )?;
        }
        for (profile, report) in &self.profiles {
            writeln!(
                f,
                "Profile {profile}: {:.0} ms mean delay, {:.3} % made up.",
                ms(report.mean_delay),
                report.stats.concealed_ratio() * 100.0
            )?;
        }
        write!(f, "Profile {} suits.", self.suits)
    }
}

#[derive(Debug, Default)]
struct Seen {
    first: Option<Arrival>,
    last: Option<Arrival>,
    losses: Losses,
    generation: u32,
    packets: u64,
    duplicates: u64,
    reordered: u64,
    restarts: u64,
    untraced: u64,
    lateness: Vec<Duration>,
    frames: u32,
    stalls: u64,
    longest_stall: Duration,
    synthesised: bool,
}

impl Seen {
    /// Takes an arrival into the account; whether it begins another timeline.
    fn arrival(&mut self, a: &Arrival) -> bool {
        if a.outcome == Inserted::Duplicate {
            self.duplicates += 1;
            return false;
        }
        let restarted = self.last.is_some() && a.generation != self.generation;
        if restarted {
            self.restarts += 1;
            self.losses.end();
        }
        if let Some(last) = self.last
            && !restarted
        {
            let pause = a.at.saturating_since(last.at);
            let media = a.media - last.media;
            // A sender that paused shows the pause in its timestamps.
            let stalled = media.unsigned_abs() < 5 * u64::from(a.frames.max(1));
            if pause >= STALL && stalled {
                self.stalls += 1;
                self.longest_stall = self.longest_stall.max(pause);
            }
        }
        if self.losses.came(a.seq.0) {
            self.reordered += u64::from(!a.recovered);
        }
        self.packets += 1;
        self.synthesised |= a.synthesised;
        self.first.get_or_insert(*a);
        self.last = Some(*a);
        self.generation = a.generation;
        restarted
    }

    fn finish(
        mut self,
        drift: Option<DriftEstimate>,
        ptime: Duration,
        profiles: Vec<(Profile, ReplayReport)>,
        suits: Profile,
    ) -> Diagnosis {
        self.losses.end();
        let Losses { lost, longest, .. } = self.losses;
        let mean = lost as f64 / self.losses.runs.max(1) as f64;
        self.lateness.sort_unstable();
        let quantile = |thousandths: usize| {
            let last = self.lateness.len().saturating_sub(1);
            let n = (self.lateness.len() * thousandths / 1_000).min(last);
            self.lateness.get(n).copied().unwrap_or_default()
        };
        let span = match (self.first, self.last) {
            (Some(first), Some(last)) => last.at.saturating_since(first.at),
            _ => Duration::ZERO,
        };
        Diagnosis {
            span,
            packets: self.packets,
            lost,
            pattern: match lost {
                _ if self.synthesised => LossPattern::Unknown,
                0 => LossPattern::None,
                _ if mean < BURSTY => LossPattern::Single,
                _ => LossPattern::Bursts { mean, longest },
            },
            duplicates: self.duplicates,
            reordered: self.reordered,
            restarts: self.restarts,
            untraced: self.untraced,
            jitter: [500, 900, 990, 999, 1_000].map(quantile),
            stalls: self.stalls,
            longest_stall: self.longest_stall,
            drift,
            ptime,
            profiles,
            suits,
        }
    }
}

const STALL: Duration = Duration::from_millis(100);
/// Packets in a row, on average, from which on losses are called bursts. Chance alone makes
/// 1 / (1 − loss).
const BURSTY: f64 = 1.5;
/// More of the sound made up than the best profile would, before one is too daring.
const TOLERATED: f64 = 0.003;
const NOTABLE_PPM: f64 = 1.0;
/// The worst oscillators are off by some hundred.
const IMPOSSIBLE_PPM: f64 = 1_000.0;
