//! What PCM without a header most likely is, judged by the signal.
//!
//! # Coding and channels
//! Audio can be predicted from what came just before; bytes that are put together wrongly cannot.
//! Each way of reading the bytes (width, signedness, byte order, one or two channels) is therefore
//! asked how many bits the samples take once linear prediction has done what it can, in windows spread over
//! the recording. The reading that leaves the fewest bits for a byte wins, weighed with how common it
//! is; a channel that is noise over its whole range speaks against its reading. (This is what lossless
//! coders do to choose among predictors: Robinson, "SHORTEN: simple lossless and near-lossless waveform
//! compression", 1994.)
//!
//! # Rate
//! Samples do not say how fast they follow each other. Speech does, roughly: its pitch and where its
//! energy lies are known in Hz. Everything else leaves the rate to what is common, and the confidence says so.
//!
//! # Confidence
//! A [`Guess`] keeps two probabilities apart: that the coding is right, and that the rate is. Text,
//! noise and silence are no evidence of anything; [`Guess::content`] tells them.

mod rate;
mod score;
mod spectrum;

use audiox_core::format::{Channels, Endian, PcmFormat, SampleFormat, SampleRate, StreamFormat};

use crate::pcm::PcmCoding;
use score::Reading;

/// A way to read the bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PcmGuess {
    /// How samples are coded.
    pub coding: PcmCoding,
    /// Rate and channels.
    pub format: StreamFormat,
    /// How likely all of it is right, 0 to 1.
    pub confidence: f32,
}

/// What the bytes seem to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Something that can be predicted as audio can.
    Audio,
    /// One value throughout: silence, in whatever format.
    Silence,
    /// Nothing that is told from noise in any format.
    Noise,
    /// Letters.
    Text,
    /// Too few bytes to tell.
    TooShort,
}

/// Everything that was found out.
#[derive(Debug, Clone)]
pub struct Guess {
    /// What it seems to be.
    pub content: Content,
    /// The ways to read it, the likeliest first. Those that are always listed are there, however
    /// unlikely.
    pub candidates: Vec<PcmGuess>,
    /// How likely the first one's coding and channels are right, 0 to 1.
    pub coding_confidence: f32,
    /// How likely its rate is right, 0 to 1.
    pub rate_confidence: f32,
}

impl Guess {
    /// The likeliest way to read it.
    pub fn best(&self) -> PcmGuess {
        self.candidates[0]
    }
}

/// Judges `bytes`; what is `usual` where they come from has an advantage, and is the answer where
/// they tell nothing.
///
/// The work is bounded: 8 windows of 12 KiB are looked at, however many bytes there are.
pub fn guess(bytes: &[u8], usual: (PcmCoding, StreamFormat)) -> Guess {
    let content = content(bytes);
    let scored = match content {
        Content::Audio => score::score(bytes, usual),
        _ => score::priors(usual),
    };
    // What no reading makes predictable is noise.
    let (content, scored) = match scored.iter().any(|s| s.is_predictable) {
        false if content == Content::Audio => (Content::Noise, score::priors(usual)),
        _ => (content, scored),
    };
    let best = scored[0].reading;
    let rates = match content {
        Content::Audio => rate::rates(bytes, best, usual.1.rate),
        _ => rate::priors(usual.1.rate),
    };
    let mut candidates: Vec<PcmGuess> = Vec::new();
    for s in scored.iter().take(LISTED) {
        for (rate, likely) in rates.iter().take(LISTED) {
            candidates.push(at(s.reading, *rate, s.likely * likely));
        }
    }
    for (coding, rate, channels) in ALWAYS {
        let reading = Reading { coding, channels };
        if candidates.iter().any(|c| is(c, reading, rate)) {
            continue;
        }
        let likely = scored.iter().find(|s| s.reading == reading);
        let likely = likely.map_or(0.0, |s| s.likely);
        let at_rate = rates.iter().find(|(r, _)| *r == rate).map_or(0.0, |r| r.1);
        candidates.push(at(reading, rate, likely * at_rate));
    }
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    // The unlikeliest go, but for those that are always listed.
    let mut kept = 0;
    candidates.retain(|c| {
        kept += 1;
        kept <= LISTED
            || ALWAYS.iter().any(|(coding, rate, channels)| {
                let (coding, channels) = (*coding, *channels);
                is(c, Reading { coding, channels }, *rate)
            })
    });
    Guess {
        content,
        candidates,
        coding_confidence: scored[0].likely,
        rate_confidence: rates[0].1,
    }
}

fn at(reading: Reading, rate: SampleRate, confidence: f32) -> PcmGuess {
    PcmGuess {
        coding: reading.coding,
        format: StreamFormat::new(rate, reading.channels),
        confidence,
    }
}

fn is(guess: &PcmGuess, reading: Reading, rate: SampleRate) -> bool {
    guess.coding == reading.coding && guess.format == StreamFormat::new(rate, reading.channels)
}

fn content(bytes: &[u8]) -> Content {
    if bytes.len() < MIN_BYTES {
        return Content::TooShort;
    }
    let first = bytes[..4].to_vec();
    if bytes.chunks(4).all(|b| b == &first[..b.len()]) {
        return Content::Silence;
    }
    let head = &bytes[..bytes.len().min(TEXT_BYTES)];
    let printable = |b: &&u8| b.is_ascii_graphic() || b.is_ascii_whitespace() || **b >= 0x80;
    let letters = head.iter().filter(printable).count();
    let is_utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none(),
    };
    match is_utf8 && letters * 100 >= head.len() * 99 {
        true => Content::Text,
        false => Content::Audio,
    }
}

const fn pcm(sample: SampleFormat, endian: Endian) -> PcmCoding {
    PcmCoding::Pcm(PcmFormat::new(sample, endian))
}

/// Readings that are listed whatever the signal says: those that a voice application tries.
const ALWAYS: [(PcmCoding, SampleRate, Channels); 4] = [
    (PcmCoding::S16LE, SampleRate::HZ_44100, Channels::MONO),
    (PcmCoding::S16LE, SampleRate::HZ_16000, Channels::MONO),
    (
        pcm(SampleFormat::U8, Endian::Little),
        SampleRate::HZ_44100,
        Channels::MONO,
    ),
    (PcmCoding::S16LE, SampleRate::HZ_44100, Channels::STEREO),
];
/// Readings, rates and candidates that are listed.
const LISTED: usize = 8;
const MIN_BYTES: usize = 512;
const TEXT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
