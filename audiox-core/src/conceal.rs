//! What is heard where packets are missing.
//!
//! The sound goes on with what resembles it most. The last milliseconds before the gap are looked
//! for in the past, over all lags from 3 to 23 ms; what followed there follows here.
//! For a voice that is a whole number of pitch periods, for a chord the nearest thing to a common
//! period, for noise another stretch of it, so the timbre stays right whatever it is. Where the
//! packet after the gap is known already (it waits in the jitter buffer), a second place is
//! looked for whose continuation meets it, and the two are blended across the gap. Where the past
//! has nothing like it, as at an attack that the gap swallowed, the packet itself is played
//! backwards up to its beginning: the right timbre and the right level from the first frame on.
//!
//! What was made up becomes part of the past: with every gap cut out of it, copies of it would
//! jump.
//!
//! All channels take the same lags, so the image does not move. Nothing is played louder than it
//! was; long gaps fade out, down to the background noise of the quietest stretch heard lately.
//!
//! Everything is bounded: a search looks at at most [`Concealer::max_bridge`] + 26 ms of the past,
//! coarsely at 8 kHz and finely about the best places.
//!
//! # Deliberate differences
//! - NetEQ repeats two pitch periods through an LPC filter, fades them within 120 ms, and finds
//!   out only afterwards whether they meet what follows. It works on mono or on each channel's
//!   own parameters; here both sides of the gap are used and channels stay in phase.
//! - GStreamer asks the decoder, which for PCM means silence; roc has only silence (or beeps).

mod history;
mod noise;
mod search;

use history::History;
use noise::Noise;
use search::{Found, Search};

use crate::error::ConfigError;
use crate::format::StreamFormat;

/// Makes up for missing frames of one stream. Never allocates after construction.
#[derive(Debug)]
pub struct Concealer {
    channels: usize,
    history: History,
    search: Search,
    noise: Noise,
    /// The stretch that an extension repeats, interleaved, and how far it got.
    loop_: Box<[f32]>,
    loop_frames: usize,
    /// What the extension never exceeds.
    limit: f32,
    place: usize,
    /// What leads into the end of a gap, interleaved.
    lead: Box<[f32]>,
    /// Frames extended since real audio.
    extended: usize,
    blend: usize,
    fade_from: usize,
    fade_to: usize,
    max_bridge: usize,
    context: usize,
    reach: usize,
}

impl Concealer {
    /// A concealer that has heard silence.
    ///
    /// # Errors
    /// A rate below 8 kHz or above 192 kHz, or more than 64 channels.
    pub fn new(format: StreamFormat) -> Result<Self, ConfigError> {
        let (rate, channels) = (format.rate.get() as usize, format.channels.get());
        if !(8_000..=192_000).contains(&rate) {
            return Err(ConfigError::new(
                "rate",
                format.rate,
                "loss is concealed at 8000 to 192000 Hz",
            ));
        }
        if channels > MAX_CHANNELS {
            return Err(ConfigError::new(
                "channels",
                channels,
                "loss is concealed in up to 64 channels",
            ));
        }
        let ms = |n: usize| n * rate / 1_000;
        let (context, reach, max_bridge) = (ms(CONTEXT_MS), ms(REACH_MS), ms(BRIDGE_MS));
        let past = max_bridge + 2 * context + reach + 1;
        Ok(Self {
            channels,
            history: History::new(past, channels),
            search: Search::new(rate, channels, past + context),
            noise: Noise::new(rate, channels),
            loop_: vec![0.0; (ms(LOOP_MS) + reach) * channels].into_boxed_slice(),
            loop_frames: 0,
            limit: 0.0,
            place: 0,
            lead: vec![0.0; max_bridge * channels].into_boxed_slice(),
            extended: 0,
            blend: ms(BLEND_MS).max(8),
            fade_from: ms(FADE_FROM_MS),
            fade_to: ms(FADE_TO_MS),
            max_bridge,
            context,
            reach,
        })
    }

    /// Frames of the longest gap that [`bridge`](Self::bridge) spans: 60 ms.
    pub fn max_bridge(&self) -> usize {
        self.max_bridge
    }

    /// The last `frames` frames that went out, interleaved, whether real or made up; fewer where
    /// fewer are kept (at least 60 ms are).
    pub fn recent(&self, frames: usize) -> &[f32] {
        self.history.last(frames)
    }

