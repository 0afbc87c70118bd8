//! Reading WAV files that others wrote, well or badly.

use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::support::{Wav, ds64, fmt, format, native_bytes, samples};
use audiox_core::format::PcmFormat;
use audiox_core::source::{Source, SourceError};
use audiox_io::WavSource;

const DATA: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn stereo() -> Wav {
    Wav::new(b"RIFF").fmt(1, 2, 44_100, 16)
}

fn notice(wav: &Wav, wanted: &[&str]) -> WavSource<Cursor<Vec<u8>>> {
    let source = wav.open().unwrap();
    let [notice] = source.notices() else {
        panic!("one notice expected, not {:?}", source.notices());
    };
    assert!(wanted.iter().all(|w| notice.contains(w)), "{notice}");
    source
}

fn refused(wav: &Wav, wanted: &[&str]) {
    let text = wav.open().unwrap_err().to_string();
    assert!(text.starts_with("test.wav: "), "{text}");
    assert!(wanted.iter().all(|w| text.contains(w)), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn other_chunks_are_passed_over_wherever_they_are() {
    let wav = Wav::new(b"RIFF")
        .chunk(b"JUNK", &[0; 28])
        .chunk(b"bext", &[b'x'; 603])
        .chunk(b"LIST", b"INFOISFT\x05\0\0\0hello\0")
        .fmt(1, 2, 44_100, 16)
        .chunk(b"odd ", &[9])
        .chunk(b"fact", &[2, 0, 0, 0])
        .chunk(b"data", &DATA)
        .chunk(b"LIST", b"INFO")
        .chunk(b"id3 ", &[1, 2, 3]);
    let mut source = wav.open().unwrap();
    assert_eq!(source.format(), format(44_100, 2));
    assert_eq!(source.native(), Some(PcmFormat::S16LE));
    assert_eq!(source.notices(), &[] as &[String]);
    assert_eq!(source.frames_left(), Some(2));
    assert_eq!(native_bytes(&mut source), DATA);
    assert_eq!(source.frames_left(), Some(0));
}

#[test]
fn every_coding_is_scaled_to_full_scale() {
    let f64s: Vec<u8> = [0.25f64, -1.5, f64::NAN]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let f32s: Vec<u8> = [0.25f32, -1.5]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    for (tag, bits, data, expected) in [
        (1, 8, &[128, 192, 0][..], &[0.0, 0.5, -1.0][..]),
        (1, 16, &[0, 64, 0, 128], &[0.5, -1.0]),
        (1, 20, &[0, 0, 64, 0, 0, 128], &[0.5, -1.0]),
        (1, 24, &[0, 0, 64, 0, 0, 128], &[0.5, -1.0]),
        (1, 32, &[0, 0, 0, 64, 0, 0, 0, 128], &[0.5, -1.0]),
        (3, 32, &f32s, &[0.25, -1.5]),
        (3, 64, &f64s, &[0.25, -1.5, 0.0]),
        (6, 8, &[0xD5, 0x55], &[8.0 / 32_768.0, -8.0 / 32_768.0]),
        (7, 8, &[0xFF, 0x80], &[0.0, 32_124.0 / 32_768.0]),
    ] {
        let wav = Wav::new(b"RIFF")
            .fmt(tag, 1, 8_000, bits)
            .chunk(b"data", data);
        let mut source = wav.open().unwrap();
        assert_eq!(samples(&mut source), expected, "tag {tag}, {bits} bits");
        assert_eq!(source.valid_bits(), bits);
        if tag > 3 || bits == 64 {
            assert_eq!(source.native(), None);
            assert!(matches!(
                source.read_native(&mut [0; 8]),
                Err(SourceError::Unsupported(_))
            ));
        }
    }
}

#[test]
fn reading_and_seeking_share_one_position() {
    let data: Vec<u8> = (0..40_000u32)
        .flat_map(|n| (n as u16).to_le_bytes())
        .collect();
    let mut source = Wav::new(b"RIFF")
        .fmt(1, 1, 8_000, 16)
        .chunk(b"data", &data)
        .open()
        .unwrap();
    let number = |x: f32| (x * 32_768.0) as i16 as u16;
    let (mut sample, mut bytes) = ([0.0; 1], [0; 3]);
    for at in [0u64, 39_999, 1, 32_768, 12, 13, 40_000, 5] {
        source.seek(at).unwrap();
        let n = source.read(&mut sample).unwrap();
        assert_eq!(n, usize::from(at < 40_000));
        if n == 1 {
            assert_eq!(number(sample[0]), at as u16);
        }
        // A buffer that does not hold whole frames is filled with the whole ones.
        let n = source.read_native(&mut bytes).unwrap();
        if at < 39_999 {
            assert_eq!(n, 2);
            assert_eq!(u16::from_le_bytes([bytes[0], bytes[1]]), at as u16 + 1);
        }
    }
    source.seek(u64::MAX).unwrap();
    assert_eq!(source.frames_left(), Some(0));
    assert_eq!(source.read_native(&mut bytes).unwrap(), 0);
}

#[test]
fn a_size_that_claims_too_much_is_cut_to_the_file() {
    let wav = stereo().lying(b"data", 1_000, &DATA);
    let mut source = notice(&wav, &["size: 1000", "the 8 in the file"]);
    assert_eq!(native_bytes(&mut source), DATA);
    let wav = stereo().lying(b"data", 1_000, &DATA[..7]);
    let source = wav.open().unwrap();
    assert_eq!(source.frames(), 1);
    assert!(source.notices()[1].contains("last 3 bytes"));
}

#[test]
fn a_size_left_open_reaches_to_the_end_of_the_file() {
    for size in [0, u32::MAX] {
        let wav = stereo().lying(b"data", size, &DATA);
        let mut source = notice(&wav, &["left open", "the 8 bytes"]);
        assert_eq!(native_bytes(&mut source), DATA);
    }
    let mut wav = stereo().lying(b"data", 0, &DATA);
    wav.0[4..8].copy_from_slice(&36u32.to_le_bytes());
    assert_eq!(wav.open().unwrap().frames(), 2);
}

#[test]
fn a_partial_last_frame_is_left_out() {
    let wav = stereo().chunk(b"data", &DATA[..7]);
    let mut source = notice(&wav, &["last 3 bytes", "frame of 4"]);
    assert_eq!(native_bytes(&mut source), DATA[..4]);
}

#[test]
fn data_without_a_frame_is_refused() {
    refused(&stereo().lying(b"data", u32::MAX, &[]), &["no audio"]);
    refused(
        &stereo().chunk(b"data", &DATA[..3]),
        &["data chunk: 3 bytes"],
    );
    // An empty chunk with others behind it is empty, not left open.
    let mut wav = stereo().chunk(b"data", &[]).chunk(b"LIST", b"INFO1234");
    let size = wav.0.len() as u32 - 8;
    wav.0[4..8].copy_from_slice(&size.to_le_bytes());
    refused(&wav, &["data chunk: 0 bytes", "no audio", "frame of 4"]);
}

#[test]
fn missing_and_misplaced_chunks_are_told_apart() {
    refused(&stereo(), &["no data chunk", "\"fmt \""]);
    refused(&Wav::new(b"RIFF"), &["no data chunk", "empty form"]);
    refused(
        &Wav::new(b"RIFF")
            .chunk(b"LIST", b"INFO")
            .chunk(b"data", &DATA),
        &["no fmt chunk", "\"LIST\" \"data\""],
    );
    refused(
        &Wav::new(b"RIFF")
            .chunk(b"data", &DATA[..7])
            .fmt(1, 1, 8_000, 16),
        &["fmt chunk lies behind the data"],
    );
    refused(
        &stereo().lying(b"LIST", 0x7FFF_FFFF, b"INFO"),
        &["no data chunk", "\"LIST\""],
    );
    refused(
        &Wav::new(b"RIFF").lying(b"fmt ", 16, &[1, 0, 1]),
        &["after 3 of its 16 bytes"],
    );
}

#[test]
fn a_contradicting_format_names_file_field_and_value() {
    let with = |at: usize, value: u16| {
        let mut body = fmt(1, 2, 44_100, 16);
        body[at..at + 2].copy_from_slice(&value.to_le_bytes());
        Wav::new(b"RIFF")
            .chunk(b"fmt ", &body)
            .chunk(b"data", &DATA)
    };
    refused(&with(2, 0), &["channels: 0", "1 to 1024"]);
    refused(&with(12, 3), &["block align: 3", "4 is needed"]);
    refused(&with(14, 64), &["bits per sample: 64", "1 to 32"]);
    refused(&with(0, 0x55), &["0x0055 (MP3)", "convert"]);
    let mut body = fmt(1, 2, 44_100, 16);
    body[4..8].fill(0);
    let wav = Wav::new(b"RIFF").chunk(b"fmt ", &body);
    refused(&wav, &["rate: 0", "1 to 768000 Hz"]);
}

#[test]
fn what_is_not_a_wav_file_is_named() {
    let file = |bytes: &[u8]| Wav(bytes.to_vec());
    refused(&file(b""), &["the file is empty"]);
    refused(&file(b"RIFF"), &["ends after 4 bytes"]);
    refused(&file(b"Hello, this is text.\n"), &["\"Hell\" (text)"]);
    refused(&file(b"ID3\x03\0\0\0\0\0\0\0\0\0"), &["(MP3)", "\"RIFF\""]);
    refused(
        &file(&[0xFF, 0xFB, 0x90, 0]),
        &["\"\\xff\\xfb\\x90\\x00\" (MP3)"],
    );
    refused(&file(b"OggS\0\x02\0\0\0\0\0\0\0"), &["(Ogg)"]);
    refused(&file(b"fLaC\0\0\0\x22\0\0\0\0\0"), &["(FLAC)"]);
    refused(&file(b"\0\0\0\x20ftypM4A \0\0\0\0"), &["(MP4)"]);
    refused(&file(b"RIFF\x24\0\0\0AVI LIST"), &["\"AVI \""]);
    refused(&file(b"RIFX\0\0\0\x24WAVEfmt "), &["big-endian"]);
}

#[test]
fn files_that_are_not_there_or_are_folders_are_io_errors_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing.wav"), folder.path().into()] {
        let e = WavSource::open(&path).unwrap_err();
        assert!(matches!(e, SourceError::Io { .. }), "{e}");
        let name = path.display().to_string();
        assert!(e.to_string().starts_with(&name), "{e}");
    }
    let path = folder.path().join("a.wav");
    fs::write(&path, stereo().chunk(b"data", &DATA).0).unwrap();
    assert_eq!(WavSource::open(&path).unwrap().frames(), 2);
}

