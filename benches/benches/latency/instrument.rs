//! What measures: plays bursts in front of the microphone, and listens to two devices.
//!
//! One ear is where the bursts are played and one where they come out again, both of the same
//! kind, so what the measuring devices take themselves is in both and no longer in the difference.
//! An ear's frames are counted by its device's clock; the moment that a frame was there is told
//! by the promptest of the callbacks around it, since threads are only ever woken late.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;
use audiox_io::device::{
    Capture, DeviceName, Playback, PlaybackConfig, PullAhead, SystemHost, TimeSource, Wish,
};
use audiox_net::clock::Clock;
use audiox_net::stop::StopFlag;

use crate::probe::{DECIMATION, Dice, Found, KINDS, Probes, RATE, decimate};

/// Frames that the measuring devices are asked for.
const BUFFER: u32 = 480;
/// Between the beginnings of two bursts, evenly spread, so that they meet the quanta of all
/// devices in every phase.
const GAPS: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(70));
/// The longest delay that is found: before a burst of the same kind can be heard.
const LONGEST: Duration = Duration::from_millis(290);
/// A burst is in front of the microphone at most so long after it was decided on.
const SOON: Duration = Duration::from_millis(150);
/// Callbacks this far before and after a frame tell when it was there.
const AROUND: Duration = Duration::from_millis(500);

/// Devices that play and listen.
pub(crate) struct Instrument {
    clock: Clock,
    playback: Playback,
    told: Receiver<Told>,
    stop: StopFlag,
    ears: [JoinHandle<Ear>; 2],
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Bursts that were in front of the microphone.
    pub(crate) played: usize,
    /// From there to the other ear, in order of size: of those that were heard.
    pub(crate) delays: Vec<Duration>,
    /// Of these, so many were torn or otherwise not what was played.
    pub(crate) torn: usize,
    /// From the moment a program decided on a burst to the moment it had captured it, without
    /// what is measured: a speaker's and a microphone's own delay, in order of size.
    pub(crate) devices: Vec<Duration>,
}

/// A burst that was played.
struct Told {
    kind: usize,
    at: Instant,
}

/// What one ear heard.
#[derive(Default)]
struct Ear {
    /// Decimated.
    samples: Vec<f32>,
    /// The number of a quantum's first frame, and when the quantum was handed over.
    quanta: Vec<(u64, Instant)>,
}

impl Instrument {
    /// Opens all three devices; `ears` are their names. Silent until [`probe`](Self::probe).
    pub(crate) fn open(ears: [&str; 2]) -> Self {
        let clock = Clock::new();
        let time: TimeSource = Arc::new(move || clock.now());
        let stop = StopFlag::new();
        let ears = ears.map(|name| listen(name, time.clone(), stop.clone()));
        let (tell, told) = sync_channel(4_096);
        let config = PlaybackConfig {
            wish: wish(Channels::STEREO),
            ahead: PullAhead::Never,
            ..PlaybackConfig::new(DeviceName::new("voice"), time)
        };
        let playback = Playback::start(Arc::new(SystemHost::new()), config, move |format| {
            Box::new(Prober::new(format, tell))
        });
        Self {
            clock,
            playback: playback.expect("the virtual speaker opens"),
            told,
            stop,
            ears,
        }
    }

    /// Listens for as long as `bursts` take behind a `warm_up`, in which they are played too.
    pub(crate) fn measure(self, warm_up: Duration, bursts: usize) -> Heard {
        let mean = (GAPS.0 + GAPS.1) / 2;
        let from = self.clock.now() + warm_up;
        // Chance may spread them wider.
        let bursts = bursts + bursts.div_ceil(20);
        std::thread::sleep(warm_up + mean * bursts as u32);
        let until = self.clock.now();
        std::thread::sleep(LONGEST + SOON + AROUND);
        self.stop.stop();
        drop(self.playback);
        let [before, behind] = self.ears.map(|e| e.join().expect("an ear does not panic"));
        let told = self
            .told
            .try_iter()
            .filter(|t| t.at >= from && t.at < until);
        judge(&Probes::new(), told, &before, &behind)
    }
}

fn judge(probes: &Probes, told: impl Iterator<Item = Told>, before: &Ear, behind: &Ear) -> Heard {
    let mut heard = Heard::default();
    for burst in told {
        let Some((_, frame, at)) = before.hear(probes, burst.kind, burst.at, SOON) else {
            continue;
        };
        heard.played += 1;
        heard.devices.extend(
            before
                .handed_over(frame)
                .map(|h| h.saturating_since(burst.at)),
        );
        // The other ear's clock may be a little off.
        let early = at.saturating_sub(Duration::from_millis(5));
        if let Some((found, _, came)) = behind.hear(probes, burst.kind, early, LONGEST) {
            heard.delays.push(came.saturating_since(at));
            heard.torn += usize::from(!found.whole);
        }
    }
    heard.delays.sort_unstable();
    heard.devices.sort_unstable();
    heard
}

fn wish(channels: Channels) -> Wish {
    Wish {
        buffer: Some(BUFFER),
        ..Wish::format(StreamFormat::new(SampleRate::HZ_48000, channels))
    }
}

