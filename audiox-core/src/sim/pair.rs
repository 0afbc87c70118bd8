//! A sender and a receiver with a bad network between them and a clock of its own at each end,
//! stepped through virtual time.
//!
//! Each end has two clocks, as real machines have: the *system's*, which it calls now and puts
//! into reports, and the *device's*, which sets the pace of capture or playback. Frame `n` of a
//! device is there when the device's clock shows `n / rate`.
//!
//! What is captured is a signal that knows itself ([`Probe`] or [`Tone`]), so the report says
//! exactly which frames came out, when, and how long after their capture.
//!
//! ```
//! use audiox_core::sim::{LinkConfig, Pair};
//! use std::time::Duration;
//!
//! let mut pair = Pair::builder()
//!     .ptime(Duration::from_millis(10))
//!     .link(LinkConfig { jitter: "20ms".parse()?, loss: "2%".parse()?, ..LinkConfig::default() })
//!     .seed(7)
//!     .build()?;
//! let report = pair.run_for(Duration::from_secs(60));
//! assert!(report.playout.concealed_ratio() < 0.03);
//! # Ok::<(), audiox_core::ConfigError>(())
//! ```

mod builder;
mod redundancy;
mod report;

pub use builder::PairBuilder;
pub use report::{LatencyStats, PairReport};

use std::time::Duration;

use self::builder::Setup;
use self::redundancy::Redundancy;
use super::clock::SkewedClock;
use super::digest::Digest;
use super::link::{Link, LinkConfig};
use super::probe::{Probe, ProbeReader, ProbeTotals, Span};
use super::rng::Pcg32;
use super::tone::{ClickDetector, Tone};
use crate::block::{AudioMut, AudioRef};
use crate::error::ConfigError;
use crate::format::SampleRate;
use crate::ingress::{IngressEvent, Origin};
use crate::receiver::Receiver;
use crate::redundancy::RedundancyPlan;
use crate::sender::{Flow, RepairConfig, RetransmissionConfig, Sender, SenderConfig};
use crate::time::{Instant, MediaTime, NtpTime, RtpTimestamp, SeqNum};
use crate::trace::{TraceHead, TraceOutput, trace_ring};

/// Sender, link and receiver in virtual time. Made by [`Pair::builder`].
#[derive(Debug)]
pub struct Pair {
    setup: Setup,
    now: Instant,
    capture: Device,
    playback: Device,
    sender_clock: SkewedClock,
    receiver_clock: SkewedClock,
    sender: Sender,
    /// The frame that the current sender counts as its first.
    sender_base: u64,
    state: Sending,
    forward: Link,
    back: Link,
    receiver: Receiver,
    redundancy: Option<Redundancy>,
    signal: Signal,
    rng: Pcg32,
    latency: LatencyStats,
    digest: Digest,
    block: Vec<f32>,
    out: Vec<f32>,
    datagram: Vec<u8>,
}

/// A restart of the sender, as a crashed or replaced program makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restart {
    /// With another SSRC, as RFC 3550 wants it.
    NewSsrc,
    /// With the same SSRC and other numbers and timestamps, as devices do that store theirs.
    SameSsrc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Yes,
    /// Frames are captured and left out.
    Paused,
    Finished,
}

/// A sound device: a clock, a rate and how far it got.
#[derive(Debug)]
struct Device {
    clock: SkewedClock,
    rate: SampleRate,
    frames: u64,
    quantum: usize,
    /// True time at which the next quantum is due.
    due: Instant,
}

#[derive(Debug)]
enum Signal {
    Probe(Probe, Box<ProbeReader>),
    Tone(Tone, ClickDetector),
}

impl Pair {
    /// A builder with a perfect link, ideal clocks, and L16 at 48 kHz mono in packets of 20 ms
    /// behind 60 ms of playout latency.
    pub fn builder() -> PairBuilder {
        PairBuilder::new()
    }

