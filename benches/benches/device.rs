//! What a device's callback takes, of one that plays a session straight and of one that plays what
//! another thread left for it behind a lock; and of one that captures.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as StdInstant};

use audiox_benches::measured::criterion;
use audiox_benches::table::{Cell, Table};
use audiox_core::block::AudioMut;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressFraming, Origin};
use audiox_core::packet::rtp::RtpHeader;
use audiox_core::playout::PlayoutConfig;
use audiox_core::session::{Session, SessionConfig, SessionInput, UniformPlayouts};
use audiox_core::source::{Asked, Pull};
use audiox_core::time::{Instant, RtpTimestamp, SeqNum};
use audiox_io::device::{
    Capture, Captured, DeviceName, Direction, FakeDevice, FakeHost, Playback, PlaybackConfig,
    TimeSource, Wish,
};
use criterion::Criterion;

const STREAM: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// 10 ms.
const FRAMES: usize = 480;

fn at(step: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + step * 10_000_000)
}

fn time() -> TimeSource {
    let start = StdInstant::now();
    Arc::new(move || at(0) + start.elapsed())
}

/// Single callbacks, whose percentiles criterion does not tell.
struct Spent(Vec<Duration>);

/// Of the longest measurement of each: what it did, and its percentiles in µs.
type Longest = Mutex<Vec<(String, usize, [f64; 3])>>;

static LONGEST: Longest = Mutex::new(Vec::new());

impl Spent {
    fn new(n: u64) -> Self {
        Self(Vec::with_capacity(n as usize))
    }

    fn sum(mut self, what: &str) -> Duration {
        let sum = self.0.iter().sum();
        self.0.sort_unstable();
        let at = |share: usize| self.0[(self.0.len() * share / 1_000).min(self.0.len() - 1)];
        let percentiles = [500, 990, 999].map(|share| at(share).as_secs_f64() * 1e6);
        let mut longest = LONGEST.lock().expect("nobody panics");
        match longest.iter_mut().find(|(name, ..)| name == what) {
            Some(known) if known.1 > self.0.len() => {}
            Some(known) => (known.1, known.2) = (self.0.len(), percentiles),
            None => longest.push((what.to_owned(), self.0.len(), percentiles)),
        }
        sum
    }
}

/// The percentiles of all callbacks of a kind.
fn table(id: &str, label: &str, rows: &[&str]) {
    let longest = LONGEST.lock().expect("nobody panics");
    let mut table = Table::new(id, label)
        .significant("p50", "µs", 2)
        .significant("p99", "µs", 2)
        .significant("p99.9", "µs", 2)
        .number("callbacks", "", 0);
    for what in rows {
        // A filter may have left it out.
        let Some((_, count, percentiles)) = longest.iter().find(|(name, ..)| name == what) else {
            return;
        };
        let cells = percentiles.map(Cell::from);
        table.row(*what, cells.into_iter().chain([(*count).into()]));
    }
    table.finish();
}

struct Speaker {
    host: FakeHost,
    _playback: Playback,
    out: Vec<f32>,
}

impl Speaker {
    fn new(device: StreamFormat, pull: Box<dyn Pull>) -> Self {
        let host = FakeHost::new();
        host.plug(FakeDevice::new("a", "a", Direction::Output).only(device));
        let config = PlaybackConfig::new(DeviceName::Default, time());
        let playback = Playback::start(Arc::new(host.clone()), config, move |_| pull);
        Self {
            host,
            _playback: playback.expect("a device that can do it"),
            out: vec![0.0; device.rate.get() as usize / 100 * device.channels.get()],
        }
    }

    /// Calls once, with packets stamped by steps; returns what the callback took.
    fn ask(&mut self, step: u64) -> Duration {
        let asked = Asked {
            now: at(step),
            until_heard: Duration::from_millis(10),
        };
        let start = StdInstant::now();
        assert!(self.host.ask("a", asked, &mut self.out));
        start.elapsed()
    }
}

/// `sources` streams of L16 stereo in packets of 10 ms, one in `lost` missing.
struct Senders {
    input: SessionInput,
    datagram: Vec<u8>,
    step: u64,
    sources: u32,
    lost: u64,
}

impl Senders {
    fn new(sources: u32, lost: u64) -> (Self, Box<dyn Pull>) {
        let framing = IngressFraming::Rtp(vec![(96, STREAM.rate)]);
        let config = SessionConfig::new(STREAM, framing);
        let types = [(96, "L16/48000/2".parse().expect("a codec"))];
        let playouts = UniformPlayouts::rtp(PlayoutConfig::default(), types, CodecRegistry::pcm());
        let session = Session::new(config, playouts, at(0)).expect("a sound configuration");
        let (input, output) = session.split();
        let wave = (0..FRAMES as i16 * 2).flat_map(|n| (n % 96 * 50).to_be_bytes());
        let senders = Self {
            input,
            datagram: (0..12).map(|_| 0).chain(wave).collect(),
            step: 0,
            sources,
            lost,
        };
        (senders, Box::new(output))
    }