fn listen(name: &str, time: TimeSource, stop: StopFlag) -> JoinHandle<Ear> {
    let capture = Capture {
        wish: wish(Channels::MONO),
        ..Capture::new(DeviceName::new(name), time)
    };
    let capture = capture.start(Arc::new(SystemHost::new()));
    let mut source = capture.expect("the virtual microphone opens");
    std::thread::spawn(move || {
        let (mut ear, mut rest) = (Ear::default(), Vec::new());
        // Short ones, so that no quantum's stamp is missed.
        let mut block = [0.0; 64];
        while !stop.is_stopped() {
            let frames = source.read_ready(&mut block);
            if frames == 0 {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            rest.extend_from_slice(&block[..frames]);
            let whole = rest.len() - rest.len() % DECIMATION;
            ear.samples.extend(decimate(&rest[..whole]));
            rest.drain(..whole);
            if let Some(stamp) = source.stamp()
                && ear
                    .quanta
                    .last()
                    .is_none_or(|(frame, _)| *frame != stamp.frame)
            {
                ear.quanta.push((stamp.frame, stamp.delivered));
            }
        }
        ear
    })
}

impl Ear {
    /// Looks for a burst that sounds from `from` on, up to `within` later; says which frame it
    /// begins with, and when that was there.
    fn hear(
        &self,
        probes: &Probes,
        kind: usize,
        from: Instant,
        within: Duration,
    ) -> Option<(Found, u64, Instant)> {
        let rate = SampleRate::HZ_48000;
        let quantum = self
            .quanta
            .partition_point(|(_, at)| *at <= from)
            .checked_sub(1)?;
        // A quantum before, since it is handed over behind its last frame.
        let first = self.quanta[quantum.saturating_sub(2)].0 as usize / DECIMATION;
        let frames = rate.frames_in(within) as usize / DECIMATION;
        let last = (first + frames).min(self.samples.len());
        let found = probes.find(kind, self.samples.get(first..last)?)?;
        let frame = ((first + found.at) * DECIMATION) as u64;
        Some((found, frame, self.time_of(frame)?))
    }

    /// When a frame was there, by the promptest quanta around it.
    fn time_of(&self, frame: u64) -> Option<Instant> {
        let rate = SampleRate::HZ_48000;
        let around = rate.frames_in(AROUND);
        let from = self.quanta.partition_point(|(f, _)| f + around < frame);
        let to = self.quanta.partition_point(|(f, _)| *f <= frame + around);
        let quanta = &self.quanta[from..(to + 1).min(self.quanta.len())];
        // The first of the next quantum is the end of this one.
        let origins = quanta.windows(2).map(|pair| {
            let length = rate.duration_of(pair[1].0);
            pair[0].1.saturating_since(Instant::EPOCH) + ORIGIN - length
        });
        let since = origins.min()? + rate.duration_of(frame);
        Some(Instant::EPOCH + since.saturating_sub(ORIGIN))
    }

    /// When a program had it.
    fn handed_over(&self, frame: u64) -> Option<Instant> {
        let quantum = self
            .quanta
            .partition_point(|(f, _)| *f <= frame)
            .checked_sub(1)?;
        let (first, at) = self.quanta[quantum];
        Some(at + SampleRate::HZ_48000.duration_of(frame - first))
    }
}

/// Plays bursts, and tells when.
struct Prober {
    format: StreamFormat,
    probes: Probes,
    tell: SyncSender<Told>,
    dice: Dice,
    /// Frames until the next burst begins.
    until: u64,
    kind: usize,
    /// What is left of those that sound: kind, and frames that are out.
    sounding: VecDeque<(usize, usize)>,
}

impl Prober {
    fn new(format: StreamFormat, tell: SyncSender<Told>) -> Self {
        assert_eq!(
            format.rate.get(),
            RATE,
            "the virtual speaker takes any rate"
        );
        Self {
            format,
            probes: Probes::new(),
            tell,
            dice: Dice::new(42),
            until: u64::from(RATE / 2),
            kind: 0,
            sounding: VecDeque::with_capacity(KINDS),
        }
    }
}

impl Pull for Prober {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, asked: Asked, mut out: AudioMut<'_>) {
        let rate = self.format.rate;
        let frames = out.samples().chunks_exact_mut(self.format.channels.get());
        for (i, frame) in frames.enumerate() {
            if self.until == 0 {
                let spread = (GAPS.1 - GAPS.0).mul_f64(self.dice.unit());
                self.until = rate.frames_in(GAPS.0 + spread);
                self.kind = (self.kind + 1) % KINDS;
                self.sounding.push_back((self.kind, 0));
                let at = asked.now + rate.duration_of(i as u64);
                let _ = self.tell.try_send(Told {
                    kind: self.kind,
                    at,
                });
            }
            self.until -= 1;
            let mut sum = 0.0;
            for (kind, done) in &mut self.sounding {
                sum += self.probes.played(*kind).get(*done).unwrap_or(&0.0);
                *done += 1;
            }
            let over = |(kind, done): &(usize, usize)| *done >= self.probes.played(*kind).len();
            if self.sounding.front().is_some_and(over) {
                self.sounding.pop_front();
            }
            frame.fill(sum);
        }
    }
}

/// Added while differences are taken: a frame's number may lie before the clock's zero.
const ORIGIN: Duration = Duration::from_secs(86_400);
