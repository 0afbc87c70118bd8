//! What was recorded of a tone that a virtual device played.

use std::path::Path;

use audiox::core::source::Source;
use audiox::io::WavSource;

/// The only channel's samples.
fn samples(path: impl AsRef<Path>) -> Vec<f32> {
    let mut wav = WavSource::open(path).unwrap();
    assert_eq!(wav.format().channels.get(), 1);
    let (mut all, mut block) = (Vec::new(), vec![0.0; 48_000]);
    loop {
        match wav.read(&mut block).unwrap() {
            0 => return all,
            n => all.extend_from_slice(&block[..n]),
        }
    }
}

/// A recording without what the sound server made of late callbacks: it puts silence in between and
/// loses nothing, and how much depends on what else the machine does.
pub(crate) struct Heard {
    pub(crate) tone: Vec<f32>,
    /// Stretches of silence cut out.
    pub(crate) silences: usize,
}

pub(crate) fn heard(path: impl AsRef<Path>) -> Heard {
    let all = samples(path);
    let sounds: Vec<usize> = (0..all.len()).filter(|i| all[*i].abs() > 1e-5).collect();
    let mut heard = Heard {
        tone: Vec::new(),
        silences: 0,
    };
    let mut from = sounds.first().copied().unwrap_or(0);
    for at in sounds {
        if at - from > SILENCE {
            heard.silences += 1;
        } else {
            // A zero or two of the tone itself.
            heard.tone.extend_from_slice(&all[from..at]);
        }
        heard.tone.push(all[at]);
        from = at + 1;
    }
    println!("{} xruns of the virtual devices", heard.silences);
    heard
}

/// Frames between the rising zeros of a tone; its frequency; how many periods are not of their
/// length to a frame.
pub(crate) fn periods(tone: &[f32], frequency: f64) -> (f64, usize) {
    let rising = |i: &usize| tone[*i - 1] < 0.0 && tone[*i] >= 0.0;
    let zeros: Vec<usize> = (1..tone.len()).filter(rising).collect();
    let length = 48_000.0 / frequency;
    let odd = zeros
        .windows(2)
        .filter(|z| ((z[1] - z[0]) as f64 - length).abs() > 1.5)
        .count();
    let all = (zeros.len() - 1) as f64;
    let span = (zeros[zeros.len() - 1] - zeros[0]) as f64;
    (48_000.0 * all / span, odd)
}

/// Zeros in a row, in frames, that no tone of these tests has.
const SILENCE: usize = 24;
