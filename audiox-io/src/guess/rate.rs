//! How fast the samples of speech most likely follow each other.

use audiox_core::format::SampleRate;

use super::score::{self, Reading};
use super::spectrum::power_spectrum;

/// The rates that occur, the likeliest first, with their probabilities: where no speech is heard,
/// how common they are.
pub(super) fn rates(bytes: &[u8], reading: Reading, usual: SampleRate) -> Vec<(SampleRate, f32)> {
    let Some(heard) = Heard::of(bytes, reading) else {
        return priors(usual);
    };
    let weights = RATES.map(|(hz, prior)| {
        let rate = f64::from(hz);
        let off = |hz: f64, mean: f64, width: f64| ((hz / mean).log2() / width).powi(2) / 2.0;
        let pitch = off(rate / heard.period, PITCH, PITCH_WIDTH);
        let centre = off(rate * heard.centre, CENTRE, CENTRE_WIDTH);
        (hz, boosted(hz, prior, usual).ln() - pitch - centre)
    });
    normalised(&weights, HEARD)
}

/// The rates by how common they are alone.
pub(super) fn priors(usual: SampleRate) -> Vec<(SampleRate, f32)> {
    let mut weights = RATES
        .map(|(hz, prior)| (hz, boosted(hz, prior, usual).ln()))
        .to_vec();
    weights.retain(|(hz, _)| *hz != usual.get());
    // Nothing speaks against what is usual.
    weights.push((usual.get(), 0.5f64.ln()));
    normalised(&weights, UNHEARD)
}

fn boosted(hz: u32, prior: f64, usual: SampleRate) -> f64 {
    if hz == usual.get() {
        prior * USUAL
    } else {
        prior
    }
}

fn normalised(weights: &[(u32, f64)], most: f64) -> Vec<(SampleRate, f32)> {
    let greatest = weights.iter().fold(f64::MIN, |m, w| m.max(w.1));
    let sum: f64 = weights.iter().map(|w| (w.1 - greatest).exp()).sum();
    let likely = |w: f64| (most * (w - greatest).exp() / sum) as f32;
    let mut rates: Vec<_> = weights
        .iter()
        .filter_map(|(hz, w)| Some((SampleRate::new(*hz).ok()?, likely(*w))))
        .collect();
    rates.sort_by(|a, b| b.1.total_cmp(&a.1));
    rates
}

/// What a voice shows, in frames and shares of the rate.
struct Heard {
    /// Frames of a pitch period, in the middle of all.
    period: f64,
    /// Frequency, of the rate, below which half the power lies once the spectrum is tilted by
    /// 6 dB an octave.
    centre: f64,
}

impl Heard {
    /// Listens to the beginning; `None` where no voice is heard.
    fn of(bytes: &[u8], reading: Reading) -> Option<Self> {
        let channels = reading.channels.get();
        let size = reading.coding.frame_bytes(reading.channels);
        let part = &bytes[..bytes.len().min(MAX_FRAMES * size) / size * size];
        let mut samples = Vec::new();
        score::decode(part, reading.coding, &mut samples)?;
        let mono: Vec<f64> = samples
            .chunks_exact(channels)
            .map(|f| f.iter().map(|s| *s as f64).sum::<f64>())
            .collect();
        let mut periods = Vec::new();
        let mut spectrum = vec![0.0; SPECTRUM / 2 + 1];
        let (mut looked, mut loudest) = (0, 0.0f64);
        let step = (mono.len() / LOOKS).max(WINDOW);
        let energy = |w: &[f64]| w.iter().map(|x| x * x).sum::<f64>();
        for window in mono.chunks(step).filter_map(|w| w.get(..WINDOW)) {
            loudest = loudest.max(energy(window));
        }
        for window in mono.chunks(step).filter_map(|w| w.get(..WINDOW)) {
            if energy(window) < loudest * QUIET {
                continue;
            }
            looked += 1;
            for (sum, p) in spectrum.iter_mut().zip(power_spectrum(&window[..SPECTRUM])) {
                *sum += p;
            }
            periods.extend(period(window));
        }
        periods.sort_by(f64::total_cmp);
        // A voice goes up and down, and pauses; a tone does not.
        let is_voice = looked >= MIN_LOOKS && periods.len() * 4 > looked;
        let at = |share: f64| {
            periods
                .get((periods.len() as f64 * share) as usize)
                .copied()
        };
        let (low, middle, high) = (at(0.1)?, at(0.5)?, at(0.9)?);
        if !is_voice || high / low < LEAST_MOTION {
            return None;
        }
        let tilted = |(i, p): (usize, &f64)| p * (i * i) as f64;
        let all: f64 = spectrum.iter().enumerate().map(tilted).sum();
        let mut sum = 0.0;
        let centre = spectrum.iter().enumerate().position(|p| {
            sum += tilted(p);
            sum >= all / 2.0
        })?;
        Some(Self {
            period: middle,
            centre: centre.max(1) as f64 / SPECTRUM as f64,
        })
    }
}

