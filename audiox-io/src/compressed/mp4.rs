//! What an MP4 file says of its encoder's silence: the edit list (ISO/IEC 14496-12 section 8.6.6)
//! or, in older files of iTunes, a tag.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Which part of the decoded audio is to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Edit {
    /// Seconds times the rate: frames before the audio.
    pub(super) delay: u64,
    /// Frames of audio; `None` where that is not said.
    pub(super) length: Option<Length>,
}

/// A length that may be rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) frames: u64,
    /// It may differ from the truth by less than this many frames.
    pub(super) unsure: u64,
}

/// Reads the edit of the first audio track, in frames at `rate`. Of what is malformed or unusual
/// nothing is believed.
///
/// # Errors
/// Reading fails.
pub(super) fn read_edit(reader: &mut (impl Read + Seek), rate: u32) -> io::Result<Edit> {
    let end = reader.seek(SeekFrom::End(0))?;
    let mut walk = Walk {
        reader,
        rate,
        boxes: 0,
        movie_scale: 0,
        track: Track::default(),
        from_list: None,
        from_tag: None,
    };
    walk.children(0..end, &[])?;
    Ok(walk.from_list.or(walk.from_tag).unwrap_or_default())
}

/// What the outermost boxes tell.
pub(super) struct Layout {
    /// The file has its index.
    pub(super) has_movie: bool,
    /// Where the file ends; where it was cut within audio, where it would.
    pub(super) end: u64,
}

/// Reads the heads of the outermost boxes.
///
/// # Errors
/// Reading fails.
pub(super) fn read_layout(reader: &mut (impl Read + Seek)) -> io::Result<Layout> {
    let end = reader.seek(SeekFrom::End(0))?;
    let mut layout = Layout {
        has_movie: false,
        end,
    };
    let mut at = 0;
    for _ in 0..MAX_BOXES {
        let mut head = [0; 16];
        let len = usize::try_from(end.saturating_sub(at)).map_or(16, |n| n.min(16));
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(&mut head[..len])?;
        let [a, b, c, d, kind @ ..] = head;
        if len < 8 {
            break;
        }
        layout.has_movie |= kind.starts_with(b"moov");
        at = match u32::from_be_bytes([a, b, c, d]) {
            0 => break,
            1 if len == 16 => {
                let [_, _, _, _, size @ ..] = kind;
                at.saturating_add(u64::from_be_bytes(size).max(16))
            }
            size => at + u64::from(size.max(8)),
        };
        if at > end && kind.starts_with(b"mdat") {
            layout.end = at.min(MAX_END);
        }
    }
    Ok(layout)
}

struct Walk<'a, R> {
    reader: &'a mut R,
    rate: u32,
    boxes: usize,
    /// Units a second of the edits' durations.
    movie_scale: u32,
    track: Track,
    from_list: Option<Edit>,
    from_tag: Option<Edit>,
}

#[derive(Default)]
struct Track {
    is_audio: bool,
    /// Units a second of the edits' times.
    scale: u32,
    /// Duration and time of the only edit that is not empty.
    edit: Option<(u64, u64)>,
}

