//! What a file is, by what it begins with.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use audiox_core::source::SourceError;

use crate::mpeg;

/// A kind of file. Names and extensions play no part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// RIFF WAVE, RF64, BW64.
    Wav,
    /// FLAC in its own container.
    Flac,
    /// MPEG-1/2 audio layer III, perhaps behind an ID3 tag.
    Mp3,
    /// AAC in ADTS packets.
    Aac,
    /// MP4 and its kin (`.m4a`, `.mov`); what is in it is seen when it is opened.
    Mp4,
    /// Vorbis in Ogg.
    OggVorbis,
    /// Opus in Ogg.
    OggOpus,
    /// FLAC in Ogg.
    OggFlac,
    /// Matroska (`.mka`, `.mkv`); what is in it is seen when it is opened.
    Matroska,
    /// WebM, as browsers record it.
    WebM,
    /// Known, and not read here.
    Other(&'static str),
    /// Nothing known.
    Unknown,
}

impl FileKind {
    /// The kinds that are read, for people.
    pub const READ: &'static str = "WAV, FLAC, MP3, Ogg Opus, Ogg Vorbis, Ogg FLAC, AAC (.aac, .m4a), WebM and Matroska (.mka)";

    /// Looks at the file's beginning.
    ///
    /// # Errors
    /// [`SourceError::Io`] where it cannot be read.
    pub fn of_file(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let kind = File::open(path).and_then(|mut file| Self::of(&mut file));
        kind.map_err(|source| SourceError::Io {
            what: path.display().to_string(),
            source,
        })
    }

    /// Looks at the beginning of `reader`, and leaves it anywhere.
    ///
    /// # Errors
    /// Reading or seeking fails.
    pub fn of(reader: &mut (impl Read + Seek)) -> io::Result<Self> {
        let mut head = [0; HEAD];
        let mut at = 0;
        // Some files carry more than one tag.
        for _ in 0..MAX_TAGS {
            reader.seek(SeekFrom::Start(at))?;
            let len = fill(reader, &mut head)?;
            match id3_len(&head[..len]) {
                Some(tag) => at += tag,
                None => return Ok(Self::of_bytes(&head[..len])),
            }
        }
        Ok(Self::Unknown)
    }

    /// What bytes are that may as well be samples without a header. Such samples can begin as
    /// MP3 does, whose mark is 11 bits; so several packets of it must follow each other, unless a tag says what
    /// it is.
    pub fn of_buffer(bytes: &[u8]) -> Self {
        let kind = Self::of(&mut io::Cursor::new(bytes)).unwrap_or(Self::Unknown);
        let is_marked = matches!(
            kind,
            Self::Mp3 | Self::Aac | Self::Other("MPEG audio layer I" | "MPEG audio layer II")
        );
        match is_marked && !bytes.starts_with(b"ID3") && !mpeg::is_chain(bytes) {
            true => Self::Unknown,
            false => kind,
        }
    }

    fn of_bytes(head: &[u8]) -> Self {
        let begins = |magic: &[u8]| head.starts_with(magic);
        let behind = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|h| h.starts_with(magic));
        match head {
            _ if begins(b"RIFF") && behind(8, b"WAVE") => Self::Wav,
            _ if begins(b"RF64") || begins(b"BW64") => Self::Wav,
            _ if begins(b"fLaC") => Self::Flac,
            _ if begins(b"OggS") => Self::of_ogg(head),
            _ if behind(4, b"ftyp") => Self::Mp4,
            _ if begins(b"FORM") && (behind(8, b"AIFF") || behind(8, b"AIFC")) => {
                Self::Other("AIFF")
            }
            _ if begins(b"caff") => Self::Other("Core Audio"),
            _ if begins(b"RIFF") && behind(8, b"AVI ") => Self::Other("AVI"),
            _ if begins(&[0x1a, 0x45, 0xdf, 0xa3]) => Self::of_ebml(head),
            _ if begins(&[0x30, 0x26, 0xb2, 0x75]) => Self::Other("Windows Media"),
            _ if begins(b"#!AMR") => Self::Other("AMR"),
            _ if begins(b".snd") => Self::Other("Sun AU"),
            _ if begins(b"wvpk") => Self::Other("WavPack"),
            _ if begins(b"MAC ") => Self::Other("Monkey's Audio"),
            _ if begins(b"MThd") => Self::Other("MIDI"),
            // Eleven or twelve bits of synchronisation, then version and layer: MPEG audio has
            // no other mark. Layer 0 is ADTS'.
            [0xff, b, c, ..] if b & 0xf6 == 0xf0 && c >> 2 & 0xf != 0xf => Self::Aac,
            [0xff, b, c, ..] if b & 0xe0 == 0xe0 && b & 0x18 != 0x08 && c & 0xf0 != 0xf0 => {
                match b >> 1 & 3 {
                    1 => Self::Mp3,
                    2 => Self::Other("MPEG audio layer II"),
                    3 => Self::Other("MPEG audio layer I"),
                    _ => Self::Unknown,
                }
            }
            _ => Self::Unknown,
        }
    }

    /// The document type in the header tells them apart (RFC 8794 section 11.2.4).
    fn of_ebml(head: &[u8]) -> Self {
        let mut at = head.windows(3).filter(|w| w[0] == 0x42 && w[1] == 0x82);
        match at.next().map(|w| w[2]) {
            Some(0x84) if head.windows(4).any(|w| w == b"webm") => Self::WebM,
            _ => Self::Matroska,
        }
    }

    /// The first packet of the first page says what the stream is (RFC 3533 section 4).
    fn of_ogg(head: &[u8]) -> Self {
        let Some(segments) = head.get(26) else {
            return Self::Unknown;
        };
        let packet = head.get(27 + usize::from(*segments)..).unwrap_or_default();
        match packet {
            _ if packet.starts_with(b"OpusHead") => Self::OggOpus,
            _ if packet.starts_with(b"\x01vorbis") => Self::OggVorbis,
            _ if packet.starts_with(b"\x7fFLAC") => Self::OggFlac,
            _ if packet.starts_with(b"Speex   ") => Self::Other("Ogg Speex"),
            _ if packet.starts_with(b"\x80theora") => Self::Other("Ogg Theora"),
            _ => Self::Other("Ogg of an unknown kind"),
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wav => "WAV",
            Self::Flac => "FLAC",
            Self::Mp3 => "MP3",
            Self::Aac => "AAC",
            Self::Mp4 => "MP4",
            Self::OggVorbis => "Ogg Vorbis",
            Self::OggOpus => "Ogg Opus",
            Self::OggFlac => "Ogg FLAC",
            Self::Matroska => "Matroska",
            Self::WebM => "WebM",
            Self::Other(name) => name,
            Self::Unknown => "unknown",
        })
    }
}