#[test]
fn rf64_and_bw64_take_their_sizes_from_ds64() {
    for form in [b"RF64", b"BW64"] {
        let wav = Wav::new(form)
            .chunk(b"ds64", &ds64(8, &[(b"axml", 6)]))
            .fmt(1, 2, 48_000, 16)
            .lying(b"axml", u32::MAX, b"<xml/>")
            .lying(b"data", u32::MAX, &DATA)
            .chunk(b"LIST", b"INFO");
        let mut source = wav.open().unwrap();
        assert!(source.notices().is_empty());
        assert_eq!(native_bytes(&mut source), DATA);
    }
    let cut = Wav::new(b"RF64")
        .chunk(b"ds64", &ds64(1 << 40, &[]))
        .fmt(1, 2, 48_000, 16)
        .lying(b"data", u32::MAX, &DATA);
    notice(&cut, &["size: 1099511627776", "the 8 in the file"]);
    let lacking = Wav::new(b"RF64")
        .fmt(1, 2, 48_000, 16)
        .lying(b"data", u32::MAX, &DATA);
    let source = lacking.open().unwrap();
    assert!(source.notices()[0].contains("ds64 chunk is missing"));
    assert_eq!(source.frames(), 2);
}

/// A file whose bytes are computed, so that it can be longer than any memory.
struct Endless {
    header: Vec<u8>,
    len: u64,
    pos: u64,
    reads: u64,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        let n = (self.len - self.pos).min(out.len() as u64) as usize;
        for (i, byte) in out[..n].iter_mut().enumerate() {
            let at = self.pos + i as u64;
            *byte = match self.header.get(at as usize) {
                Some(byte) => *byte,
                None => (at >> 20) as u8,
            };
        }
        self.pos += n as u64;
        Ok(n)
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.pos = match to {
            SeekFrom::Start(n) => n,
            SeekFrom::End(n) => self.len.saturating_add_signed(n),
            SeekFrom::Current(n) => self.pos.saturating_add_signed(n),
        };
        Ok(self.pos)
    }
}

