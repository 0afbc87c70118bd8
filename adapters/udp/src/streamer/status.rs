//! What a running streamer tells: single atomics written by the pacing thread, which therefore
//! never waits for whoever reads them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use audiox_core::format::SampleRate;
use audiox_core::stats::SenderStats;

/// A look at a running streamer. Figures of one stream are each true, but not all of the same
/// instant.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamerSnapshot {
    /// Time since the common start; zero before it.
    pub elapsed: Duration,
    /// Time until the common start; zero after it.
    pub until_start: Duration,
    /// Datagrams on the RTCP ports that are no RTCP.
    pub reports_rejected: u64,
    /// The streams, in the order of their sources.
    pub streams: Vec<StreamSnapshot>,
}

/// A look at one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSnapshot {
    /// Name of the source.
    pub name: String,
    /// Whether it runs.
    pub state: StreamState,
    /// Media packets sent.
    pub packets: u64,
    /// Payload bytes sent, headers not counted.
    pub bytes: u64,
    /// Frames sent.
    pub frames: u64,
    /// Media time reached: frames sent and left out.
    pub position: Duration,
    /// Packets that a host refused because nothing listens on the port. Sending goes on.
    pub refused: u64,
    /// Packets that this machine dropped: no route for the moment, buffer full, too long.
    pub dropped: u64,
    /// Times that the source was too slow.
    pub underruns: u64,
    /// Packets sent more than a packet's duration after their time.
    pub late: u64,
    /// Frames left out to catch up, or because a live source had none.
    pub frames_skipped: u64,
    /// Whole frames by which sending has slipped against its schedule; `None` before there is
    /// enough to tell.
    pub drift_frames: Option<i64>,
    /// Largest level since the snapshot before, in dB of full scale; −∞ for silence.
    pub peak_dbfs: f32,
    /// What receivers last said, for RTP.
    pub remote: Option<RemoteReport>,
}

/// Whether a stream runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamState {
    /// The common start is ahead.
    Waiting,
    /// Packets go out.
    Sending,
    /// The last packet is out.
    Ended,
}

/// The newest report block about a stream (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RemoteReport {
    /// Reports received.
    pub reports: u64,
    /// Share of packets lost since the report before, 0 to 1.
    pub fraction_lost: f32,
    /// Packets lost in all; negative where duplicates outnumber losses.
    pub packets_lost: i32,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// Round-trip time, once a report allowed to tell.
    pub round_trip: Option<Duration>,
}

/// The cells of one stream.
#[derive(Debug)]
pub(super) struct Status {
    name: String,
    rate: SampleRate,
    pub(super) local: SocketAddr,
    pub(super) state: AtomicU8,
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) position: AtomicU64,
    pub(super) refused: AtomicU64,
    /// Refusals that the thread which receives reports heard of.
    pub(super) refused_heard: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) underruns: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) skipped: AtomicU64,
    drift: AtomicI64,
    peak: AtomicU32,
    reports: AtomicU64,
    fraction_lost: AtomicU8,
    packets_lost: AtomicI64,
    jitter: AtomicU64,
    round_trip: AtomicU64,
}

