//! A signal that a lossy codec leaves recognisable, and how much of it came through.

use std::f64::consts::TAU;
use std::path::Path;

use audiox::core::block::AudioRef;
use audiox::core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox::core::source::{Sink, Source};
use audiox::io::{WavSink, WavSource};

use crate::support::Folder;

/// The signal as a WAV file; its path.
pub(crate) fn file(folder: &Folder, rate: u32, channels: usize, seconds: f64) -> String {
    let n = Channels::new(u16::try_from(channels).unwrap()).unwrap();
    let format = StreamFormat::new(SampleRate::new(rate).unwrap(), n);
    let name = "chirps.wav";
    let mut sink = WavSink::create(folder.path(name), format, SampleFormat::S16).unwrap();
    let mut samples = Vec::new();
    for i in 0..(seconds * f64::from(rate)) as usize {
        let at = i as f64 / f64::from(rate);
        samples.extend((0..channels).map(|c| value(at, c, channels) as f32));
    }
    sink.write(AudioRef::new(&samples, n)).unwrap();
    sink.finish().unwrap();
    folder.at(name)
}

/// Two tones that glide, up and down in three seconds: every piece of a tenth of a second is like
/// no other. Each of two channels has one of them.
fn value(at: f64, channel: usize, channels: usize) -> f64 {
    let chirp = |from: f64, to: f64| (TAU * (from + (to - from) * at / (2.0 * SPAN)) * at).sin();
    let (up, down) = (chirp(LOW, HIGH), chirp(HIGH, LOW));
    match (channels, channel) {
        (1, _) => 0.25 * (up + down),
        (_, 0) => 0.4 * up,
        _ => 0.4 * down,
    }
}

/// How much of the signal is in a recording.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Likeness {
    /// From the first frame that is like the signal to the last.
    pub(crate) seconds: f64,
    /// Share of this that is not like it, 0 to 1.
    pub(crate) unlike: f64,
    /// Signal against all else in what is like it, dB.
    pub(crate) snr: f64,
}

impl Likeness {
    /// Compares a WAV file of 48 kHz with the signal of so many channels.
    pub(crate) fn of(path: impl AsRef<Path>, channels: usize) -> Self {
        let path = path.as_ref();
        let mut wav = WavSource::open(path).unwrap();
        let format = wav.format();
        assert_eq!(format.rate, SampleRate::HZ_48000, "{}", path.display());
        let width = format.channels.get();
        let mut all = vec![0.0; wav.frames() as usize * width];
        let mut filled = 0;
        while filled < all.len() {
            let frames = wav.read(&mut all[filled..]).unwrap();
            assert!(frames > 0, "{} is cut", path.display());
            filled += frames * width;
        }
        let mut least: Option<Self> = None;
        for channel in 0..channels {
            // Mono may be played on both sides.
            let heard: Vec<f32> = all[channel.min(width - 1)..]
                .iter()
                .step_by(width)
                .copied()
                .collect();
            let one = Self::compare(&heard, channel, channels);
            least = Some(least.map_or(one, |l| l.worse(one)));
        }
        least.unwrap()
    }

