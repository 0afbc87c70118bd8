//! One stream on its way out: blocks in, datagrams out, each written once into the caller's
//! buffer.
//!
//! The sender is told when its frames were captured ([`Sender::set_capture`]) and says so in its
//! sender reports, so a receiver recovers the capture time of every frame: RTP timestamp → NTP
//! time, exact to the frame.

use std::time::Duration;

use crate::block::AudioRef;
use crate::codec::Encoder;
use crate::error::{ConfigError, ParseError, WriteError};
use crate::fec::block::{BlockConfig, BlockEncoder, PayloadId};
use crate::fec::symbol;
use crate::fec::window::{RepairHeader, WindowEncoder};
use crate::format::SampleRate;
use crate::packet::rtcp::{Compound, CompoundWriter, Nack, ReportBlock, RtcpPacket, SenderInfo};
use crate::packet::rtp::RtpHeader;
use crate::packet::{Framing, rtx};
use crate::packetizer::Packetizer;
use crate::report::{Members, ReportTimer};
use crate::retransmit::History;
use crate::stats::SenderStats;
use crate::time::{Instant, MediaTime, NtpTime, RtpTimestamp, SeqNum};

mod remote;

use remote::Remote;

/// What a [`Sender`] is made with.
#[derive(Debug, Clone)]
pub struct SenderConfig {
    /// RTP, or headerless payloads.
    pub framing: Framing,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Synchronisation source; random.
    pub ssrc: u32,
    /// First sequence number; random (RFC 3550 section 5.1).
    pub first_seq: SeqNum,
    /// Timestamp of the first frame; random.
    pub first_timestamp: RtpTimestamp,
    /// Canonical name (RFC 7022), the same for all streams of one clock; at most 255 bytes.
    pub cname: String,
    /// Local time and wall-clock time of one moment: sender reports count from it, so a step of
    /// the wall clock cannot tear the stream.
    pub wall: (Instant, NtpTime),
}

/// How a stream is protected by repair packets ([`fec::window`](crate::fec::window)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairConfig {
    /// RTP payload type of the repair packets, 0 to 127, other than the media's.
    pub payload_type: u8,
    /// Their SSRC; random, other than the media's.
    pub ssrc: u32,
    /// Packets that a repair packet covers, 1 to 96: the receiver's delay ÷ ptime. More would
    /// bring back what is too late to be heard.
    pub window: usize,
    /// Repair packets for a thousand media packets, 0 to 4 000.
    pub rate: u32,
}

/// Packetizer, encoder, RTP writer and RTCP reporter of one stream.
pub struct Sender {
    config: SenderConfig,
    encoder: Box<dyn Encoder>,
    rate: SampleRate,
    clock: SampleRate,
    packetizer: Packetizer,
    flush: bool,
    seq: SeqNum,
    next: MediaTime,
    /// A media time and the local instant at which it was captured.
    capture: (MediaTime, Instant),
    marker: bool,
    timer: Option<ReportTimer>,
    goodbye: Goodbye,
    repair: Option<Repair>,
    blocks: Option<BlockEncoder>,
    /// Share of packets lost, 0 to 1, as the encoder knows it.
    loss: f32,
    remote: Remote,
    history: Option<History>,
    stats: SenderStats,
}

/// How lost packets are sent again ([`retransmit`](crate::retransmit)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetransmissionConfig {
    /// RTP payload type of the packets that are sent again, 0 to 127, other than the media's.
    pub payload_type: u8,
    /// Their SSRC; random, other than the media's.
    pub ssrc: u32,
    /// Packets that are remembered, 1 to 1 024: the receivers' delay ÷ ptime, and some more.
    pub packets: usize,
}

struct Repair {
    encoder: WindowEncoder,
    payload_type: u8,
    ssrc: u32,
    seq: SeqNum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    No,
    /// To be said once the last packet is out.
    Wanted,
    Said,
}

/// A datagram that [`Sender::poll_transmit`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub flow: Flow,
    /// Its length in the caller's buffer, bytes.
    pub len: usize,
    /// Frames of audio in it; 0 for reports.
    pub frames: usize,
}

