//! Where in the past something like this was heard.

use super::history::History;

/// Looks for the lag at which the past resembles a template most, by normalised
/// cross-correlation: coarsely on frames thinned to about 8 kHz, then at full rate about the best
/// places. Of places much alike the newest is best, for sounds change.
#[derive(Debug)]
pub(super) struct Search {
    channels: usize,
    /// Channels compared.
    compared: usize,
    thin: usize,
    /// Thinned past and template, a plane for each compared channel.
    past: Box<[f32]>,
    template: Box<[f32]>,
    room: usize,
    scores: Box<[f32]>,
}

/// A place in the past.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Frames before the template.
    pub(super) lag: usize,
    /// How much louder the template is.
    pub(super) gain: f32,
    /// Normalised correlation with the template; 0 where that is silence.
    pub(super) likeness: f32,
}

impl Search {
    /// For templates and pasts of at most `frames`.
    pub(super) fn new(rate: usize, channels: usize, frames: usize) -> Self {
        let thin = (rate / COARSE_RATE).max(1);
        let compared = channels.min(MAX_COMPARED);
        let room = frames.div_ceil(thin) + 1;
        Self {
            channels,
            compared,
            thin,
            past: vec![0.0; room * compared].into_boxed_slice(),
            template: vec![0.0; room * compared].into_boxed_slice(),
            room,
            scores: vec![0.0; room].into_boxed_slice(),
        }
    }

    /// The lag in `least..=most` at which the past resembles its own last `context` frames.
    pub(super) fn after(
        &mut self,
        history: &History,
        context: usize,
        least: usize,
        most: usize,
    ) -> Found {
        let most = most.min(history.frames() - context - 1);
        let template = history.last(context);
        self.find(history.last(most + context), template, least, most, 0)
    }

    /// The lag in `least..=most` at which the past resembles `after`, which ends `ahead` frames
    /// after history's end. `None` where the past does not reach.
    pub(super) fn before(
        &mut self,
        history: &History,
        after: &[f32],
        ahead: usize,
        least: usize,
        most: usize,
    ) -> Option<Found> {
        let context = after.len() / self.channels;
        let most = most.min(history.frames() + ahead - context - 1);
        (most > least).then(|| {
            let past = history.last(most + context - ahead);
            self.find(past, after, least, most, ahead)
        })
    }

    /// `past` ends `ahead` frames before the template's end.
    fn find(
        &mut self,
        past: &[f32],
        template: &[f32],
        least: usize,
        most: usize,
        ahead: usize,
    ) -> Found {
        let ch = self.channels;
        let context = template.len() / ch;
        let frames = past.len() / ch;
        // The template `lag` frames back begins here in the past.
        let start = |lag: usize| (frames + ahead).saturating_sub(context + lag);
        let mut best = Found {
            lag: least.max(1),
            gain: 0.0,
            likeness: 0.0,
        };
        if frames < context || energy(template) < SILENCE * template.len() as f32 {
            return best;
        }
        let coarse = thin(
            past,
            ch,
            self.compared,
            self.thin,
            self.room,
            &mut self.past,
        );
        let short = thin(
            template,
            ch,
            self.compared,
            self.thin,
            self.room,
            &mut self.template,
        );
        if short == 0 || coarse < short {
            return best;
        }
        let places = coarse - short + 1;
        self.score(places, short);
        let reach = (most - least).max(1) as f32;
        let newness = |lag: usize| 1.0 - AGEING * lag.saturating_sub(least) as f32 / reach;
        for (at, score) in self.scores[..places].iter_mut().enumerate() {
            let new = newness((frames + ahead).saturating_sub(context + at * self.thin));
            *score *= new * new;
        }
        // The best few, apart from each other, at full rate.
        let mut best_score = f32::NEG_INFINITY;
        for _ in 0..CANDIDATES {
            let scores = &self.scores[..places];
            let (at, top) =
                scores
                    .iter()
                    .enumerate()
                    .fold((0, f32::NEG_INFINITY), |(i, m), (j, s)| {
                        if *s > m { (j, *s) } else { (i, m) }
                    });
            if top == f32::NEG_INFINITY {
                break;
            }
            let middle = at * self.thin;
            for fine in middle.saturating_sub(self.thin)..=middle + self.thin {
                let lag = (frames + ahead).saturating_sub(context + fine);
                if !(least..=most).contains(&lag) || start(lag) + context > frames {
                    continue;
                }
                let from = start(lag) * ch;
                let (likeness, gain) = alike(template, &past[from..from + template.len()], ch);
                let score = likeness * newness(lag);
                if score > best_score {
                    best_score = score;
                    best = Found {
                        lag,
                        gain,
                        likeness,
                    };
                }
            }
            let apart = (APART_FRAMES / 2).max(1);
            let from = at.saturating_sub(apart);
            let to = (at + apart + 1).min(places);
            self.scores[from..to].fill(f32::NEG_INFINITY);
        }
        best
    }