    fn new(setup: Setup) -> Result<Self, ConfigError> {
        let rate = setup.format.rate;
        let channels = setup.format.channels;
        let mut rng = Pcg32::derive(setup.seed, IDENTITY);
        let sender_clock = SkewedClock::new(setup.sender_clock)?;
        let receiver_clock = SkewedClock::new(setup.receiver_clock)?;
        let mut capture = Device {
            clock: SkewedClock::new(setup.capture_clock)?,
            rate,
            frames: 0,
            quantum: setup.capture_quantum,
            due: Instant::EPOCH,
        };
        // A block is there once its last frame is captured.
        capture.due = capture.at(capture.quantum as u64);
        let mut playback = Device {
            clock: SkewedClock::new(setup.playback_clock)?,
            rate,
            frames: 0,
            quantum: setup.playback_quantum,
            due: Instant::EPOCH,
        };
        playback.due = playback.at(0);
        let ssrc = setup.ssrc.unwrap_or_else(|| rng.next_u32());
        let identity = (
            ssrc,
            setup
                .first_seq
                .unwrap_or_else(|| SeqNum(rng.next_u32() as u16)),
            setup
                .first_timestamp
                .unwrap_or_else(|| RtpTimestamp(rng.next_u32())),
        );
        let sender = make_sender(&setup, identity, &sender_clock, capture.at(0))?;
        let receiver = setup.receiver(rng.next_u32(), receiver_clock.local(Instant::EPOCH))?;
        let signal = match setup.probe {
            Some(sample) => {
                let probe = Probe::new(sample, channels)?;
                Signal::Probe(probe, Box::new(ProbeReader::new(probe, 0, MAX_SPANS)))
            }
            None => {
                let tone = Tone::new(rate, rate.get() / TONE_PERIOD, 0.5)?;
                let threshold = tone.curvature() + CODING_NOISE;
                Signal::Tone(tone, ClickDetector::new(rate, channels, threshold))
            }
        };
        Ok(Self {
            now: Instant::EPOCH,
            sender_clock,
            receiver_clock,
            sender_base: 0,
            state: Sending::Yes,
            forward: Link::new(setup.forward.clone())?,
            back: Link::new(setup.back.clone())?,
            receiver,
            redundancy: setup.redundancy.map(Redundancy::new),
            signal,
            rng,
            latency: LatencyStats::default(),
            digest: Digest::new(),
            block: vec![0.0; capture.quantum * channels.get()],
            out: vec![0.0; playback.quantum * channels.get()],
            datagram: vec![0; sender.max_datagram().max(MAX_REPORT)],
            sender,
            capture,
            playback,
            setup,
        })
    }

    /// Runs for `d` of true time and reports on everything since the start.
    pub fn run_for(&mut self, d: Duration) -> PairReport {
        let end = self.now + d;
        while self.next_event() <= end {
            self.step();
        }
        self.now = end;
        self.report()
    }

    /// Jumps to the earliest wake-up of all parts and does what is due then. At equal times:
    /// capture, the sender's reports, what comes through the link either way, the receiver's
    /// reports, playback.
    pub fn step(&mut self) {
        self.now = self.now.max(self.next_event());
        if self.capture.due <= self.now {
            self.capture_block();
        }
        self.transmit();
        self.deliver();
        self.report_back();
        if self.playback.due <= self.now {
            self.play_block();
        }
    }

    /// True time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The sender stops, without a goodbye, and another starts in its place with the next block.
    pub fn restart_sender(&mut self, restart: Restart) {
        let ssrc = match restart {
            Restart::NewSsrc => self.rng.next_u32(),
            Restart::SameSsrc => self.sender.ssrc(),
        };
        let identity = (
            ssrc,
            SeqNum(self.rng.next_u32() as u16),
            RtpTimestamp(self.rng.next_u32()),
        );
        self.sender_base = self.capture.frames;
        let first = self.capture.at(self.sender_base);
        self.sender = make_sender(&self.setup, identity, &self.sender_clock, first)
            .expect("the first sender was made of the same values");
        self.redundancy = self.setup.redundancy.map(Redundancy::new);
        self.state = Sending::Yes;
    }

    /// From the next block on nothing is sent, though capture goes on: a muted microphone.
    pub fn pause_sender(&mut self) {
        if self.state == Sending::Yes {
            self.state = Sending::Paused;
        }
    }

    /// Sends again after [`pause_sender`](Self::pause_sender).
    pub fn resume_sender(&mut self) {
        if self.state == Sending::Paused {
            self.state = Sending::Yes;
        }
    }

    /// From now on the ways there and back are these ([`Link::set_config`]); their seeds are drawn
    /// from the run's.
    ///
    /// # Errors
    /// A value out of range; the links then stay as they were.
    pub fn set_links(
        &mut self,
        mut there: LinkConfig,
        mut back: LinkConfig,
    ) -> Result<(), ConfigError> {
        there.seed = self.rng.next_u64();
        back.seed = self.rng.next_u64();
        back.validate()?;
        self.forward.set_config(there)?;
        self.back.set_config(back)
    }

    /// The sender says goodbye and stops for good.
    pub fn finish_sender(&mut self) {
        self.sender.finish();
        self.state = Sending::Finished;
        self.transmit();
    }

