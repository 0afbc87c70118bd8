//! What can be played through: ours, neteq, and a plain queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::{DecodeError, Decoder, PcmCoding, PcmDecoder};
use audiox_core::format::StreamFormat;
use audiox_core::packet::PacketBuf;
use audiox_core::playout::{Playout, PlayoutConfig};
use audiox_core::time::{ExtSeq, Instant, MediaTime};
use neteq::codec::AudioDecoder;
use neteq::neteq::SpeechType;
use neteq::{AudioPacket, NetEq, NetEqConfig, RtpHeader};

/// A stream that arrives in packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) format: StreamFormat,
    /// Frames of a packet.
    pub(crate) frames: usize,
    /// Whether packets are decoded, or taken for silence at no cost.
    pub(crate) decode: bool,
}

impl Stream {
    /// Frames that are pulled at once: 10 ms, the only length that neteq knows.
    pub(crate) fn quantum(&self) -> usize {
        self.format.rate.get() as usize / 100
    }

    /// Duration of a packet.
    pub(crate) fn ptime(&self) -> Duration {
        self.format.rate.duration_of(self.frames as u64)
    }

    /// Time of the first frame of packet `n`, nanoseconds.
    pub(crate) fn captured(&self, n: usize) -> u64 {
        (n * self.frames) as u64 * 1_000_000_000 / u64::from(self.format.rate.get())
    }
}

/// A receiving side under test. A payload is the packet's number, 8 bytes, and L16.
pub(crate) trait Engine {
    /// Takes packet `n`, which arrives at `at` nanoseconds.
    fn insert(&mut self, n: usize, at: u64, payload: &[u8]);

    /// Plays 10 ms at `at` nanoseconds; returns how much of it was not received, 0 to 1.
    fn pull(&mut self, at: u64) -> f64;

    /// What was played last, interleaved.
    fn out(&self) -> &[f32];
}

/// Adds up how old packets are when they are taken out to be played.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    now: AtomicU64,
    sum: AtomicU64,
    count: AtomicU64,
}

impl Meter {
    pub(crate) fn at(&self, nanos: u64) {
        self.now.store(nanos, Ordering::Relaxed);
    }