    fn send(&mut self) {
        for ssrc in 0..self.sources {
            if self.step % self.lost == self.lost - 1 {
                continue;
            }
            let at_frame = RtpTimestamp((self.step as u32).wrapping_mul(FRAMES as u32));
            RtpHeader::new(96, SeqNum(self.step as u16), at_frame, ssrc)
                .and_then(|h| h.write_into(&mut self.datagram))
                .expect("the header fits");
            let now = at(self.step);
            black_box(self.input.handle_datagram(now, Origin(0), &self.datagram));
        }
        self.input.handle_timeout(at(self.step));
        while self.input.poll_event().is_some() {}
        self.step += 1;
    }
}

/// The usual way: another thread decodes and appends, the callback takes from the front.
struct Queue {
    samples: Arc<Mutex<VecDeque<f32>>>,
}

impl Pull for Queue {
    fn format(&self) -> StreamFormat {
        STREAM
    }

    fn pull(&mut self, _: Asked, mut out: AudioMut<'_>) {
        let mut samples = self.samples.lock().expect("nobody panics");
        for s in out.samples() {
            *s = samples.pop_front().unwrap_or(0.0);
        }
    }
}

fn playing(c: &mut Criterion) {
    let mut group = c.benchmark_group("device/playback callback of 10 ms");
    let cd = StreamFormat::new(SampleRate::HZ_44100, Channels::STEREO);
    for (what, sources, lost, device) in [
        (PLAYBACK[0], 1, u64::MAX, STREAM),
        (PLAYBACK[1], 1, 50, STREAM),
        (PLAYBACK[2], 1, u64::MAX, cd),
        (PLAYBACK[3], 16, u64::MAX, STREAM),
    ] {
        group.bench_function(what, |b| {
            b.iter_custom(|n| {
                let (mut senders, pull) = Senders::new(sources, lost);
                let mut speaker = Speaker::new(device, pull);
                let mut spent = Spent::new(n);
                for step in 0..n {
                    senders.send();
                    spent.0.push(speaker.ask(step));
                }
                spent.sum(what)
            });
        });
    }
    let what = PLAYBACK[4];
    group.bench_function(what, |b| {
        b.iter_custom(|n| {
            let samples = Arc::new(Mutex::new(VecDeque::from(vec![0.1; FRAMES * 8])));
            let queue = Queue {
                samples: samples.clone(),
            };
            let mut speaker = Speaker::new(STREAM, Box::new(queue));
            let mut spent = Spent::new(n);
            for step in 0..n {
                let mut samples = samples.lock().expect("nobody panics");
                samples.extend([0.1; FRAMES * 2]);
                drop(samples);
                spent.0.push(speaker.ask(step));
            }
            spent.sum(what)
        });
    });
    group.finish();
}

fn capturing(c: &mut Criterion) {
    let mut group = c.benchmark_group("device/capture callback of 10 ms");
    let cd = StreamFormat::new(SampleRate::HZ_44100, Channels::STEREO);
    for (what, device) in [(CAPTURE[0], STREAM), (CAPTURE[1], cd)] {
        group.bench_function(what, |b| {
            b.iter_custom(|n| {
                let host = FakeHost::new();
                host.plug(FakeDevice::new("a", "a", Direction::Input).only(device));
                let capture = Capture {
                    wish: Wish::format(STREAM),
                    ..Capture::new(DeviceName::Default, time())
                };
                let mut source = capture
                    .start(Arc::new(host.clone()))
                    .expect("a device that can do it");
                let samples = vec![0.25; device.rate.get() as usize / 100 * 2];
                let mut out = vec![0.0; FRAMES * 4];
                let mut spent = Spent::new(n);
                for step in 0..n {
                    let captured = Captured {
                        now: at(step),
                        age: Duration::from_millis(10),
                    };
                    let start = StdInstant::now();
                    assert!(host.capture("a", captured, &samples));
                    spent.0.push(start.elapsed());
                    while source.read_ready(&mut out) > 0 {}
                }
                spent.sum(what)
            });
        });
    }
    let what = CAPTURE[2];
    group.bench_function(what, |b| {
        b.iter_custom(|n| {
            let queue = Mutex::new(VecDeque::<f32>::new());
            let samples = vec![0.25f32; FRAMES * 2];
            let mut spent = Spent::new(n);
            for _ in 0..n {
                let start = StdInstant::now();
                let mut queued = queue.lock().expect("nobody panics");
                queued.extend(black_box(&samples));
                drop(queued);
                spent.0.push(start.elapsed());
                queue.lock().expect("nobody panics").clear();
            }
            spent.sum(what)
        });
    });
    group.finish();
}

const PLAYBACK: [&str; 5] = [
    "one stream, jitter buffer to device",
    "one stream, a fiftieth lost and made up",
    "one stream, to a device of 44.1 kHz",
    "16 streams, mixed",
    "peer: a queue behind a lock, decoded elsewhere before",
];

const CAPTURE: [&str; 3] = [
    "stereo",
    "stereo, from 44.1 kHz",
    "peer: into a queue behind a lock, as it comes",
];

fn main() {
    let mut criterion = criterion();
    playing(&mut criterion);
    capturing(&mut criterion);
    criterion.final_summary();
    table("device-playback", "playback callback of 10 ms", &PLAYBACK);
    table("device-capture", "capture callback of 10 ms", &CAPTURE);
}
