//! One stream in the hands of the pacing thread.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use audiox_core::pacer::{CatchUp, Pacer};
use audiox_core::packet::Framing;
use audiox_core::redundancy::{
    LossReport, Means, Reason, RedundancyConfig, RedundancyController, RedundancyPlan,
};
use audiox_core::sender::Sender;
use audiox_core::stats::{ScheduleStats, SenderStats};
use audiox_core::time::{Instant, MediaTime};
use audiox_net::clock::Clock;
use audiox_net::udp::{SendOutcome, UdpCounts};

use super::feed::{Feed, Packet, Prepared};
use super::plan::StreamPlan;
use super::report::{AgainReport, RedundancyReport, RepairReport, StreamEnd, StreamReport};
use super::sockets::Sockets;
use super::status::{ENDED, SENDING, Status};
use super::tempo::{Capture, Tempo};
use crate::Error;

/// A stream: its next packet, its schedule, its sockets.
#[derive(Debug)]
pub(super) struct Stream {
    sender: Sender,
    feed: Feed,
    sockets: Sockets,
    status: Arc<Status>,
    plan: StreamPlan,
    tempo: Tempo,
    /// A device's frames: when they were captured.
    capture: Capture,
    /// A device has captured since before the start.
    backlog: bool,
    pacer: Pacer,
    schedule: ScheduleStats,
    counts: UdpCounts,
    bytes: u64,
    frames: u64,
    gap_frames: u64,
    underruns: u64,
    state: State,
    stopped: bool,
    failure: Option<Error>,
    /// Share of packets lost, 0 to 1, as the encoder knows it.
    loss: f32,
    /// Packets, losses, and runs of them, that receivers had told of at the last report.
    told: (u64, u64, u64),
    redundancy: Option<RedundancyController>,
    /// What it last chose.
    protection: Option<RedundancyPlan>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// A packet is ready and waits for its time.
    Ready(Packet),
    /// The packet due then is not made yet.
    Waiting {
        due: Instant,
    },
    /// The packet due then was not there in time.
    Dry {
        due: Instant,
    },
    /// All packets are out; the last one's duration passes.
    Ending,
    Done,
}

impl Stream {
    /// A stream that sends what `feed` makes, at the tempo of its source.
    pub(super) fn new(
        plan: StreamPlan,
        sender: Sender,
        feed: Feed,
        sockets: Sockets,
        status: Arc<Status>,
        tempo: Tempo,
    ) -> Self {
        let rate = plan.format.rate;
        let delay = plan.repair.and_then(|r| r.adaptive);
        let redundancy = delay.map(|delay| {
            let means = Means {
                repair: true,
                retransmission: plan.again.is_some(),
                ..feed.means()
            };
            let ptime = plan.packet.ptime;
            let config = RedundancyConfig::new(ptime, delay, means);
            RedundancyController::new(config)
        });
        Self {
            capture: Capture::new(rate),
            backlog: tempo == Tempo::Device,
            pacer: Pacer::new(Instant::EPOCH, rate, CatchUp::Burst),
            schedule: ScheduleStats::new(rate, plan.packet.ptime),
            sender,
            feed,
            sockets,
            status,
            plan,
            tempo,
            counts: UdpCounts::default(),
            bytes: 0,
            frames: 0,
            gap_frames: 0,
            underruns: 0,
            state: State::Waiting {
                due: Instant::EPOCH,
            },
            stopped: false,
            failure: None,
            loss: 0.0,
            told: (0, 0, 0),
            redundancy,
            protection: None,
        }
    }

    /// Makes the first packet ready, where the source has one by now.
    ///
    /// # Errors
    /// There is none and none will come.
    pub(super) fn prime(&mut self) -> Result<(), Error> {
        match self.feed.prepare() {
            Prepared::Packet(packet) => self.state = State::Ready(packet),
            Prepared::Starved => {}
            Prepared::Ended => {
                return Err(match self.feed.take_error() {
                    Some(e) => e.into(),
                    None => Error::Empty(self.status.name().to_owned()),
                });
            }
        }
        Ok(())
    }