/// The flows of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Media, to the RTP (or raw) port.
    Media,
    /// Repair packets and such as are sent again, to the same port.
    Repair,
    /// Repair packets of the block code ([`Sender::set_blocks`]), to a port of their own.
    BlockRepair,
    /// Reports, to the RTCP port, or the same one where they are multiplexed.
    Reports,
}

impl Sender {
    /// A sender whose frame 0 is captured at `start`; `encoder` fixes format and packet length.
    ///
    /// # Errors
    /// The payload type is above 127, the CNAME too long, or the encoder's clock rate no
    /// multiple of its frame rate.
    pub fn new(
        config: SenderConfig,
        encoder: Box<dyn Encoder>,
        start: Instant,
    ) -> Result<Self, ConfigError> {
        if config.payload_type > 127 {
            return Err(ConfigError::new(
                "pt",
                config.payload_type,
                "RTP payload types are 0 to 127",
            ));
        }
        if config.cname.len() > 255 {
            return Err(ConfigError::new("cname", config.cname, "at most 255 bytes"));
        }
        let format = encoder.format();
        let clock = encoder.clock_rate();
        if !clock.get().is_multiple_of(format.rate.get()) {
            return Err(ConfigError::new(
                "clock_rate",
                clock,
                format!("a multiple of {}", format.rate),
            ));
        }
        let frames = encoder.frames_per_packet();
        let timer = (config.framing == Framing::Rtp).then(|| {
            let per_second = u64::from(format.rate.get()).div_ceil(frames.max(1) as u64);
            let bits = (encoder.max_payload_len() as u64 + HEADERS) * 8 * per_second;
            ReportTimer::new(start, bits, u64::from(config.ssrc))
        });
        Ok(Self {
            rate: format.rate,
            clock,
            packetizer: Packetizer::new(format.channels, frames),
            flush: false,
            seq: config.first_seq,
            next: MediaTime(0),
            capture: (MediaTime(0), start),
            marker: true,
            timer,
            goodbye: Goodbye::No,
            repair: None,
            blocks: None,
            loss: 0.0,
            remote: Remote::default(),
            history: None,
            stats: SenderStats::default(),
            encoder,
            config,
        })
    }

    /// Protects the packets sent from now on by repair packets, or with another window and rate,
    /// or (`None`) no more.
    ///
    /// # Errors
    /// Raw framing, which has no numbers; a payload type or an SSRC that is the media's; a
    /// window or rate out of range. Nothing is changed then.
    pub fn set_repair(&mut self, config: Option<RepairConfig>) -> Result<(), ConfigError> {
        let Some(c) = config else {
            self.repair = None;
            return Ok(());
        };
        if self.config.framing == Framing::Raw {
            return Err(ConfigError::new("fec", "raw", "repair packets need RTP"));
        }
        self.without_blocks("fec")?;
        if c.payload_type > 127 || c.payload_type == self.config.payload_type {
            return Err(ConfigError::new(
                "repair type",
                c.payload_type,
                "0 to 127, and other than the media's",
            ));
        }
        if c.ssrc == self.config.ssrc {
            return Err(ConfigError::new(
                "repair SSRC",
                c.ssrc,
                "other than the media's",
            ));
        }
        match &mut self.repair {
            Some(r) => {
                r.encoder.set(c.window, c.rate)?;
                (r.payload_type, r.ssrc) = (c.payload_type, c.ssrc);
            }
            None => {
                self.repair = Some(Repair {
                    encoder: WindowEncoder::new(c.window, c.rate)?,
                    payload_type: c.payload_type,
                    ssrc: c.ssrc,
                    seq: self.config.first_seq,
                });
            }
        }
        Ok(())
    }

