//! Engines in real time, side by side: each packet is inserted when it arrives and each engine is
//! pulled every 10 ms, all by one thread, for neteq looks at the clock on the wall.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audiox_core::sim::{Link, LinkConfig};

use super::counting::counted;
use super::engine::{Engine, Meter, NUMBER, Stream};

/// Packets of one stream and when they arrive; the lost ones never do.
pub(crate) struct Arrivals {
    pub(crate) stream: Stream,
    /// What is sent, interleaved.
    pub(crate) samples: Vec<f32>,
    /// Number and time in nanoseconds, by time.
    arrivals: Vec<(usize, u64)>,
    payload: Vec<u8>,
}

impl Arrivals {
    /// What becomes of `samples` on a network that changes: each link serves from a time on.
    pub(crate) fn over(
        stream: Stream,
        samples: Vec<f32>,
        links: &[(Duration, LinkConfig)],
    ) -> Self {
        let mut links = links.iter().map(|(from, link)| {
            let link = Link::new(link.clone()).expect("a sound link");
            (from.as_nanos() as u64, link)
        });
        let (_, mut link) = links.next().expect("at least one link");
        let mut next = links.next();
        let mut arrivals = Vec::new();
        let packets = samples.len() / (stream.frames * stream.format.channels.get());
        let mut drain = |link: &mut Link, now| {
            while let Some(d) = link.poll_output(now) {
                let number = d.bytes.first_chunk().map_or(0, |n| u64::from_be_bytes(*n));
                arrivals.push((number as usize, d.due.as_nanos()));
            }
        };
        for n in 0..packets {
            let sent = audiox_core::time::Instant::from_nanos(stream.captured(n + 1));
            if let Some((_, other)) = next.take_if(|(from, _)| *from <= sent.as_nanos()) {
                drain(&mut link, audiox_core::time::Instant::from_nanos(u64::MAX));
                link = other;
                next = links.next();
            }
            drain(&mut link, sent);
            link.handle(sent, 0, &(n as u64).to_be_bytes());
        }
        drain(&mut link, audiox_core::time::Instant::from_nanos(u64::MAX));
        arrivals.sort_by_key(|(_, at)| *at);
        Self {
            stream,
            samples,
            arrivals,
            payload: Vec::new(),
        }
    }

    /// All packets at once as they are sent, save the `lost` ones.
    pub(crate) fn without(stream: Stream, samples: Vec<f32>, lost: &[bool]) -> Self {
        let arrivals = lost.iter().enumerate().filter(|(_, lost)| !**lost);
        Self {
            stream,
            samples,
            arrivals: arrivals.map(|(n, _)| (n, stream.captured(n + 1))).collect(),
            payload: Vec::new(),
        }
    }

    fn payload(&mut self, n: usize) {
        let samples = self.stream.frames * self.stream.format.channels.get();
        let from = n * samples;
        self.payload.clear();
        self.payload.extend((n as u64).to_be_bytes());
        self.payload.resize(NUMBER + 2 * samples, 0);
        let packet = &self.samples[from..from + samples];
        audiox_core::codec::PcmCoding::L16.encode(packet, &mut self.payload[NUMBER..]);
    }
}

/// An engine and what it did.
pub(crate) struct Subject {
    pub(crate) name: String,
    engine: Box<dyn Engine>,
    meter: Arc<Meter>,
    /// What it played, where that is kept.
    pub(crate) heard: Option<Vec<f32>>,
    pub(crate) inserts: Costs,
    pub(crate) pulls: Costs,
    /// One for each stretch of time that was asked for.
    pub(crate) windows: Vec<Window>,
    started: bool,
}

/// What an engine did within some time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    pulled: u64,
    made_up: f64,
    /// Mean time from the earliest moment at which a packet could have come to its being taken
    /// out to be played.
    pub(crate) delay: Duration,
}

impl Window {
    /// Share of the playing time that was not received.
    pub(crate) fn made_up(&self) -> f64 {
        self.made_up / self.pulled.max(1) as f64
    }
}

