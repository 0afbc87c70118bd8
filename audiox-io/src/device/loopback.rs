//! How long sound takes out of one device and into another.
//!
//! Impulses are played, a cable, a loudspeaker and a microphone or a virtual device brings them
//! back, and the frames between are counted as a duplex program would: frame k of the captured
//! quantum that is delivered at t belongs to t + k, frame o of the slice that is asked for at t to
//! t + o. What is found is therefore the delay from the moment that a program decides on a frame
//! to the moment that it has it back, buffers of both devices and one quantum included.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::block::AudioMut;
use audiox_core::format::StreamFormat;
use audiox_core::source::{Asked, Pull, Source};
use audiox_core::time::Instant;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::ahead::PullAhead;
use super::capture::{Capture, CaptureSource, CaptureStamp};
use super::choose::DeviceName;
use super::counters::DeviceStats;
use super::duplex::Duplex;
use super::error::{DeviceError, DeviceErrorKind};
use super::host::{Host, TimeSource, Wish};
use super::playback::PlaybackConfig;

/// What a measurement is made with.
#[derive(Clone)]
pub struct LoopbackConfig {
    /// Where impulses go out.
    pub output: DeviceName,
    /// Where they come back.
    pub input: DeviceName,
    /// What both are asked to be.
    pub wish: Wish,
    /// Impulses, 1 to 1 000.
    pub impulses: usize,
    /// Time between two, 50 ms to 10 s: longer than the longest delay.
    pub every: Duration,
    /// Peak of an impulse, linear. Loud enough for a microphone, bearable for ears.
    pub level: f32,
    /// The clock of both devices' callbacks.
    pub time: TimeSource,
}

impl LoopbackConfig {
    /// 20 impulses, half a second apart, at half of full scale, on the default devices.
    pub fn new(time: TimeSource) -> Self {
        Self {
            output: DeviceName::Default,
            input: DeviceName::Default,
            wish: Wish::default(),
            impulses: 20,
            every: Duration::from_millis(500),
            level: 0.5,
            time,
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=1_000).contains(&self.impulses) {
            let allowed = "1 to 1000 are possible";
            return Err(ConfigError::new("impulses", self.impulses, allowed));
        }
        if !(Duration::from_millis(50)..=Duration::from_secs(10)).contains(&self.every) {
            let value = format!("{:?}", self.every);
            return Err(ConfigError::new("every", value, "50 ms to 10 s"));
        }
        if !(self.level > 0.0 && self.level <= 1.0) {
            return Err(ConfigError::new("level", self.level, "above 0, up to 1"));
        }
        Ok(())
    }
}

impl fmt::Debug for LoopbackConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackConfig")
            .field("output", &self.output)
            .field("input", &self.input)
            .field("wish", &self.wish)
            .field("impulses", &self.impulses)
            .finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct LoopbackReport {
    /// Impulses played.
    pub played: usize,
    /// Round trips of those that came back, in the order they were played.
    pub round_trips: Vec<Duration>,
    /// The format of the input.
    pub format: StreamFormat,
    /// Largest magnitude captured, linear.
    pub loudest: f32,
    /// The output's counters.
    pub output: DeviceStats,
    /// The input's counters.
    pub input: DeviceStats,
}

impl LoopbackReport {
    /// The round trip that so many in a hundred do not exceed; `None` where nothing came back.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.round_trips.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let at = (sorted.len() * percent.min(100)).div_ceil(100);
        Some(sorted[at.saturating_sub(1).min(last)])
    }
}

