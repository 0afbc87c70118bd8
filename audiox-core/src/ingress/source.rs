//! What is known about one sender: sequence, timing, loss, clock (RFC 3550 appendices A.1, A.3,
//! A.8).

use std::time::Duration;

use super::arrivals::Arrivals;
use super::{Key, Origin, SenderClock, SourceId};
use crate::fec::block::BlockDecoder;
use crate::fec::window::WindowDecoder;
use crate::format::SampleRate;
use crate::packet::raw::RawFraming;
use crate::packet::rtcp::{CompoundWriter, JitterBufferDelay, ReportBlock};
use crate::packet::rtp::RtpPacket;
use crate::retransmit::Requests;
use crate::stats::SourceStats;
use crate::time::{
    ClockMap, ExtSeq, Instant, MediaTime, NtpTime, RtpTimestamp, SeqNum, SeqUnwrapper,
    TimestampUnwrapper,
};

#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) key: Key,
    pub(super) last_heard: Instant,
    pub(super) said_bye: bool,
    pub(super) raw: Option<RawFraming>,
    pub(super) clock: Option<ClockMap>,
    pub(super) cname: Vec<u8>,
    /// Brings lost packets back, once repair packets have come.
    pub(super) repair: Option<Box<WindowDecoder>>,
    /// The same, where packets are in blocks.
    pub(super) blocks: Option<Box<BlockDecoder>>,
    /// Where its packets come from, where that matters.
    pub(super) origin: Option<Origin>,
    arrivals: Arrivals,
    /// Packets that are here, by whatever means: repair packets may bring one back before the next
    /// one shows that it is missing.
    held: Arrivals,
    /// Asks for what is missing.
    requests: Option<Requests>,
    /// Payload type of the packets that are asked for.
    payload_type: u8,
    /// Whose packets repeat ours.
    repeater: Option<u32>,
    /// The shortest step from one packet to the next.
    ptime: Option<Duration>,
    /// How long what comes is held back, and whether that follows the network.
    delay: Option<(Duration, bool)>,
    rate: Option<SampleRate>,
    seq: SeqUnwrapper,
    first_seq: ExtSeq,
    timestamp: TimestampUnwrapper,
    /// Newest packet by sequence number: its media time and arrival.
    pub(super) newest: Option<(MediaTime, Instant)>,
    /// After a jump: the number that would confirm it.
    suspect: Option<SeqNum>,
    generation: u32,
    /// A report that came before the first packet.
    early_report: Option<SenderClock>,
    fresh_map: bool,
    first_report: Option<(MediaTime, NtpTime)>,
    /// Middle bits of the last report's NTP time and when it came.
    last_report: Option<(u32, Instant)>,
    transit: Option<i64>,
    /// Interarrival jitter in 1/16 ticks.
    jitter: u64,
    /// Packets of this generation, for the loss that reports speak of.
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Packets lost of the generations before.
    lost_before: i64,
    stats: SourceStats,
}

pub(super) enum Admission {
    Media {
        seq: ExtSeq,
        at: MediaTime,
        generation: u32,
    },
    Restarted {
        seq: ExtSeq,
        at: MediaTime,
        generation: u32,
    },
    Suspect,
}

impl Source {
    pub(super) fn new(id: SourceId, key: Key, now: Instant) -> Self {
        Self {
            id,
            key,
            last_heard: now,
            said_bye: false,
            raw: None,
            clock: None,
            cname: Vec::with_capacity(MAX_CNAME),
            repair: None,
            blocks: None,
            origin: None,
            arrivals: Arrivals::new(),
            held: Arrivals::new(),
            requests: None,
            payload_type: 0,
            repeater: None,
            ptime: None,
            delay: None,
            rate: None,
            seq: SeqUnwrapper::default(),
            first_seq: ExtSeq::default(),
            timestamp: TimestampUnwrapper::default(),
            newest: None,
            suspect: None,
            generation: 0,
            early_report: None,
            fresh_map: false,
            first_report: None,
            last_report: None,
            transit: None,
            jitter: 0,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            lost_before: 0,
            stats: SourceStats::default(),
        }
    }

