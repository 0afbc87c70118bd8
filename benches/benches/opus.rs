//! Opus: what our wrapper adds to libopus, and what deep redundancy brings and costs.
//!
//! The peer is libopus called directly, the same build with the same settings on the same audio.
//! The table of both takes turns between them, block by block, since the difference is smaller
//! than what a busy machine does to either in a second; criterion's rows follow.

use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use audiox_benches::measured::{Measured, run};
use audiox_benches::table::{Cell, Table};
use audiox_core::block::AudioRef;
use audiox_core::codec::{Decoder, Encoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::sim::spectrum::distance;
use audiox_core::source::Source;
use audiox_io::WavSource;
use audiox_opus::packet::OpusPacket;
use audiox_opus::{
    Application, Bitrate, Concealment, InbandFec, OpusConfig, OpusDecoder, OpusEncoder,
};
use criterion::Criterion;
use opusic_sys as sys;

/// 20 ms at 48 kHz.
const FRAMES: usize = 960;

/// libopus as one would call it.
struct Direct {
    encoder: *mut sys::OpusEncoder,
    decoder: *mut sys::OpusDecoder,
}

impl Direct {
    fn new(channels: usize, bits: i32) -> Self {
        let (mut e, mut d) = (0, 0);
        // SAFETY: numbers in, states out; both are checked before use.
        unsafe {
            let application = sys::OPUS_APPLICATION_AUDIO;
            let encoder =
                sys::opus_encoder_create(48_000, channels as i32, application, &raw mut e);
            let decoder = sys::opus_decoder_create(48_000, channels as i32, &raw mut d);
            assert!(!encoder.is_null() && !decoder.is_null());
            sys::opus_encoder_ctl(encoder, sys::OPUS_SET_BITRATE_REQUEST, bits);
            sys::opus_encoder_ctl(encoder, sys::OPUS_SET_INBAND_FEC_REQUEST, 2);
            Self { encoder, decoder }
        }
    }

    fn encode(&mut self, pcm: &[f32], payload: &mut [u8]) -> usize {
        // SAFETY: `pcm` has 960 frames, and `payload` the room that is said.
        let n = unsafe {
            sys::opus_encode_float(
                self.encoder,
                pcm.as_ptr(),
                FRAMES as i32,
                payload.as_mut_ptr(),
                payload.len() as i32,
            )
        };
        usize::try_from(n).expect("libopus encodes")
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) {
        // SAFETY: `payload` is as long as is said, and `out` has room for 960 frames.
        let n = unsafe {
            sys::opus_decode_float(
                self.decoder,
                payload.as_ptr(),
                payload.len() as i32,
                out.as_mut_ptr(),
                FRAMES as i32,
                0,
            )
        };
        assert_eq!(n, FRAMES as i32);
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // SAFETY: made in `new`, and nothing uses them after this.
        unsafe {
            sys::opus_encoder_destroy(self.encoder);
            sys::opus_decoder_destroy(self.decoder);
        }
    }
}

fn format(rate: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(rate).expect("a sound rate"),
        Channels::new(channels).expect("a sound count"),
    )
}

/// Recorded speech, mono at 24 kHz.
fn speech() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
    let mut source = WavSource::open(path).expect("the recording is there");
    let mut all = vec![0.0; 24_000 * 20];
    let frames = source.read(&mut all).expect("it can be read");
    all.truncate(frames);
    all
}

/// Speech at 48 kHz beside a chord, the one louder on the left, the other on the right.
fn programme(channels: usize) -> Vec<f32> {
    let mut samples = Vec::new();
    for (n, x) in speech().iter().flat_map(|x| [*x, *x]).enumerate() {
        let chord: f32 = [220.0, 277.2, 329.6, 1_760.0]
            .iter()
            .map(|hz| (n as f32 * hz / 48e3 * std::f32::consts::TAU).sin() * 0.05)
            .sum();
        for c in 0..channels {
            let share = [0.8, 0.3][c % 2];
            samples.push(x * share + chord * (1.0 - share));
        }
    }
    samples
}

fn bits(channels: u16) -> u32 {
    64_000 * u32::from(channels)
}

fn ours(channels: u16) -> (OpusEncoder, OpusDecoder) {
    let config = OpusConfig {
        bitrate: Bitrate::BitsPerSecond(bits(channels)),
        ..OpusConfig::default()
    };
    let format = format(48_000, channels);
    (
        OpusEncoder::new(&config, format, FRAMES).expect("a sound encoder"),
        OpusDecoder::new(&config, format, FRAMES).expect("a sound decoder"),
    )
}

