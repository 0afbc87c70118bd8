//! A stream from the sender's push to the receiver's pull, over a bad network.

use audiox_core::block::{AudioMut, AudioRef};
use audiox_core::codec::{Decoder, PcmCoding, PcmDecoder, PcmEncoder};
use audiox_core::fec::block::BlockConfig;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{Handled, Ingress, IngressConfig, IngressFraming, Origin, ReportConfig};
use audiox_core::packet::Framing;
use audiox_core::playout::{Playout, PlayoutConfig};
use audiox_core::pool::packet_pool;
use audiox_core::receiver::{Receiver, ReceiverConfig};
use audiox_core::sender::{Flow, Sender, SenderConfig};
use audiox_core::sim::Pcg32;
use audiox_core::time::{Instant, NtpTime, RtpTimestamp, SeqNum};

use crate::counting::assert_no_alloc;

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// 2.5 ms.
const FRAMES: usize = 120;
const PACKETS: u64 = 100_000;

fn sender(now: Instant) -> Sender {
    let config = SenderConfig {
        framing: Framing::Rtp,
        payload_type: 96,
        ssrc: 7,
        first_seq: SeqNum(65_000),
        first_timestamp: RtpTimestamp(u32::MAX - 1_000),
        cname: "no-alloc".into(),
        wall: (now, NtpTime(0xe000_0000_0000_0000)),
    };
    let encoder = PcmEncoder::new(PcmCoding::L16, FORMAT, FRAMES).unwrap();
    Sender::new(config, Box::new(encoder), now).unwrap()
}

fn decoders() -> Vec<(u8, Box<dyn Decoder>)> {
    let decoder = PcmDecoder::new(PcmCoding::L16, FORMAT, 960).unwrap();
    vec![(96, Box::new(decoder))]
}

/// A slot of the network: datagrams wait a few steps, so that they change order.
struct Wire {
    slots: Vec<([u8; 1_500], usize, u64)>,
    rng: Pcg32,
}

impl Wire {
    fn new() -> Self {
        Self {
            slots: vec![([0; 1_500], 0, 0); 64],
            rng: Pcg32::new(3, 1),
        }
    }

    /// Loses 5 %, doubles 2 %, delays each by up to 8 steps.
    fn send(&mut self, step: u64, datagram: &[u8]) {
        let copies = match self.rng.next_u32() % 100 {
            0..5 => 0,
            5..7 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let due = step + u64::from(self.rng.next_u32() % 8);
            if let Some(slot) = self.slots.iter_mut().find(|s| s.1 == 0) {
                slot.0[..datagram.len()].copy_from_slice(datagram);
                (slot.1, slot.2) = (datagram.len(), due);
            }
        }
    }

    fn receive(&mut self, step: u64, mut each: impl FnMut(&[u8])) {
        for slot in &mut self.slots {
            if slot.1 > 0 && slot.2 <= step {
                each(&slot.0[..slot.1]);
                slot.1 = 0;
            }
        }
    }
}

fn at(step: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + step * 2_500_000)
}

#[test]
fn a_stream_through_loss_reordering_and_restarts_asks_nothing_of_the_allocator() {
    stream(None);
}

#[test]
fn blocks_that_are_made_and_solved_ask_nothing_of_the_allocator() {
    stream(Some(BlockConfig::default()));
}

fn stream(blocks: Option<BlockConfig>) {
    let mut sender = sender(at(0));
    sender.set_blocks(blocks).unwrap();
    let mut config = ReceiverConfig::new(IngressFraming::Rtp(vec![(96, FORMAT.rate)]));
    config.ingress.reports = Some(ReportConfig {
        ssrc: 9,
        cname: "ear".into(),
        bandwidth: 1_600_000,
    });
    config.ingress.blocks = blocks.map(|b| b.points);
    let mut receiver = Receiver::new(config, decoders(), at(0)).unwrap();
    let mut wire = Wire::new();
    let input = [0.25f32; FRAMES * 2];
    let mut out = [0.0f32; FRAMES * 2];
    let mut datagram = [0; 1_500];
    let (mut played, mut concealed) = (0, 0);
    let mut run = |steps: std::ops::Range<u64>| {
        for step in steps {
            let now = at(step);
            // Every 20 000 packets the sender starts over with other numbers.
            if step % 20_000 == 19_999 {
                sender.skip(1 << 20);
            }
            sender.push(AudioRef::new(&input, FORMAT.channels));
            while let Some(t) = sender.poll_transmit(now, &mut datagram) {
                match t.flow {
                    Flow::Media | Flow::Repair => wire.send(step, &datagram[..t.len]),
                    Flow::BlockRepair => {
                        let _ = receiver.handle_repair(now, Origin(0), &datagram[..t.len]);
                    }
                    Flow::Reports => receiver.handle_rtcp(now, &datagram[..t.len]).unwrap(),
                }
            }
            wire.receive(step, |d| {
                let _ = receiver.handle_datagram(now, Origin(0), d);
            });
            let pulled = receiver.pull(now, AudioMut::new(&mut out, FORMAT.channels));
            played += pulled.decoded;
            concealed += pulled.concealed;
            receiver.handle_timeout(now);
            if let Some(len) = receiver.poll_report(now, &mut datagram) {
                sender.handle_rtcp(now, &datagram[..len]).unwrap();
            }
            while receiver.poll_event().is_some() {}
        }
    };
    run(0..1_000);
    assert_no_alloc(|| run(1_000..PACKETS));
    assert!(
        played > 90 * concealed / 10 && concealed > 0,
        "{played} {concealed}"
    );
    assert!(sender.stats().reports_received > 100);
    assert_eq!(receiver.playout_stats().buffers_dropped, 0);
    let recovered = receiver.source_stats().unwrap().packets_recovered;
    assert_eq!(recovered > 1_000, blocks.is_some(), "{recovered}");
}

#[test]
fn the_split_across_two_threads_asks_nothing_of_the_allocator_either() {
    let mut sender = sender(at(0));
    let mut ingress = Ingress::new(IngressConfig::rtp([(96, FORMAT.rate)]), at(0)).unwrap();
    let mut playout = Playout::new(&PlayoutConfig::default(), decoders()).unwrap();
    let (mut socket, mut device) = packet_pool(128, 1_500);
    let mut wire = Wire::new();
    let input = [0.25f32; FRAMES * 2];
    let mut out = [0.0f32; FRAMES * 2];
    let mut datagram = [0; 1_500];
    let mut run = |steps: std::ops::Range<u64>| {
        for step in steps {
            let now = at(step);
            sender.push(AudioRef::new(&input, FORMAT.channels));
            while let Some(t) = sender.poll_transmit(now, &mut datagram) {
                if t.flow == Flow::Media {
                    wire.send(step, &datagram[..t.len]);
                }
            }
            wire.receive(step, |d| {
                let mut packet = socket.acquire().expect("128 buffers are enough");
                packet.fill(d);
                packet.meta.arrival = now;
                assert!(matches!(
                    ingress.handle_packet(&mut packet),
                    Handled::Media(_)
                ));
                socket.submit(packet).expect("the ring holds the pool");
            });
            while let Some(packet) = device.recv() {
                playout.insert(packet);
            }
            playout.pull(now, AudioMut::new(&mut out, FORMAT.channels));
            while let Some(packet) = playout.poll_recycled() {
                device.recycle(packet).expect("the ring holds the pool");
            }
        }
    };
    run(0..1_000);
    assert_no_alloc(|| run(1_000..PACKETS));
    assert_eq!(socket.exhausted(), 0);
}
