use proptest::prelude::*;

use super::{FLOAT_LIMIT, decode, encode};
use crate::format::{Endian, PcmFormat, SampleFormat};

const INTEGERS: [SampleFormat; 4] = [
    SampleFormat::U8,
    SampleFormat::S16,
    SampleFormat::S24,
    SampleFormat::S32,
];

fn both(sample: SampleFormat) -> [PcmFormat; 2] {
    [Endian::Little, Endian::Big].map(|e| PcmFormat::new(sample, e))
}

fn all() -> impl Iterator<Item = PcmFormat> {
    INTEGERS
        .into_iter()
        .chain([SampleFormat::F32])
        .flat_map(both)
}

/// The codes as bytes of `format`.
fn bytes(format: PcmFormat, codes: impl Iterator<Item = i32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for code in codes {
        match (format.sample, format.endian) {
            (SampleFormat::U8, _) => bytes.push((code + 128) as u8),
            (s, Endian::Little) => bytes.extend(&code.to_le_bytes()[..s.bytes()]),
            (s, Endian::Big) => bytes.extend(&code.to_be_bytes()[4 - s.bytes()..]),
        }
    }
    bytes
}

fn encoded(format: PcmFormat, samples: &[f32]) -> Vec<u8> {
    let mut out = vec![0xaa; samples.len() * format.sample.bytes()];
    assert_eq!(encode(format, samples, &mut out), out.len());
    out
}

fn decoded(format: PcmFormat, bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![f32::NAN; bytes.len() / format.sample.bytes()];
    assert_eq!(decode(format, bytes, &mut out), out.len());
    out
}

/// Scale, saturation and rounding spelled out in f64, where every step is exact.
fn reference(sample: SampleFormat, x: f32) -> i32 {
    let full = f64::from(1u32 << (sample.bits() - 1));
    let v = f64::from(x) * full;
    if v.is_nan() {
        0
    } else {
        v.round_ties_even().clamp(-full, full - 1.0) as i32
    }
}

#[test]
fn pcm_transparency_every_8_16_and_24_bit_code_survives() {
    for sample in &INTEGERS[..3] {
        let half = 1i32 << (sample.bits() - 1);
        for format in both(*sample) {
            for start in (-half..half).step_by(1 << 16) {
                let block = bytes(format, start..(start + (1 << 16)).min(half));
                let samples = decoded(format, &block);
                assert_eq!(samples[0], start as f32 / half as f32, "{format}");
                assert!(encoded(format, &samples) == block, "{format} from {start}");
            }
        }
    }
}

#[test]
fn decoding_scales_by_a_power_of_two() {
    for sample in INTEGERS {
        let full = 1i64 << (sample.bits() - 1);
        let codes = [-full, -full / 2, 0, full / 4, full / 2].map(|c| c as i32);
        for format in both(sample) {
            let samples = decoded(format, &bytes(format, codes.into_iter()));
            assert_eq!(samples, [-1.0, -0.5, 0.0, 0.25, 0.5], "{format}");
        }
    }
}

#[test]
fn encoding_saturates_and_silences_nan() {
    let samples = [
        f32::NAN,
        -f32::NAN,
        f32::from_bits(0x7fc1_2345),
        f32::from_bits(0xff81_2345),
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        1.0,
        -1.0,
        1.000_000_1,
        -1.000_000_1,
        0.999_999_94,
        -0.999_999_94,
        -0.0,
        f32::MIN_POSITIVE,
        1e-45,
    ];
    for sample in INTEGERS {
        for format in both(sample) {
            let expected = samples.iter().map(|&x| reference(sample, x));
            assert_eq!(
                encoded(format, &samples),
                bytes(format, expected),
                "{format}"
            );
        }
    }
}

#[test]
fn ties_round_to_even_in_every_binade() {
    for sample in INTEGERS {
        let full = 1i64 << (sample.bits() - 1);
        let mut samples = Vec::new();
        let mut code = 0i64;
        while code < full {
            // Halves and their neighbours, where f32 has them.
            for v in [code as f64 + 0.5, code as f64 + 1.5, code as f64] {
                let x = (v / full as f64) as f32;
                samples.extend([x, -x, x.next_up(), x.next_down(), -x.next_up()]);
            }
            code = code * 2 + 1;
        }
        for format in both(sample) {
            let expected = samples.iter().map(|&x| reference(sample, x));
            assert!(
                encoded(format, &samples) == bytes(format, expected),
                "{format}"
            );
        }
    }
}

#[test]
fn floats_keep_their_bits_up_to_the_limit() {
    for format in both(SampleFormat::F32) {
        let samples = [0.0, -0.0, 1.0, -1.5, 1e-45, 32_768.0, -FLOAT_LIMIT];
        let back = decoded(format, &encoded(format, &samples));
        assert_eq!(bits(&back), bits(&samples), "{format}");

        let wild = [f32::NAN, -f32::NAN, f32::INFINITY, f32::MIN, 1e6];
        let tame = [0.0, 0.0, FLOAT_LIMIT, -FLOAT_LIMIT, FLOAT_LIMIT];
        assert_eq!(decoded(format, &encoded(format, &wild)), tame);
        let raw: Vec<u8> = wild
            .iter()
            .flat_map(|x| match format.endian {
                Endian::Little => x.to_le_bytes(),
                Endian::Big => x.to_be_bytes(),
            })
            .collect();
        assert_eq!(decoded(format, &raw), tame);
    }
}

fn bits(samples: &[f32]) -> Vec<u32> {
    samples.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #[test]
    fn encoding_matches_the_reference_for_any_bits(
        bits in proptest::collection::vec(any::<u32>(), 0..70),
        near in proptest::collection::vec(-1.1f32..1.1, 0..70),
    ) {
        let samples: Vec<f32> = bits.into_iter().map(f32::from_bits).chain(near).collect();
        for format in INTEGERS.into_iter().flat_map(both) {
            let expected = samples.iter().map(|&x| reference(format.sample, x));
            prop_assert_eq!(encoded(format, &samples), bytes(format, expected), "{}", format);
        }
    }

    #[test]
    fn any_bytes_and_lengths_decode_to_bounded_numbers(
        data in proptest::collection::vec(any::<u8>(), 0..200),
        room in 0usize..80,
    ) {
        for format in all() {
            let mut out = vec![f32::NAN; room];
            let n = decode(format, &data, &mut out);
            prop_assert_eq!(n, (data.len() / format.sample.bytes()).min(room));
            prop_assert!(out[..n].iter().all(|x| x.abs() <= FLOAT_LIMIT));
            prop_assert!(out[n..].iter().all(|x| x.is_nan()), "wrote past its count");
        }
    }

    #[test]
    fn encoding_stops_at_whole_samples(
        count in 0usize..40,
        room in 0usize..130,
    ) {
        let samples = vec![0.5; count];
        for format in all() {
            let size = format.sample.bytes();
            let mut out = vec![0xaa; room];
            let n = encode(format, &samples, &mut out);
            prop_assert_eq!(n, count.min(room / size) * size);
            prop_assert!(out[n..].iter().all(|&b| b == 0xaa), "wrote past its count");
        }
    }
}