    /// Real audio that went out (interleaved, whole frames), in order.
    pub fn push(&mut self, played: &[f32]) {
        if self.extended > 0 {
            self.noise.interrupt();
        }
        self.history.push(played);
        self.noise.listen(played);
        self.extended = 0;
    }

    /// Goes on from what went before into `out` (interleaved, whole frames), the end being
    /// unknown. Called again it goes on further, fading into background noise.
    pub fn extend(&mut self, out: &mut [f32]) {
        if self.extended == 0 {
            self.begin();
        }
        for frame in out.chunks_exact_mut(self.channels) {
            self.next_frame(frame);
        }
        self.history.push(out);
    }

    /// Fills `out`, the (rest of the) gap, so that it leads from what went before to `after`:
    /// real audio, at least a millisecond of it for any use to be made of it. `out` is at most
    /// [`max_bridge`](Self::max_bridge) frames long; of a longer one only the end leads to
    /// `after`. [`push`](Self::push) `after` when it goes out.
    pub fn bridge(&mut self, out: &mut [f32], after: &[f32]) {
        let ch = self.channels;
        let frames = out.len() / ch;
        let open = frames.saturating_sub(self.max_bridge);
        let (head, out) = out.split_at_mut(open * ch);
        self.extend(head);
        let n = frames - open;
        if n == 0 {
            return;
        }
        let leads = self.find_lead(n, after);
        if self.extended == 0 {
            self.begin();
        }
        for (i, frame) in out.chunks_exact_mut(ch).enumerate() {
            self.next_frame(frame);
            if leads {
                let share = raised((i + 1) as f32 / (n + 1) as f32);
                for (o, l) in frame.iter_mut().zip(&self.lead[i * ch..]) {
                    *o += (l - *o) * share;
                }
            }
        }
        self.history.push(out);
    }

    /// Blends the first frames of real audio with what the extension would have gone on with, in
    /// place: length and timing stay. Follow with [`push`](Self::push).
    pub fn merge(&mut self, decoded: &mut [f32]) {
        if self.extended == 0 {
            self.begin();
        }
        let ch = self.channels;
        let frames = (decoded.len() / ch).min(self.blend);
        let mut frame = [0.0; MAX_CHANNELS];
        let frame = &mut frame[..ch];
        for (n, real) in decoded.chunks_exact_mut(ch).take(frames).enumerate() {
            self.next_frame(frame);
            let share = raised((n + 1) as f32 / (frames + 1) as f32);
            for (r, made) in real.iter_mut().zip(&*frame) {
                *r = made + (finite(*r) - made) * share;
            }
        }
    }

    /// Forgets what it heard.
    pub fn reset(&mut self) {
        self.history.clear();
        self.noise.clear();
        self.extended = 0;
    }

    /// Finds what to go on with.
    fn begin(&mut self) {
        let ch = self.channels;
        let least = self.context;
        let found = self
            .search
            .after(&self.history, self.context, least, least + self.reach);
        let lag = found.lag;
        self.loop_frames = lag.min(self.loop_.len() / ch);
        let past = self.history.last(lag);
        let n = self.loop_frames * ch;
        self.loop_[..n].copy_from_slice(&past[..n]);
        // What the frame before the copied stretch has instead of the last real one: the stretch
        // begins after it, and after its own end when it comes round.
        let before = self.history.last(lag + 1);
        let last = self.history.last(1);
        let blend = self.blend.min(self.loop_frames);
        for (k, frame) in self.loop_.chunks_exact_mut(ch).take(blend).enumerate() {
            let left = raised(1.0 - (k + 1) as f32 / (blend + 1) as f32);
            for ((o, a), b) in frame.iter_mut().zip(last).zip(before) {
                *o += (a - b) * left;
            }
        }
        self.place = 0;
        self.limit = limit(loudest(self.history.last(self.history.frames())));
    }

    fn next_frame(&mut self, out: &mut [f32]) {
        let ch = self.channels;
        let start = self.place * ch;
        let gain = match self.extended {
            n if n < self.fade_from => 1.0,
            n if n >= self.fade_to => 0.0,
            n => {
                let along = (n - self.fade_from) as f32 / (self.fade_to - self.fade_from) as f32;
                1.0 - raised(along)
            }
        };
        let looped = self.loop_.get(start..start + ch).unwrap_or(&[]);
        out.fill(0.0);
        for (o, l) in out.iter_mut().zip(looped) {
            *o = l * gain;
        }
        if gain < 1.0 {
            self.noise.add(out, (1.0 - gain * gain).sqrt());
        }
        for o in out {
            *o = o.clamp(-self.limit, self.limit);
        }
        self.place += 1;
        if self.place >= self.loop_frames {
            self.place = 0;
        }
        self.extended = self.extended.saturating_add(1);
    }

