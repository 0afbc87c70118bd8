//! Bodies of the fuzz targets for files: what must hold for any bytes whatever.

use std::io::Cursor;

use audiox_core::convert;
use audiox_core::source::Source;

use crate::ogg::{OpusEvent, OpusFileReader, OpusFileWriter};
use crate::wav::WavSource;

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[("wav", wav), ("ogg", ogg)];

/// A file either opens or says why in one line; and one that opens holds what it promises,
/// converted and as stored, from the start and from anywhere.
pub fn wav(data: &[u8]) {
    let mut source = match WavSource::new(Cursor::new(data), "input") {
        Ok(source) => source,
        Err(e) => {
            let text = e.to_string();
            assert!(text.starts_with("input: ") && !text.contains('\n'));
            return;
        }
    };
    let channels = source.format().channels.get();
    let frames = source.frames();
    assert!(frames > 0 && frames <= data.len() as u64);
    assert_eq!(source.frames_left(), Some(frames));

    // Odd, and small enough that several reads are needed.
    let mut piece = vec![f32::NAN; 1_021 * channels];
    let mut samples = Vec::new();
    loop {
        let n = source.read(&mut piece).expect("the file is all there");
        samples.extend_from_slice(&piece[..n * channels]);
        if n == 0 {
            break;
        }
    }
    assert_eq!(samples.len() as u64, frames * channels as u64);
    assert!(samples.iter().all(|x| x.is_finite()));

    let middle = frames / 2;
    source.seek(middle).expect("the file can be sought");
    assert_eq!(source.frames_left(), Some(frames - middle));
    let n = source.read(&mut piece).expect("the file is all there");
    let from = middle as usize * channels;
    assert_eq!(piece[..n * channels], samples[from..][..n * channels]);

    if let Some(pcm) = source.native() {
        source.seek(0).expect("the file can be sought");
        let mut bytes = vec![0; data.len()];
        let n = source.read_native(&mut bytes).expect("stored bytes");
        let mut decoded = vec![f32::NAN; samples.len()];
        assert_eq!(
            convert::decode(pcm, &bytes[..n], &mut decoded),
            samples.len()
        );
        assert_eq!(decoded, samples);
    } else {
        assert!(source.read_native(&mut [0; 8]).is_err());
    }
}

/// An Ogg Opus file either opens or says why in one line; one that opens has the length it tells,
/// from the start and from anywhere, and can be written again.
pub fn ogg(data: &[u8]) {
    let mut reader = match OpusFileReader::new(Cursor::new(data), "input") {
        Ok(reader) => reader,
        Err(e) => {
            let text = e.to_string();
            assert!(text.starts_with("input: ") && !text.contains('\n'));
            return;
        }
    };
    let length = reader.length();
    assert!(length > 0);
    let mut copy = Vec::new();
    let head = reader.head().clone();
    let mut writer = OpusFileWriter::new(&mut copy, "copy", &head, 1).expect("memory takes it");
    let mut heard = 0;
    let mut packets = 0;
    while let Some(event) = reader.next_event().expect("the file is all there") {
        match event {
            OpusEvent::Packet {
                data,
                ticks,
                skip,
                trim,
            } => {
                assert!((1..=5_760).contains(&ticks) && skip + trim <= ticks);
                heard += u64::from(ticks - skip - trim);
                packets += 1;
                writer.write(&data).expect("what was read can be written");
            }
            OpusEvent::Hole { ticks } => {
                assert!(ticks > 0);
                heard += ticks;
                // Long ones are many packets, however small the input.
                writer.gap(ticks.min(48_000)).expect("memory takes it");
            }
            OpusEvent::Chained(head) => assert_eq!(head.mapping, reader.head().mapping),
        }
    }
    assert_eq!(heard, length);
    writer.finish(0).expect("memory takes it");
    if packets > 0 {
        OpusFileReader::new(Cursor::new(copy), "copy").map_or_else(
            // All of it may lie before the pre-skip's end.
            |e| assert!(e.to_string().contains("no audio"), "{e}"),
            |copy| assert!(copy.longest_packet() <= reader.longest_packet().max(2 * 255)),
        );
    }
    let middle = length / 2;
    reader.seek(middle).expect("the file can be sought");
    let mut heard = 0;
    while let Some(event) = reader.next_event().expect("the file is all there") {
        heard += match event {
            OpusEvent::Packet {
                ticks, skip, trim, ..
            } => u64::from(ticks - skip - trim),
            OpusEvent::Hole { ticks } => ticks,
            OpusEvent::Chained(_) => 0,
        };
    }
    assert_eq!(heard, length - middle);
}