    /// Everything since the start.
    pub fn report(&self) -> PairReport {
        let (probe, clicks) = match &self.signal {
            Signal::Probe(_, reader) => (finished(reader).totals(), 0),
            Signal::Tone(_, clicks) => (ProbeTotals::default(), clicks.count()),
        };
        PairReport {
            elapsed: self.now.saturating_since(Instant::EPOCH),
            frames_captured: self.capture.frames,
            frames_played: self.playback.frames,
            forward: self.forward.stats(),
            back: self.back.stats(),
            sender: *self.sender.stats(),
            receiver: *self.receiver.stats(),
            ingress: *self.receiver.ingress().stats(),
            source: self.receiver.source_stats(),
            playout: *self.receiver.playout_stats(),
            probe,
            clicks,
            latency: self.latency,
            digest: self.digest.value(),
        }
    }

    /// What came out, stretch by stretch: the first 4 096; empty where the signal is a tone.
    pub fn spans(&self) -> Vec<Span> {
        match &self.signal {
            Signal::Probe(_, reader) => finished(reader).spans().to_vec(),
            Signal::Tone(..) => Vec::new(),
        }
    }

    /// Traces playout from now on. Take the events out at least each second, or make the ring
    /// longer.
    pub fn trace(&mut self, events: usize) -> (TraceHead, TraceOutput) {
        let (input, output) = trace_ring(events);
        let playout = self.receiver.playout_mut();
        playout.set_trace(Some(input));
        (playout.trace_head(), output)
    }

    /// What was played last: a quantum, interleaved.
    pub fn heard(&self) -> &[f32] {
        &self.out
    }

    /// The receiver, for its details.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The sender, for its details; counts from its last restart.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// What the sender chose last; `None` before the first report, and where it has no choice
    /// ([`PairBuilder::redundancy`]).
    pub fn protection(&self) -> Option<&RedundancyPlan> {
        self.redundancy.as_ref()?.plan.as_ref()
    }

