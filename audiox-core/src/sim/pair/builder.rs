//! What a pair is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{AGAIN_TYPE, PAYLOAD_TYPE, Pair, REPAIR_TYPE};
use crate::codec::{CodecFactory, CodecSpec, Decoder, Encoder, EncodingName, PcmCoding};
use crate::error::ConfigError;
use crate::fec::block::{BlockConfig, PayloadId};
use crate::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use crate::ingress::{self, IngressFraming, ReportConfig};
use crate::packet::{Framing, rtx};
use crate::playout::{Latency, PlayoutConfig};
use crate::receiver::{Receiver, ReceiverConfig};
use crate::redundancy::{self, Means, RedundancyConfig};
use crate::retransmit::History;
use crate::sender::{REPAIR_OVERHEAD, RTP_HEADER};
use crate::sim::clock::ClockConfig;
use crate::sim::link::LinkConfig;
use crate::time::{Instant, RtpTimestamp, SeqNum};

/// Says what a [`Pair`] is; all has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct PairBuilder {
    format: StreamFormat,
    coding: Coding,
    ptime: Duration,
    framing: Framing,
    playout: PlayoutConfig,
    link: LinkConfig,
    back: LinkConfig,
    sender_clock: ClockConfig,
    receiver_clock: ClockConfig,
    capture_clock: ClockConfig,
    playback_clock: ClockConfig,
    capture_quantum: Option<usize>,
    playback_quantum: Option<usize>,
    ssrc: Option<u32>,
    first_seq: Option<SeqNum>,
    first_timestamp: Option<RtpTimestamp>,
    reports: bool,
    repair: Option<(usize, u32)>,
    blocks: Option<BlockConfig>,
    retransmission: Option<usize>,
    redundancy: Option<Means>,
    seed: Option<u64>,
}

#[derive(Clone)]
enum Coding {
    Pcm(PcmCoding),
    Other(EncodingName, Arc<dyn CodecFactory>),
}

impl fmt::Debug for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pcm(coding) => coding.fmt(f),
            Self::Other(name, _) => name.fmt(f),
        }
    }
}

/// A builder's values, checked and completed.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) format: StreamFormat,
    coding: Coding,
    frames_per_packet: usize,
    pub(super) framing: Framing,
    playout: PlayoutConfig,
    pub(super) forward: LinkConfig,
    pub(super) back: LinkConfig,
    pub(super) sender_clock: ClockConfig,
    pub(super) receiver_clock: ClockConfig,
    pub(super) capture_clock: ClockConfig,
    pub(super) playback_clock: ClockConfig,
    pub(super) capture_quantum: usize,
    pub(super) playback_quantum: usize,
    pub(super) ssrc: Option<u32>,
    pub(super) first_seq: Option<SeqNum>,
    pub(super) first_timestamp: Option<RtpTimestamp>,
    pub(super) reports: bool,
    pub(super) repair: Option<(usize, u32)>,
    pub(super) blocks: Option<BlockConfig>,
    pub(super) retransmission: Option<usize>,
    pub(super) redundancy: Option<RedundancyConfig>,
    pub(super) seed: u64,
    /// The probe's sample format; `None` for a tone.
    pub(super) probe: Option<SampleFormat>,
}

impl PairBuilder {
    pub(super) fn new() -> Self {
        let clock = |hours: u64| ClockConfig {
            // Machines' clocks have no common epoch; nothing may rely on one.
            start: Instant::EPOCH + Duration::from_secs(3_600 * hours),
            ..ClockConfig::default()
        };
        Self {
            format: StreamFormat::new(SampleRate::HZ_48000, Channels::MONO),
            coding: Coding::Pcm(PcmCoding::L16),
            ptime: Duration::from_millis(20),
            framing: Framing::Rtp,
            playout: PlayoutConfig::exact(Duration::from_millis(60)),
            link: LinkConfig::default(),
            back: LinkConfig::default(),
            sender_clock: clock(7),
            receiver_clock: clock(3),
            capture_clock: ClockConfig::default(),
            playback_clock: ClockConfig::default(),
            capture_quantum: None,
            playback_quantum: None,
            ssrc: None,
            first_seq: None,
            first_timestamp: None,
            reports: true,
            repair: None,
            blocks: None,
            retransmission: None,
            redundancy: None,
            seed: None,
        }
    }

    /// Rate and channels. Default: 48 kHz, mono.
    pub fn format(mut self, rate: SampleRate, channels: Channels) -> Self {
        self.format = StreamFormat::new(rate, channels);
        self
    }

    /// The PCM coding; default L16. Those that carry 16 bits or more exactly are tried with a
    /// [`Probe`](crate::sim::Probe), the others with a [`Tone`](crate::sim::Tone).
    pub fn coding(mut self, coding: PcmCoding) -> Self {
        self.coding = Coding::Pcm(coding);
        self
    }

    /// Any codec, tried with a tone of a twentieth of the rate.
    pub fn codec(mut self, name: EncodingName, factory: Arc<dyn CodecFactory>) -> Self {
        self.coding = Coding::Other(name, factory);
        self
    }