fn payloads(encoder: &mut dyn Encoder, samples: &[f32]) -> Vec<Vec<u8>> {
    let (channels, frames) = (encoder.format().channels, encoder.frames_per_packet());
    let mut payload = vec![0; encoder.max_payload_len()];
    samples
        .chunks_exact(frames * channels.get())
        .map(|block| {
            let n = encoder.encode(AudioRef::new(block, channels), &mut payload);
            payload[..n.expect("a full block")].to_vec()
        })
        .collect()
}

/// Microseconds a call of each, and the median over all rounds of how much longer the first
/// takes. Each round runs both over the same blocks, now one first, now the other.
fn beside(blocks: usize, mut a: impl FnMut(usize), mut b: impl FnMut(usize)) -> (f64, f64, f64) {
    let (mut ratios, mut times) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..400 {
        let mut spent = [Duration::ZERO; 2];
        for n in 0..20 {
            let block = (round * 20 + n) % blocks;
            for turn in 0..2 {
                let which = (turn + n) % 2;
                let start = Instant::now();
                match which {
                    0 => a(block),
                    _ => b(block),
                }
                spent[which] += start.elapsed();
            }
        }
        let spent = spent.map(|d| d.as_secs_f64() * 1e6 / 20.0);
        ratios.push(spent[0] / spent[1]);
        times[0].push(spent[0]);
        times[1].push(spent[1]);
    }
    let median = |v: &mut Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v[v.len() / 2]
    };
    let [ours, theirs] = &mut times;
    (median(ours), median(theirs), median(&mut ratios))
}

fn wrapper() {
    let mut table = Table::new("opus-wrapper", "20 ms at 48 kHz")
        .significant("audiox", "µs", 3)
        .significant("libopus", "µs", 3)
        .number("ratio", "", 4);
    for (channels, layout_name) in [(1, "mono"), (2, "stereo")] {
        let samples = programme(channels.into());
        let layout = format(48_000, channels).channels;
        let blocks: Vec<&[f32]> = samples
            .chunks_exact(FRAMES * usize::from(channels))
            .collect();
        let (mut encoder, mut decoder) = ours(channels);
        let mut direct = Direct::new(channels.into(), bits(channels) as i32);
        let (mut p, mut q) = (vec![0; 1_200], vec![0; 1_200]);
        let (ours, theirs, ratio) = beside(
            blocks.len(),
            |n| {
                let block = AudioRef::new(blocks[n], layout);
                black_box(encoder.encode(block, &mut p)).expect("a full block");
            },
            |n| {
                black_box(direct.encode(blocks[n], &mut q));
            },
        );
        let cells = [ours, theirs, ratio].map(Cell::from);
        table.row(format!("encode, {layout_name}"), cells);
        let sent = payloads(&mut encoder, &samples);
        let mut out = vec![0.0; FRAMES * usize::from(channels)];
        let mut out_2 = out.clone();
        let (ours, theirs, ratio) = beside(
            sent.len(),
            |n| {
                black_box(decoder.decode(&sent[n], &mut out)).expect("its own payload");
            },
            |n| direct.decode(&sent[n], &mut out_2),
        );
        let cells = [ours, theirs, ratio].map(Cell::from);
        table.row(format!("decode, {layout_name}"), cells);
    }
    table.note("64 kbit/s a channel, complexity 9, in turns");
    table.finish();
}

fn timings(c: &mut Criterion) {
    for channels in [1, 2] {
        let samples = programme(channels.into());
        let layout = format(48_000, channels).channels;
        let blocks: Vec<&[f32]> = samples
            .chunks_exact(FRAMES * usize::from(channels))
            .collect();
        let (mut encoder, mut decoder) = ours(channels);
        let mut direct = Direct::new(channels.into(), bits(channels) as i32);
        let sent = payloads(&mut encoder, &samples);
        let mut payload = vec![0; 1_200];
        let mut out = vec![0.0; FRAMES * usize::from(channels)];
        let mut n = 0;
        let mut next = || {
            n = (n + 1) % sent.len();
            n
        };
        let mut group = c.benchmark_group(format!("opus/20 ms, {channels} ch"));
        group.bench_function("encode, audiox", |b| {
            b.iter(|| encoder.encode(AudioRef::new(blocks[next()], layout), &mut payload));
        });
        group.bench_function("encode, libopus", |b| {
            b.iter(|| direct.encode(blocks[next()], &mut payload));
        });
        group.bench_function("decode, audiox", |b| {
            b.iter(|| decoder.decode(&sent[next()], &mut out));
        });
        group.bench_function("decode, libopus", |b| {
            b.iter(|| direct.decode(&sent[next()], &mut out));
        });
        group.finish();
    }
}

