//! A sender and a receiver that tell each other what is missing, with anything in between.

use std::collections::VecDeque;
use std::time::Duration;

use super::dice::Dice;
use crate::block::{AudioMut, AudioRef};
use crate::codec::{PcmCoding, PcmDecoder, PcmEncoder};
use crate::format::{Channels, SampleRate, StreamFormat};
use crate::ingress::{self, IngressFraming, Origin, ReportConfig};
use crate::packet::Framing;
use crate::packet::rtcp::CompoundWriter;
use crate::packet::rtp::RtpHeader;
use crate::playout::PlayoutConfig;
use crate::receiver::{Receiver, ReceiverConfig};
use crate::sender::{Flow, RepairConfig, RetransmissionConfig, Sender, SenderConfig};
use crate::time::{Instant, NtpTime, RtpTimestamp, SeqNum};

/// Media, repair packets, retransmissions, requests and reports between one sender and one
/// receiver, which are delivered, lost, repeated, reordered and damaged; others' packets and
/// reports among them; time in any steps, also backwards.
///
/// Nothing grows, each side falls silent when it has said what was due, no more is sent again than
/// was sent, and where nothing was forged what is heard is what was said.
pub fn feedback(data: &[u8]) {
    let mut dice = Dice(data);
    let mut call = Call::new(&mut dice);
    while !dice.is_used_up() {
        call.step(&mut dice);
        call.check();
    }
}

struct Call {
    now: Instant,
    sender: Sender,
    receiver: Receiver,
    /// Datagrams on their way, there and back.
    there: VecDeque<(Flow, Vec<u8>)>,
    back: VecDeque<Vec<u8>>,
    /// Times that the sender's history was made anew, each with a budget.
    histories: u64,
    /// Nothing but what one sends reaches the other.
    is_honest: bool,
    /// Packets of audio pushed.
    said: u32,
    buffers: usize,
}

impl Call {
    fn new(dice: &mut Dice<'_>) -> Self {
        let now = Instant::from_nanos(1_000_000_000_000);
        let flags = dice.byte();
        let sender_config = SenderConfig {
            framing: Framing::Rtp,
            payload_type: MEDIA,
            ssrc: SSRC,
            first_seq: SeqNum(dice.word()),
            first_timestamp: RtpTimestamp(u32::from(dice.word()) << 16),
            cname: "said".to_owned(),
            wall: (now, NtpTime(0xe000_0000_0000_0000)),
        };
        let encoder = PcmEncoder::new(PcmCoding::L16, FORMAT, FRAMES);
        let encoder = encoder.expect("a sound format");
        let mut sender =
            Sender::new(sender_config, Box::new(encoder), now).expect("a sound configuration");
        sender
            .set_retransmission(Some(again(1 + usize::from(flags & 63))))
            .expect("a sound history");

        let mut config = ReceiverConfig::new(IngressFraming::Rtp(vec![(MEDIA, FORMAT.rate)]));
        config.max_datagram = MAX_LEN;
        config.ingress.max_sources = 3;
        config.ingress.idle_after = Duration::from_millis(700);
        config.ingress.repair_types = vec![REPAIR];
        config.ingress.retransmission = Some(ingress::RetransmissionConfig {
            types: vec![(AGAIN, MEDIA)],
            delay: Duration::from_millis(u64::from(flags)),
        });
        config.ingress.reports = Some(ReportConfig {
            ssrc: LISTENER,
            cname: "heard".to_owned(),
            bandwidth: 64_000,
        });
        config.playout = PlayoutConfig::exact(Duration::from_millis(u64::from(flags)));
        config.playout.width = 32;
        let decoder = PcmDecoder::new(PcmCoding::L16, FORMAT, MAX_LEN);
        let decoder = Box::new(decoder.expect("a sound format"));
        let receiver =
            Receiver::new(config, vec![(MEDIA, decoder)], now).expect("a sound configuration");
        Self {
            now,
            buffers: receiver.buffers(),
            sender,
            receiver,
            there: VecDeque::new(),
            back: VecDeque::new(),
            histories: 1,
            is_honest: flags & 64 != 0,
            said: 0,
        }
    }

    fn step(&mut self, dice: &mut Dice<'_>) {
        match dice.byte() % 16 {
            0..=3 => self.say(),
            4..=7 => self.deliver(dice),
            8 => {
                let which = usize::from(dice.byte()) % self.there.len().max(1);
                self.there.remove(which);
            }
            9 => self.answer(dice),
            10 if !self.is_honest => self.forge(dice),
            11 if !self.is_honest => self.forge_report(dice),
            12 => self.pass_time(dice),
            13 => self.listen(dice),
            14 => self.configure(dice),
            _ => self.report(),
        }
    }

