//! What a device, or the pacing thread in its place, pulls from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::format::StreamFormat;
use audiox_core::session::SessionOutput;
use audiox_core::source::{Asked, Pull};

/// All that a player hears, mixed, to be pulled by a device in its callback: nothing is allocated,
/// locked or waited for there.
///
/// Where nobody pulls, what comes is dropped once the packet buffers are full.
pub struct PlayerOutput {
    format: StreamFormat,
    outputs: Box<[SessionOutput]>,
    part: Box<[f32]>,
    until_heard: Smoothed,
    pulled: Arc<PulledCounts>,
}

/// What was pulled, told to the socket side.
#[derive(Debug, Default)]
pub(super) struct PulledCounts {
    pub(super) frames: AtomicU64,
    pub(super) idle: AtomicU64,
    peak: AtomicU32,
    until_heard: AtomicU64,
}

/// What a device tells of its own delay, which goes up and down by what it took last.
#[derive(Debug, Default)]
struct Smoothed {
    value: Duration,
    seen: u32,
}

impl Smoothed {
    /// A mean at first, so that the start of a device is soon forgotten.
    fn update(&mut self, told: Duration) -> Duration {
        if self.seen > 0 || !told.is_zero() {
            self.seen = (self.seen + 1).min(SMOOTHED_OVER);
            self.value = self.value - self.value / self.seen + told / self.seen;
        }
        self.value
    }
}

impl PulledCounts {
    /// Largest magnitude since the last call.
    pub(super) fn take_peak(&self) -> f32 {
        f32::from_bits(self.peak.swap(0, Relaxed))
    }

    /// From a pull to when it is heard.
    pub(super) fn until_heard(&self) -> Duration {
        Duration::from_nanos(self.until_heard.load(Relaxed))
    }
}

impl PlayerOutput {
    pub(super) fn new(
        format: StreamFormat,
        outputs: Vec<SessionOutput>,
        pulled: Arc<PulledCounts>,
    ) -> Self {
        let room = if outputs.len() > 1 { PART } else { 0 };
        Self {
            format,
            outputs: outputs.into(),
            part: vec![0.0; room * format.channels.get()].into(),
            until_heard: Smoothed::default(),
            pulled,
        }
    }

    /// Fills `out`; says how many sources sounded.
    pub(super) fn mix(&mut self, asked: Asked, out: &mut [f32]) -> usize {
        let channels = self.format.channels;
        let frames = out.len() / channels.get();
        let mut sounding = 0;
        // The newest alone would depend on the moment.
        let until_heard = self.until_heard.update(asked.until_heard);
        if !until_heard.is_zero() {
            for output in &mut self.outputs {
                output.set_output_delay(until_heard);
            }
        }
        match &mut self.outputs[..] {
            [] => out.fill(0.0),
            [one] => sounding = one.pull(asked.now, AudioMut::new(out, channels)).sounding,
            many => {
                let mut done = 0;
                for out in out.chunks_mut(PART * channels.get()) {
                    let now = asked.now + self.format.rate.duration_of(done);
                    done += (out.len() / channels.get()) as u64;
                    let part = &mut self.part[..out.len()];
                    out.fill(0.0);
                    for output in &mut *many {
                        let mixed = output.pull(now, AudioMut::new(part, channels));
                        sounding += mixed.sounding;
                        for (sum, s) in out.iter_mut().zip(&*part) {
                            *sum += s;
                        }
                    }
                }
            }
        }
        let counts = &*self.pulled;
        counts.frames.fetch_add(frames as u64, Relaxed);
        if sounding == 0 {
            counts.idle.fetch_add(frames as u64, Relaxed);
        }
        let peak = out.iter().fold(0.0f32, |p, s| p.max(s.abs()));
        // Of positive floats the bits are in order.
        counts.peak.fetch_max(peak.to_bits(), Relaxed);
        let until_heard = u64::try_from(until_heard.as_nanos()).unwrap_or(0);
        counts.until_heard.store(until_heard, Relaxed);
        sounding
    }
}

impl Pull for PlayerOutput {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, asked: Asked, mut out: AudioMut<'_>) {
        self.mix(asked, out.samples());
    }
}

impl fmt::Debug for PlayerOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayerOutput")
            .field("format", &self.format)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// Pulls.
const SMOOTHED_OVER: u32 = 16;
/// Frames mixed at once; more than the quantum of most devices.
const PART: usize = 4_096;
