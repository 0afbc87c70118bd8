//! Audio as a WAV file that is made while it is sent, from any byte on.

use std::io::Read;
use std::ops::Range;

use audiox_core::source::SourceError;
use audiox_io::sound::Sound;
use audiox_io::wav::{HEADER_LEN, WavBytes};
use bytes::Bytes;

/// A part of a WAV file, of which pieces are made in order.
pub(super) struct WavFile {
    file: WavBytes,
    /// Bytes that are still to be passed over, and those that are wanted behind them.
    skip: u64,
    left: u64,
}

impl WavFile {
    /// Bytes of the whole file.
    ///
    /// # Errors
    /// The sound does not say how long it is.
    pub(super) fn len_of(sound: &Sound) -> Result<u64, SourceError> {
        let Some(frames) = sound.source.frames_left() else {
            let reason = "it does not say how long it is".to_owned();
            return Err(SourceError::Unsupported(reason));
        };
        let data = frames.saturating_mul(frame_bytes(sound));
        // Chunks are of even length.
        Ok((data + data % 2).saturating_add(HEADER_LEN as u64))
    }

    /// These bytes of the file.
    ///
    /// # Errors
    /// The sound does not say how long it is, or cannot be moved.
    pub(super) fn part(mut sound: Sound, bytes: Range<u64>) -> Result<Self, SourceError> {
        let (head, size) = (HEADER_LEN as u64, frame_bytes(&sound));
        let frame = bytes.start.saturating_sub(head) / size;
        let skip = match frame {
            0 => bytes.start,
            frame => {
                sound.source.seek(frame)?;
                // The header of a file that begins there is not wanted.
                bytes.start - frame * size
            }
        };
        Ok(Self {
            file: WavBytes::new(sound.source, sound.sample)?,
            skip,
            left: bytes.end.saturating_sub(bytes.start),
        })
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// The source fails.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, std::io::Error> {
        let mut piece = vec![0; PIECE];
        while self.skip > 0 {
            let most = usize::try_from(self.skip).unwrap_or(PIECE).min(PIECE);
            match self.file.read(&mut piece[..most])? {
                0 => break,
                n => self.skip -= n as u64,
            }
        }
        let most = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let mut filled = 0;
        while filled < most {
            match self.file.read(&mut piece[filled..most])? {
                // What is left is the byte that makes the chunk even.
                0 => break,
                n => filled += n,
            }
        }
        if filled == 0 {
            piece.truncate(most);
            piece.fill(0);
        } else {
            piece.truncate(filled);
        }
        self.left -= piece.len() as u64;
        Ok((!piece.is_empty()).then(|| piece.into()))
    }
}

fn frame_bytes(sound: &Sound) -> u64 {
    (sound.sample.bytes() * sound.source.format().channels.get()) as u64
}

/// The bytes that a request asks for by `Range: bytes=…`, of `len`; `None` for all of them (of
/// several ranges too, RFC 9110 section 14.2).
///
/// # Errors
/// There are no such bytes.
pub(super) fn range(header: Option<&str>, len: u64) -> Result<Option<Range<u64>>, NoSuchBytes> {
    let Some((first, last)) = header
        .and_then(|h| h.trim().strip_prefix("bytes="))
        .filter(|list| !list.contains(','))
        .and_then(|r| r.trim().split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", "") => return Ok(None),
        ("", last) => match number(last) {
            Some(0) => return Err(NoSuchBytes),
            Some(last) => len.saturating_sub(last)..len,
            None => return Ok(None),
        },
        (first, last) => match (number(first), last.is_empty(), number(last)) {
            (Some(first), true, _) => first..len,
            (Some(first), false, Some(last)) if first <= last => {
                first..last.saturating_add(1).min(len)
            }
            _ => return Ok(None),
        },
    };
    match range.start < len {
        true => Ok(Some(range)),
        false => Err(NoSuchBytes),
    }
}

/// A range that begins behind the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSuchBytes;

