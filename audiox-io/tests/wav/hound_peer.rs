//! Held against hound: what it writes we read, and what we write it reads.

use std::io::Cursor;

use super::support::{format, native_bytes, samples};
use audiox_core::convert;
use audiox_core::format::{Endian, PcmFormat, SampleFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::{WavSink, WavSource};
use hound::{WavReader, WavSpec, WavWriter};
use proptest::prelude::*;

fn spec(rate: u32, channels: u16, sample: SampleFormat) -> WavSpec {
    WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: sample.bits(),
        sample_format: match sample {
            SampleFormat::F32 => hound::SampleFormat::Float,
            _ => hound::SampleFormat::Int,
        },
    }
}

/// Integer samples as hound hands them over, from stored bytes.
fn integers(sample: SampleFormat, bytes: &[u8]) -> Vec<i32> {
    let codes = bytes.chunks_exact(sample.bytes());
    codes
        .map(|code| match *code {
            [a] => i32::from(a) - 128,
            [a, b] => i32::from(i16::from_le_bytes([a, b])),
            [a, b, c] => i32::from_le_bytes([0, a, b, c]) >> 8,
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
            _ => unreachable!("a sample has one to four bytes"),
        })
        .collect()
}

/// Finite floats: hound passes any bits, our conversion does not pass NaN.
fn floats(bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; bytes.len() / 4];
    let pcm = PcmFormat::new(SampleFormat::S32, Endian::Little);
    convert::decode(pcm, bytes, &mut out);
    out
}

fn written_by_hound(spec: WavSpec, sample: SampleFormat, bytes: &[u8]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    if sample == SampleFormat::F32 {
        for x in floats(bytes) {
            writer.write_sample(x).unwrap();
        }
    } else {
        for x in integers(sample, bytes) {
            writer.write_sample(x).unwrap();
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}

fn any_sample() -> impl Strategy<Value = SampleFormat> {
    use SampleFormat::{F32, S16, S24, S32, U8};
    prop::sample::select(vec![U8, S16, S24, S32, F32])
}

proptest! {
    #[test]
    fn files_go_both_ways(
        sample in any_sample(),
        rate in prop::sample::select(vec![8_000u32, 11_025, 44_100, 48_000, 192_000]),
        channels in 1u16..=9,
        frames in 1usize..300,
        seed in any::<u64>(),
    ) {
        let len = frames * usize::from(channels) * sample.bytes();
        let mut x = seed | 1;
        let mut bytes: Vec<u8> = (0..len)
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                (x >> 24) as u8
            })
            .collect();
        if sample == SampleFormat::F32 {
            bytes = floats(&bytes).iter().flat_map(|x| x.to_le_bytes()).collect();
        }
        let hounds = written_by_hound(spec(rate, channels, sample), sample, &bytes);
        let mut ours = WavSource::new(Cursor::new(hounds), "hound").unwrap();
        prop_assert_eq!(ours.format(), format(rate, channels));
        prop_assert_eq!(ours.notices().len(), 0);
        if sample == SampleFormat::F32 {
            prop_assert_eq!(samples(&mut ours), floats(&bytes));
        } else {
            prop_assert_eq!(native_bytes(&mut ours), bytes.clone());
        }

        let mut file = Cursor::new(Vec::new());
        let mut sink = WavSink::new(&mut file, "ours", format(rate, channels), sample).unwrap();
        sink.write_native(&bytes).unwrap();
        sink.finish().unwrap();
        file.set_position(0);
        let mut reader = WavReader::new(file).unwrap();
        prop_assert_eq!(reader.spec(), spec(rate, channels, sample));
        prop_assert_eq!(reader.duration() as usize, frames);
        if sample == SampleFormat::F32 {
            let got: Result<Vec<f32>, _> = reader.samples().collect();
            let expected: Vec<f32> = bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect();
            prop_assert_eq!(got.unwrap(), expected);
        } else {
            let got: Result<Vec<i32>, _> = reader.samples().collect();
            prop_assert_eq!(got.unwrap(), integers(sample, &bytes));
        }
    }
}

#[test]
fn a_file_that_hound_refuses_or_misreads_is_read_here() {
    // hound takes the header's word for the length and fails in the middle.
    let whole = written_by_hound(
        spec(8_000, 1, SampleFormat::S16),
        SampleFormat::S16,
        &[1; 200],
    );
    let cut = whole[..whole.len() - 100].to_vec();
    let hounds: Result<Vec<i16>, _> = WavReader::new(Cursor::new(cut.clone()))
        .unwrap()
        .into_samples()
        .collect();
    assert!(hounds.is_err());
    let mut ours = WavSource::new(Cursor::new(cut), "cut").unwrap();
    assert_eq!(native_bytes(&mut ours), [1; 100]);
    assert_eq!(ours.notices().len(), 1);
}
