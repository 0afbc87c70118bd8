//! How well bytes can be predicted when they are read in some way.

use audiox_core::format::{Channels, Endian, SampleFormat, StreamFormat};

use super::pcm;
use crate::pcm::PcmCoding;

/// Coding and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) coding: PcmCoding,
    pub(super) channels: Channels,
}

/// What was found out about a reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored {
    pub(super) reading: Reading,
    /// Probability among all readings.
    pub(super) likely: f32,
    /// Prediction saves a good part of the bits.
    pub(super) is_predictable: bool,
}

/// All readings without any evidence, the likeliest first.
pub(super) fn priors(usual: (PcmCoding, StreamFormat)) -> Vec<Scored> {
    let weights = readings(usual).map(|(reading, prior)| (reading, prior.ln(), false));
    normalised(weights.collect(), UNINFORMED)
}

/// All readings, the likeliest first.
pub(super) fn score(bytes: &[u8], usual: (PcmCoding, StreamFormat)) -> Vec<Scored> {
    let windows = windows(bytes);
    let scored = readings(usual).map(|(reading, prior)| {
        let cost = cost(&windows, reading);
        let bits = cost.as_ref().map_or(8.0, |cost| cost.bits);
        let fits = cost.map_or(0.0, |cost| cost.fits);
        let weight = prior.ln() - bits / TEMPERATURE + fits;
        (reading, weight, bits < PREDICTABLE)
    });
    normalised(scored.collect(), 1.0)
}

fn normalised(weights: Vec<(Reading, f64, bool)>, most: f64) -> Vec<Scored> {
    let greatest = weights.iter().fold(f64::MIN, |m, w| m.max(w.1));
    let sum: f64 = weights.iter().map(|w| (w.1 - greatest).exp()).sum();
    let mut all: Vec<_> = weights
        .into_iter()
        .map(|(reading, weight, is_predictable)| Scored {
            reading,
            likely: (most * (weight - greatest).exp() / sum) as f32,
            is_predictable,
        })
        .collect();
    all.sort_by(|a, b| b.likely.total_cmp(&a.likely));
    all
}

fn readings(usual: (PcmCoding, StreamFormat)) -> impl Iterator<Item = (Reading, f64)> {
    CODINGS.iter().flat_map(move |(coding, prior)| {
        [(Channels::MONO, 0.65), (Channels::STEREO, 0.35)]
            .into_iter()
            .map(move |(channels, share)| {
                let coding = *coding;
                let is_usual = coding == usual.0 && channels == usual.1.channels;
                let factor = if is_usual { 2.0 } else { 1.0 };
                (Reading { coding, channels }, prior * share * factor)
            })
    })
}

/// Stretches of the recording in which something goes on, spread over all of it. They begin where a
/// frame begins in every reading.
fn windows(bytes: &[u8]) -> Vec<&[u8]> {
    let len = WINDOW.min(bytes.len() / ALIGN * ALIGN);
    let room = (bytes.len() - len) / ALIGN;
    let count = (bytes.len() / len.max(1)).clamp(1, MAX_WINDOWS);
    let mut all: Vec<&[u8]> = (0..count)
        .map(|i| {
            let at = room * i / (count - 1).max(1) * ALIGN;
            &bytes[at..at + len]
        })
        .collect();
    // Silence tells nothing.
    let is_lively = |w: &&[u8]| {
        let changes = w.windows(9).filter(|p| p[0] != p[8]).count();
        changes * 8 > w.len()
    };
    if all.iter().any(is_lively) {
        all.retain(is_lively);
    }
    all
}

struct Cost {
    /// Bits for a byte, 8 being what is stored.
    bits: f64,
    /// How well the channels fit, as a logarithm of odds.
    fits: f64,
}