    /// A packet's duration, to the nearest frame. Default: 20 ms.
    pub fn ptime(mut self, ptime: Duration) -> Self {
        self.ptime = ptime;
        self
    }

    /// Headerless datagrams instead of RTP; linear PCM only.
    pub fn raw(mut self) -> Self {
        self.framing = Framing::Raw;
        self
    }

    /// Fixed playout latency. Default: 60 ms.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.playout.latency = Latency::Fixed(latency);
        self
    }

    /// Everything about playout.
    pub fn playout(mut self, playout: PlayoutConfig) -> Self {
        self.playout = playout;
        self
    }

    /// The way there. Default: perfect.
    pub fn link(mut self, link: LinkConfig) -> Self {
        self.link = link;
        self
    }

    /// The way back, for receiver reports. Default: perfect.
    pub fn back(mut self, back: LinkConfig) -> Self {
        self.back = back;
        self
    }

    /// The clock of the sender's system. Default: true time, 7 h ahead.
    pub fn sender_clock(mut self, clock: ClockConfig) -> Self {
        self.sender_clock = clock;
        self
    }

    /// The clock of the receiver's system. Default: true time, 3 h ahead.
    pub fn receiver_clock(mut self, clock: ClockConfig) -> Self {
        self.receiver_clock = clock;
        self
    }

    /// The clock of the capture device. Default: true time.
    pub fn capture_clock(mut self, clock: ClockConfig) -> Self {
        self.capture_clock = clock;
        self
    }

    /// The clock of the playback device. Default: true time.
    pub fn playback_clock(mut self, clock: ClockConfig) -> Self {
        self.playback_clock = clock;
        self
    }

    /// By how many parts per million the capture device is faster than true time.
    pub fn capture_ppm(mut self, ppm: f64) -> Self {
        self.capture_clock.ppm = ppm;
        self
    }

    /// By how many parts per million the playback device is faster than true time.
    pub fn playback_ppm(mut self, ppm: f64) -> Self {
        self.playback_clock.ppm = ppm;
        self
    }

    /// Frames that the capture device hands over at once. Default: a packet's.
    pub fn capture_quantum(mut self, frames: usize) -> Self {
        self.capture_quantum = Some(frames);
        self
    }

    /// Frames that the playback device asks for at once. Default: a packet's.
    pub fn playback_quantum(mut self, frames: usize) -> Self {
        self.playback_quantum = Some(frames);
        self
    }

    /// The sender's SSRC and the numbers of its first packet. Default: random, by the seed.
    pub fn identity(mut self, ssrc: u32, seq: SeqNum, timestamp: RtpTimestamp) -> Self {
        self.ssrc = Some(ssrc);
        self.first_seq = Some(seq);
        self.first_timestamp = Some(timestamp);
        self
    }

    /// No RTCP either way: every datagram on the link is media.
    pub fn without_reports(mut self) -> Self {
        self.reports = false;
        self
    }

    /// Repair packets, of which each covers `window` packets, and of which there are `rate` for a
    /// thousand packets ([`RepairConfig`](crate::sender::RepairConfig)).
    pub fn repair(mut self, window: usize, rate: u32) -> Self {
        self.repair = Some((window, rate));
        self
    }

    /// Repair packets of the block code, on a port of their own
    /// ([`Sender::set_blocks`](crate::sender::Sender::set_blocks)).
    pub fn blocks(mut self, config: BlockConfig) -> Self {
        self.blocks = Some(config);
        self
    }

    /// The receiver asks for lost packets and the sender, which remembers this many, sends them
    /// again ([`retransmit`](crate::retransmit)); needs reports.
    pub fn retransmission(mut self, packets: usize) -> Self {
        self.retransmission = Some(packets);
        self
    }

    /// The sender chooses, among these means, which redundancy it sends, by what the receiver
    /// reports ([`RedundancyController`](crate::redundancy::RedundancyController)), as a stream with
    /// `fec=auto` does. Of the means there are repair packets and retransmission, since the others
    /// are the encoder's; it needs reports.
    pub fn redundancy(mut self, means: Means) -> Self {
        self.redundancy = Some(means);
        self
    }

    /// Chooses the run, the links' too: the way back then has a seed derived from it. Without
    /// it each link keeps the seed of its configuration.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The pair, at time zero.
    ///
    /// # Errors
    /// A part of it cannot be made as asked.
    pub fn build(self) -> Result<Pair, ConfigError> {
        let rate = self.format.rate;
        let frames = usize::try_from(
            rate.frames_in_nanos(i64::try_from(self.ptime.as_nanos()).unwrap_or(i64::MAX)),
        )
        .unwrap_or(0);
        for (field, frames) in [
            ("ptime", frames),
            ("capture_quantum", self.capture_quantum.unwrap_or(1)),
            ("playback_quantum", self.playback_quantum.unwrap_or(1)),
        ] {
            if !(1..=MAX_FRAMES).contains(&frames) {
                let allowed = "1 to 65536 frames at once are simulated";
                return Err(ConfigError::new(field, frames, allowed));
            }
        }
        let (mut forward, mut back) = (self.link, self.back);
        if let Some(seed) = self.seed {
            forward.seed = seed;
            back.seed = !seed;
        }
        let mut again = self.retransmission;
        let mut repair = self.repair;
        let redundancy = self.redundancy.map(|means| {
            let means = Means {
                repair: means.repair,
                retransmission: means.retransmission,
                ..Means::default()
            };
            // Until the receiver says what it really waits.
            let delay = match self.playout.latency {
                Latency::Fixed(delay) => delay,
                Latency::Adaptive(_) => DELAY,
            };
            if means.retransmission {
                let packets = rate.frames_in(REMEMBERED) / frames as u64;
                let packets = (packets as usize).clamp(16, History::MAX_PACKETS);
                again = again.or(Some(packets));
            }
            if means.repair {
                let window = redundancy::window(self.ptime, delay);
                repair = repair.or(Some((window, 0)));
            }
            RedundancyConfig::new(self.ptime, delay, means)
        });
        Pair::new(Setup {
            format: self.format,
            probe: probe_format(&self.coding),
            coding: self.coding,
            frames_per_packet: frames,
            framing: self.framing,
            playout: self.playout,
            forward,
            back,
            sender_clock: self.sender_clock,
            receiver_clock: self.receiver_clock,
            capture_clock: self.capture_clock,
            playback_clock: self.playback_clock,
            capture_quantum: self.capture_quantum.unwrap_or(frames),
            playback_quantum: self.playback_quantum.unwrap_or(frames),
            ssrc: self.ssrc,
            first_seq: self.first_seq,
            first_timestamp: self.first_timestamp,
            reports: self.reports && self.framing == Framing::Rtp,
            repair,
            blocks: self.blocks,
            retransmission: again,
            redundancy,
            seed: self.seed.unwrap_or(0),
        })
    }
}