/// Plays impulses and waits for them; calls `progress` with each round trip.
///
/// # Errors
/// A value out of range, or a device that is not there or cannot be opened. Impulses that do not
/// come back are no error.
pub fn measure_loopback(
    host: Arc<dyn Host>,
    config: &LoopbackConfig,
    mut progress: impl FnMut(Duration),
) -> Result<LoopbackReport, DeviceError> {
    let wrong =
        |e: ConfigError| DeviceError::new(DeviceErrorKind::Unsupported, "loopback", e.to_string());
    config.validate().map_err(wrong)?;
    let duplex = Duplex {
        input: Capture {
            wish: config.wish,
            ..Capture::new(config.input.clone(), config.time.clone())
        },
        output: PlaybackConfig {
            device: config.output.clone(),
            wish: config.wish,
            ahead: PullAhead::Never,
            time: config.time.clone(),
        },
    };
    let (told, tell) = HeapRb::new(64).split();
    let (every, left, level) = (config.every, config.impulses, config.level);
    let (input, playback) = duplex.start(host, move |_, format| {
        let rate = format.rate;
        Box::new(Click {
            format,
            every: rate.frames_in(every),
            left,
            level,
            // Time for both devices to find their pace.
            next: rate.frames_in(SETTLE),
            frame: 0,
            told,
        })
    })?;
    let format = input.format();
    let mut search = Search {
        input,
        tell,
        waiting: VecDeque::new(),
        format,
        every: config.every,
        // Well above what a microphone hears of a quiet room.
        threshold: config.level / 8.0,
        loudest: 0.0,
        played: 0,
        found: Vec::new(),
        block: vec![0.0; format.channels.get() * BLOCK],
    };
    let start = (config.time)();
    let impulses = u32::try_from(config.impulses).unwrap_or(u32::MAX);
    let most = SETTLE + config.every * (impulses + 1) + GIVE_UP;
    while search.played + search.waiting.len() < config.impulses || !search.waiting.is_empty() {
        let now = (config.time)();
        if now.saturating_since(start) > most {
            break;
        }
        let before = search.found.len();
        search.step(now);
        search.found[before..].iter().for_each(|d| progress(*d));
    }
    Ok(LoopbackReport {
        played: search.played,
        round_trips: search.found,
        format,
        loudest: search.loudest,
        output: playback.watch().stats(),
        input: search.input.watch().stats(),
    })
}

/// Plays an impulse now and then, and tells when.
struct Click {
    format: StreamFormat,
    every: u64,
    left: usize,
    level: f32,
    next: u64,
    frame: u64,
    told: HeapProd<Instant>,
}

impl Pull for Click {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, asked: Asked, mut out: AudioMut<'_>) {
        let channels = self.format.channels.get();
        let out = out.samples();
        out.fill(0.0);
        let end = self.frame + (out.len() / channels) as u64;
        if self.left > 0 && self.next < end {
            let at = self.next.saturating_sub(self.frame);
            let from = at as usize * channels;
            out[from..from + channels].fill(self.level);
            let _ = self
                .told
                .try_push(asked.now + self.format.rate.duration_of(at));
            self.left -= 1;
            self.next = self.frame + at + self.every;
        }
        self.frame = end;
    }
}

/// Looks for impulses in what is captured.
struct Search {
    input: CaptureSource,
    tell: HeapCons<Instant>,
    /// Impulses on their way.
    waiting: VecDeque<Instant>,
    format: StreamFormat,
    every: Duration,
    threshold: f32,
    loudest: f32,
    played: usize,
    found: Vec<Duration>,
    block: Vec<f32>,
}

impl Search {
    fn step(&mut self, now: Instant) {
        let channels = self.format.channels.get();
        // By blocks no longer than a quantum, so that each frame's stamp is known.
        let frames = self.input.read_ready(&mut self.block);
        while let Some(played) = self.tell.try_pop() {
            self.waiting.push_back(played);
        }
        if frames == 0 {
            thread::sleep(REST);
        }
        for at in 0..frames {
            let frame = &self.block[at * channels..(at + 1) * channels];
            let peak = frame.iter().fold(0.0f32, |p, s| p.max(s.abs()));
            self.loudest = self.loudest.max(peak);
            if peak >= self.threshold
                && let Some(stamp) = self.input.stamp()
            {
                self.hear(stamp, self.input.frames_read() - (frames - at) as u64);
            }
        }
        // One that is not back before the next is played is lost.
        while let Some(played) = self.waiting.front()
            && now.saturating_since(*played) > self.every
        {
            self.waiting.pop_front();
            self.played += 1;
        }
    }

    /// The impulse that was played last before is back, if it was not already.
    fn hear(&mut self, stamp: CaptureStamp, frame: u64) {
        let rate = self.format.rate;
        let at = match frame.checked_sub(stamp.frame) {
            Some(after) => stamp.delivered + rate.duration_of(after),
            None => stamp
                .delivered
                .saturating_sub(rate.duration_of(stamp.frame - frame)),
        };
        if let Some(played) = self.waiting.front()
            && at >= *played
        {
            self.found.push(at - *played);
            self.played += 1;
            self.waiting.pop_front();
        }
    }
}

const SETTLE: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(3);
const REST: Duration = Duration::from_millis(1);
/// Frames looked through at once.
const BLOCK: usize = 16;