/// Length of an ID3v2 tag with its header, where one begins here.
fn id3_len(head: &[u8]) -> Option<u64> {
    let size = head.strip_prefix(b"ID3")?.get(3..7)?;
    if size.iter().any(|b| *b > 0x7f) {
        return None;
    }
    let body = size.iter().fold(0, |n, b| n << 7 | u64::from(*b));
    let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
    Some(10 + body + footer)
}

fn fill(reader: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < out.len() {
        match reader.read(&mut out[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(len)
}

/// Enough for an Ogg page header with its longest lacing and the magic behind it.
const HEAD: usize = 27 + 255 + 8;
const MAX_TAGS: usize = 8;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(bytes: &[u8]) -> FileKind {
        FileKind::of(&mut Cursor::new(bytes)).unwrap()
    }

    fn ogg(packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0\x02".to_vec();
        page.resize(26, 0);
        page.extend([1, packet.len() as u8]);
        page.extend(packet);
        page
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (bytes, kind) in [
            (&b"RIFF\x10\0\0\0WAVE"[..], FileKind::Wav),
            (b"RF64\xff\xff\xff\xffWAVE", FileKind::Wav),
            (b"fLaC\0", FileKind::Flac),
            (b"\0\0\0\x20ftypM4A ", FileKind::Mp4),
            (&[0xff, 0xfb, 0x90, 0x64], FileKind::Mp3),
            (&[0xff, 0xf3, 0x40, 0xc4], FileKind::Mp3),
            (&[0xff, 0xf1, 0x50, 0x80], FileKind::Aac),
            (&[0xff, 0xf9, 0x50, 0x80], FileKind::Aac),
            (
                &[0xff, 0xfd, 0x80, 0],
                FileKind::Other("MPEG audio layer II"),
            ),
            (b"FORM\0\0\0\0AIFF", FileKind::Other("AIFF")),
            (b"caff", FileKind::Other("Core Audio")),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", FileKind::WebM),
            (
                b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
                FileKind::Matroska,
            ),
            (b"hello, world", FileKind::Unknown),
            (&[0xff; 16], FileKind::Unknown),
            (&[0xff], FileKind::Unknown),
            (b"", FileKind::Unknown),
            (b"OggS", FileKind::Unknown),
        ] {
            assert_eq!(of(bytes), kind, "{bytes:02x?}");
        }
        assert_eq!(of(&ogg(b"OpusHead\x01")), FileKind::OggOpus);
        assert_eq!(of(&ogg(b"\x01vorbis")), FileKind::OggVorbis);
        assert_eq!(of(&ogg(b"Speex   ")), FileKind::Other("Ogg Speex"));
    }

    #[test]
    fn tags_before_the_audio_are_passed_over() {
        let mut file = b"ID3\x04\0\0\0\0\x02\x00".to_vec();
        file.resize(10 + 256, 0);
        file.extend(b"ID3\x04\0\x10\0\0\0\x01_3DI4567890");
        file.extend([0xff, 0xfb, 0x90, 0x64]);
        assert_eq!(of(&file), FileKind::Mp3);
        // Tags without end are not followed for ever.
        assert_eq!(of(&b"ID3\x04\0\0\0\0\0\0".repeat(20)), FileKind::Unknown);
    }
}