    /// Scores all places of the thinned template in the thinned past: normalised correlation
    /// squared, times the template's energy.
    fn score(&mut self, places: usize, short: usize) {
        let scores = &mut self.scores[..places];
        for (place, score) in scores.iter_mut().enumerate() {
            let (mut product, mut square) = (0.0f32, 1e-9f32);
            for c in 0..self.compared {
                let t = &self.template[c * self.room..c * self.room + short];
                let from = c * self.room + place;
                let p = &self.past[from..from + short];
                let (mut lanes, mut squares) = ([0.0f32; LANES], [0.0f32; LANES]);
                let (tc, tr) = t.as_chunks::<LANES>();
                let (pc, pr) = p.as_chunks::<LANES>();
                for (t, p) in tc.iter().zip(pc) {
                    for i in 0..LANES {
                        lanes[i] += t[i] * p[i];
                        squares[i] += p[i] * p[i];
                    }
                }
                for (t, p) in tr.iter().zip(pr) {
                    lanes[0] += t * p;
                    squares[0] += p * p;
                }
                product += lanes.iter().sum::<f32>();
                square += squares.iter().sum::<f32>();
            }
            // Only likeness counts, not opposites.
            *score = product.max(0.0) * product / square;
        }
    }
}

/// Normalised correlation (with its sign) and the gain that makes `past` as loud as `template`.
fn alike(template: &[f32], past: &[f32], channels: usize) -> (f32, f32) {
    let (mut product, mut square, mut own) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    let (tc, _) = template.as_chunks::<LANES>();
    let (pc, _) = past.as_chunks::<LANES>();
    for (t, p) in tc.iter().zip(pc) {
        for i in 0..LANES {
            product[i] += t[i] * p[i];
            square[i] += p[i] * p[i];
            own[i] += t[i] * t[i];
        }
    }
    let sum = |a: [f32; LANES]| a.iter().sum::<f32>();
    let floor = SILENCE * (template.len() / channels) as f32;
    let (product, square, own) = (sum(product), sum(square).max(floor), sum(own).max(floor));
    let score = product / (square * own).sqrt();
    (score, (own / square).sqrt())
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum()
}

/// Averages runs of `by` frames of the first `planes` channels; returns frames.
fn thin(
    from: &[f32],
    channels: usize,
    planes: usize,
    by: usize,
    room: usize,
    to: &mut [f32],
) -> usize {
    let frames = (from.len() / (channels * by)).min(room);
    let scale = 1.0 / by as f32;
    for (n, run) in from.chunks_exact(channels * by).take(frames).enumerate() {
        for c in 0..planes {
            let sum: f32 = run.iter().skip(c).step_by(channels).sum();
            let sum = if sum.is_finite() { sum } else { 0.0 };
            to[c * room + n] = sum * scale;
        }
    }
    frames
}

const COARSE_RATE: usize = 8_000;
/// More channels are not compared: they follow the first.
const MAX_COMPARED: usize = 4;
/// Places looked at closely.
const CANDIDATES: usize = 4;
/// Coarse frames that two of them are apart.
const APART_FRAMES: usize = 8;
/// Mean square below which a template is silence: −90 dB.
const SILENCE: f32 = 1e-9;
/// Share of its likeness that the oldest place loses beside the newest.
const AGEING: f32 = 0.1;
const LANES: usize = 8;