impl Setup {
    pub(super) fn encoder(&self) -> Result<Box<dyn Encoder>, ConfigError> {
        let (spec, factory) = self.factory();
        factory.encoder(&spec, self.frames_per_packet)
    }

    pub(super) fn receiver(&self, ssrc: u32, now: Instant) -> Result<Receiver, ConfigError> {
        let (spec, factory) = self.factory();
        let decoder: Box<dyn Decoder> = factory.decoder(&spec, self.frames_per_packet)?;
        let (framing, payload_type) = match self.framing {
            Framing::Rtp => {
                let clock = vec![(PAYLOAD_TYPE, decoder.clock_rate())];
                (IngressFraming::Rtp(clock), PAYLOAD_TYPE)
            }
            Framing::Raw => {
                let framing = IngressFraming::Raw {
                    pcm: self.raw_format()?,
                    channels: self.format.channels,
                    rate: self.format.rate,
                };
                (framing, 0)
            }
        };
        let mut config = ReceiverConfig::new(framing);
        config.playout = self.playout.clone();
        config.max_datagram = self.encoder()?.max_payload_len() + RTP_HEADER;
        if self.repair.is_some() {
            config.max_datagram += REPAIR_OVERHEAD;
            config.ingress.repair_types = vec![REPAIR_TYPE];
        }
        if let Some(blocks) = self.blocks {
            config.max_datagram += PayloadId::LEN;
            config.ingress.blocks = Some(blocks.points);
        }
        if self.retransmission.is_some() {
            config.max_datagram += rtx::OVERHEAD;
            config.ingress.retransmission = Some(ingress::RetransmissionConfig {
                types: vec![(AGAIN_TYPE, PAYLOAD_TYPE)],
                // Until playout says what it really is.
                delay: Duration::ZERO,
            });
        }
        config.ingress.reports = self.reports.then(|| ReportConfig {
            ssrc,
            cname: "receiver@sim".to_owned(),
            bandwidth: u64::from(self.format.rate.get()) * 16,
        });
        Receiver::new(config, vec![(payload_type, decoder)], now)
    }

    fn factory(&self) -> (CodecSpec, &dyn CodecFactory) {
        let (name, factory): (_, &dyn CodecFactory) = match &self.coding {
            Coding::Pcm(coding) => (EncodingName::L16, coding),
            Coding::Other(name, factory) => (name.clone(), &**factory),
        };
        (CodecSpec::new(name, self.format), factory)
    }

    fn raw_format(&self) -> Result<PcmFormat, ConfigError> {
        match &self.coding {
            Coding::Pcm(PcmCoding::Linear(format)) => Ok(*format),
            other => Err(ConfigError::new(
                "coding",
                format_args!("{other:?}"),
                "raw datagrams hold linear PCM",
            )),
        }
    }
}

/// The probe that a coding carries bit-exactly.
fn probe_format(coding: &Coding) -> Option<SampleFormat> {
    match coding {
        Coding::Pcm(PcmCoding::Linear(format)) if format.sample != SampleFormat::U8 => {
            Some(format.sample)
        }
        _ => None,
    }
}

const MAX_FRAMES: usize = 1 << 16;
/// What the sender of a stream with redundancy remembers, and takes the receiver's delay for.
const REMEMBERED: Duration = Duration::from_secs(1);
const DELAY: Duration = Duration::from_millis(60);