    /// A packet of audio, each of another level, and what is due beside it.
    fn say(&mut self) {
        let level = (self.said % LEVELS + 1) as f32 / STEPS;
        self.said += 1;
        self.sender
            .push(AudioRef::new(&[level; FRAMES], Channels::MONO));
        self.transmit();
    }

    fn transmit(&mut self) {
        let mut buf = [0; MAX_LEN];
        assert!(self.sender.max_datagram() <= MAX_LEN);
        let mut count = 0;
        while let Some(t) = self.sender.poll_transmit(self.now, &mut buf) {
            count += 1;
            assert!(count < 1_000, "the sender does not fall silent");
            if self.there.len() < QUEUE {
                self.there.push_back((t.flow, buf[..t.len].to_vec()));
            }
        }
        assert!(self.sender.poll_timeout().is_none_or(|at| at > self.now));
    }

    /// One of the datagrams on the way arrives, once or twice, whole or damaged.
    fn deliver(&mut self, dice: &mut Dice<'_>) {
        let how = dice.byte();
        let which = usize::from(how & 7) % self.there.len().max(1);
        let Some((flow, mut datagram)) = self.there.remove(which) else {
            return;
        };
        if how >= 0xf0 && !self.is_honest {
            damage(dice, &mut datagram);
        }
        for _ in 0..1 + usize::from(how & 0x18 == 0x18) {
            self.arrive(flow, &datagram);
        }
    }

    fn arrive(&mut self, flow: Flow, datagram: &[u8]) {
        match flow {
            Flow::Reports => drop(self.receiver.handle_rtcp(self.now, datagram)),
            _ => drop(self.receiver.handle_datagram(self.now, Origin(1), datagram)),
        }
    }

    /// A report or request reaches the sender.
    fn answer(&mut self, dice: &mut Dice<'_>) {
        let how = dice.byte();
        let which = usize::from(how & 7) % self.back.len().max(1);
        let Some(mut datagram) = self.back.remove(which) else {
            return;
        };
        if how >= 0xe0 && !self.is_honest {
            damage(dice, &mut datagram);
        }
        let _ = self.sender.handle_rtcp(self.now, &datagram);
        self.transmit();
    }

    /// Somebody else's packet.
    fn forge(&mut self, dice: &mut Dice<'_>) {
        let how = dice.byte();
        let pt = [MEDIA, AGAIN, REPAIR, 0][usize::from(how & 3)];
        let ssrc = [SSRC, SSRC + 1, 9, 10, 11, 12, 13, 14][usize::from(how >> 2 & 7)];
        let seq = SeqNum(dice.word());
        let header = RtpHeader::new(pt, seq, RtpTimestamp(u32::from(dice.word()) << 8), ssrc);
        let len = usize::from(dice.byte() % 130);
        let mut payload = dice.take(len).to_vec();
        if pt == REPAIR && payload.len() > 4 {
            payload[..4].copy_from_slice(&SSRC.to_be_bytes());
        }
        let mut out = [0; MAX_LEN];
        let len = header.and_then(|h| h.write_packet(&payload, 0, &mut out));
        let len = len.expect("there is room");
        self.arrive(Flow::Media, &out[..len]);
    }

    /// Somebody else's report, to either.
    fn forge_report(&mut self, dice: &mut Dice<'_>) {
        let how = dice.byte();
        let ssrc = [SSRC, LISTENER, 9, SSRC + 1][usize::from(how & 3)];
        let mut out = [0; MAX_LEN];
        let mut writer = CompoundWriter::new(&mut out);
        let written = writer.receiver_report(ssrc, &[]).and_then(|()| {
            let len = usize::from(dice.byte() & 0x3c);
            let body = dice.take(len);
            match how >> 2 & 7 {
                0 => writer.bye(&[ssrc], None),
                1 => writer.other(205, 1, body),
                2 => {
                    let first = SeqNum(dice.word());
                    let missing: Vec<_> = (0..dice.word() % 300)
                        .map(|n| first.wrapping_add(n))
                        .collect();
                    writer.nack(LISTENER, SSRC, &missing)
                }
                3 => {
                    let arrived = body
                        .iter()
                        .flat_map(|b| (0..8).map(move |n| b >> n & 1 == 1));
                    writer.loss(ssrc, SSRC, SeqNum(dice.word()), arrived)
                }
                4 => writer.reference_time(ssrc, NtpTime(u64::from(dice.word()) << 30)),
                5 => writer.other(207, 0, body),
                6 => writer.other(200, 0, body),
                _ => writer.other(201, dice.byte() & 31, body),
            }
        });
        // A list that is too long was not written.
        let _ = written;
        let len = writer.finish();
        match how & 0x80 {
            0 => {
                let _ = self.sender.handle_rtcp(self.now, &out[..len]);
                self.transmit();
            }
            _ => drop(self.receiver.handle_rtcp(self.now, &out[..len])),
        }
    }