    fn next_event(&self) -> Instant {
        let sender = self
            .sender
            .poll_timeout()
            .filter(|_| self.setup.reports)
            .map(|local| self.sender_clock.true_at(local));
        let receiver = self
            .receiver
            .poll_timeout()
            .map(|local| self.receiver_clock.true_at(local));
        [
            sender,
            receiver,
            self.forward.poll_timeout(),
            self.back.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .fold(self.capture.due.min(self.playback.due), Instant::min)
    }

    fn capture_block(&mut self) {
        let first = self.capture.frames;
        let frames = self.capture.quantum;
        match self.state {
            Sending::Yes => {
                let captured = self.sender_clock.local(self.capture.at(first));
                let media = MediaTime((first - self.sender_base) as i64);
                self.sender.set_capture(media, captured);
                let channels = self.setup.format.channels;
                match &self.signal {
                    Signal::Probe(probe, _) => probe.write(first, &mut self.block),
                    Signal::Tone(tone, _) => tone.write(first, &mut self.block, channels),
                }
                self.sender.push(AudioRef::new(&self.block, channels));
            }
            Sending::Paused => self.sender.skip(frames as u64),
            Sending::Finished => {}
        }
        self.capture.frames += frames as u64;
        self.capture.due = self.capture.at(self.capture.frames + frames as u64);
    }

    fn transmit(&mut self) {
        let now = self.sender_clock.local(self.now);
        while let Some(t) = self.sender.poll_transmit(now, &mut self.datagram) {
            let bytes = &self.datagram[..t.len];
            match t.flow {
                Flow::Media | Flow::Repair => self.forward.handle(self.now, MEDIA, bytes),
                Flow::BlockRepair => self.forward.handle(self.now, BLOCK_REPAIR, bytes),
                Flow::Reports if self.setup.reports => {
                    self.forward.handle(self.now, REPORTS, bytes)
                }
                Flow::Reports => continue,
            };
        }
    }

    fn deliver(&mut self) {
        let now = self.receiver_clock.local(self.now);
        while let Some(d) = self.forward.poll_output(self.now) {
            self.digest.word(d.number << 1 | u64::from(d.copy));
            self.digest.word(d.due.as_nanos());
            match d.tag {
                MEDIA => {
                    self.receiver.handle_datagram(now, Origin(0), d.bytes);
                }
                BLOCK_REPAIR => {
                    self.receiver.handle_repair(now, Origin(0), d.bytes);
                }
                // What is malformed is counted.
                _ => drop(self.receiver.handle_rtcp(now, d.bytes)),
            }
        }
        let now = self.sender_clock.local(self.now);
        let mut heard = false;
        while let Some(d) = self.back.poll_output(self.now) {
            let before = self.sender.stats().reports_received;
            let _ = self.sender.handle_rtcp(now, d.bytes);
            heard = true;
            if let Some(redundancy) = &mut self.redundancy
                && self.sender.stats().reports_received > before
            {
                redundancy.protect(now, &mut self.sender);
            }
        }
        if heard {
            self.transmit();
        }
    }

    fn report_back(&mut self) {
        let now = self.receiver_clock.local(self.now);
        if self.receiver.poll_timeout().is_some_and(|due| due <= now) {
            self.receiver.handle_timeout(now);
        }
        while let Some(len) = self.receiver.poll_report(now, &mut self.datagram) {
            self.back.handle(self.now, REPORTS, &self.datagram[..len]);
        }
        while let Some(event) = self.receiver.poll_event() {
            self.digest.word(match event {
                IngressEvent::Started(_) => 1,
                IngressEvent::Restarted(_) => 2,
                IngressEvent::Mapped(_) => 3,
                IngressEvent::Bye(_) => 4,
                IngressEvent::Ended(_) => 5,
            });
        }
    }

    fn play_block(&mut self) {
        let now = self.receiver_clock.local(self.now);
        let channels = self.setup.format.channels;
        let out = AudioMut::new(&mut self.out, channels);
        let pulled = self.receiver.pull(now, out);
        for n in [pulled.decoded, pulled.concealed, pulled.idle] {
            self.digest.word(n as u64);
        }
        self.digest.samples(&self.out);
        self.playback.frames += self.playback.quantum as u64;
        self.playback.due = self.playback.at(self.playback.frames);
        match &mut self.signal {
            Signal::Probe(_, reader) => {
                reader.push(&self.out);
                if let Some((index, position)) = reader.position()
                    && position == reader.frames()
                {
                    let captured = self.capture.at(index);
                    let heard = self.playback.due;
                    self.latency.record(heard.signed_since(captured));
                }
            }
            Signal::Tone(_, clicks) => clicks.push(&self.out),
        }
    }
}

impl Device {
    /// True time of frame `n`.
    fn at(&self, n: u64) -> Instant {
        self.clock
            .true_at(Instant::EPOCH + self.rate.duration_of(n))
    }
}

fn make_sender(
    setup: &Setup,
    (ssrc, first_seq, first_timestamp): (u32, SeqNum, RtpTimestamp),
    clock: &SkewedClock,
    start: Instant,
) -> Result<Sender, ConfigError> {
    let config = SenderConfig {
        framing: setup.framing,
        payload_type: PAYLOAD_TYPE,
        ssrc,
        first_seq,
        first_timestamp,
        cname: "sender@sim".to_owned(),
        wall: (clock.local(Instant::EPOCH), WALL),
    };
    let mut sender = Sender::new(config, setup.encoder()?, clock.local(start))?;
    sender.set_repair(
        setup
            .repair
            .map(|(window, rate)| repair(ssrc, window, rate)),
    )?;
    sender.set_blocks(setup.blocks)?;
    sender.set_retransmission(setup.retransmission.map(|packets| RetransmissionConfig {
        payload_type: AGAIN_TYPE,
        ssrc: ssrc.rotate_left(1) ^ 1,
        packets,
    }))?;
    Ok(sender)
}

fn repair(ssrc: u32, window: usize, rate: u32) -> RepairConfig {
    RepairConfig {
        payload_type: REPAIR_TYPE,
        ssrc: !ssrc,
        window,
        rate,
    }
}

fn finished(reader: &ProbeReader) -> ProbeReader {
    let mut reader = reader.clone();
    reader.finish();
    reader
}

/// Frames of a tone's oscillation.
const TONE_PERIOD: u32 = 20;
/// What an 8-bit coding adds to second differences at half of full scale: µ-law is wrong by up
/// to 1/64 there, and four times that enters a second difference.
const CODING_NOISE: f32 = 1.0 / 16.0;

/// The link's tags.
const MEDIA: usize = 0;
const REPORTS: usize = 1;
const BLOCK_REPAIR: usize = 2;

const PAYLOAD_TYPE: u8 = 96;
const REPAIR_TYPE: u8 = 118;
const AGAIN_TYPE: u8 = 117;
const MAX_SPANS: usize = 4_096;
/// A receiver report with a full list of blocks, and names.
const MAX_REPORT: usize = 1_500;
/// Wall-clock time of the start: 2026-01-01 00:00:00 UTC.
const WALL: NtpTime = NtpTime::from_unix(Duration::from_secs(1_767_225_600));
/// Keeps the SSRCs apart from the links' use of the seed.
const IDENTITY: u64 = 100;