/// `audio_<id>.<extension>` as the value of `Content-Disposition` (RFC 6266): whatever an id may
/// have in it, letters, digits, `-`, `_` and `.` are left, since programs make files of it.
pub(super) fn disposition(id: &str, extension: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = id.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"audio_{name}.{extension}\"")
}

/// Bytes made at once, about.
const PIECE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use audiox_io::WavSource;
    use audiox_io::sound::{self, PcmWish};

    use super::*;

    /// Samples that say which they are, as stored.
    fn stored(sample: &str, channels: &str, bytes: usize) -> Sound {
        let bytes: Vec<u8> = (0..bytes).map(|n| (n * 31 % 251) as u8).collect();
        let wish = PcmWish {
            coding: Some(sample.parse().unwrap()),
            channels: Some(audiox_core::format::Channels::new(channels.parse().unwrap()).unwrap()),
            rate: Some(audiox_core::format::SampleRate::HZ_16000),
            headers: sound::Headers::Ignore,
            ..PcmWish::default()
        };
        sound::open(bytes.into(), &wish, None).unwrap()
    }

    fn all(mut file: WavFile) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = file.next().unwrap() {
            all.extend_from_slice(&piece);
        }
        all
    }

    #[test]
    fn a_file_is_as_long_as_it_says_and_any_part_of_it_is_that_part() {
        for (sample, channels, bytes) in [
            ("s16le", "3", 6 * 9_000),
            ("s16be", "1", 40_000),
            ("u8", "1", 30_001),
            ("s24le", "1", 3 * 10_001),
        ] {
            let sound = || stored(sample, channels, bytes);
            let len = WavFile::len_of(&sound()).unwrap();
            let whole = all(WavFile::part(sound(), 0..len).unwrap());
            assert_eq!(whole.len() as u64, len, "{sample}");
            let read = WavSource::new(std::io::Cursor::new(&whole), "it").unwrap();
            assert_eq!(read.notices(), [""; 0]);
            for range in [
                0..10,
                7..90,
                HEADER_LEN as u64 - 1..HEADER_LEN as u64 + 2,
                101..102,
                20_011..28_000,
                len - 5..len,
                len - 1..len,
            ] {
                let part = &whole[range.start as usize..range.end as usize];
                let made = all(WavFile::part(sound(), range.clone()).unwrap());
                assert!(made == part, "{sample} {range:?}");
            }
        }
    }

    #[test]
    fn ranges_are_as_http_has_them() {
        let some = |range| Ok(Some(range));
        for (header, is) in [
            (None, Ok(None)),
            (Some("bytes=0-"), some(0..100)),
            (Some("bytes=0-0"), some(0..1)),
            (Some("bytes=10-19"), some(10..20)),
            (Some(" bytes=90-500 "), some(90..100)),
            (Some("bytes=-5"), some(95..100)),
            (Some("bytes=-500"), some(0..100)),
            (Some("bytes=100-"), Err(NoSuchBytes)),
            (Some("bytes=-0"), Err(NoSuchBytes)),
            (Some("bytes=5-4"), Ok(None)),
            (Some("bytes=1-2,4-5"), Ok(None)),
            (Some("lines=1-2"), Ok(None)),
            (Some("bytes=-"), Ok(None)),
            (Some("bytes=a-b"), Ok(None)),
        ] {
            assert_eq!(range(header, 100), is, "{header:?}");
        }
        assert_eq!(range(Some("bytes=0-"), 0), Err(NoSuchBytes));
    }

    #[test]
    fn whatever_an_id_is_a_files_name_is_plain() {
        assert_eq!(
            disposition("a-1_b.c", "wav"),
            "attachment; filename=\"audio_a-1_b.c.wav\""
        );
        let odd = disposition("../x\"\r\n; ü<b>", "webm");
        assert_eq!(odd, "attachment; filename=\"audio_.._x_______b_.webm\"");
    }
}