    /// Fills `lead` with `n` frames that lead into `after`. Returns whether it could.
    fn find_lead(&mut self, n: usize, after: &[f32]) -> bool {
        let ch = self.channels;
        let context = self.context.min(after.len() / ch);
        if context == 0 {
            return false;
        }
        // Only what is real leads on, as far as it is remembered.
        let remembered = self.history.frames() - context - self.reach - 1;
        let least = (self.extended + n).min(remembered) + context;
        let found = self.search.before(
            &self.history,
            &after[..context * ch],
            n + context,
            least,
            least + self.reach,
        );
        match found {
            Some(f) if f.likeness > LIKE && f.gain < LOUDER => self.lead_by_past(n, after, f),
            _ => self.lead_backwards(n, after),
        }
        true
    }

    /// What led to something like `after`, never louder than it was.
    fn lead_by_past(&mut self, n: usize, after: &[f32], found: Found) {
        let ch = self.channels;
        let gain = found.gain.min(1.0);
        // The past, `lag` frames before the frames of the gap, and one more.
        let past = self.history.last(found.lag);
        let (led, next) = past.split_at((n * ch).min(past.len()));
        let blend = self.blend.min(n);
        let limit = limit(loudest(past).max(loudest(after)));
        let frames = self.lead.chunks_exact_mut(ch).zip(led.chunks_exact(ch));
        for (i, (frame, led)) in frames.enumerate() {
            let left = (i + blend + 1).saturating_sub(n) as f32 / (blend + 1) as f32;
            let correction = raised(left);
            for (c, (o, l)) in frame.iter_mut().zip(led).enumerate() {
                let miss = match (after.get(c), next.get(c)) {
                    (Some(a), Some(b)) => finite(*a) - b * gain,
                    _ => 0.0,
                };
                *o = (l * gain + miss * correction).clamp(-limit, limit);
            }
        }
    }

    /// `after` in a mirror, and again in a mirror where it is shorter than the gap.
    fn lead_backwards(&mut self, n: usize, after: &[f32]) {
        let ch = self.channels;
        let last = after.len() / ch - 1;
        let frames = self.lead.chunks_exact_mut(ch).take(n);
        for (i, frame) in frames.enumerate() {
            let away = (n - i) % (2 * last).max(1);
            let from = away.min(2 * last - away.min(2 * last)) * ch;
            for (o, a) in frame.iter_mut().zip(&after[from..]) {
                *o = finite(*a);
            }
        }
    }
}

/// How loud something may be that is made from what was at most `loudest`: a little more, where a
/// join bends it, but not above full scale because of that.
fn limit(loudest: f32) -> f32 {
    loudest.max((loudest * BENT).min(1.0))
}

/// Greatest magnitude of those that are finite.
fn loudest(samples: &[f32]) -> f32 {
    let magnitude = |s: &f32| if s.is_finite() { s.abs() } else { 0.0 };
    samples.iter().map(magnitude).fold(0.0, f32::max)
}

fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

/// From 0 to 1 along a cosine.
fn raised(x: f32) -> f32 {
    // 3x² − 2x³ is within 1 % of the cosine and needs no table.
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

const BENT: f32 = 1.25;
/// What is compared on either side of a gap.
const CONTEXT_MS: usize = 3;
/// Lags looked through.
const REACH_MS: usize = 20;
const BRIDGE_MS: usize = 60;
/// Within which one stretch passes into another.
const BLEND_MS: usize = 2;
/// Likeness that a stretch of the past must have with what follows a gap to lead into it, and
/// what it may lack in level: beyond either, what follows is something new.
const LIKE: f32 = 0.5;
const LOUDER: f32 = 2.0;
/// Longest stretch repeated, beside the lags looked through.
const LOOP_MS: usize = 15;
const FADE_FROM_MS: usize = 25;
const FADE_TO_MS: usize = 110;
const MAX_CHANNELS: usize = 64;

#[cfg(test)]
mod tests;