    /// Puts payload IDs behind the packets sent from now on, and protects them by the repair packets
    /// of a block code ([`fec::block`](crate::fec::block)), which are due as
    /// [`Flow::BlockRepair`]; or so in other blocks, from the next one on; or (`None`) no more.
    ///
    /// The code's points and the first block's number are kept from the first time on.
    ///
    /// # Errors
    /// Raw framing; packets longer than [`MAX_DATAGRAM`](symbol::MAX_DATAGRAM); another repair or
    /// retransmission beside it, whose packets have no payload IDs; blocks that cannot be. Nothing
    /// is changed then.
    pub fn set_blocks(&mut self, config: Option<BlockConfig>) -> Result<(), ConfigError> {
        let Some(c) = config else {
            self.blocks = None;
            return Ok(());
        };
        let longest = self.header_len() + self.encoder.max_payload_len();
        if self.config.framing == Framing::Raw {
            return Err(ConfigError::new("fec", "raw", "repair packets need RTP"));
        }
        if longest > symbol::MAX_DATAGRAM {
            let allowed = format!("packets of up to {} bytes", symbol::MAX_DATAGRAM);
            return Err(ConfigError::new("packet", longest, allowed));
        }
        if self.repair.is_some() || self.history.is_some() {
            let allowed = "either these, or a window's repair packets and retransmission";
            return Err(ConfigError::new("fec", "blocks", allowed));
        }
        match &mut self.blocks {
            Some(blocks) => blocks.set(c.source, c.rate),
            None => {
                self.blocks = Some(BlockEncoder::new(c)?);
                Ok(())
            }
        }
    }

    fn without_blocks(&self, field: &'static str) -> Result<(), ConfigError> {
        match self.blocks {
            Some(_) => Err(ConfigError::new(
                field,
                "a packet without payload ID",
                "all packets have one beside a block code",
            )),
            None => Ok(()),
        }
    }

    /// Sends packets again that receivers ask for, of those sent from now on; or (`None`) no more.
    ///
    /// # Errors
    /// Raw framing, which has no numbers; a payload type or an SSRC that is the media's; a number
    /// of packets out of range. Nothing is changed then.
    pub fn set_retransmission(
        &mut self,
        config: Option<RetransmissionConfig>,
    ) -> Result<(), ConfigError> {
        let Some(c) = config else {
            self.history = None;
            return Ok(());
        };
        if self.config.framing == Framing::Raw {
            let allowed = "packets to be asked for need RTP";
            return Err(ConfigError::new("nack", "raw", allowed));
        }
        self.without_blocks("nack")?;
        if c.payload_type == self.config.payload_type || c.ssrc == self.config.ssrc {
            let value = format_args!("{} of {:#x}", c.payload_type, c.ssrc).to_string();
            let allowed = "another payload type and SSRC than the media's";
            return Err(ConfigError::new("retransmission", value, allowed));
        }
        let longest = self.header_len() + self.encoder.max_payload_len();
        self.history = Some(History::new(
            c.packets,
            longest,
            c.payload_type,
            c.ssrc,
            self.config.first_seq,
        )?);
        Ok(())
    }

    /// Takes a block of captured audio; drain [`poll_transmit`](Self::poll_transmit) after it. At
    /// most eight packets wait; beyond that the oldest frames go (counted).
    pub fn push(&mut self, audio: AudioRef<'_>) {
        if audio.channels() != self.encoder.format().channels {
            self.stats.encode_errors += 1;
            return;
        }
        let dropped = self.packetizer.push(audio);
        if dropped > 0 {
            self.stats.frames_dropped += dropped as u64;
            self.skip(dropped as u64);
        }
    }

    /// Says that media time `at` was captured at `captured`. Media time counts frames from 0.
    pub fn set_capture(&mut self, at: MediaTime, captured: Instant) {
        self.capture = (at, captured);
    }

    /// Ties the local clock to the wall clock anew, for a sender that was made long before its
    /// start. After the first packet the stream would be torn; the pair is then left as it is.
    pub fn set_wall(&mut self, wall: (Instant, NtpTime)) {
        if self.next == MediaTime(0) && self.stats.reports_sent == 0 {
            self.config.wall = wall;
        }
    }

    /// Leaves `frames` out: the next packet's timestamp moves on and its marker says that there
    /// is a gap.
    pub fn skip(&mut self, frames: u64) {
        self.encoder.skipped(frames);
        self.leave_out(frames);
    }

    fn leave_out(&mut self, frames: u64) {
        self.next = self.next + i64::try_from(frames).unwrap_or(i64::MAX);
        self.marker = true;
    }

    /// No more audio comes: what waits goes out as a last, short packet, then a goodbye
    /// (RFC 3550 section 6.6).
    pub fn finish(&mut self) {
        self.flush = true;
        if self.goodbye == Goodbye::No && self.timer.is_some() {
            self.goodbye = Goodbye::Wanted;
        }
    }