impl Status {
    pub(super) fn new(name: String, rate: SampleRate, local: SocketAddr) -> Self {
        Self {
            name,
            rate,
            local,
            state: AtomicU8::new(WAITING),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            position: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            refused_heard: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            underruns: AtomicU64::new(0),
            late: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            drift: AtomicI64::new(UNKNOWN),
            peak: AtomicU32::new(0),
            reports: AtomicU64::new(0),
            fraction_lost: AtomicU8::new(0),
            packets_lost: AtomicI64::new(0),
            jitter: AtomicU64::new(0),
            round_trip: AtomicU64::new(NO_ROUND_TRIP),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Folds in the peak of a packet that goes out.
    pub(super) fn raise_peak(&self, peak: f32) {
        // The bits of floats that are not negative are ordered as the floats are.
        self.peak.fetch_max(peak.to_bits(), Relaxed);
    }

    pub(super) fn set_drift(&self, frames: Option<i64>) {
        self.drift.store(frames.unwrap_or(UNKNOWN), Relaxed);
    }

    /// Takes over what the newest report said.
    pub(super) fn set_remote(&self, stats: &SenderStats) {
        let nanos = |d: Duration| d.as_nanos() as u64;
        self.fraction_lost
            .store(stats.remote_fraction_lost, Relaxed);
        self.packets_lost
            .store(i64::from(stats.remote_packets_lost), Relaxed);
        self.jitter.store(nanos(stats.remote_jitter), Relaxed);
        let round_trip = stats.round_trip_time.map_or(NO_ROUND_TRIP, nanos);
        self.round_trip.store(round_trip, Relaxed);
        self.reports.store(stats.reports_received, Relaxed);
    }

    pub(super) fn snapshot(&self) -> StreamSnapshot {
        let peak = f32::from_bits(self.peak.swap(0, Relaxed));
        StreamSnapshot {
            name: self.name.clone(),
            state: match self.state.load(Relaxed) {
                WAITING => StreamState::Waiting,
                SENDING => StreamState::Sending,
                _ => StreamState::Ended,
            },
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            frames: self.frames.load(Relaxed),
            position: self.rate.duration_of(self.position.load(Relaxed)),
            refused: self.refused.load(Relaxed) + self.refused_heard.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            underruns: self.underruns.load(Relaxed),
            late: self.late.load(Relaxed),
            frames_skipped: self.skipped.load(Relaxed),
            drift_frames: Some(self.drift.load(Relaxed)).filter(|d| *d != UNKNOWN),
            peak_dbfs: 20.0 * peak.log10(),
            remote: self.remote(),
        }
    }

    pub(super) fn remote(&self) -> Option<RemoteReport> {
        let reports = self.reports.load(Relaxed);
        let round_trip = self.round_trip.load(Relaxed);
        (reports > 0).then(|| RemoteReport {
            reports,
            fraction_lost: f32::from(self.fraction_lost.load(Relaxed)) / 256.0,
            packets_lost: self.packets_lost.load(Relaxed) as i32,
            jitter: Duration::from_nanos(self.jitter.load(Relaxed)),
            round_trip: (round_trip != NO_ROUND_TRIP).then(|| Duration::from_nanos(round_trip)),
        })
    }
}

const WAITING: u8 = 0;
pub(super) const SENDING: u8 = 1;
pub(super) const ENDED: u8 = 2;
const UNKNOWN: i64 = i64::MIN;
const NO_ROUND_TRIP: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let local = SocketAddr::from(([127, 0, 0, 1], 5_004));
        Status::new("a.wav".into(), SampleRate::HZ_48000, local)
    }

    #[test]
    fn a_peak_is_told_once() {
        let s = status();
        assert_eq!(s.snapshot().peak_dbfs, f32::NEG_INFINITY);
        s.raise_peak(0.5);
        s.raise_peak(0.25);
        assert!((s.snapshot().peak_dbfs + 6.02).abs() < 0.01);
        assert_eq!(s.snapshot().peak_dbfs, f32::NEG_INFINITY);
    }

    #[test]
    fn what_is_not_known_yet_is_none() {
        let s = status();
        let first = s.snapshot();
        assert_eq!((first.drift_frames, first.remote), (None, None));
        assert_eq!(first.state, StreamState::Waiting);
        s.set_drift(Some(-1));
        s.set_remote(&SenderStats {
            reports_received: 2,
            remote_fraction_lost: 64,
            remote_packets_lost: -3,
            ..SenderStats::default()
        });
        let then = s.snapshot();
        let remote = then.remote.unwrap();
        assert_eq!(then.drift_frames, Some(-1));
        assert_eq!((remote.fraction_lost, remote.packets_lost), (0.25, -3));
        assert_eq!(remote.round_trip, None);
    }
}