/// What calls took.
#[derive(Default)]
pub(crate) struct Costs {
    nanos: Vec<u32>,
    allocations: u64,
}

impl Costs {
    fn measure<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let (result, counts) = counted(call);
        let nanos = start.elapsed().as_nanos() as u32;
        self.nanos.push(nanos);
        self.allocations += counts.allocations;
        result
    }

    /// Microseconds below which this share of the calls stayed.
    pub(crate) fn micros(&self, share: f64) -> f64 {
        let mut all = self.nanos.clone();
        all.sort_unstable();
        let at = (all.len() as f64 * share) as usize;
        f64::from(
            all.get(at.min(all.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0),
        ) / 1e3
    }

    pub(crate) fn allocations(&self) -> f64 {
        self.allocations as f64 / self.nanos.len().max(1) as f64
    }
}

impl Subject {
    pub(crate) fn new(
        name: impl Into<String>,
        make: impl FnOnce(&Arc<Meter>) -> Box<dyn Engine>,
    ) -> Self {
        let meter = Arc::new(Meter::default());
        Self {
            name: name.into(),
            engine: make(&meter),
            meter,
            heard: None,
            inserts: Costs::default(),
            pulls: Costs::default(),
            windows: Vec::new(),
            started: false,
        }
    }

    /// Keeps what is played.
    pub(crate) fn kept(mut self) -> Self {
        self.heard = Some(Vec::new());
        self
    }

    /// Plays 10 ms in the window that began last.
    fn pull(&mut self, at: u64, stream: &Stream) {
        self.meter.at(at);
        let engine = &mut self.engine;
        let missing = self.pulls.measure(|| engine.pull(at));
        self.started |= missing < 1.0;
        if let Some(window) = self.windows.last_mut()
            && self.started
        {
            window.pulled += 1;
            window.made_up += missing;
            window.delay = self.meter.mean().saturating_sub(stream.ptime());
        }
        if let Some(heard) = &mut self.heard {
            heard.extend_from_slice(self.engine.out());
        }
    }
}

/// One stream and the engines that receive it.
pub(crate) struct Scene {
    pub(crate) arrivals: Arrivals,
    pub(crate) subjects: Vec<Subject>,
}

/// Runs all scenes at once until the last of `marks`; a window of statistics ends at each.
pub(crate) fn run(scenes: &mut [Scene], marks: &[Duration]) {
    let start = Instant::now() + Duration::from_millis(20);
    let mut next = vec![0; scenes.len()];
    let mut at = PHASE;
    for mark in marks {
        for subject in scenes.iter_mut().flat_map(|s| &mut s.subjects) {
            subject.windows.push(Window::default());
            subject.meter.reset();
        }
        while Duration::from_nanos(at) < *mark {
            arrive(scenes, &mut next, start, at);
            wait(start, at);
            for scene in scenes.iter_mut() {
                for subject in &mut scene.subjects {
                    subject.pull(at, &scene.arrivals.stream);
                }
            }
            at += QUANTUM;
        }
    }
}

/// Inserts each packet of each scene that comes before `until`, when it comes.
fn arrive(scenes: &mut [Scene], next: &mut [usize], start: Instant, until: u64) {
    loop {
        let due = scenes.iter().zip(&*next).enumerate();
        let due = due.filter_map(|(i, (s, n))| s.arrivals.arrivals.get(*n).map(|a| (a.1, i)));
        let Some((at, i)) = due.min().filter(|(at, _)| *at <= until) else {
            return;
        };
        wait(start, at);
        let scene = &mut scenes[i];
        let (number, _) = scene.arrivals.arrivals[next[i]];
        next[i] += 1;
        scene.arrivals.payload(number);
        for subject in &mut scene.subjects {
            let payload = black_box(&scene.arrivals.payload);
            let engine = &mut subject.engine;
            subject
                .inserts
                .measure(|| engine.insert(number, at, payload));
        }
    }
}

fn wait(start: Instant, nanos: u64) {
    let at = start + Duration::from_nanos(nanos);
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}

const QUANTUM: u64 = 10_000_000;
/// The device asks between two packets.
const PHASE: u64 = 3_700_000;