    /// Takes an RTP packet into the account, or holds it off where it does not follow.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        seq: SeqNum,
        timestamp: RtpTimestamp,
        rate: SampleRate,
        payload_len: usize,
    ) -> Admission {
        self.last_heard = now;
        let mut restarted = false;
        if self.jumps(now, seq, timestamp, rate) {
            if self.suspect != Some(seq) {
                self.suspect = Some(seq.wrapping_add(1));
                return Admission::Suspect;
            }
            self.restart();
            restarted = true;
        }
        self.suspect = None;
        let first = self.newest.is_none();
        let highest = self.seq.highest();
        let ext = self.seq.unwrap(seq);
        let at = self.timestamp.unwrap(timestamp);
        if first {
            self.first_seq = ext;
            self.rate = Some(rate);
            if let Some((ts, ntp)) = self.early_report.take() {
                self.anchor(ts, ntp);
                self.fresh_map = true;
            }
        }
        // Reordered before the first: it belongs to the stream, so it is expected too.
        self.first_seq = self.first_seq.min(ext);
        let duplicate = self.arrivals.contains(ext);
        self.stats.packets_duplicate += u64::from(duplicate);
        self.arrivals.mark(ext);
        self.held.mark(ext);
        if highest.is_none_or(|h| ext > h) {
            if let Some((before, _)) = self.newest
                && highest.is_some_and(|h| ext == h.next())
                && let Ok(step @ 1..) = u64::try_from(at - before)
            {
                let step = rate.duration_of(step);
                self.ptime = Some(self.ptime.map_or(step, |ptime| ptime.min(step)));
            }
            let patience = self.jitter().max(MIN_PATIENCE);
            if let (Some(requests), Some(before), Some((_, then))) =
                (&mut self.requests, highest, self.newest)
            {
                let held = &self.held;
                let is_held = |seq| held.contains(seq);
                let ptime = self.ptime.unwrap_or_default();
                requests.newest(now, ext, (before, then), patience, ptime, is_held);
            }
            self.newest = Some((at, now));
        } else {
            if let Some(requests) = &mut self.requests {
                requests.found(ext);
            }
            self.stats.packets_out_of_order += u64::from(!duplicate);
        }
        self.arrival(now, at, rate, payload_len);
        let generation = self.generation;
        let seq = ext;
        if restarted {
            Admission::Restarted {
                seq,
                at,
                generation,
            }
        } else {
            Admission::Media {
                seq,
                at,
                generation,
            }
        }
    }

    /// Takes a raw datagram into the account; its number and time were synthesised.
    pub(super) fn admit_raw(
        &mut self,
        now: Instant,
        seq: ExtSeq,
        at: MediaTime,
        rate: SampleRate,
        payload_len: usize,
    ) {
        self.last_heard = now;
        self.rate = Some(rate);
        self.newest = Some((at, now));
        self.arrival(now, at, rate, payload_len);
        self.stats.extended_highest_sequence = seq.0;
    }

    /// Takes a sender report's clock pair. Returns whether it is the stream's first.
    pub(super) fn sender_report(&mut self, now: Instant, ts: RtpTimestamp, ntp: NtpTime) -> bool {
        self.last_heard = now;
        self.stats.sender_reports += 1;
        self.last_report = Some((ntp.middle(), now));
        if self.newest.is_none() {
            self.early_report = Some((ts, ntp));
            return false;
        }
        let first = self.clock.is_none();
        self.anchor(ts, ntp);
        first
    }

    /// Writes a packet that was brought back into `out` and returns its number and length.
    pub(super) fn poll_recovered(&mut self, out: &mut [u8]) -> Option<(ExtSeq, usize)> {
        if let Some(repair) = &mut self.repair {
            return repair.poll_recovered(out);
        }
        let blocks = self.blocks.as_mut()?;
        while let Some(len) = blocks.poll_recovered(out) {
            let highest = self.seq.highest()?;
            // Blocks do not know whose packets they hold.
            if let Ok(p) = RtpPacket::parse(&out[..len])
                && self.key == Key::Ssrc(p.ssrc())
                && p.seq().distance(highest.seq_num()).abs() <= MAX_MISORDER
            {
                return Some((self.seq.peek(p.seq()), len));
            }
        }
        None
    }

    /// Where a packet belongs that was brought back: its media time and generation; `None` where
    /// it is here already, from before there were repair packets.
    pub(super) fn recovered(
        &mut self,
        seq: ExtSeq,
        timestamp: RtpTimestamp,
    ) -> Option<(MediaTime, u32)> {
        if self.held.contains(seq) {
            return None;
        }
        self.stats.packets_recovered += 1;
        self.held.mark(seq);
        if let Some(requests) = &mut self.requests {
            requests.found(seq);
        }
        Some((self.timestamp.peek(timestamp), self.generation))
    }

    pub(super) fn repair_packet(&mut self, now: Instant) {
        self.last_heard = now;
        self.stats.repair_packets += 1;
    }

    /// Asks for missing packets of this payload type from now on.
    pub(super) fn ask_for_missing(&mut self, payload_type: u8, delay: Duration) {
        self.payload_type = payload_type;
        if self.requests.is_none() && !self.is_unconfirmed() {
            let delay = self.delay.map_or(delay, |(delay, _)| delay);
            self.requests = Some(Requests::new(delay));
        }
    }

    pub(super) fn set_delay(&mut self, delay: Duration, adaptive: bool) {
        self.delay = Some((delay, adaptive));
        if let Some(requests) = &mut self.requests {
            requests.set_delay(delay);
        }
    }

    pub(super) fn measured(&mut self, round_trip: Duration) {
        if let Some(requests) = &mut self.requests {
            requests.measured(round_trip);
        }
    }

    /// When it is time to ask for something.
    pub(super) fn next_request(&self) -> Option<Instant> {
        self.requests.as_ref()?.poll_timeout()
    }

    /// Asks in the name of `ssrc` for what is due.
    pub(super) fn write_request(
        &mut self,
        now: Instant,
        ssrc: u32,
        writer: &mut CompoundWriter<'_>,
    ) {
        let (Some(requests), Key::Ssrc(media)) = (&mut self.requests, self.key) else {
            return;
        };
        let mut missing = [SeqNum::default(); MAX_ASKED];
        let count = requests.poll(now, &mut missing);
        if count > 0 && writer.nack(ssrc, media, &missing[..count]).is_ok() {
            self.stats.retransmissions_requested += count as u64;
        }
    }

    /// Tells, in the name of `ssrc`, which packets came and how long they are held back.
    pub(super) fn write_details(&mut self, ssrc: u32, writer: &mut CompoundWriter<'_>) {
        let Key::Ssrc(media) = self.key else {
            return;
        };
        let (begin, arrived) = self.arrivals.tell();
        if arrived.clone().next().is_some() {
            let _ = writer.loss(ssrc, media, begin.seq_num(), arrived);
        }
        if let Some((delay, adaptive)) = self.delay {
            let _ = writer.jitter_buffer(
                ssrc,
                &JitterBufferDelay {
                    ssrc: media,
                    adaptive,
                    nominal: Some(delay),
                    maximum: None,
                },
            );
        }
    }

    /// Whether retransmissions of the stream `ssrc` for `payload_type` were ours.
    pub(super) fn repeats(&self, ssrc: u32, payload_type: u8) -> bool {
        self.repeater == Some(ssrc) && self.payload_type == payload_type
    }

    /// Whether packet `seq` of `payload_type` is missing here.
    pub(super) fn misses(&self, seq: SeqNum, payload_type: u8) -> bool {
        let misses = |r: &Requests| r.is_missing(self.seq.peek(seq));
        self.payload_type == payload_type && self.requests.as_ref().is_some_and(misses)
    }

    /// Whether a packet with these numbers can be one of this stream's last: numbers alone coincide
    /// where many streams come to one port.
    pub(super) fn is_of_late(&self, seq: SeqNum, timestamp: RtpTimestamp) -> bool {
        let (Some(highest), Some((newest, _)), Some(rate)) =
            (self.seq.highest(), self.newest, self.rate)
        else {
            return false;
        };
        let media = rate.nanos_of(self.timestamp.peek(timestamp) - newest);
        (-MAX_MISORDER..=0).contains(&seq.distance(highest.seq_num()))
            && (-REPEATED_WITHIN..=0).contains(&media)
    }

    /// Where a packet belongs that came again in the stream `ssrc`.
    pub(super) fn repeated(
        &mut self,
        now: Instant,
        ssrc: u32,
        seq: SeqNum,
        timestamp: RtpTimestamp,
    ) -> (ExtSeq, MediaTime, u32) {
        self.repeater = Some(ssrc);
        self.last_heard = now;
        let seq = self.seq.peek(seq);
        self.held.mark(seq);
        let missed = self.requests.as_mut().is_some_and(|r| r.answered(now, seq));
        self.stats.packets_retransmitted += u64::from(missed);
        (seq, self.timestamp.peek(timestamp), self.generation)
    }

    /// Whether the clock became known with the last packet, from a report before it.
    pub(super) fn take_fresh_map(&mut self) -> bool {
        std::mem::take(&mut self.fresh_map)
    }

    pub(super) fn set_cname(&mut self, name: &[u8]) {
        self.cname.clear();
        self.cname
            .extend_from_slice(&name[..name.len().min(MAX_CNAME)]);
    }

    /// Only ever heard once: could be a stray datagram.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.stats.packets_received + self.stats.sender_reports < 2
    }

    pub(super) fn stats(&self) -> SourceStats {
        let mut stats = self.stats;
        stats.packets_lost = self.lost_before + self.expected() as i64 - self.received as i64;
        if self.raw.is_some() {
            stats.packets_lost = 0;
        }
        if let Some(h) = self.seq.highest() {
            stats.extended_highest_sequence = h.0;
        }
        stats.jitter = self.jitter();
        stats.round_trip_time = self.requests.as_ref().and_then(Requests::round_trip);
        stats
    }

    fn jitter(&self) -> Duration {
        let duration = |r: SampleRate| r.duration_of(self.jitter / 16);
        self.rate.map_or(Duration::ZERO, duration)
    }

    /// A report block (section 6.4.1); `None` where no RTP packet came yet.
    pub(super) fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let Key::Ssrc(ssrc) = self.key else {
            return None;
        };
        let highest = self.seq.highest()?;
        let expected = self.expected();
        let lost = expected as i64 - self.received as i64;
        let new_expected = expected.saturating_sub(self.expected_prior);
        let new_received = self.received.saturating_sub(self.received_prior);
        (self.expected_prior, self.received_prior) = (expected, self.received);
        let new_lost = new_expected.saturating_sub(new_received);
        let fraction = (new_lost * 256).checked_div(new_expected).unwrap_or(0);
        let (last_sr, delay) = match self.last_report {
            Some((middle, at)) => (middle, ReportBlock::delay_units(now.saturating_since(at))),
            None => (0, 0),
        };
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: lost.clamp(-(1 << 23), (1 << 23) - 1) as i32,
            // The cycles count from zero on the wire.
            highest_seq: highest.0.wrapping_sub(0x1_0000) as u32,
            jitter: (self.jitter / 16).min(u64::from(u32::MAX)) as u32,
            last_sr,
            delay_since_last_sr: delay,
        })
    }

    /// Whether a packet lies too far from what came before to be its neighbour.
    fn jumps(&self, now: Instant, seq: SeqNum, timestamp: RtpTimestamp, rate: SampleRate) -> bool {
        let (Some(highest), Some((at, arrival))) = (self.seq.highest(), self.newest) else {
            return false;
        };
        let step = seq.distance(highest.seq_num());
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&step) {
            return true;
        }
        let media = rate.nanos_of(self.timestamp.peek(timestamp) - at);
        let elapsed = now.signed_since(arrival);
        media.abs() > SUSPECT_STEP && (media - elapsed).abs() > 2 * SUSPECT_STEP
    }

    fn restart(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.lost_before += self.expected() as i64 - self.received as i64;
        self.seq.reset();
        self.timestamp.reset();
        self.newest = None;
        self.clock = None;
        if let Some(repair) = &mut self.repair {
            repair.reset();
        }
        if let Some(blocks) = &mut self.blocks {
            blocks.reset();
        }
        if let Some(requests) = &mut self.requests {
            requests.reset();
        }
        (self.arrivals, self.held) = (Arrivals::new(), Arrivals::new());
        (self.repeater, self.ptime) = (None, None);
        self.first_report = None;
        self.transit = None;
        self.said_bye = false;
        (self.received, self.expected_prior, self.received_prior) = (0, 0, 0);
        self.stats.restarts += 1;
    }

    fn arrival(&mut self, now: Instant, at: MediaTime, rate: SampleRate, payload_len: usize) {
        self.received += 1;
        self.stats.packets_received += 1;
        self.stats.bytes_received += payload_len as u64;
        let ticks = rate.frames_in_nanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
        let transit = ticks.wrapping_sub(at.0);
        if let Some(last) = self.transit.replace(transit) {
            let d = transit.wrapping_sub(last).unsigned_abs().min(1 << 40);
            self.jitter = self.jitter + d - (self.jitter + 8) / 16;
        }
    }

    fn anchor(&mut self, ts: RtpTimestamp, ntp: NtpTime) {
        let Some(rate) = self.rate else {
            return;
        };
        let at = self.timestamp.peek(ts);
        let (first_at, first_ntp) = *self.first_report.get_or_insert((at, ntp));
        let wall = ntp.nanos_since(first_ntp);
        if wall > MIN_DRIFT_SPAN {
            let error = rate.nanos_of(at - first_at).saturating_sub(wall);
            let ppb = i128::from(error) * 1_000_000_000 / i128::from(wall);
            self.stats.sender_clock_ppb = i64::try_from(ppb).unwrap_or(0);
        }
        self.clock
            .get_or_insert_with(|| ClockMap::new(rate))
            .set_anchor(at, ntp);
    }

    fn expected(&self) -> u64 {
        match self.seq.highest() {
            Some(h) => h.0 - self.first_seq.0 + 1,
            None => self.received,
        }
    }
}

const MAX_CNAME: usize = 255;
/// Packets that may be missing in a row before the sender is taken for a new one (A.1).
const MAX_DROPOUT: i16 = 3_000;
/// How far back a packet may lie. A.1 says 100; packets of 1 ms need more for the same time.
const MAX_MISORDER: i16 = 1_000;
/// A step of the timestamps by more than this many nanoseconds must agree with the arrival
/// times to within twice as much.
const SUSPECT_STEP: i64 = 1_000_000_000;
/// Nanoseconds of media after which nobody sends a packet again.
const REPEATED_WITHIN: i64 = 10_000_000_000;
/// Nanoseconds of reports before their drift means anything.
const MIN_DRIFT_SPAN: i64 = 1_000_000_000;
/// How long a packet that was overtaken is waited for at least before it is asked for.
const MIN_PATIENCE: Duration = Duration::from_millis(1);
/// Packets of one source that are asked for at once.
const MAX_ASKED: usize = 64;
