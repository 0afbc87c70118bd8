use audiox_core::convert;
use audiox_core::source::Source;
use proptest::prelude::*;

use super::*;
use crate::wav::WavSource;

const USUAL: (PcmCoding, StreamFormat) = (
    PcmCoding::S16LE,
    StreamFormat::new(SampleRate::HZ_44100, Channels::MONO),
);

pub(super) fn speech() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
    let mut file = WavSource::open(path).unwrap();
    let mut samples = vec![0.0; file.frames() as usize];
    assert_eq!(file.read(&mut samples).unwrap(), samples.len());
    samples
}

/// Chords with a melody, with some noise as rooms have it; two channels that differ.
fn music() -> Vec<f32> {
    let mut seed = 1u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..48_000 * 4)
        .flat_map(|i| {
            let t = f64::from(i) / 48_000.0;
            let beat = (t * 4.0) as usize;
            let decay = (-(t * 4.0).fract() * 2.0).exp();
            let sine = |hz: f64| (std::f64::consts::TAU * hz * t).sin();
            let melody = [440.0, 523.25, 659.25, 587.33, 493.88][beat % 5];
            let voices = |of: f64| {
                (1..6)
                    .map(|h| sine(of * f64::from(h)) / f64::from(h * h))
                    .sum::<f64>()
            };
            let left = 0.15 * voices(melody) * decay + 0.08 * voices(130.81) + 0.05 * voices(196.0);
            let right =
                0.07 * voices(melody) * decay + 0.06 * voices(130.81) + 0.09 * voices(164.81);
            [
                left as f32 + 0.002 * noise(),
                right as f32 + 0.002 * noise(),
            ]
        })
        .collect()
}

fn tone() -> Vec<f32> {
    (0..96_000)
        .map(|i| (i as f32 * 0.057_6).sin() * 0.5)
        .collect()
}

/// Both channels, where one is made of two.
fn doubled(mono: &[f32]) -> Vec<f32> {
    let later = mono.iter().skip(40).chain([&0.0; 40]);
    mono.iter()
        .zip(later)
        .flat_map(|(a, b)| [*a, 0.7 * b])
        .collect()
}

fn single(stereo: &[f32]) -> Vec<f32> {
    stereo.chunks_exact(2).map(|f| f[0]).collect()
}

fn encode(coding: PcmCoding, samples: &[f32]) -> Vec<u8> {
    let pcm = match coding {
        PcmCoding::Pcm(pcm) => pcm,
        PcmCoding::S8 => PcmFormat::new(SampleFormat::U8, Endian::Little),
    };
    let mut bytes = vec![0; samples.len() * coding.bytes()];
    convert::encode(pcm, samples, &mut bytes);
    if coding == PcmCoding::S8 {
        bytes.iter_mut().for_each(|b| *b ^= 0x80);
    }
    bytes
}

const CODINGS: [&str; 10] = [
    "s16le", "s16be", "u8", "s8", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be",
];

