//! Time-stretch: audio made a little shorter or longer at the same pitch.
//!
//! A stretch is one splice: two places of the signal, `lag` frames apart, at which it looks the
//! same are blended into one. Going on at the later place leaves `lag` frames out, going back to
//! the earlier one plays them twice. This is WSOLA (Verhelst and Roelands, *An overlap-add
//! technique based on waveform similarity*, ICASSP 1993), with the place searched for as well as
//! the lag.
//!
//! # Invariants
//! - Everything before and after the blend is the input, bit for bit, save that what is not
//!   finite becomes 0. The first and last frames are always the input's, so stretched audio
//!   joins what went before and what follows.
//! - All channels are spliced at the same frames with the same weights: the phase between them
//!   stays as it is.
//! - Nothing in the output is louder than the loudest sample of the input.
//! - Work is bounded by the window, and nothing is allocated.
//!
//! # Deliberate differences
//! - NetEQ joins at one fixed place 15 ms into its window; here any place of the window may do,
//!   so a splice goes where the signal is steady or quiet and leaves attacks alone.
//! - NetEQ finds the lag on the first channel; here it is found on a mix of all, and accepted by
//!   what it does to all.
//! - NetEQ's lags end at 15 ms; here they reach 20 ms, a whole period of 50 Hz.
//! - NetEQ blends linearly over one period; here the weights have the sum of squares that keeps
//!   the power of what is blended, however alike it is, so noise has no dip at the join.
//! - GStreamer's `scaletempo` and sound libraries stretch all the time, at a rate; here single
//!   steps are asked for when there is a reason, and the rest of the time audio passes untouched.

mod search;
mod splice;

use crate::error::ConfigError;
use crate::format::{Channels, StreamFormat};
use crate::pitch::{energy, mix_to_mono};

use search::{SpliceSearch, Wanted};
use splice::Splice;

/// How much of a trace a stretch may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effort {
    /// Only where nobody will hear it: where the signal repeats closely, or is quiet.
    Gentle,
    /// Wherever the signal resembles itself.
    Normal,
    /// At the best place there is, whatever it is like: for a delay far from its target.
    Urgent,
}

/// Shortens and lengthens stretches of audio by whole periods, or silence by any length.
#[derive(Debug, Clone)]
pub struct TimeStretcher {
    channels: Channels,
    window: usize,
    shortest_lag: usize,
    shortest_fade: usize,
    quiet_fade: usize,
    mono: Box<[f32]>,
    search: SpliceSearch,
    /// Mean square of the loudest window seen, slowly forgotten.
    recent: f32,
}

impl TimeStretcher {
    /// A stretcher for frames of `format`.
    ///
    /// # Errors
    /// A rate outside 8 to 192 kHz, or more than 64 channels.
    pub fn new(format: StreamFormat) -> Result<Self, ConfigError> {
        let rate = format.rate.get();
        if !(MIN_RATE..=MAX_RATE).contains(&rate) {
            return Err(ConfigError::new(
                "rate",
                rate,
                format!("audio of {MIN_RATE} to {MAX_RATE} Hz can be stretched"),
            ));
        }
        if format.channels.get() > MAX_CHANNELS {
            return Err(ConfigError::new(
                "channels",
                format.channels,
                format!("1 to {MAX_CHANNELS} channels can be stretched"),
            ));
        }
        let frames = |micros: u32| (u64::from(rate) * u64::from(micros)).div_ceil(1_000_000);
        let window = frames(WINDOW) as usize;
        Ok(Self {
            channels: format.channels,
            window,
            shortest_lag: frames(SHORTEST_LAG) as usize,
            shortest_fade: frames(SHORTEST_FADE) as usize,
            quiet_fade: frames(QUIET_FADE) as usize,
            mono: vec![0.0; window].into_boxed_slice(),
            search: SpliceSearch::new(format.rate, window),
            recent: 0.0,
        })
    }

    /// Frames of input that one operation looks at: 40 ms.
    ///
    /// With fewer it still works, with less to choose from: the fade takes a quarter of the input
    /// and the lag at most the rest, so 20 ms can lose or repeat 15 ms.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Writes `input` (frames × channels, interleaved) into `out`, shortened by at most `limit`
    /// frames, and returns the frames written.
    ///
    /// That is the number of frames of `input` where no good place was found. Sound loses 2 to
    /// 20 ms, in whole periods; in silence all but 5 ms may go. `out` should have room for the
    /// input; otherwise the input's first frames that fit count as all of it. Input after
    /// [`window`](Self::window) frames is copied.
    pub fn accelerate(
        &mut self,
        input: &[f32],
        out: &mut [f32],
        limit: usize,
        effort: Effort,
    ) -> usize {
        let frames = self.copy(input, out);
        match self.choose(frames, out, 0, limit, effort) {
            Some(splice) => splice.shorten(frames, self.channels, out),
            None => frames,
        }
    }