// Deep redundancy: speech at 24 kHz, 20 ms, bursts of 200 ms.

const RATE: u32 = 24_000;
const BLOCK: usize = 480;
const BURST: usize = 10;

fn deep_config(kilobits: u32, concealment: Concealment) -> OpusConfig {
    OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(kilobits * 1_000),
        fec: InbandFec::Off,
        expected_loss: 0.2,
        history: Duration::from_secs(1),
        concealment,
        ..OpusConfig::default()
    }
}

fn deep_decoder(concealment: Concealment) -> OpusDecoder {
    let config = deep_config(48, concealment);
    OpusDecoder::new(&config, format(RATE, 1), BLOCK).expect("a sound decoder")
}

/// How many bursts there are of `packets`, each a second after the one before it.
fn bursts(packets: usize) -> impl Iterator<Item = Range<usize>> {
    (50..packets - 2 * BURST)
        .step_by(50)
        .map(|at| at + 7..at + 7 + BURST)
}

/// Plays with the bursts missing; recovered as far as the packet `wait` packets after the first
/// one lost, or before, is the one behind the burst: by then it is here.
fn played(sent: &[Vec<u8>], concealment: Concealment, wait: usize) -> Vec<f32> {
    let mut decoder = deep_decoder(concealment);
    let mut all = vec![0.0; sent.len() * BLOCK];
    for (i, out) in all.chunks_exact_mut(BLOCK).enumerate() {
        let Some(burst) = bursts(sent.len()).find(|b| b.contains(&i)) else {
            decoder.decode(&sent[i], out).expect("its own payload");
            continue;
        };
        let recovered = if burst.end <= i + wait {
            decoder.recover(&sent[burst.end], (burst.end - i) * BLOCK, out)
        } else {
            Ok(0)
        };
        if recovered.expect("its own payload") == 0 {
            decoder.conceal(out);
        }
    }
    all
}

fn quality() {
    let input = [speech(), speech(), speech()].concat();
    let mut table = Table::new("dred", "kbit/s")
        .number("bytes a packet", "", 0)
        .number("deep", "bytes", 0)
        .number("reach", "ms", 0)
        .number("with in-band", "ms", 0)
        .number("classic", "dB", 1)
        .number("deep concealment", "dB", 1)
        .number("redundancy, 60 ms", "dB", 1)
        .number("220 ms", "dB", 1);
    for kilobits in [16, 24, 32, 48, 64, 96] {
        let config = deep_config(kilobits, Concealment::Classic);
        let made = OpusEncoder::new(&config, format(RATE, 1), BLOCK);
        let sent = payloads(&mut made.expect("a sound encoder"), &input);
        let whole = {
            let mut decoder = deep_decoder(Concealment::Classic);
            let mut all = vec![0.0; sent.len() * BLOCK];
            for (payload, out) in sent.iter().zip(all.chunks_exact_mut(BLOCK)) {
                decoder.decode(payload, out).expect("its own payload");
            }
            all
        };
        let blocks: Vec<_> = bursts(sent.len())
            .flatten()
            .map(|i| i * BLOCK..(i + 1) * BLOCK)
            .collect();
        let both = OpusConfig {
            fec: InbandFec::Speech,
            ..config
        };
        let made = OpusEncoder::new(&both, format(RATE, 1), BLOCK);
        let sent_with_fec = payloads(&mut made.expect("a sound encoder"), &input);
        let lsd = |concealment, wait| {
            let heard = played(&sent, concealment, wait);
            distance(&whole, &heard, &blocks).log_spectral_db
        };
        let bytes: usize = sent.iter().map(Vec::len).sum();
        let deep: usize = sent
            .iter()
            .map(|p| OpusPacket::parse(p).map_or(0, |p| p.padding().len()))
            .sum();
        let cells: [Cell; 8] = [
            (bytes / sent.len()).into(),
            (deep / sent.len()).into(),
            reach(&sent).into(),
            reach(&sent_with_fec).into(),
            lsd(Concealment::Classic, 0).into(),
            lsd(Concealment::Deep, 0).into(),
            lsd(Concealment::Classic, 3).into(),
            lsd(Concealment::Classic, 11).into(),
        ];
        table.row(kilobits.to_string(), cells);
    }
    table.finish();
}