#[test]
fn a_file_of_a_hundred_gibibytes_opens_with_a_few_reads_and_is_sought_in() {
    let data: u64 = 100 << 30;
    let header = Wav::new(b"RF64")
        .chunk(b"ds64", &ds64(data, &[]))
        .fmt(1, 2, 48_000, 16)
        .lying(b"data", u32::MAX, &[]);
    let start = header.0.len() as u64;
    let file = Endless {
        len: start + data,
        header: header.0,
        pos: 0,
        reads: 0,
    };
    let mut source = WavSource::new(file, "long.wav").unwrap();
    assert_eq!(source.frames(), data / 4);
    let mut out = [0; 4];
    for frame in [data / 4 - 1, 1 << 30, 3] {
        source.seek(frame).unwrap();
        assert_eq!(source.read_native(&mut out).unwrap(), 4);
        let at = start + frame * 4 + 3;
        let expected = if at < 256 { 0 } else { (at >> 20) as u8 };
        assert_eq!(out[3], expected);
    }
}

#[test]
fn a_file_of_nothing_but_empty_chunks_is_given_up_in_time() {
    let mut wav = Wav::new(b"RIFF");
    for _ in 0..5_000 {
        wav = wav.chunk(b"nix ", &[]);
    }
    refused(&wav, &["among the first 4096 chunks"]);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error_and_can_be_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    fs::write(&path, stereo().chunk(b"data", &[7; 400_000]).0).unwrap();
    let mut source = WavSource::open(&path).unwrap();
    let mut out = vec![0; 200_000];
    assert_eq!(source.read_native(&mut out).unwrap(), 200_000);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(200_044).unwrap();
    // What was read ahead may still come; then the end is missing.
    let error = loop {
        match source.read_native(&mut out[..40_000]) {
            Ok(n) => assert_eq!(n, 40_000),
            Err(e) => break e.to_string(),
        }
    };
    assert!(
        error.contains("shorter") && error.contains("of 100000"),
        "{error}"
    );
    source.seek(0).unwrap();
    assert_eq!(source.read_native(&mut out).unwrap(), 200_000);
    assert!(out.iter().all(|&b| b == 7));
}