    /// Writes `input` (frames × channels, interleaved) into `out`, lengthened by at most `limit`
    /// frames, and returns the frames written.
    ///
    /// That is the number of frames of `input` where no good place was found. Sound gains 2 to
    /// 20 ms, in whole periods; silence up to 5 ms less than it lasts. `out` should have room for
    /// twice the input; with less, less is inserted. Input after [`window`](Self::window) frames
    /// is copied.
    pub fn expand(
        &mut self,
        input: &[f32],
        out: &mut [f32],
        limit: usize,
        effort: Effort,
    ) -> usize {
        self.expand_after(input, 0, out, limit, effort)
    }

    /// Like [`expand`](Self::expand), but the first `played` frames of `input` are past: they
    /// come out as they are, and serve as what may be repeated.
    ///
    /// So audio can be lengthened with little of it at hand: where 30 ms have been played, the
    /// 10 ms to come are enough to insert any period.
    pub fn expand_after(
        &mut self,
        input: &[f32],
        played: usize,
        out: &mut [f32],
        limit: usize,
        effort: Effort,
    ) -> usize {
        let frames = self.copy(input, out);
        let room = out.len() / self.channels.get() - frames;
        match self.choose(frames, out, played, limit.min(room), effort) {
            Some(splice) => splice.lengthen(frames, self.channels, out),
            None => frames,
        }
    }

    /// Forgets how loud it has been.
    pub fn reset(&mut self) {
        self.recent = 0.0;
    }

    /// The frames that both hold.
    fn copy(&self, input: &[f32], out: &mut [f32]) -> usize {
        let ch = self.channels.get();
        let frames = (input.len() / ch).min(out.len() / ch);
        for (o, &x) in out.iter_mut().zip(&input[..frames * ch]) {
            *o = if x.is_finite() { x } else { 0.0 };
        }
        frames
    }

    fn choose(
        &mut self,
        frames: usize,
        audio: &[f32],
        played: usize,
        limit: usize,
        effort: Effort,
    ) -> Option<Splice> {
        let frames = frames.min(self.window);
        let audio = &audio[..frames * self.channels.get()];
        let ahead = frames.saturating_sub(played);
        if self.is_quiet(audio) {
            let fade = self.quiet_fade;
            let lag = limit.min(frames.saturating_sub(fade));
            if lag == 0 || ahead < fade {
                return None;
            }
            let middle = (frames - fade - lag) / 2;
            let at = middle.max(played.saturating_sub(lag));
            return Some(Splice { at, lag, fade });
        }
        let fade = (frames / FADE_SHARE).min(ahead.saturating_sub(self.search.grid()));
        let longest = limit.min(self.window / 2).min(frames - fade);
        if fade < self.shortest_fade || longest < self.shortest_lag {
            return None;
        }
        let mono = &mut self.mono[..frames];
        mix_to_mono(audio, self.channels, mono);
        let wanted = Wanted {
            lags: self.shortest_lag..=longest,
            fade,
            played,
            preference: PREFERENCE,
        };
        let found = self.search.find(mono, &wanted)?;
        let enough = match effort {
            Effort::Gentle => GENTLE,
            Effort::Normal => NORMAL,
            Effort::Urgent => f32::NEG_INFINITY,
        };
        (found.merit >= enough).then_some(Splice {
            at: found.at,
            lag: found.lag,
            fade,
        })
    }

    /// Whether `audio` is silence, or next to it beside what was heard lately.
    fn is_quiet(&mut self, audio: &[f32]) -> bool {
        let level = (energy(audio) / audio.len().max(1) as f32).min(f32::MAX);
        self.recent = level.max(self.recent * FORGETTING);
        level <= SILENCE || level <= self.recent * QUIET
    }
}

const MIN_RATE: u32 = 8_000;
const MAX_RATE: u32 = 192_000;
const MAX_CHANNELS: usize = 64;
/// µs: room for a period of 50 Hz, a fade, and a choice of where.
const WINDOW: u32 = 40_000;
/// µs: the period of a high voice. What is shorter is found by its multiples.
const SHORTEST_LAG: u32 = 2_000;
/// µs: below this a fade is heard as a click.
const SHORTEST_FADE: u32 = 1_000;
/// µs.
const QUIET_FADE: u32 = 5_000;
/// The fade is the input's length divided by this, 10 ms of a whole window. Longer ones hide a
/// splice better, until they smear attacks; and they leave fewer lags.
const FADE_SHARE: usize = 4;
/// Mean square of −70 dBFS.
const SILENCE: f32 = 1e-7;
/// 40 dB below what was heard lately.
const QUIET: f32 = 1e-4;
/// A factor an operation: 20 dB are forgotten in 90.
const FORGETTING: f32 = 0.95;
/// Merit that each effort asks for, measured on speech and music: above the first a splice is
/// not heard even in a sustained tone, above the second the better half of what is left in it
/// still hides it.
const GENTLE: f32 = 0.9;
const NORMAL: f32 = 0.5;
/// Merit that a lag of the whole input would be given beside its own: fewer and longer steps are
/// better than many short ones.
const PREFERENCE: f32 = 0.2;

#[cfg(test)]
mod tests;
