//! The pacing thread's work: all streams, one heap of deadlines.
//!
//! Each turn has a fixed order. First every datagram that is due goes out; they were written
//! before. Then the next packet of each of these streams is made, a bounded number of reports is
//! sent, and a bounded number of receivers' reports is read. So neither encoding nor RTCP stands
//! between a deadline and its datagram, but for those few microseconds in which another
//! stream's deadline falls.
//!
//! In its steady state the thread allocates nothing, takes no lock and logs nothing.

use std::time::Duration;

use audiox_core::pacer::{CatchUp, PacerSet};
use audiox_core::packet::rtcp::{Compound, RtcpPacket};
use audiox_core::pool::PacketOutput;
use audiox_core::time::Instant;
use audiox_net::StopFlag;
use audiox_net::clock::Clock;
use audiox_net::pace::{PaceEnd, PacedWork, Priority, run_paced};
use audiox_net::thread::{Realtime, request_realtime, sharpen_timers};

use super::report::StreamerReport;
use super::start::StartPoint;
use super::stream::Stream;

/// All streams of a streamer.
#[derive(Debug)]
pub(super) struct Work {
    clock: Clock,
    streams: Vec<Stream>,
    due: PacerSet,
    /// Streams whose deadline was met in this turn.
    turn: Vec<usize>,
    /// Reports are written here.
    scratch: Box<[u8]>,
    incoming: Option<PacketOutput>,
    /// SSRCs and the streams they belong to, in order.
    ssrcs: Vec<(u32, usize)>,
    /// Streams that a datagram speaks of.
    told: Vec<usize>,
    /// Receivers ask for lost packets, and wait: their requests are looked for until then.
    attentive: Instant,
    /// When to look next.
    look_at: Option<Instant>,
}

impl Work {
    pub(super) fn new(clock: Clock, streams: Vec<Stream>, incoming: Option<PacketOutput>) -> Self {
        let mut ssrcs: Vec<_> = streams
            .iter()
            .enumerate()
            .filter_map(|(id, s)| Some((s.ssrc()?, id)))
            .collect();
        ssrcs.sort_unstable();
        Self {
            clock,
            due: PacerSet::with_capacity(streams.len()),
            turn: Vec::with_capacity(streams.len()),
            scratch: vec![0; SCRATCH].into(),
            incoming,
            ssrcs,
            told: Vec::with_capacity(MAX_TOLD),
            attentive: Instant::EPOCH,
            look_at: None,
            streams,
        }
    }

    /// The life of the pacing thread.
    pub(super) fn run_to_end(
        mut self,
        start: StartPoint,
        catch_up: CatchUp,
        priority: Priority,
        stop: &StopFlag,
        started: impl FnOnce(Instant),
    ) -> StreamerReport {
        sharpen_timers();
        let realtime = match priority {
            Priority::Ordinary => Realtime::NotAsked,
            Priority::Realtime => request_realtime(),
        };
        let end = match start.approach(self.clock, stop) {
            Some((clock, at)) => {
                self.begin(clock, at, catch_up);
                started(at);
                self.preamble(at, stop);
                run_paced(&clock, stop, &mut self)
            }
            None => PaceEnd::Stopped,
        };
        if end == PaceEnd::Stopped {
            let now = self.clock.now();
            for stream in &mut self.streams {
                stream.stop(now, &mut self.scratch);
            }
        }
        self.into_report(realtime)
    }

    fn begin(&mut self, clock: Clock, start: Instant, catch_up: CatchUp) {
        self.clock = clock;
        for (id, stream) in self.streams.iter_mut().enumerate() {
            stream.begin(&clock, start, catch_up);
            self.due.insert(id, start);
        }
    }

    /// Sends the first reports a little before the first packets, so that receivers know the
    /// time of the first frame when it comes.
    fn preamble(&mut self, start: Instant, stop: &StopFlag) {
        let at = start.saturating_sub(PREAMBLE);
        if stop.wait_timeout(at.saturating_since(self.clock.now())) {
            return;
        }
        for stream in &mut self.streams {
            stream.report(self.clock.now(), &mut self.scratch);
        }
    }

    /// Hands receivers' reports to the streams they speak of.
    fn take_reports(&mut self, now: Instant) {
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        for _ in 0..REPORTS_A_TURN {
            let Some(buf) = incoming.recv() else {
                break;
            };
            self.told.clear();
            for ssrc in reported(buf.bytes()) {
                if let Ok(at) = self.ssrcs.binary_search_by_key(&ssrc, |(s, _)| *s) {
                    let (_, id) = self.ssrcs[at];
                    if !self.told.contains(&id) && self.told.len() < MAX_TOLD {
                        self.told.push(id);
                    }
                }
            }
            for &id in &self.told {
                let stream = &mut self.streams[id];
                let before = stream.asked_for();
                stream.handle_report(buf.meta.arrival, buf.bytes());
                if stream.asked_for() > before {
                    stream.send_repair(&mut self.scratch);
                    self.attentive = now + ATTENTIVE;
                }
            }
            // It is of this pool, so there is room for it.
            let _ = incoming.recycle(buf);
        }
    }

    fn into_report(self, realtime: Realtime) -> StreamerReport {
        let first = || self.streams.iter().filter_map(Stream::first_sent);
        let spread = first().max().zip(first().min());
        StreamerReport {
            first_packet_spread: spread.map(|(latest, earliest)| latest - earliest),
            streams: self.streams.into_iter().map(Stream::into_report).collect(),
            realtime,
        }
    }
}

impl PacedWork for Work {
    fn next_deadline(&self) -> Option<Instant> {
        let due = self.due.next_deadline()?;
        Some(self.look_at.map_or(due, |at| at.min(due)))
    }

    fn run(&mut self, now: Instant) {
        let mut now = now;
        self.turn.clear();
        // Each stream is in the heap once, so this ends.
        while let Some((id, _)) = self.due.pop_due(now) {
            now = self.streams[id].send(now, &self.clock);
            self.turn.push(id);
        }
        let mut reports = 0;
        for &id in &self.turn {
            let stream = &mut self.streams[id];
            if let Some(at) = stream.prepare(now, &mut self.scratch) {
                self.due.insert(id, at);
            }
            if reports < REPORTS_A_TURN {
                reports += usize::from(stream.report(now, &mut self.scratch));
            }
        }
        self.take_reports(now);
        self.look_at = (now < self.attentive).then(|| now + LOOK_EVERY);
    }
}

/// The SSRCs that an RTCP datagram's report blocks and requests speak of; none where it is malformed.
pub(super) fn reported(datagram: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let packets = Compound::parse(datagram).ok().into_iter().flatten();
    packets
        .filter_map(|packet| match packet {
            Ok(RtcpPacket::ReceiverReport(rr)) => Some((Some(rr.reports), None)),
            Ok(RtcpPacket::SenderReport(sr)) => Some((Some(sr.reports), None)),
            Ok(RtcpPacket::Nack(nack)) => Some((None, Some(nack.media))),
            _ => None,
        })
        .flat_map(|(blocks, asked)| {
            let blocks = blocks.into_iter().flat_map(|b| b.iter().map(|b| b.ssrc));
            blocks.chain(asked)
        })
}

const SCRATCH: usize = 1_500;
/// Reports sent, and reports read, in one turn: some 30 µs each.
const REPORTS_A_TURN: usize = 8;
/// Streams that one datagram speaks of.
const MAX_TOLD: usize = 64;
/// How often requests are looked for, and for how long after the last: an answer that waits for
/// the next packet's time is that much later.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const ATTENTIVE: Duration = Duration::from_secs(2);
const PREAMBLE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
