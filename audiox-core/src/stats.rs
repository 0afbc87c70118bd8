//! Counters, named as in W3C webrtc-stats and RFC 3550 where those have a name.
//!
//! All count from the start of the stream. "Samples" in a webrtc-stats name means samples of one
//! channel, which is what is called a frame here; the names are kept so that dashboards carry
//! over.

pub mod fit;
pub mod histogram;
pub mod ledger;
pub mod schedule;

pub use fit::LineFit;
pub use histogram::Histogram;
pub use ledger::LatencyLedger;
pub use schedule::{ScheduleStats, ScheduleSummary};

use std::time::Duration;

use crate::codec::RecoveredFrames;
use crate::playout::Pulled;

/// What happened on the device side of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlayoutStats {
    /// Frames that went towards the device, of whatever origin, at the stream's rate
    /// (`totalSamplesReceived` counts these less the idle ones).
    pub frames_pulled: u64,
    /// Frames decoded from packets (`jitterBufferEmittedCount` counts these too).
    pub frames_decoded: u64,
    /// Frames made up for missing packets.
    pub concealed_samples: u64,
    /// Of these, frames that are silent: concealment switched off, or faded.
    pub silent_concealed_samples: u64,
    /// Runs of concealed frames.
    pub concealment_events: u64,
    /// Frames of missing packets that redundancy inside the packet behind them brought back;
    /// they count as decoded.
    pub recovered_samples: u64,
    /// Of these, by which means. What went out is counted above; what was decoded, here.
    pub recovered: RecoveredFrames,
    /// Frames added by time-stretch, to make the delay longer.
    pub inserted_samples_for_deceleration: u64,
    /// Frames taken out by time-stretch, or left out, to make the delay shorter.
    pub removed_samples_for_acceleration: u64,
    /// Frames of silence while no stream played.
    pub frames_idle: u64,
    /// Sum over emitted frames of the time they spent in the jitter buffer.
    pub jitter_buffer_delay: Duration,
    /// Sum over emitted frames of the delay that was aimed at.
    pub jitter_buffer_target_delay: Duration,
    /// Sum over emitted frames of the delay that the network alone would need, without a
    /// configured minimum.
    pub jitter_buffer_minimum_delay: Duration,
    /// Frames that [`jitter_buffer_delay`](Self::jitter_buffer_delay) and its two companions sum
    /// over.
    pub jitter_buffer_emitted_count: u64,
    /// Packets that came after their time.
    pub packets_late: u64,
    /// Packets whose number was held already.
    pub packets_duplicate: u64,
    /// Packets of unknown payload type or with a payload that the decoder refuses.
    pub packets_undecodable: u64,
    /// Packets dropped unplayed by a restart of the timeline.
    pub packets_discarded: u64,
    /// Most packets ever held.
    pub packets_buffered_max: u64,
    /// Times the jitter buffer overflowed and was emptied.
    pub flushes: u64,
    /// Times the timeline ended by starvation.
    pub resyncs: u64,
    /// Spent buffers freed because nobody collected them: the owner forgot to recycle.
    pub buffers_dropped: u64,
}

impl PlayoutStats {
    pub(crate) fn account(&mut self, pulled: &Pulled) {
        self.frames_decoded += pulled.decoded as u64;
        self.concealed_samples += pulled.concealed as u64;
        self.frames_idle += pulled.idle as u64;
        self.frames_pulled += (pulled.decoded + pulled.concealed + pulled.idle) as u64;
    }

    /// `frames` were taken from the jitter buffer, at these delays.
    pub(crate) fn emitted(&mut self, frames: usize, waited: Duration, aim: [Duration; 2]) {
        self.jitter_buffer_emitted_count += frames as u64;
        let add = |sum: &mut Duration, delay: Duration| {
            let total = u32::try_from(frames).map_or(delay, |n| delay.saturating_mul(n));
            *sum = sum.saturating_add(total);
        };
        add(&mut self.jitter_buffer_delay, waited);
        add(&mut self.jitter_buffer_target_delay, aim[0]);
        add(&mut self.jitter_buffer_minimum_delay, aim[1]);
    }

    /// Time-stretch made `after` frames out of `before`.
    pub(crate) fn stretched(&mut self, before: usize, after: usize) {
        self.inserted_samples_for_deceleration += after.saturating_sub(before) as u64;
        self.removed_samples_for_acceleration += before.saturating_sub(after) as u64;
    }

    /// `made` was made up (interleaved).
    pub(crate) fn concealed(&mut self, made: &[f32], channels: usize) {
        if made.iter().all(|s| s.abs() < SILENT) {
            self.silent_concealed_samples += (made.len() / channels) as u64;
        }
    }