    fn taken(&self, stream: &Stream, payload: &[u8]) {
        let number = payload.first_chunk().map_or(0, |n| u64::from_be_bytes(*n));
        let age = self
            .now
            .load(Ordering::Relaxed)
            .saturating_sub(stream.captured(number as usize));
        self.sum.fetch_add(age, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Starts over.
    pub(crate) fn reset(&self) {
        self.sum.store(0, Ordering::Relaxed);
        self.count.store(0, Ordering::Relaxed);
    }

    pub(crate) fn mean(&self) -> Duration {
        let count = self.count.load(Ordering::Relaxed).max(1);
        Duration::from_nanos(self.sum.load(Ordering::Relaxed) / count)
    }
}

/// Reads the number off a payload and decodes the rest.
struct Metered {
    stream: Stream,
    meter: Arc<Meter>,
    pcm: PcmDecoder,
}

impl Metered {
    fn new(stream: Stream, meter: &Arc<Meter>) -> Self {
        Self {
            stream,
            meter: Arc::clone(meter),
            pcm: PcmDecoder::new(PcmCoding::L16, stream.format, stream.frames)
                .expect("a sound length"),
        }
    }
}

impl Decoder for Metered {
    fn format(&self) -> StreamFormat {
        self.stream.format
    }

    fn max_frames(&self) -> usize {
        self.stream.frames
    }

    fn frames_in(&self, _: &[u8]) -> Result<usize, DecodeError> {
        Ok(self.stream.frames)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        self.meter.taken(&self.stream, payload);
        match self.stream.decode {
            true => self.pcm.decode(&payload[NUMBER..], out),
            false => Ok(self.stream.frames),
        }
    }

    fn reset(&mut self) {}
}

impl AudioDecoder for Metered {
    fn sample_rate(&self) -> u32 {
        self.stream.format.rate.get()
    }

    fn channels(&self) -> u8 {
        self.stream.format.channels.get() as u8
    }

    fn decode(&mut self, payload: &[u8]) -> neteq::Result<Vec<f32>> {
        let mut out = vec![0.0; self.stream.frames * self.stream.format.channels.get()];
        // Infallible: the payload was written here.
        let _ = Decoder::decode(self, payload, &mut out);
        Ok(out)
    }
}

pub(crate) struct Ours {
    stream: Stream,
    playout: Playout,
    free: Vec<PacketBuf>,
    out: Vec<f32>,
}

impl Ours {
    pub(crate) fn new(stream: Stream, config: &PlayoutConfig, meter: &Arc<Meter>) -> Self {
        let decoder: Box<dyn Decoder> = Box::new(Metered::new(stream, meter));
        let quantum = stream.quantum() * stream.format.channels.get();
        Self {
            stream,
            playout: Playout::new(config, vec![(PAYLOAD_TYPE, decoder)])
                .expect("a sound configuration"),
            free: (0..1_024)
                .map(|_| PacketBuf::with_capacity(2_048))
                .collect(),
            out: vec![0.0; quantum],
        }
    }
}

impl Engine for Ours {
    fn insert(&mut self, n: usize, at: u64, payload: &[u8]) {
        let Some(mut packet) = self.free.pop() else {
            return;
        };
        packet.fill(payload);
        packet.meta.payload = 0..payload.len();
        packet.meta.payload_type = PAYLOAD_TYPE;
        packet.meta.seq = ExtSeq(n as u64);
        packet.meta.at = MediaTime((n * self.stream.frames) as i64);
        packet.meta.arrival = Instant::from_nanos(START + at);
        self.playout.insert(packet);
    }

    fn pull(&mut self, at: u64) -> f64 {
        let out = AudioMut::new(&mut self.out, self.stream.format.channels);
        let pulled = self.playout.pull(Instant::from_nanos(START + at), out);
        while let Some(packet) = self.playout.poll_recycled() {
            self.free.push(packet);
        }
        (pulled.concealed + pulled.idle) as f64 / self.stream.quantum() as f64
    }

    fn out(&self) -> &[f32] {
        &self.out
    }
}

/// The `neteq` crate with its defaults, save for a minimum delay.
pub(crate) struct Neteq {
    stream: Stream,
    neteq: NetEq,
    out: Vec<f32>,
}

impl Neteq {
    pub(crate) fn new(stream: Stream, min_delay: Duration, meter: &Arc<Meter>) -> Self {
        let mut neteq = NetEq::new(NetEqConfig {
            sample_rate: stream.format.rate.get(),
            channels: stream.format.channels.get() as u8,
            min_delay_ms: min_delay.as_millis() as u32,
            ..NetEqConfig::default()
        })
        .expect("a sound configuration");
        neteq.register_decoder(PAYLOAD_TYPE, Box::new(Metered::new(stream, meter)));
        Self {
            stream,
            neteq,
            out: Vec::new(),
        }
    }
}

impl Engine for Neteq {
    fn insert(&mut self, n: usize, _: u64, payload: &[u8]) {
        let timestamp = (n * self.stream.frames) as u32;
        let header = RtpHeader::new(n as u16, timestamp, 1, PAYLOAD_TYPE, false);
        let packet = AudioPacket::new(
            header,
            payload.to_vec(),
            self.stream.format.rate.get(),
            self.stream.format.channels.get() as u8,
            (self.stream.frames * 1_000) as u32 / self.stream.format.rate.get(),
        );
        self.neteq.insert_packet(packet).expect("room");
    }

    fn pull(&mut self, _: u64) -> f64 {
        let frame = self.neteq.get_audio().expect("a frame, whatever happens");
        let made_up = matches!(frame.speech_type, SpeechType::Expand | SpeechType::Cng);
        self.out = frame.samples;
        f64::from(u8::from(made_up))
    }

    fn out(&self) -> &[f32] {
        &self.out
    }
}

/// Packets in the order of their arrival, played once `prebuffer` are there, silence where none
/// is, everything dropped where they are too many: what one writes first.
pub(crate) struct Fifo {
    stream: Stream,
    meter: Arc<Meter>,
    queue: VecDeque<Vec<u8>>,
    prebuffer: usize,
    playing: bool,
    pcm: Vec<f32>,
    out: Vec<f32>,
}

impl Fifo {
    pub(crate) fn new(stream: Stream, prebuffer: Duration, meter: &Arc<Meter>) -> Self {
        Self {
            stream,
            meter: Arc::clone(meter),
            queue: VecDeque::new(),
            prebuffer: prebuffer.as_nanos().div_ceil(stream.ptime().as_nanos()) as usize,
            playing: false,
            pcm: Vec::new(),
            out: vec![0.0; stream.quantum() * stream.format.channels.get()],
        }
    }
}

impl Engine for Fifo {
    fn insert(&mut self, _: usize, _: u64, payload: &[u8]) {
        if self.queue.len() >= MOST {
            self.queue.clear();
        }
        self.queue.push_back(payload.to_vec());
        self.playing |= self.queue.len() >= self.prebuffer;
    }

    fn pull(&mut self, _: u64) -> f64 {
        while self.playing && self.pcm.len() < self.out.len() {
            let Some(payload) = self.queue.pop_front() else {
                break;
            };
            self.meter.taken(&self.stream, &payload);
            let from = self.pcm.len();
            let samples = self.stream.frames * self.stream.format.channels.get();
            self.pcm.resize(from + samples, 0.0);
            if self.stream.decode {
                PcmCoding::L16.decode(&payload[NUMBER..], &mut self.pcm[from..]);
            }
        }
        let there = self.pcm.len().min(self.out.len());
        self.out[..there].copy_from_slice(&self.pcm[..there]);
        self.out[there..].fill(0.0);
        self.pcm.drain(..there);
        1.0 - there as f64 / self.out.len() as f64
    }

    fn out(&self) -> &[f32] {
        &self.out
    }
}

/// Bytes of the number before the samples.
pub(crate) const NUMBER: usize = 8;
const PAYLOAD_TYPE: u8 = 96;
/// So that nothing happens before the clock's epoch.
const START: u64 = 1_000_000_000;
/// Packets after which the plain queue is emptied, as the programs did that this library replaces.
const MOST: usize = 100;