    /// Fixes the time of frame 0, which is the first deadline, and the clock that reports go by.
    pub(super) fn begin(&mut self, clock: &Clock, start: Instant, catch_up: CatchUp) {
        self.pacer = Pacer::new(start, self.plan.format.rate, catch_up);
        self.sender.set_wall(clock.anchor());
        self.sender.set_capture(MediaTime(0), start);
        if let State::Waiting { due } = &mut self.state {
            *due = start;
        }
        self.status.state.store(SENDING, Relaxed);
    }

    /// At a deadline: sends the packet that is ready, and nothing else. Returns the time after
    /// it.
    pub(super) fn send(&mut self, now: Instant, clock: &Clock) -> Instant {
        if self.backlog {
            // What a device captured before the start is of the past.
            self.backlog = false;
            self.feed.discard_waiting();
            self.wait();
            return now;
        }
        let packet = match self.state {
            State::Ready(packet) => packet,
            State::Waiting { due } if now >= due && self.tempo != Tempo::Device => {
                self.state = State::Dry { due };
                self.underruns += 1;
                return now;
            }
            _ => return now,
        };
        let skipped = match self.tempo {
            // It is of now, always.
            Tempo::Device => 0,
            _ => self.pacer.skip_late(now, self.plan.packet.frames as u64),
        };
        if skipped > 0 {
            // The packet at hand is the first of those left out.
            self.sender.skip(skipped);
            let unmade = skipped.saturating_sub(packet.frames as u64);
            self.feed.discard(unmade);
            self.feed.skipped(unmade);
            self.wait();
            return now;
        }
        let due = self.next_deadline();
        if packet.len == 0 {
            // Silence that need not travel.
            self.sender.skip(packet.frames as u64);
            self.pacer.advance(packet.frames as u64);
            self.frames += packet.frames as u64;
            self.status.raise_peak(packet.peak);
            self.wait();
            return now;
        }
        let datagram = self.feed.datagram();
        let written = self
            .sender
            .transmit_in_place(packet.frames, packet.len, datagram)
            .map(|t| &datagram[..t.len]);
        // The buffer was made for the longest packet, so there is always something written.
        let outcome = written.map(|datagram| self.sockets.media.send(datagram));
        let sent_at = clock.now();
        self.schedule.record(due, sent_at);
        self.pacer.advance(packet.frames as u64);
        self.wait();
        match outcome {
            Ok(Ok(outcome)) => self.count(outcome, &packet),
            Ok(Err(e)) => {
                self.failure = Some(e.into());
                self.state = State::Done;
            }
            Err(_) => {}
        }
        sent_at
    }

    /// After the deadline: makes the next packet ready and returns when to come back; `None` when
    /// the stream is over.
    pub(super) fn prepare(&mut self, now: Instant, buf: &mut [u8]) -> Option<Instant> {
        self.send_repair(buf);
        let again = match self.state {
            State::Ready(_) => Some(self.next_deadline()),
            State::Waiting { due } | State::Dry { due } => match self.feed.prepare() {
                Prepared::Packet(packet) => {
                    self.pass_gap(now);
                    self.note_capture(now, &packet);
                    self.state = State::Ready(packet);
                    Some(self.next_deadline())
                }
                Prepared::Starved if self.tempo == Tempo::Device => {
                    Some(self.capture.look_again(now, self.plan.packet.frames))
                }
                Prepared::Starved if due > now => Some(due.min(now + RETRY)),
                Prepared::Starved => Some(now + RETRY),
                Prepared::Ended => {
                    self.state = State::Ending;
                    Some(self.pacer.next_deadline())
                }
            },
            State::Ending => {
                self.goodbye(now, buf);
                None
            }
            State::Done => None,
        };
        self.publish();
        again
    }