/// How far back the redundancy of a packet in the midst of speech goes, in ms: the median.
fn reach(sent: &[Vec<u8>]) -> usize {
    let mut decoder = deep_decoder(Concealment::Classic);
    let mut out = vec![0.0; RATE as usize];
    let mut all = Vec::new();
    for payload in sent {
        decoder.decode(payload, &mut out).expect("its own payload");
        // A frame more than there is to recover, so that in-band error correction is not asked.
        let frames = decoder.recover(payload, RATE as usize + 1, &mut out);
        all.push((frames.expect("its own payload") + 1) * 1_000 / RATE as usize);
    }
    all.retain(|ms| *ms > 0);
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

fn deep_timings(c: &mut Criterion) {
    let config = deep_config(64, Concealment::Classic);
    let encoder = |config: &OpusConfig| {
        OpusEncoder::new(config, format(RATE, 1), BLOCK).expect("a sound encoder")
    };
    let spoken = &speech()[30_000..];
    let mut group = c.benchmark_group("opus/20 ms of speech at 24 kHz");
    for (name, history) in [("encode", 0), ("encode with 1 s of redundancy", 1_000)] {
        let config = OpusConfig {
            history: Duration::from_millis(history),
            ..config.clone()
        };
        let (mut made, mut payload, mut n) = (encoder(&config), vec![0; 1_200], 0);
        let blocks: Vec<&[f32]> = spoken.chunks_exact(BLOCK).collect();
        group.bench_function(name, |b| {
            b.iter(|| {
                n = (n + 1) % blocks.len();
                made.encode(AudioRef::new(blocks[n], Channels::MONO), &mut payload)
            });
        });
    }
    let sent = payloads(&mut encoder(&config), spoken);
    let mut out = vec![0.0; BLOCK];
    for (name, concealment) in [
        ("conceal, classic", Concealment::Classic),
        ("conceal, deep", Concealment::Deep),
    ] {
        let mut decoder = deep_decoder(concealment);
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for n in 0..times {
                    if n.is_multiple_of(3) {
                        for payload in &sent[10..14] {
                            decoder.decode(payload, &mut out).expect("its own payload");
                        }
                    }
                    let start = Instant::now();
                    decoder.conceal(&mut out);
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    for (name, ahead) in [
        (
            "read the redundancy and recover the first block of 200 ms",
            BURST,
        ),
        ("recover a further block", 5),
    ] {
        let mut decoder = deep_decoder(Concealment::Classic);
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    for payload in &sent[10..12] {
                        decoder.decode(payload, &mut out).expect("its own payload");
                    }
                    if ahead < BURST {
                        let far = (ahead + 1) * BLOCK;
                        decoder
                            .recover(&sent[22], far, &mut out)
                            .expect("its own payload");
                    } else {
                        // Another payload, so that this one is read anew.
                        decoder
                            .recover(&sent[23], BLOCK, &mut out)
                            .expect("its own payload");
                    }
                    let start = Instant::now();
                    let n = decoder.recover(&sent[22], ahead * BLOCK, &mut out);
                    spent += start.elapsed();
                    assert_eq!(n, Ok(BLOCK));
                }
                spent
            });
        });
    }
    group.finish();
}

const TABLES: &[Measured<'_>] = &[Measured {
    id: "dred-cost",
    label: "20 ms of speech at 24 kHz, 64 kbit/s",
    columns: &["time"],
    unit: "µs",
    per: 1.0,
    digits: 3,
    rows: &[
        ("encode", &["opus/20 ms of speech at 24 kHz/encode"]),
        (
            "encode with redundancy of up to 1 s",
            &["opus/20 ms of speech at 24 kHz/encode with 1 s of redundancy"],
        ),
        (
            "conceal, classic",
            &["opus/20 ms of speech at 24 kHz/conceal, classic"],
        ),
        (
            "conceal, deep",
            &["opus/20 ms of speech at 24 kHz/conceal, deep"],
        ),
        (
            "read a packet's redundancy and recover the first of ten blocks",
            &[
                "opus/20 ms of speech at 24 kHz/read the redundancy and recover the first block of 200 ms",
            ],
        ),
        (
            "recover a further block",
            &["opus/20 ms of speech at 24 kHz/recover a further block"],
        ),
    ],
    note: "",
}];

fn main() {
    wrapper();
    quality();
    run(TABLES, |c| {
        timings(c);
        deep_timings(c);
    });
}
