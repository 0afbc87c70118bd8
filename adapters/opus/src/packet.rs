//! What a payload says about itself, read without decoding it (RFC 6716 section 3).
//!
//! Every payload is checked here before libopus sees it: by the rules R1 to R7 of section 3.4,
//! with the self-delimiting framing of appendix B for the streams of a multistream payload.

use audiox_core::error::ParseError;
use audiox_core::format::SampleRate;

use crate::layout::Layout;

/// How Opus codes a stretch of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Linear prediction, for speech. Carries in-band error correction.
    Silk,
    /// Linear prediction below 8 kHz and transform coding above.
    Hybrid,
    /// Transform coding, for music and low delay.
    Celt,
}

/// The audio bandwidth that a payload carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrowband,
    /// 6 kHz.
    Mediumband,
    /// 8 kHz.
    Wideband,
    /// 12 kHz.
    SuperWideband,
    /// 20 kHz.
    Fullband,
}

impl Bandwidth {
    /// The widest that audio played at `rate` can use (RFC 7587 section 6.1,
    /// `maxplaybackrate`).
    pub const fn of_rate(rate: SampleRate) -> Self {
        match rate.get() {
            ..=8_000 => Self::Narrowband,
            8_001..=12_000 => Self::Mediumband,
            12_001..=16_000 => Self::Wideband,
            16_001..=24_000 => Self::SuperWideband,
            _ => Self::Fullband,
        }
    }

    /// The sample rate that carries it (RFC 6716 table 1).
    pub const fn rate(self) -> u32 {
        match self {
            Self::Narrowband => 8_000,
            Self::Mediumband => 12_000,
            Self::Wideband => 16_000,
            Self::SuperWideband => 24_000,
            Self::Fullband => 48_000,
        }
    }
}

/// The first byte of a payload (RFC 6716 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Toc(u8);

impl Toc {
    /// How the payload's frames are coded.
    pub const fn mode(self) -> Mode {
        match self.config() {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// The bandwidth they carry.
    pub const fn bandwidth(self) -> Bandwidth {
        match self.config() {
            0..=3 | 16..=19 => Bandwidth::Narrowband,
            4..=7 => Bandwidth::Mediumband,
            8..=11 | 20..=23 => Bandwidth::Wideband,
            12 | 13 | 24..=27 => Bandwidth::SuperWideband,
            _ => Bandwidth::Fullband,
        }
    }

    /// Whether they are coded as stereo.
    pub const fn is_stereo(self) -> bool {
        self.0 & 4 != 0
    }

    /// Duration of one coded frame, in 48 000ths of a second: 120 (2.5 ms) to 2 880 (60 ms).
    pub const fn frame_ticks(self) -> usize {
        let config = self.config() as usize;
        match self.mode() {
            Mode::Silk => [480, 960, 1_920, 2_880][config % 4],
            Mode::Hybrid => [480, 960][config % 2],
            Mode::Celt => [120, 240, 480, 960][config % 4],
        }
    }

    const fn config(self) -> u8 {
        self.0 >> 3
    }
}

/// A payload of one stream, found well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusPacket<'a> {
    toc: Toc,
    frames: u8,
    /// Bytes of the longest coded frame.
    longest: u16,
    first: &'a [u8],
    padding: &'a [u8],
}

impl<'a> OpusPacket<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// It breaks one of the rules R1 to R7 of RFC 6716 section 3.4.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        Self::read(payload, Framing::ToTheEnd).map(|(packet, _)| packet)
    }

    /// Its first byte.
    pub const fn toc(&self) -> Toc {
        self.toc
    }

    /// Coded frames in it, 1 to 48.
    pub const fn coded_frames(&self) -> usize {
        self.frames as usize
    }

    /// Its duration in 48 000ths of a second: 120 (2.5 ms) to 5 760 (120 ms).
    pub const fn ticks(&self) -> usize {
        self.frames as usize * self.toc.frame_ticks()
    }

    /// Whether it says nothing but "silence goes on", as discontinuous transmission does.
    pub const fn is_silence(&self) -> bool {
        self.longest <= 1
    }

    /// Whether it holds in-band error correction for what comes before it: SILK's low bit-rate
    /// redundancy (RFC 6716 section 4.2.4), whose flag stands behind those of voice activity in
    /// the first byte of the first frame.
    pub fn has_fec(&self) -> bool {
        let Some(&flags) = self.first.first() else {
            return false;
        };
        if self.toc.mode() == Mode::Celt {
            return false;
        }
        let silk_frames = self.toc.frame_ticks().div_ceil(960);
        let mono = flags >> (7 - silk_frames) & 1 != 0;
        mono || self.toc.is_stereo() && flags >> (6 - 2 * silk_frames) & 1 != 0
    }

    /// Padding, where extensions are.
    pub const fn padding(&self) -> &'a [u8] {
        self.padding
    }

    /// Reads one stream's payload and says how many bytes it took.
    fn read(payload: &'a [u8], framing: Framing) -> Result<(Self, usize), ParseError> {
        let mut rest = Cursor { payload, at: 0 };
        let toc = Toc(rest.byte()?);
        let mut sizes = [0u16; MAX_FRAMES];
        let mut padding = 0;
        let delimited = framing == Framing::SelfDelimiting;
        let frames = match toc.0 & 3 {
            0 => {
                let frames = &mut sizes[..1];
                frames[0] = rest.last_size(0, delimited)?;
                1
            }
            1 => {
                let size = rest.equal_size(2, 0, delimited)?;
                sizes[..2].fill(size);
                2
            }
            2 => {
                sizes[0] = rest.size()?;
                sizes[1] = rest.last_size(usize::from(sizes[0]), delimited)?;
                2
            }
            _ => {
                let count = rest.byte()?;
                let frames = usize::from(count & 0x3f);
                // R5: one frame at least, 120 ms at most.
                if frames == 0 || frames * toc.frame_ticks() > MAX_TICKS {
                    return Err(ParseError::Length(frames));
                }
                if count & 0x40 != 0 {
                    padding = rest.padding()?;
                }
                let held = rest.left().checked_sub(padding);
                held.ok_or_else(|| rest.truncated(padding))?;
                if count & 0x80 == 0 {
                    let size = rest.equal_size(frames, padding, delimited)?;
                    sizes[..frames].fill(size);
                } else {
                    let mut before = 0;
                    for size in &mut sizes[..frames - 1] {
                        *size = rest.size()?;
                        before += usize::from(*size);
                    }
                    sizes[frames - 1] = rest.last_size(before + padding, delimited)?;
                }
                frames
            }
        };
        let sizes = &sizes[..frames];
        let first = rest.take(usize::from(sizes[0]))?;
        for size in &sizes[1..] {
            rest.take(usize::from(*size))?;
        }
        let packet = Self {
            toc,
            frames: frames as u8,
            longest: sizes.iter().copied().max().unwrap_or(0),
            first,
            padding: rest.take(padding)?,
        };
        Ok((packet, rest.at))
    }
}