    /// Mean time that a frame spent in the jitter buffer; zero before the first.
    pub fn mean_jitter_buffer_delay(&self) -> Duration {
        let n = u128::from(self.jitter_buffer_emitted_count.max(1));
        Duration::from_nanos((self.jitter_buffer_delay.as_nanos() / n) as u64)
    }

    /// Mean delay that was aimed at; zero before the first frame.
    pub fn mean_target_delay(&self) -> Duration {
        let n = u128::from(self.jitter_buffer_emitted_count.max(1));
        Duration::from_nanos((self.jitter_buffer_target_delay.as_nanos() / n) as u64)
    }

    /// Share of frames made up among those that should have sounded, 0 to 1.
    pub fn concealed_ratio(&self) -> f64 {
        let total = self.frames_decoded + self.concealed_samples;
        if total == 0 {
            return 0.0;
        }
        self.concealed_samples as f64 / total as f64
    }
}

/// What happened on the wire side of one stream (RFC 3550 section 6.4.1 and appendix A.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceStats {
    /// Packets received, duplicates and late ones included.
    pub packets_received: u64,
    /// Payload bytes received, headers and padding not counted.
    pub bytes_received: u64,
    /// Packets expected less packets received, as RFC 3550 counts: negative where duplicates
    /// outnumber losses. [`missing`](Self::missing) is without them.
    pub packets_lost: i64,
    /// Packets that had arrived before, such as were sent again not counted.
    pub packets_duplicate: u64,
    /// Highest sequence number, extended by the count of its cycles.
    pub extended_highest_sequence: u64,
    /// Interarrival jitter, smoothed.
    pub jitter: Duration,
    /// Packets that came after one with a higher number, duplicates not counted.
    pub packets_out_of_order: u64,
    /// Packets that did not arrive and were brought back by repair packets; those that arrived
    /// later after all count too. They are still lost to [`packets_lost`](Self::packets_lost).
    pub packets_recovered: u64,
    /// Repair packets received.
    pub repair_packets: u64,
    /// Packets that did not arrive and were sent again when they were asked for. They are still
    /// lost to [`packets_lost`](Self::packets_lost).
    pub packets_retransmitted: u64,
    /// Packets asked for, each as often as it was.
    pub retransmissions_requested: u64,
    /// Round trip to the sender and back, smoothed; `None` where it is not measured.
    pub round_trip_time: Option<Duration>,
    /// Times the sender started over with other numbers.
    pub restarts: u64,
    /// Sender reports received.
    pub sender_reports: u64,
    /// Drift of the sender's media clock against its wall clock since the first report, in parts
    /// per billion; positive where the media clock is fast.
    pub sender_clock_ppb: i64,
}

impl SourceStats {
    /// Packets that did not arrive, not even late; of these are those that came back.
    pub fn missing(&self) -> u64 {
        let duplicate = i64::try_from(self.packets_duplicate).unwrap_or(i64::MAX);
        let missing = self.packets_lost.saturating_add(duplicate);
        u64::try_from(missing).unwrap_or(0)
    }
}

/// What a sender sent, and what its receivers say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderStats {
    /// Media packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent, headers not counted.
    pub bytes_sent: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Packets that receivers asked for again, and that were sent.
    pub retransmitted_packets_sent: u64,
    /// Their bytes, headers not counted.
    pub retransmitted_bytes_sent: u64,
    /// Packets that receivers asked for, sent or not.
    pub retransmissions_requested: u64,
    /// Repair packets sent.
    pub repair_packets_sent: u64,
    /// Bytes of repair packets sent, headers not counted.
    pub repair_bytes_sent: u64,
    /// Frames dropped before sending because nobody drained the sender in time.
    pub frames_dropped: u64,
    /// Blocks that the encoder refused.
    pub encode_errors: u64,
    /// RTCP compound packets sent.
    pub reports_sent: u64,
    /// RTCP compound packets received that speak of this sender.
    pub reports_received: u64,
    /// RTCP packets received that could not be read.
    pub reports_malformed: u64,
    /// Fraction lost in the newest report block, in 1/256.
    pub remote_fraction_lost: u8,
    /// Cumulative number of packets lost in the newest report block.
    pub remote_packets_lost: i32,
    /// Interarrival jitter in the newest report block.
    pub remote_jitter: Duration,
    /// Packets that receivers have told of one by one, lost or not.
    pub remote_told: u64,
    /// Packets lost since reports say which, and how many runs of them there were.
    pub remote_losses: u64,
    /// See [`remote_losses`](Self::remote_losses).
    pub remote_loss_runs: u64,
    /// How long the receiver that said so last holds back what it plays (RFC 7005).
    pub remote_delay: Option<Duration>,
    /// Round-trip time from the newest report block that allowed it (RFC 3550 section 6.4.1).
    pub round_trip_time: Option<Duration>,
}

/// Below this magnitude a sample is silence, at 16 bits.
const SILENT: f32 = 0.5 / 32_768.0;