impl<R: Read + Seek> Walk<'_, R> {
    fn children(&mut self, range: Range<u64>, path: &[[u8; 4]]) -> io::Result<()> {
        let mut at = range.start;
        while range.end.saturating_sub(at) >= 8 {
            self.boxes += 1;
            if self.boxes > MAX_BOXES {
                return Ok(());
            }
            let head: [u8; 8] = self.bytes(at)?;
            let [a, b, c, d, kind @ ..] = head;
            let (body, size) = match u32::from_be_bytes([a, b, c, d]) {
                0 => (8, range.end - at),
                1 if range.end - at >= 16 => (16, u64::from_be_bytes(self.bytes(at + 8)?)),
                size => (8, u64::from(size)),
            };
            if size < body || size > range.end - at {
                return Ok(());
            }
            self.enter(kind, at + body..at + size, path)?;
            at += size;
        }
        Ok(())
    }

    fn enter(&mut self, kind: [u8; 4], body: Range<u64>, path: &[[u8; 4]]) -> io::Result<()> {
        let path = &[path, &[kind]].concat()[..];
        let names: Vec<&[u8]> = path.iter().map(<[u8; 4]>::as_slice).collect();
        match names.as_slice() {
            [b"moov"]
            | [b"moov", b"trak", b"edts" | b"mdia"]
            | [b"moov", b"udta"]
            | [b"moov", b"udta", b"meta", b"ilst"] => self.children(body, path),
            [b"moov", b"udta", b"meta"] => self.children(body.start + 4..body.end, path),
            [b"moov", b"trak"] => {
                self.track = Track::default();
                self.children(body, path)?;
                self.finish_track();
                Ok(())
            }
            [b"moov", b"mvhd"] => {
                self.movie_scale = self.timescale(&body)?;
                Ok(())
            }
            [b"moov", b"trak", b"mdia", b"mdhd"] => {
                self.track.scale = self.timescale(&body)?;
                Ok(())
            }
            [b"moov", b"trak", b"mdia", b"hdlr"] if length(&body) >= 12 => {
                self.track.is_audio = self.bytes(body.start + 8)? == *b"soun";
                Ok(())
            }
            [b"moov", b"trak", b"edts", b"elst"] => self.edit_list(&body),
            [b"moov", b"udta", b"meta", b"ilst", b"----"] => self.tag(body),
            _ => Ok(()),
        }
    }

    fn edit_list(&mut self, body: &Range<u64>) -> io::Result<()> {
        if length(body) < 8 {
            return Ok(());
        }
        let [version, _, _, _, count @ ..]: [u8; 8] = self.bytes(body.start)?;
        let count = u32::from_be_bytes(count);
        let width: u64 = if version == 1 { 20 } else { 12 };
        if count > MAX_EDITS || length(body) < 8 + u64::from(count) * width {
            return Ok(());
        }
        let mut edits = Vec::new();
        for i in 0..u64::from(count) {
            let at = body.start + 8 + i * width;
            let (duration, time) = if version == 1 {
                let time = i64::from_be_bytes(self.bytes(at + 8)?);
                (u64::from_be_bytes(self.bytes(at)?), time)
            } else {
                let time = i32::from_be_bytes(self.bytes(at + 4)?);
                (u32::from_be_bytes(self.bytes(at)?).into(), time.into())
            };
            // Time −1 is an empty edit: a pause before the track, which is not heard alone.
            if let Ok(time) = u64::try_from(time) {
                edits.push((duration, time));
            }
        }
        if let [only] = edits[..] {
            self.track.edit = Some(only);
        }
        Ok(())
    }

    fn finish_track(&mut self) {
        let Track {
            is_audio: true,
            scale: 1..,
            edit: Some((duration, time)),
        } = self.track
        else {
            return;
        };
        if self.from_list.is_some() {
            return;
        }
        let in_frames = |n: u64, scale: u32| {
            let frames = u128::from(n) * u128::from(self.rate) / u128::from(scale.max(1));
            u64::try_from(frames).unwrap_or(u64::MAX)
        };
        let length = (duration > 0 && self.movie_scale > 0).then(|| Length {
            frames: in_frames(duration, self.movie_scale),
            unsure: u64::from(self.rate / self.movie_scale) + 1,
        });
        self.from_list = Some(Edit {
            delay: in_frames(time, self.track.scale),
            length,
        });
    }

    /// `iTunSMPB`: hexadecimal numbers, the second the delay, the third the padding, the fourth
    /// the length.
    fn tag(&mut self, body: Range<u64>) -> io::Result<()> {
        if length(&body) > MAX_TAG {
            return Ok(());
        }
        self.reader.seek(SeekFrom::Start(body.start))?;
        let mut bytes = Vec::new();
        self.reader
            .by_ref()
            .take(length(&body))
            .read_to_end(&mut bytes)?;
        if !bytes.windows(8).any(|w| w == b"iTunSMPB") {
            return Ok(());
        }
        let Some(at) = bytes.windows(4).position(|w| w == b"data") else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(bytes.get(at + 12..).unwrap_or_default()).into_owned();
        let words: Vec<_> = text
            .split_whitespace()
            .map(|w| u64::from_str_radix(w, 16))
            .collect();
        if let [_, Ok(delay), Ok(_), Ok(frames), ..] = words[..] {
            let unsure = 1;
            self.from_tag = Some(Edit {
                delay,
                length: (frames > 0).then_some(Length { frames, unsure }),
            });
        }
        Ok(())
    }

    /// The time scale in the body of a movie's or media's header.
    fn timescale(&mut self, body: &Range<u64>) -> io::Result<u32> {
        if length(body) < 24 {
            return Ok(0);
        }
        let [version]: [u8; 1] = self.bytes(body.start)?;
        let at = if version == 1 { 20 } else { 12 };
        Ok(u32::from_be_bytes(self.bytes(body.start + at)?))
    }

    fn bytes<const N: usize>(&mut self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.seek(SeekFrom::Start(at))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

/// Boxes looked at: a fragmented file of a day has some 40 000.
/// What files can be long.
const MAX_END: u64 = i64::MAX as u64;
const MAX_BOXES: usize = 100_000;
const MAX_EDITS: u32 = 64;
const MAX_TAG: u64 = 4_096;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = (8 + body.len()) as u32;
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    fn header(scale: u32) -> Vec<u8> {
        let mut body = vec![0; 12];
        body.extend(scale.to_be_bytes());
        body.extend([0; 84]);
        body
    }

    fn movie(edits: &[(u32, i32)], handler: &[u8; 4]) -> Vec<u8> {
        let mut list = vec![0; 4];
        list.extend((edits.len() as u32).to_be_bytes());
        for (duration, time) in edits {
            list.extend(duration.to_be_bytes());
            list.extend(time.to_be_bytes());
            list.extend([0, 1, 0, 0]);
        }
        let hdlr = [&[0; 8][..], handler, &[0; 12]].concat();
        let media = [boxed(b"mdhd", &header(44_100)), boxed(b"hdlr", &hdlr)].concat();
        let track = [
            boxed(b"edts", &boxed(b"elst", &list)),
            boxed(b"mdia", &media),
        ];
        let movie = [
            boxed(b"mvhd", &header(1_000)),
            boxed(b"trak", &track.concat()),
        ];
        [
            boxed(b"ftyp", b"M4A \0\0\0\0"),
            boxed(b"moov", &movie.concat()),
        ]
        .concat()
    }

    fn edit(file: &[u8]) -> Edit {
        read_edit(&mut Cursor::new(file), 44_100).unwrap()
    }

    #[test]
    fn the_edit_list_tells_delay_and_length() {
        let length = Some(Length {
            frames: 88_200,
            unsure: 45,
        });
        let delay = 1_024;
        assert_eq!(
            edit(&movie(&[(2_000, 1_024)], b"soun")),
            Edit { delay, length }
        );
        let paused = movie(&[(500, -1), (2_000, 1_024)], b"soun");
        assert_eq!(edit(&paused), Edit { delay, length });
        let several = movie(&[(500, 0), (2_000, 1_024)], b"soun");
        assert_eq!(edit(&several), Edit::default());
        assert_eq!(edit(&movie(&[(2_000, 1_024)], b"vide")), Edit::default());
    }

    #[test]
    fn a_tag_of_itunes_tells_them_too() {
        let text = b" 00000000 00000840 000001C4 0000000000ABCDEF 00000000";
        let data = [&[0, 0, 0, 1, 0, 0, 0, 0][..], text].concat();
        let tag = [
            boxed(b"mean", b"\0\0\0\0com.apple.iTunes"),
            boxed(b"name", b"\0\0\0\0iTunSMPB"),
            boxed(b"data", &data),
        ];
        let list = boxed(b"ilst", &boxed(b"----", &tag.concat()));
        let meta = boxed(b"meta", &[&[0; 4][..], &list].concat());
        let file = boxed(b"moov", &boxed(b"udta", &meta));
        let length = Some(Length {
            frames: 0xab_cdef,
            unsure: 1,
        });
        let delay = 0x840;
        assert_eq!(edit(&file), Edit { delay, length });
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut file in Just(movie(&[(2_000, 1_024)], b"soun")), cut in 0usize..400,
            changes in prop::collection::vec((0usize..400, any::<u8>()), 0..6)) {
            for (at, byte) in changes {
                if let Some(b) = file.get_mut(at) {
                    *b = byte;
                }
            }
            file.truncate(cut);
            let _ = read_edit(&mut Cursor::new(&file), 48_000);
        }
    }
}