/// The duration of a payload of `layout`'s streams, in 48 000ths of a second.
///
/// # Errors
/// A stream's part is malformed, or the parts are of different durations.
pub fn ticks(payload: &[u8], layout: &Layout) -> Result<usize, ParseError> {
    let mut all = Streams::new(payload, layout);
    let first = all
        .next()
        .ok_or(ParseError::Length(payload.len()))?
        .map(|p| p.ticks())?;
    for packet in all {
        let ticks = packet?.ticks();
        if ticks != first {
            return Err(ParseError::Length(ticks));
        }
    }
    Ok(first)
}

/// The streams' parts of a payload. Ends after the first that is malformed.
#[derive(Debug, Clone)]
pub struct Streams<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> Streams<'a> {
    /// The parts of a payload of `layout`'s streams.
    pub fn new(payload: &'a [u8], layout: &Layout) -> Self {
        Self {
            rest: payload,
            left: layout.streams(),
        }
    }
}

impl<'a> Iterator for Streams<'a> {
    type Item = Result<OpusPacket<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // RFC 6716 appendix B: all but the last delimit themselves.
        let framing = match self.left {
            0 => Framing::ToTheEnd,
            _ => Framing::SelfDelimiting,
        };
        let read = OpusPacket::read(self.rest, framing);
        match read {
            Ok((_, len)) => self.rest = &self.rest[len..],
            Err(_) => self.left = 0,
        }
        Some(read.map(|(packet, _)| packet))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// The last frame takes what is left.
    ToTheEnd,
    /// The last frame's length is written too.
    SelfDelimiting,
}

struct Cursor<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> usize {
        self.payload.len() - self.at
    }

    fn truncated(&self, more: usize) -> ParseError {
        ParseError::Truncated {
            expected: self.at + more,
            actual: self.payload.len(),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], ParseError> {
        let end = self.at + len;
        let part = self.payload.get(self.at..end);
        let part = part.ok_or_else(|| self.truncated(len))?;
        self.at = end;
        Ok(part)
    }

    fn byte(&mut self) -> Result<u8, ParseError> {
        self.take(1).map(|b| b[0])
    }

    /// A frame's length in one or two bytes (RFC 6716 section 3.2.1); at most 1 275.
    fn size(&mut self) -> Result<u16, ParseError> {
        let first = u16::from(self.byte()?);
        match first {
            0..=251 => Ok(first),
            _ => Ok(u16::from(self.byte()?) * 4 + first),
        }
    }

    /// Bytes of padding at the end, as counted before the frames (RFC 6716 section 3.2.5).
    fn padding(&mut self) -> Result<usize, ParseError> {
        let mut sum = 0;
        loop {
            match self.byte()? {
                255 => sum += 254,
                n => return Ok(sum + usize::from(n)),
            }
        }
    }

    /// The last frame's length; `others` bytes around it belong to something else.
    fn last_size(&mut self, others: usize, delimited: bool) -> Result<u16, ParseError> {
        if delimited {
            return self.size();
        }
        let left = self.left().checked_sub(others);
        checked_size(left.ok_or_else(|| self.truncated(others))?)
    }

    /// The length that `frames` frames share; `others` bytes after them are padding.
    fn equal_size(
        &mut self,
        frames: usize,
        others: usize,
        delimited: bool,
    ) -> Result<u16, ParseError> {
        if delimited {
            return self.size();
        }
        let left = self.left().checked_sub(others);
        let left = left.ok_or_else(|| self.truncated(others))?;
        // R3 and R6: whole bytes for each.
        if left % frames != 0 {
            return Err(ParseError::Length(left));
        }
        checked_size(left / frames)
    }
}

/// R2: no frame is longer than 1 275 bytes.
fn checked_size(size: usize) -> Result<u16, ParseError> {
    if size <= MAX_FRAME_BYTES {
        Ok(size as u16)
    } else {
        Err(ParseError::Limit {
            limit: MAX_FRAME_BYTES,
        })
    }
}

/// 120 ms.
pub(crate) const MAX_TICKS: usize = 5_760;
pub(crate) const MAX_FRAME_BYTES: usize = 1_275;
/// 120 ms of frames of 2.5 ms.
const MAX_FRAMES: usize = 48;

#[cfg(test)]
mod tests;
