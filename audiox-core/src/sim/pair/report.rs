//! What a run came to.

use std::fmt;
use std::time::Duration;

use crate::ingress::IngressStats;
use crate::receiver::ReceiverStats;
use crate::sim::link::LinkStats;
use crate::sim::probe::ProbeTotals;
use crate::stats::{PlayoutStats, SenderStats, SourceStats};

/// Everything that is known about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairReport {
    /// True time since the start.
    pub elapsed: Duration,
    /// Frames that the capture device took.
    pub frames_captured: u64,
    /// Frames that the playback device took.
    pub frames_played: u64,
    /// The way there: media and sender reports.
    pub forward: LinkStats,
    /// The way back: receiver reports.
    pub back: LinkStats,
    /// The sender, since its last restart.
    pub sender: SenderStats,
    /// The receiver's join.
    pub receiver: ReceiverStats,
    /// The receiver's wire side.
    pub ingress: IngressStats,
    /// The stream that is heard; `None` where none is.
    pub source: Option<SourceStats>,
    /// The receiver's device side.
    pub playout: PlayoutStats,
    /// Which frames came out; all zero where the signal is a tone.
    pub probe: ProbeTotals,
    /// Clicks in the tone; zero where the signal is a probe.
    pub clicks: u64,
    /// True time from a frame's capture to its playback, measured once a quantum on frames that
    /// the probe vouches for.
    pub latency: LatencyStats,
    /// Fingerprint of what arrived when, of events and of every sample played.
    pub digest: u128,
}

impl fmt::Display for PairReport {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (l, p) = (&self.forward, &self.playout);
        writeln!(
            f,
            "{:?}: sent {}, lost {}, dropped {}, duplicated {}, reordered {}, delay {:?} to {:?}",
            self.elapsed,
            l.handled,
            l.lost,
            l.queue_dropped + l.overflowed,
            l.duplicated,
            l.reordered,
            l.delay_min,
            l.delay_max,
        )?;
        writeln!(
            f,
            "played {} frames, concealed {} in {} events ({:.3} %), late {}, duplicate {}, resyncs {}",
            p.frames_decoded,
            p.concealed_samples,
            p.concealment_events,
            p.concealed_ratio() * 100.0,
            p.packets_late,
            p.packets_duplicate,
            p.resyncs,
        )?;
        write!(
            f,
            "latency {:?} to {:?}, mean {:?}; digest {:032x}",
            self.latency.min(),
            self.latency.max(),
            self.latency.mean(),
            self.digest,
        )
    }
}

/// The spread of exact latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LatencyStats {
    count: u64,
    min: i64,
    max: i64,
    total: i128,
}

impl LatencyStats {
    pub(super) fn record(&mut self, nanos: i64) {
        if self.count == 0 {
            (self.min, self.max) = (nanos, nanos);
        }
        self.count += 1;
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.total += i128::from(nanos);
    }

    /// Measurements taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The shortest; zero before the first measurement.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.min.max(0) as u64)
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max.max(0) as u64)
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        let mean = self.total / i128::from(self.count.max(1));
        Duration::from_nanos(mean.clamp(0, u64::MAX.into()) as u64)
    }
}