    /// Sends a report where one is due, and says whether it did.
    pub(super) fn report(&mut self, now: Instant, buf: &mut [u8]) -> bool {
        if self.sender.poll_timeout().is_none_or(|at| at > now) {
            return false;
        }
        match self.sender.poll_transmit(now, buf) {
            Some(transmit) => self.sockets.report(&buf[..transmit.len]),
            None => return false,
        }
        true
    }

    /// Takes a report from a receiver. What is malformed in it, the sender counts.
    pub(super) fn handle_report(&mut self, arrival: Instant, datagram: &[u8]) {
        let before = self.sender.stats().reports_received;
        let _ = self.sender.handle_rtcp(arrival, datagram);
        let stats = *self.sender.stats();
        self.status.set_remote(&stats);
        if stats.reports_received > before {
            self.protect(arrival, &stats);
        }
    }

    /// Sends what was asked for again, and repair packets. A lost one is what they are for.
    pub(super) fn send_repair(&mut self, buf: &mut [u8]) {
        while let Some(repair) = self.sender.poll_repair(buf) {
            self.sockets.repair(repair.flow, &buf[..repair.len]);
        }
    }

    /// Packets that were asked for so far.
    pub(super) fn asked_for(&self) -> u64 {
        self.sender.stats().retransmissions_requested
    }

    /// Adapts redundancy to what a receiver reports.
    fn protect(&mut self, now: Instant, stats: &SenderStats) {
        let lost = f64::from(stats.remote_fraction_lost) / 256.0;
        let (Some(controller), Some(repair)) = (&mut self.redundancy, self.plan.repair) else {
            self.loss = (lost as f32).max(self.loss * FORGETTING);
            self.feed.set_expected_loss(self.loss);
            return;
        };
        let before = self.told;
        self.told = (
            stats.remote_told,
            stats.remote_losses,
            stats.remote_loss_runs,
        );
        let packets = self.told.0 - before.0;
        let (losses, runs) = (self.told.1 - before.1, self.told.2 - before.2);
        let plan = controller.report(
            now,
            &LossReport {
                lost,
                packets: (packets > 0).then_some(packets),
                bursts: Some((losses, runs)),
                round_trip: stats.round_trip_time,
                delay: stats.remote_delay,
                payload: (stats.bytes_sent / stats.packets_sent.max(1)) as usize,
            },
        );
        self.feed.protect(&plan);
        self.protection = Some(plan);
        let set = repair.apply(&mut self.sender, plan.window, plan.rate);
        debug_assert!(set.is_ok(), "the plan was accepted at the start: {set:?}");
    }

    /// Ends the stream before its time, with a goodbye.
    pub(super) fn stop(&mut self, now: Instant, buf: &mut [u8]) {
        if self.state != State::Done {
            self.stopped = true;
            self.goodbye(now, buf);
            self.publish();
        }
    }

    pub(super) fn ssrc(&self) -> Option<u32> {
        (self.plan.framing == Framing::Rtp).then(|| self.sender.ssrc())
    }

    /// When the first packet went out.
    pub(super) fn first_sent(&self) -> Option<Instant> {
        self.schedule.first().map(|(_, sent)| sent)
    }

    /// What became of the stream.
    pub(super) fn into_report(mut self) -> StreamReport {
        let source_error = self.feed.take_error().map(Error::from);
        let end = match self.failure.take().or(source_error) {
            Some(e) => StreamEnd::Failed(e),
            None if self.stopped => StreamEnd::Stopped,
            None => StreamEnd::Complete,
        };
        let now = self.status.snapshot();
        StreamReport {
            name: now.name,
            local: self.sockets.media.local_addr(),
            ssrc: self.ssrc(),
            format: self.plan.describe(),
            ptime: self.plan.packet.ptime,
            end,
            packets: now.packets,
            bytes: now.bytes,
            frames: now.frames,
            frames_skipped: now.frames_skipped,
            refused: now.refused,
            dropped: now.dropped,
            underruns: now.underruns,
            schedule: self.schedule.summary(),
            remote: now.remote,
            again: self.plan.again.map(|_| AgainReport {
                packets: self.sender.stats().retransmitted_packets_sent,
                requested: self.sender.stats().retransmissions_requested,
            }),
            repair: self.plan.repair.map(|repair| RepairReport {
                packets: self.sender.stats().repair_packets_sent,
                window: self.protection.map_or(repair.window, |p| p.window),
                per_thousand: self.protection.map_or(repair.rate, |p| p.rate),
            }),
            redundancy: self.redundancy.as_ref().map(|_| RedundancyReport {
                copies: self.protection.map_or(0, |p| p.copies),
                history: self.protection.map_or(Duration::ZERO, |p| p.history),
                expected_loss: self.protection.map_or(0.0, |p| p.expected_loss),
                reason: self.protection.map_or(Reason::NoReports, |p| p.reason),
            }),
        }
    }