/// Frames of the period of a stretch that has one.
fn period(x: &[f64]) -> Option<f64> {
    let len = x.len() - MAX_PERIOD;
    let product = |lag: usize| -> f64 { x[..len].iter().zip(&x[lag..]).map(|(a, b)| a * b).sum() };
    let zero = product(0);
    let mut energy: f64 = zero;
    let mut found: Vec<f64> = Vec::with_capacity(MAX_PERIOD);
    for lag in 0..MAX_PERIOD {
        found.push(product(lag) / (zero * energy).sqrt().max(1e-9));
        energy += x[lag + len].powi(2) - x[lag].powi(2);
    }
    // Past the first dip, the first peak that is nearly as high as the highest.
    let dip = found.iter().position(|r| *r < 0.3)?.max(MIN_PERIOD);
    let highest = found[dip..].iter().fold(0.0f64, |m, r| m.max(*r));
    if highest < VOICED {
        return None;
    }
    let near = |lag: &usize| {
        let r = found[*lag];
        r > highest * 0.9 && r >= found[lag - 1] && found.get(lag + 1).is_none_or(|n| r >= *n)
    };
    (dip.max(1)..MAX_PERIOD).find(near).map(|lag| lag as f64)
}

/// Rates and how common they are.
const RATES: [(u32, f64); 9] = [
    (44_100, 0.28),
    (16_000, 0.24),
    (48_000, 0.2),
    (8_000, 0.1),
    (24_000, 0.07),
    (22_050, 0.05),
    (32_000, 0.03),
    (11_025, 0.015),
    (96_000, 0.015),
];
/// What the usual rate of a place counts more.
const USUAL: f64 = 2.0;
/// The sum of all where a voice is heard.
const HEARD: f64 = 0.8;
/// The sum of priors where nothing is heard.
const UNHEARD: f64 = 0.6;
/// Speakers' pitch in Hz, men and women together, and its spread in octaves.
const PITCH: f64 = 150.0;
const PITCH_WIDTH: f64 = 0.55;
/// The centre of speech, tilted, in Hz, and its spread in octaves.
const CENTRE: f64 = 1_800.0;
const CENTRE_WIDTH: f64 = 0.7;
/// Frames listened to: half a minute at 44.1 kHz.
const MAX_FRAMES: usize = 30 * 44_100;
const LOOKS: usize = 30;
const MIN_LOOKS: usize = 8;
const WINDOW: usize = 2_400;
const SPECTRUM: usize = 2_048;
const MIN_PERIOD: usize = 20;
/// 75 Hz at 96 kHz.
const MAX_PERIOD: usize = 1_280;
const VOICED: f64 = 0.6;
/// Of the loudest window's energy.
const QUIET: f64 = 0.02;
/// Of the longer periods to the shorter ones.
const LEAST_MOTION: f64 = 1.15;