/// How many of the materials are told right in each coding, and how sure that was.
#[test]
fn speech_music_and_tones_are_told_right() {
    let speech = speech();
    let materials = [
        ("speech", Channels::MONO, speech.clone()),
        (
            "quiet speech",
            Channels::MONO,
            speech.iter().map(|s| s * 0.02).collect(),
        ),
        (
            "loud speech",
            Channels::MONO,
            speech.iter().map(|s| (s * 4.0).clamp(-1.0, 1.0)).collect(),
        ),
        ("speech", Channels::STEREO, doubled(&speech)),
        ("music", Channels::MONO, single(&music())),
        ("music", Channels::STEREO, music()),
        ("tone", Channels::MONO, tone()),
        ("tone", Channels::STEREO, doubled(&tone())),
    ];
    let mut wrong = Vec::new();
    for name in CODINGS {
        let coding: PcmCoding = name.parse().unwrap();
        for (material, channels, samples) in &materials {
            // Eight bits leave nothing of it.
            if *material == "quiet speech" && coding.bytes() == 1 {
                continue;
            }
            let guess = guess(&encode(coding, samples), USUAL);
            let best = guess.best();
            println!(
                "{name:6} {material:12} {channels} ch: {} {} ch at {}, {:.2} {:.2}",
                best.coding,
                best.format.channels,
                best.format.rate,
                guess.coding_confidence,
                guess.rate_confidence
            );
            if (best.coding, best.format.channels) != (coding, *channels)
                || guess.coding_confidence < 0.55
            {
                wrong.push(format!(
                    "{material}, {channels} ch in {name}: {best:?} {guess:?}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_rate_of_speech_is_heard_roughly_and_that_of_tones_is_not() {
    let speech = speech();
    // The voice as it would be at other rates: every so many-th sample, after a filter that is
    // good enough for a pitch.
    let slower: Vec<f32> = speech
        .chunks_exact(3)
        .map(|c| c.iter().sum::<f32>() / 3.0)
        .collect();
    let faster: Vec<f32> = speech
        .windows(2)
        .flat_map(|w| [w[0], (w[0] + w[1]) / 2.0])
        .collect();
    let coding = PcmCoding::S16LE;
    for (samples, hz) in [(&slower, 8_000), (&speech, 24_000), (&faster, 48_000)] {
        let guess = guess(&encode(coding, samples), USUAL);
        let found = guess.best().format.rate.get();
        println!("{hz}: {found} {:.2}", guess.rate_confidence);
        assert!(
            found <= hz * 2 && hz <= found * 2 && guess.rate_confidence > 0.1,
            "{hz}: {found} {}",
            guess.rate_confidence
        );
    }
    let guess = guess(&encode(coding, &tone()), USUAL);
    assert_eq!(guess.best().format.rate, SampleRate::HZ_44100);
    assert!(guess.rate_confidence < 0.5, "{}", guess.rate_confidence);
}

#[test]
fn what_is_no_audio_is_said_to_be_none() {
    let text = "It was a bright cold day in April, and the clocks were striking. ".repeat(200);
    let mut seed = 7u32;
    let random: Vec<u8> = (0..100_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .collect();
    for (bytes, content) in [
        (text.as_bytes(), Content::Text),
        (&random, Content::Noise),
        (&[0; 50_000], Content::Silence),
        (&[0x80; 50_000], Content::Silence),
        (&[1, 2, 3], Content::TooShort),
        (&[], Content::TooShort),
    ] {
        let guess = guess(bytes, USUAL);
        assert_eq!(guess.content, content);
        assert!(
            guess.coding_confidence < 0.4 && guess.rate_confidence < 0.5,
            "{content:?}"
        );
        // Then it is what is usual.
        assert_eq!(guess.best().coding, USUAL.0);
        assert_eq!(guess.best().format, USUAL.1);
    }
}

#[test]
fn what_is_usual_has_an_advantage() {
    let usual = (
        "u8".parse().unwrap(),
        StreamFormat::new(SampleRate::HZ_8000, Channels::STEREO),
    );
    let guess = guess(&[0; 50_000], usual);
    assert_eq!(guess.best().format.rate, SampleRate::HZ_8000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..6_000), smooth: bool) {
        let mut bytes = bytes;
        if smooth {
            for i in 1..bytes.len() {
                bytes[i] = bytes[i - 1].wrapping_add(bytes[i] >> 5);
            }
        }
        let guess = guess(&bytes, USUAL);
        for (coding, rate, channels) in ALWAYS {
            let reading = Reading { coding, channels };
            prop_assert!(guess.candidates.iter().any(|c| is(c, reading, rate)));
        }
        prop_assert!(guess.candidates.is_sorted_by(|a, b| a.confidence >= b.confidence));
        prop_assert!(guess.candidates.iter().all(|c| (0.0..=1.0).contains(&c.confidence)));
        prop_assert!((0.0..=1.0).contains(&guess.coding_confidence));
        prop_assert!((0.0..=1.0).contains(&guess.rate_confidence));
    }
}