/// What the windows cost in a reading; `None` where they cannot be read so.
fn cost(windows: &[&[u8]], reading: Reading) -> Option<Cost> {
    let channels = reading.channels.get();
    let size = reading.coding.frame_bytes(reading.channels);
    let mut plain = [0; 2];
    let mut all = Vec::new();
    let mut samples = Vec::new();
    for window in windows {
        decode(window, reading.coding, &mut samples)?;
        // What was clipped is no multiple of anything.
        let most = 1i64 << (depth(reading.coding) - 1);
        let is_clipped = |s: i64| s >= most - if most > 32_768 { 256 } else { 1 };
        for (i, s) in samples.iter().enumerate().filter(|(_, s)| !is_clipped(**s)) {
            plain[i % channels] |= s;
        }
        all.push(samples.clone());
    }
    // Low bits that are never used cost nothing.
    let unused = plain.map(|p: i64| p.trailing_zeros().min(31));
    let depth = depth(reading.coding);
    let (mut bits, mut bytes, mut noisy) = (0.0, 0, 0.0);
    for samples in &all {
        let block = (BLOCK / size).max(MIN_BLOCK) * channels;
        for block in
            samples.chunks_exact(block.min(samples.len() / channels * channels).max(channels))
        {
            let frames = block.len() / channels;
            let of = |c: usize| -> Vec<f64> {
                let step = (1u64 << unused[c]) as f64;
                let channel = block.iter().skip(c).step_by(channels);
                channel.map(|s| *s as f64 / step).collect()
            };
            let residues: Vec<Vec<f64>> = (0..channels).map(|c| residue(&of(c))).collect();
            let powers: Vec<f64> = residues.iter().map(|r| power(r, r)).collect();
            let gaussian = |variance: f64| (0.5 * (TAU_E * variance.max(LEAST)).log2()).max(0.0);
            let mut here: f64 = powers.iter().map(|p| gaussian(*p)).sum();
            if let [left, right] = &residues[..] {
                // What one channel tells of the other.
                let cross = power(left, right);
                let both = powers[0].max(LEAST) * powers[1].max(LEAST);
                let joint = (both - cross * cross).max(LEAST * LEAST);
                here = here.min(gaussian(joint.sqrt()) * 2.0);
            }
            bits += here * frames as f64;
            bytes += frames * size;
            // A channel that fills its range evenly: white noise has a quarter of a bit more.
            let loud = powers.iter().zip(unused).filter(|(p, unused)| {
                gaussian(**p) > f64::from(depth.saturating_sub(*unused)) - NOISE_MARGIN
            });
            noisy += loud.count() as f64 / channels as f64 * (frames * size) as f64;
        }
    }
    if bytes == 0 {
        return None;
    }
    let bits = bits / bytes as f64 + NOISE_PENALTY * noisy / bytes as f64;
    let fits = match reading.channels {
        Channels::MONO => -doubleness(&all),
        _ if is_half(reading.coding, &all) => -HALF,
        _ => 0.0,
    };
    Some(Cost { bits, fits })
}

/// How much samples of one channel look like those of two, as a logarithm of odds. Audio moves less from
/// one sample to the next than to the one after it; where two channels lie in turn, the one after
/// it is the neighbour.
fn doubleness(windows: &[Vec<i64>]) -> f64 {
    let (mut one, mut two, mut all) = (0.0, 0.0, 0.0);
    for window in windows {
        let mean = window.iter().sum::<i64>() as f64 / window.len().max(1) as f64;
        for w in window.windows(3) {
            let (a, b, c) = (w[0] as f64, w[1] as f64, w[2] as f64);
            one += (a - b) * (a - b);
            two += (a - c) * (a - c);
            all += 2.0 * (a - mean) * (a - mean);
        }
    }
    // Noise does not move at all like that.
    if two > SMOOTH * all {
        return 0.0;
    }
    let ratio = two / one.max(1e-9);
    ((DOUBLE - ratio) * DOUBLE_WEIGHT).clamp(0.0, DOUBLE_MOST)
}

/// Whether of two channels of 16 bits the one is silent that would be the lower half of longer
/// samples. These sound the same as the other channel alone.
fn is_half(coding: PcmCoding, windows: &[Vec<i64>]) -> bool {
    let PcmCoding::Pcm(pcm) = coding else {
        return false;
    };
    let low = match pcm.endian {
        Endian::Little => 0,
        Endian::Big => 1,
    };
    // Under what was clipped all bits are set.
    let is_nothing = |f: &[i64]| match (f[low], f[1 - low]) {
        (0, _) => true,
        (low, high) => (-256..0).contains(&low) && high == i64::from(i16::MAX),
    };
    let mut frames = windows.iter().flat_map(|w| w.as_chunks::<2>().0);
    pcm.sample == SampleFormat::S16 && frames.all(|f| is_nothing(f))
}

fn depth(coding: PcmCoding) -> u32 {
    match coding {
        PcmCoding::S8 => 8,
        PcmCoding::Pcm(pcm) if pcm.sample == SampleFormat::F32 => 24,
        PcmCoding::Pcm(pcm) => u32::from(pcm.sample.bits()),
    }
}