    fn pass_time(&mut self, dice: &mut Dice<'_>) {
        let how = dice.byte();
        let step = Duration::from_micros(u64::from(dice.word()) << (how & 3));
        self.now = match how {
            250.. => self.now.saturating_sub(step),
            240.. => self.now + step * 100,
            _ => self.now + step,
        };
        self.transmit();
        self.report();
    }

    /// All that is due goes back, and then nothing until later.
    fn report(&mut self) {
        self.receiver.handle_timeout(self.now);
        let mut buf = [0; 1_200];
        let mut count = 0;
        while let Some(len) = self.receiver.poll_report(self.now, &mut buf) {
            count += 1;
            assert!(count < 100, "the receiver does not fall silent");
            if self.back.len() < QUEUE {
                self.back.push_back(buf[..len].to_vec());
            }
        }
        let next = self.receiver.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "{next:?}");
        while self.receiver.poll_event().is_some() {}
    }

    fn listen(&mut self, dice: &mut Dice<'_>) {
        let mut out = [f32::NAN; 256];
        let out = &mut out[..usize::from(dice.byte())];
        let pulled = self
            .receiver
            .pull(self.now, AudioMut::new(out, Channels::MONO));
        assert_eq!(pulled.decoded + pulled.concealed + pulled.idle, out.len());
        for sample in out.iter() {
            assert!(sample.abs() <= 1.0);
            let level = sample * STEPS;
            let was_said = level.fract() == 0.0 && (0.0..=LEVELS as f32).contains(&level);
            assert!(!self.is_honest || was_said, "{sample}");
        }
        self.now += FORMAT.rate.duration_of(out.len() as u64);
    }

    fn configure(&mut self, dice: &mut Dice<'_>) {
        match dice.byte() {
            0..=127 => {
                let repair = RepairConfig {
                    payload_type: REPAIR,
                    ssrc: SSRC + 2,
                    window: 1 + usize::from(dice.byte()) % 96,
                    rate: u32::from(dice.word()) % 4_001,
                };
                let set = self.sender.set_repair(Some(repair));
                set.expect("a sound configuration");
            }
            128..=159 => {
                let set = self.sender.set_repair(None);
                set.expect("none is possible");
            }
            160..=175 => {
                let history = again(1 + usize::from(dice.byte()));
                let set = self.sender.set_retransmission(Some(history));
                set.expect("a sound history");
                self.histories += 1;
            }
            176..=179 => self.sender.finish(),
            180..=199 => self.sender.skip(u64::from(dice.byte())),
            _ => {
                let delay = Duration::from_millis(u64::from(dice.byte()));
                self.receiver.playout_mut().set_min_delay(delay);
            }
        }
        self.transmit();
    }

    fn check(&self) {
        let sent = self.sender.stats();
        let budget = sent.packets_sent + 64 * self.histories;
        assert!(sent.retransmitted_packets_sent <= budget, "{sent:?}");
        assert!(sent.repair_packets_sent <= 4 * sent.packets_sent + 4);
        assert_eq!(self.receiver.buffers(), self.buffers);
        assert!(self.receiver.ingress().sources().count() <= 3);
        if self.is_honest {
            let (ingress, source) = (
                self.receiver.ingress().stats(),
                self.receiver.source_stats().unwrap_or_default(),
            );
            assert_eq!((ingress.malformed, sent.reports_malformed), (0, 0));
            assert!(source.packets_retransmitted <= sent.retransmitted_packets_sent);
        }
    }
}

fn damage(dice: &mut Dice<'_>, datagram: &mut Vec<u8>) {
    let (at, by) = (usize::from(dice.byte()), dice.byte());
    match datagram.get_mut(at) {
        Some(b) => *b ^= by,
        None => datagram.truncate(usize::from(by)),
    }
}

fn again(packets: usize) -> RetransmissionConfig {
    RetransmissionConfig {
        payload_type: AGAIN,
        ssrc: SSRC + 1,
        packets,
    }
}

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
const FRAMES: usize = 40;
/// Levels of packets, in steps of full scale that L16 carries exactly.
const LEVELS: u32 = 200;
const STEPS: f32 = 256.0;
const MEDIA: u8 = 96;
const AGAIN: u8 = 117;
const REPAIR: u8 = 118;
const SSRC: u32 = 0x7000_0000;
const LISTENER: u32 = 0x6000_0000;
const MAX_LEN: usize = 1_500;
/// Datagrams on the way.
const QUEUE: usize = 64;