    fn wait(&mut self) {
        self.state = State::Waiting {
            due: self.pacer.next_deadline(),
        };
    }

    /// When the packet that is ready is to be sent: at its time or, where a device gave it, at
    /// once.
    fn next_deadline(&self) -> Instant {
        match self.tempo {
            Tempo::Device => self.capture.ready(),
            _ => self.pacer.next_deadline(),
        }
    }

    /// A device's frames are there: tells receivers when they were captured.
    fn note_capture(&mut self, now: Instant, packet: &Packet) {
        if self.tempo != Tempo::Device {
            return;
        }
        let first = self.capture.packet(now, packet.frames);
        let position = i64::try_from(self.pacer.position()).unwrap_or(i64::MAX);
        self.sender.set_capture(MediaTime(position), first);
    }

    /// A live source that ran dry has been silent for as long; its next audio is of now.
    fn pass_gap(&mut self, now: Instant) {
        let State::Dry { due } = self.state else {
            return;
        };
        let packet = self.plan.packet.frames as u64;
        let behind = self.plan.format.rate.frames_in(now.saturating_since(due));
        let gap = behind - behind % packet;
        if self.tempo == Tempo::Live && gap > 0 {
            self.sender.skip(gap);
            self.feed.skipped(gap);
            self.pacer.advance(gap);
            self.gap_frames += gap;
        }
    }

    fn count(&mut self, outcome: SendOutcome, packet: &Packet) {
        self.counts.count_send(outcome, packet.len);
        if matches!(outcome, SendOutcome::Sent | SendOutcome::Refused) {
            self.bytes += packet.len as u64;
            self.frames += packet.frames as u64;
        }
        self.status.raise_peak(packet.peak);
    }

    fn goodbye(&mut self, now: Instant, buf: &mut [u8]) {
        self.state = State::Done;
        self.sender.finish();
        while let Some(transmit) = self.sender.poll_transmit(now, buf) {
            self.sockets.report(&buf[..transmit.len]);
        }
    }

    fn publish(&self) {
        let s = &*self.status;
        s.packets.store(self.counts.sent, Relaxed);
        s.bytes.store(self.bytes, Relaxed);
        s.frames.store(self.frames, Relaxed);
        s.position.store(self.pacer.position(), Relaxed);
        s.refused.store(self.counts.refused, Relaxed);
        s.dropped.store(self.counts.dropped(), Relaxed);
        s.underruns.store(self.underruns, Relaxed);
        s.late.store(self.schedule.late(), Relaxed);
        let skipped = self.pacer.skipped() + self.gap_frames;
        s.skipped.store(skipped, Relaxed);
        // It takes its time, so not for every packet, nor for all streams in the same turn.
        let turn = u64::from(s.local.port());
        let done = self.state == State::Done;
        if done || (self.schedule.count() + turn).is_multiple_of(DRIFT_EVERY) {
            s.set_drift(self.schedule.drift_frames());
        }
        if done {
            s.state.store(ENDED, Relaxed);
        }
    }
}

/// Of loss, a factor a report: between bursts the encoder stays prepared for a while.
const FORGETTING: f32 = 0.8;
/// Packets between two measurements of drift.
const DRIFT_EVERY: u64 = 128;
/// How often a source that is too slow is asked again.
const RETRY: Duration = Duration::from_millis(1);