/// Samples as integers; `None` where they cannot be samples: floats that are no levels.
pub(super) fn decode(bytes: &[u8], coding: PcmCoding, out: &mut Vec<i64>) -> Option<()> {
    out.clear();
    let PcmCoding::Pcm(pcm) = coding else {
        out.extend(bytes.iter().map(|b| i64::from(*b as i8)));
        return Some(());
    };
    let order = |b: &[u8]| -> [u8; 4] {
        let mut le = [0; 4];
        le[..b.len()].copy_from_slice(b);
        if pcm.endian == Endian::Big {
            le[..b.len()].reverse();
        }
        le
    };
    let words = bytes.chunks_exact(pcm.sample.bytes()).map(order);
    match pcm.sample {
        SampleFormat::U8 => out.extend(bytes.iter().map(|b| i64::from(*b) - 128)),
        SampleFormat::S16 => {
            out.extend(words.map(|[a, b, ..]| i64::from(i16::from_le_bytes([a, b]))))
        }
        SampleFormat::S24 => {
            out.extend(words.map(|[a, b, c, _]| i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)));
        }
        SampleFormat::S32 => out.extend(words.map(|w| i64::from(i32::from_le_bytes(w)))),
        SampleFormat::F32 => {
            let mut strange = 0;
            out.extend(words.map(|w| {
                let x = f32::from_le_bytes(w);
                let is_level = x == 0.0 || (LEAST_LEVEL..=GREATEST_LEVEL).contains(&x.abs());
                strange += usize::from(!is_level);
                if is_level {
                    (f64::from(x) * 8_388_608.0) as i64
                } else {
                    0
                }
            }));
            if strange * STRANGE > out.len() {
                return None;
            }
        }
    }
    Some(())
}

/// What linear prediction leaves of a stretch (Levinson and Durbin's recursion, on a windowed
/// autocorrelation).
fn residue(x: &[f64]) -> Vec<f64> {
    let n = x.len();
    let mean = x.iter().sum::<f64>() / n.max(1) as f64;
    let shaped: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(i, x)| {
            let phase = std::f64::consts::TAU * (i as f64 + 0.5) / n as f64;
            (x - mean) * (0.5 - 0.5 * phase.cos())
        })
        .collect();
    let order = ORDER.min(n / 8);
    let mut r: Vec<f64> = (0..=order)
        .map(|lag| shaped.iter().zip(&shaped[lag..]).map(|(a, b)| a * b).sum())
        .collect();
    // A floor of noise, so that pure tones have a solution.
    r[0] = r[0] * (1.0 + 1e-9) + 1e-9;
    let mut a = vec![0.0; order + 1];
    let mut error = r[0];
    for i in 1..=order {
        let sum: f64 = (1..i).map(|j| a[j] * r[i - j]).sum();
        let k = (r[i] - sum) / error;
        let before = a.clone();
        a[i] = k;
        for j in 1..i {
            a[j] = before[j] - k * before[i - j];
        }
        error *= 1.0 - k * k;
        if error <= 0.0 {
            break;
        }
    }
    (order..n)
        .map(|i| {
            let predicted: f64 = (1..=order).map(|j| a[j] * (x[i - j] - mean)).sum();
            (x[i] - mean) - predicted
        })
        .collect()
}

/// Mean product.
fn power(a: &[f64], b: &[f64]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    sum / a.len().max(1) as f64
}

/// Codings and how common they are in what has no header.
const CODINGS: [(PcmCoding, f64); 10] = [
    (PcmCoding::S16LE, 0.55),
    (pcm(SampleFormat::F32, Endian::Little), 0.12),
    (pcm(SampleFormat::U8, Endian::Little), 0.12),
    (pcm(SampleFormat::S24, Endian::Little), 0.05),
    (pcm(SampleFormat::S32, Endian::Little), 0.05),
    (pcm(SampleFormat::S16, Endian::Big), 0.05),
    (PcmCoding::S8, 0.02),
    (pcm(SampleFormat::S24, Endian::Big), 0.015),
    (pcm(SampleFormat::S32, Endian::Big), 0.01),
    (pcm(SampleFormat::F32, Endian::Big), 0.015),
];
const WINDOW: usize = 12 * 1024;
const MAX_WINDOWS: usize = 8;
/// A multiple of each reading's frame.
const ALIGN: usize = 24;
/// Bytes predicted by one set of coefficients.
const BLOCK: usize = 3_072;
const MIN_BLOCK: usize = 64;
const ORDER: usize = 12;
/// 2πe, of the entropy of a normal distribution.
const TAU_E: f64 = std::f64::consts::TAU * std::f64::consts::E;
/// Variance of rounding.
const LEAST: f64 = 1.0 / 12.0;
const NOISE_MARGIN: f64 = 0.6;
const NOISE_PENALTY: f64 = 1.5;
/// Bits for a byte that make a reading less likely by e.
const TEMPERATURE: f64 = 0.06;
/// Bits for a byte below which it is no noise.
const PREDICTABLE: f64 = 7.2;
/// The sum of priors where nothing is known.
const UNINFORMED: f64 = 0.3;
const LEAST_LEVEL: f32 = 1e-10;
const GREATEST_LEVEL: f32 = 16.0;
/// What a silent channel speaks against there being two.
const HALF: f64 = 12.0;
/// Of the power, the most that samples may move to count as smooth.
const SMOOTH: f64 = 0.5;
/// Movement over two samples by that over one, below which it looks like two channels.
const DOUBLE: f64 = 1.2;
const DOUBLE_WEIGHT: f64 = 8.0;
const DOUBLE_MOST: f64 = 6.0;
/// One in so many floats may be no level.
const STRANGE: usize = 200;