    fn worse(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.min(other.seconds),
            unlike: self.unlike.max(other.unlike),
            snr: self.snr.min(other.snr),
        }
    }

    fn compare(heard: &[f32], channel: usize, channels: usize) -> Self {
        let first = heard.iter().position(|s| s.abs() > 0.02);
        let last = heard.iter().rposition(|s| s.abs() > 0.02);
        let (Some(first), Some(last)) = (first, last) else {
            panic!("all is silent");
        };
        // Frames of the codec's own beginning.
        let key_at = first + 4_800;
        assert!(heard.len() >= key_at + KEY, "{} frames came", heard.len());
        let sent: Vec<f32> = (0..(SPAN * RATE) as usize)
            .map(|i| value(i as f64 / RATE, channel, channels) as f32)
            .collect();
        // What is lost at the beginning is less than half a second.
        let place = find(&heard[key_at..=last], &sent, LOST_FIRST + key_at - first);
        // Frame `i` heard is frame `i + shift` sent.
        let shift = place as isize - key_at as isize;
        let mut blocks = Vec::new();
        let (mut signal, mut rest) = (0.0, 0.0);
        for at in (first..=last.saturating_sub(BLOCK)).step_by(BLOCK) {
            let from = at.checked_add_signed(shift);
            let Some(from) = from.filter(|f| f + BLOCK <= sent.len()) else {
                continue;
            };
            let (a, b) = (&heard[at..][..BLOCK], &sent[from..][..BLOCK]);
            let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
            let like = ab > 0.8 * (aa * bb).sqrt();
            blocks.push(like);
            if like {
                signal += ab * ab / bb;
                rest += aa - ab * ab / bb;
            }
        }
        // What is made up beyond the end counts neither way.
        let begin = blocks.iter().position(|like| *like).unwrap_or(0);
        let end = blocks.iter().rposition(|like| *like).map_or(0, |n| n + 1);
        let blocks = &blocks[begin..end];
        let like = blocks.iter().filter(|like| **like).count();
        Self {
            seconds: (blocks.len() * BLOCK) as f64 / RATE,
            unlike: 1.0 - like as f64 / blocks.len() as f64,
            snr: 10.0 * (signal / rest.max(1e-9)).log10(),
        }
    }
}

/// What Opus leaves of the signal at its usual bitrates, dB: of mono, which it takes for speech, the
/// waveform is not kept as well.
pub(crate) fn least_snr(channels: usize) -> f64 {
    if channels == 1 { 8.0 } else { 20.0 }
}

/// Where in `sent`, up to a place, what is most like `heard` begins.
fn find(heard: &[f32], sent: &[f32], up_to: usize) -> usize {
    let thin = |s: &[f32], by| -> Vec<f32> { s.iter().step_by(by).copied().collect() };
    let likeness = |part: &[f32], sent: &[f32]| {
        let sent = &sent[..part.len().min(sent.len())];
        dot(part, sent) / dot(sent, sent).sqrt().max(1e-9)
    };
    let best = |scores: &mut dyn Iterator<Item = (usize, f64)>| {
        scores.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |s| s.0)
    };
    let key = thin(&heard[..KEY], THIN);
    let windows = thin(&sent[..up_to + KEY], THIN);
    let windows = windows.windows(key.len()).enumerate();
    let rough = best(&mut windows.map(|(i, w)| (i * THIN, likeness(&key, w))));
    // Neighbouring oscillations of a short piece are alike, those of all of it are not.
    let whole = thin(heard, FEW);
    let near = rough.saturating_sub(NEAR)..rough + NEAR;
    best(&mut near.map(|at| (at, likeness(&whole, &thin(&sent[at..], FEW)))))
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
}

/// Seconds of the signal in most tests, and what has to come of them.
pub(crate) const SECONDS: f64 = 1.6;
pub(crate) const LEAST_SECONDS: f64 = 1.45;

const RATE: f64 = 48_000.0;
/// Seconds of the glide, and its ends in Hz.
const SPAN: f64 = 3.0;
const LOW: f64 = 300.0;
const HIGH: f64 = 3_300.0;
const KEY: usize = 12_000;
const LOST_FIRST: usize = 24_000;
const NEAR: usize = 200;
const FEW: usize = 7;
const THIN: usize = 6;
/// Frames that are compared at a time.
pub(crate) const BLOCK: usize = 480;

#[test]
fn what_is_missing_is_seen() {
    let folder = Folder::new();
    let path = file(&folder, 48_000, 2, 2.0);
    let whole = Likeness::of(&path, 2);
    assert!(
        whole.seconds > 1.98 && whole.unlike == 0.0 && whole.snr > 60.0,
        "{whole:?}"
    );
    // A tenth of it is gone, and silence stands there.
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..][..38_400].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let torn = Likeness::of(&path, 2);
    assert!(
        torn.seconds > 1.98 && (torn.unlike - 0.1).abs() < 0.02,
        "{torn:?}"
    );
}
