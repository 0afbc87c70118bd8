//! Stretches in which samples stay at full scale, or near nothing.

use std::ops::Range;

use audiox_core::format::{SampleFormat, StreamFormat};

/// Counts samples that stay at full scale.
#[derive(Debug)]
pub(super) struct Clipped {
    limit: f32,
    /// Samples in a row at full scale, for each channel.
    runs: Box<[u32]>,
    samples: u64,
    stretches: u64,
}

impl Clipped {
    pub(super) fn new(channels: usize, sample: SampleFormat) -> Self {
        // The greatest code is one below full scale. Lossy coders pass on what was 16 bit.
        let bits = match sample {
            SampleFormat::U8 => 8,
            _ => 16,
        };
        Self {
            limit: 1.0 - 1.5 / (1u32 << (bits - 1)) as f32,
            runs: vec![0; channels].into(),
            samples: 0,
            stretches: 0,
        }
    }

    pub(super) fn push(&mut self, samples: &[f32]) {
        for part in samples.chunks(QUICK * self.runs.len()) {
            // Hardly any sample is that loud: a glance at many of them is enough.
            let loudest = part
                .iter()
                .fold(0.0f32, |m, x| if x.abs() > m { x.abs() } else { m });
            if loudest < self.limit {
                self.runs.fill(0);
                continue;
            }
            for frame in part.chunks_exact(self.runs.len()) {
                for (run, x) in self.runs.iter_mut().zip(frame) {
                    if x.abs() < self.limit {
                        *run = 0;
                        continue;
                    }
                    *run = run.saturating_add(1);
                    if *run == STRETCH {
                        self.stretches += 1;
                        self.samples += u64::from(STRETCH);
                    } else if *run > STRETCH {
                        self.samples += 1;
                    }
                }
            }
        }
    }

    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    pub(super) fn stretches(&self) -> u64 {
        self.stretches
    }
}

/// Finds silence, a hundredth of a second at a time.
#[derive(Debug)]
pub(super) struct Silence {
    channels: usize,
    /// Frames of a hundredth of a second, and of the shortest silence.
    step: u64,
    least: u64,
    /// Frames so far, those of the present step, and the loudest of those.
    at: u64,
    in_step: u64,
    loudest: f32,
    /// Where the present silence began.
    from: Option<u64>,
    stretches: Vec<Range<u64>>,
    frames: u64,
}

impl Silence {
    pub(super) fn new(format: StreamFormat) -> Self {
        let step = u64::from(format.rate.get() / 100).max(1);
        Self {
            channels: format.channels.get(),
            step,
            least: step * LEAST_STEPS,
            at: 0,
            in_step: 0,
            loudest: 0.0,
            from: None,
            stretches: Vec::new(),
            frames: 0,
        }
    }

    pub(super) fn push(&mut self, samples: &[f32]) {
        let mut rest = samples;
        while rest.len() >= self.channels {
            let room = usize::try_from(self.step - self.in_step).unwrap_or(usize::MAX);
            let frames = room.min(rest.len() / self.channels);
            let (now, later) = rest.split_at(frames * self.channels);
            let most = |m: f32, x: &f32| if x.abs() > m { x.abs() } else { m };
            self.loudest = now.iter().fold(self.loudest, most);
            self.in_step += frames as u64;
            if self.in_step == self.step {
                self.step_done();
            }
            rest = later;
        }
    }

    fn step_done(&mut self) {
        let start = self.at;
        self.at += std::mem::take(&mut self.in_step);
        if std::mem::take(&mut self.loudest) < QUIET {
            self.from.get_or_insert(start);
        } else {
            self.close(start);
        }
    }

    fn close(&mut self, end: u64) {
        let Some(from) = self.from.take().filter(|from| end - from >= self.least) else {
            return;
        };
        self.frames += end - from;
        if self.stretches.len() < MAX_STRETCHES {
            self.stretches.push(from..end);
        }
    }

    pub(super) fn finish(&mut self) {
        if self.in_step > 0 {
            self.step_done();
        }
        self.close(self.at);
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn into_stretches(self) -> Vec<Range<u64>> {
        self.stretches
    }
}

/// Samples in a row at full scale that are no chance.
const STRETCH: u32 = 3;
/// Frames looked at in one go.
const QUICK: usize = 512;
/// −60 dBFS.
const QUIET: f32 = 0.001;
/// Steps of the shortest silence: 0.2 s.
const LEAST_STEPS: u64 = 20;
const MAX_STRETCHES: usize = 1_000;