    /// Writes the next datagram into `buf` (at least [`max_datagram`](Self::max_datagram) long),
    /// media first. Changes after `push`, `finish` and `handle_timeout`.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if let Some(repair) = self.poll_repair(buf) {
            return Some(repair);
        }
        let end = buf.len().saturating_sub(self.trailer_len());
        while let Ok(header) = self.write_header(buf) {
            let Some(block) = self.packetizer.take(self.flush) else {
                break;
            };
            let frames = block.frames();
            let payload = buf.get_mut(header..end).unwrap_or_default();
            match self.encoder.encode(block, payload) {
                // Silence that need not travel.
                Ok(0) => self.leave_out(frames as u64),
                Ok(len) => {
                    self.sent(frames, len);
                    return Some(Transmit {
                        flow: Flow::Media,
                        len: self.protect(buf, header + len),
                        frames,
                    });
                }
                Err(_) => {
                    self.stats.encode_errors += 1;
                    self.skip(frames as u64);
                }
            }
        }
        self.poll_report(now, buf)
    }

    /// Writes one media datagram from a ready-made `payload` of `frames` frames, around
    /// packetizer and encoder: for audio that is already stored as it is sent.
    ///
    /// # Errors
    /// `buf` is too small; the packet is then not counted.
    pub fn transmit_payload(
        &mut self,
        frames: usize,
        payload: &[u8],
        buf: &mut [u8],
    ) -> Result<Transmit, WriteError> {
        let header = self.header_len();
        let (needed, available) = (header + payload.len(), buf.len());
        let Some(room) = buf.get_mut(header..needed) else {
            return Err(WriteError::BufferTooSmall { needed, available });
        };
        room.copy_from_slice(payload);
        self.transmit_in_place(frames, payload.len(), buf)
    }

    /// Writes the header of a media datagram whose payload of `frames` frames and `payload_len`
    /// bytes stands in `buf` already, [`header_len`](Self::header_len) bytes from its beginning:
    /// all that is left to do at a deadline, where payloads were prepared before it.
    ///
    /// # Errors
    /// `buf` is too small; the packet is then not counted.
    pub fn transmit_in_place(
        &mut self,
        frames: usize,
        payload_len: usize,
        buf: &mut [u8],
    ) -> Result<Transmit, WriteError> {
        let len = self.header_len() + payload_len;
        let (needed, available) = (len + self.trailer_len(), buf.len());
        if available < needed {
            return Err(WriteError::BufferTooSmall { needed, available });
        }
        self.write_header(buf)?;
        self.sent(frames, payload_len);
        Ok(Transmit {
            flow: Flow::Media,
            len: self.protect(buf, len),
            frames,
        })
    }

    /// Writes a packet that was asked for again, or a repair packet that is due, into `buf`: after
    /// each packet of [`transmit_payload`](Self::transmit_payload) and
    /// [`transmit_in_place`](Self::transmit_in_place), and after
    /// [`handle_rtcp`](Self::handle_rtcp), until there is none.
    /// [`poll_transmit`](Self::poll_transmit) does so by itself.
    #[must_use]
    pub fn poll_repair(&mut self, buf: &mut [u8]) -> Option<Transmit> {
        if let Some(history) = &mut self.history
            && let Some(len) = history.poll(buf)
        {
            let sent = *history.stats();
            self.stats.retransmitted_packets_sent = sent.sent;
            self.stats.retransmitted_bytes_sent = sent.bytes;
            return Some(Transmit {
                flow: Flow::Repair,
                len,
                frames: 0,
            });
        }
        if let Some(blocks) = &mut self.blocks {
            let len = blocks.poll_repair(buf)?;
            self.stats.repair_packets_sent += 1;
            self.stats.repair_bytes_sent += (len - PayloadId::LEN) as u64;
            return Some(Transmit {
                flow: Flow::BlockRepair,
                len,
                frames: 0,
            });
        }
        let timestamp = self.timestamp_of(self.next);
        let repair = self.repair.as_mut()?;
        let header = RtpHeader::new(repair.payload_type, repair.seq, timestamp, repair.ssrc);
        let header = header.ok()?.write_into(buf).ok()?;
        let len = repair.encoder.poll_repair(buf.get_mut(header..)?)?;
        repair.seq = repair.seq.wrapping_add(1);
        self.stats.repair_packets_sent += 1;
        self.stats.repair_bytes_sent += len as u64;
        Some(Transmit {
            flow: Flow::Repair,
            len: header + len,
            frames: 0,
        })
    }

    /// Takes an RTCP datagram from a receiver.
    ///
    /// # Errors
    /// It is malformed (counted).
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Result<(), ParseError> {
        let compound =
            Compound::parse(datagram).inspect_err(|_| self.stats.reports_malformed += 1)?;
        if let Some(timer) = &mut self.timer {
            timer.account(datagram.len());
        }
        let mut about_us = false;
        for packet in compound {
            let blocks = match packet {
                Ok(RtcpPacket::ReceiverReport(rr)) => rr.reports,
                Ok(RtcpPacket::SenderReport(sr)) => sr.reports,
                Ok(RtcpPacket::Nack(nack)) if nack.media == self.config.ssrc => {
                    self.take_nack(now, &nack);
                    continue;
                }
                Ok(RtcpPacket::ExtendedReport(report)) => {
                    let ssrc = self.config.ssrc;
                    self.remote.take(now, ssrc, &report, &mut self.stats);
                    continue;
                }
                Ok(_) => continue,
                Err(_) => {
                    self.stats.reports_malformed += 1;
                    continue;
                }
            };
            if let Some(block) = blocks.find(self.config.ssrc) {
                about_us = true;
                self.take_block(now, &block);
            }
        }
        self.stats.reports_received += u64::from(about_us);
        Ok(())
    }

    /// When the next report is due; `None` for raw framing and after the goodbye.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.goodbye {
            Goodbye::Said => None,
            _ => self.timer.as_ref().map(ReportTimer::next_timeout),
        }
    }

    /// Frames in a full packet.
    pub fn frames_per_packet(&self) -> usize {
        self.encoder.frames_per_packet()
    }

    /// Bytes that a datagram can take at most.
    pub fn max_datagram(&self) -> usize {
        let media = self.header_len() + self.encoder.max_payload_len();
        // A repair packet says which packets it covers, and how long they are.
        let repair = self.repair.as_ref().map_or(0, |_| media + REPAIR_OVERHEAD);
        let again = self.history.as_ref().map_or(0, |_| media + rtx::OVERHEAD);
        let marked = media + self.trailer_len();
        marked.max(repair).max(again).max(MAX_REPORT)
    }

    /// Bytes behind the payload of a media datagram; equally long packets have no padding before
    /// them.
    pub fn trailer_len(&self) -> usize {
        self.blocks.as_ref().map_or(0, |_| PayloadId::LEN)
    }

    /// Bytes before the payload of a media datagram.
    pub fn header_len(&self) -> usize {
        match self.config.framing {
            Framing::Rtp => RTP_HEADER,
            Framing::Raw => 0,
        }
    }

    /// Media time of the next packet's first frame: frames sent and skipped so far.
    pub fn next_media_time(&self) -> MediaTime {
        self.next
    }

    /// Own SSRC.
    pub fn ssrc(&self) -> u32 {
        self.config.ssrc
    }

    /// Counters so far.
    pub fn stats(&self) -> &SenderStats {
        &self.stats
    }

    /// Wall-clock time at which media time `at` was captured.
    pub fn ntp_at(&self, at: MediaTime) -> NtpTime {
        let (media, captured) = self.capture;
        let (epoch, ntp) = self.config.wall;
        let since_epoch = captured.signed_since(epoch);
        ntp.offset_nanos(since_epoch.saturating_add(self.rate.nanos_of(at - media)))
    }

    fn poll_report(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let timer = self.timer.as_mut()?;
        let last = self.goodbye == Goodbye::Wanted && self.packetizer.frames() == 0;
        let due = self.goodbye != Goodbye::Said
            && timer.expired(
                now,
                Members {
                    all: 2,
                    senders: 1,
                    we_sent: true,
                },
            );
        if !due && !last {
            return None;
        }
        // The frame being captured now, and exactly when it was.
        let (media, captured) = self.capture;
        let at = media + self.rate.frames_in_nanos(now.signed_since(captured));
        let info = SenderInfo {
            ntp: self.ntp_at(at),
            timestamp: self.timestamp_of(at),
            packet_count: self.stats.packets_sent as u32,
            octet_count: self.stats.bytes_sent as u32,
        };
        let mut writer = CompoundWriter::new(buf);
        writer.sender_report(self.config.ssrc, &info, &[]).ok()?;
        writer
            .sdes_cname(self.config.ssrc, &self.config.cname)
            .ok()?;
        // What has no room is answered the next time.
        let _ = self.remote.answer(now, self.config.ssrc, &mut writer);
        if last {
            writer.bye(&[self.config.ssrc], None).ok()?;
            self.goodbye = Goodbye::Said;
        }
        let len = writer.finish();
        if let Some(timer) = &mut self.timer {
            timer.account(len);
        }
        self.stats.reports_sent += 1;
        Some(Transmit {
            flow: Flow::Reports,
            len,
            frames: 0,
        })
    }

    fn write_header(&mut self, buf: &mut [u8]) -> Result<usize, WriteError> {
        if self.config.framing == Framing::Raw {
            return Ok(0);
        }
        let mut header = RtpHeader::new(
            self.config.payload_type,
            self.seq,
            self.timestamp_of(self.next),
            self.config.ssrc,
        )?;
        header.marker = self.marker;
        header.write_into(buf)
    }

    fn timestamp_of(&self, at: MediaTime) -> RtpTimestamp {
        let ticks = self.clock.get() / self.rate.get();
        let at = (at.0 as u32).wrapping_mul(ticks);
        self.config.first_timestamp.wrapping_add(at)
    }

    fn sent(&mut self, frames: usize, payload_len: usize) {
        self.seq = self.seq.wrapping_add(1);
        self.next = self.next + frames as i64;
        self.marker = false;
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += payload_len as u64;
        self.stats.frames_sent += frames as u64;
    }

    /// Prepares for the loss of the datagram in the first `len` bytes of `buf`, and returns its
    /// length with what is put behind it for that.
    fn protect(&mut self, buf: &mut [u8], len: usize) -> usize {
        if let Some(history) = &mut self.history {
            history.push(self.seq.wrapping_add(u16::MAX), &buf[..len]);
        }
        if let Some(repair) = &mut self.repair {
            repair.encoder.push(&buf[..len]);
        }
        match &mut self.blocks {
            // Refused is only what is no RTP packet, or for which there is no room.
            Some(blocks) => blocks.push(buf, len).unwrap_or(len),
            None => len,
        }
    }

    fn take_nack(&mut self, now: Instant, nack: &Nack<'_>) {
        let Some(history) = &mut self.history else {
            return;
        };
        for seq in nack.missing().take(MAX_ASKED) {
            history.request(now, seq);
        }
        self.stats.retransmissions_requested = history.stats().requested;
    }

    fn take_block(&mut self, now: Instant, block: &ReportBlock) {
        self.stats.remote_fraction_lost = block.fraction_lost;
        // Loss comes in bursts: between them the encoder stays prepared for a while.
        let lost = f32::from(block.fraction_lost) / 256.0;
        self.loss = lost.max(self.loss * FORGETTING);
        self.encoder.set_expected_loss(self.loss);
        self.stats.remote_packets_lost = block.cumulative_lost;
        self.stats.remote_jitter = self.clock.duration_of(u64::from(block.jitter));
        let (epoch, ntp) = self.config.wall;
        let arrival = ntp.offset_nanos(now.signed_since(epoch));
        if let Some(rtt) = block.round_trip(arrival) {
            self.stats.round_trip_time = Some(rtt.min(MAX_RTT));
        }
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("config", &self.config)
            .field("next", &self.next)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// Fixed RTP header (RFC 3550 section 5.1).
pub const RTP_HEADER: usize = 12;
/// A factor a report.
const FORGETTING: f32 = 0.8;
/// IPv4, UDP and RTP headers, for the session's bandwidth.
const HEADERS: u64 = 20 + 8 + 12;
/// Bytes by which a repair datagram may be longer than the longest media datagram that it covers.
pub const REPAIR_OVERHEAD: usize = RepairHeader::LEN + symbol::OVERHEAD;
/// SR (28), SDES with a CNAME of 255 bytes (268), BYE (8), and an XR with 31 answers (384).
const MAX_REPORT: usize = 704;
/// Packets asked for in one datagram; more than can be missing within any delay.
const MAX_ASKED: usize = 1_024;
/// A longer round trip is a clock that stepped.
const MAX_RTT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
