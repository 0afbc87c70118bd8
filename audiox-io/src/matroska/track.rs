//! What a file says of its tracks.

use audiox_core::format::{Channels, Endian, PcmFormat, SampleFormat, SampleRate};

use super::ebml::{children, float, uint};
use crate::ogg::{ChannelMapping, OpusHead, TICK_RATE};

/// An audio track.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Its number in blocks.
    pub(super) number: u64,
    /// The coding.
    pub codec: TrackCodec,
    /// The coding as the file names it, as `A_OPUS`.
    pub codec_id: String,
    /// What decoders are told before the first packet.
    pub private: Vec<u8>,
    /// Frames a second.
    pub rate: SampleRate,
    /// Samples a frame.
    pub channels: Channels,
    /// Nanoseconds at the beginning that are decoded and not heard.
    pub delay_ns: u64,
    /// Bytes that each packet begins with and that are left out in the file.
    pub(super) stripped: Vec<u8>,
}

/// Codings that are read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TrackCodec {
    /// Opus, with its header.
    Opus(OpusHead),
    /// Vorbis.
    Vorbis,
    /// FLAC.
    Flac,
    /// AAC.
    Aac,
    /// MPEG audio, layer III.
    Mp3,
    /// Samples as they stand.
    Pcm(PcmFormat),
    /// 64-bit floats.
    F64,
}

impl Track {
    /// Frames at the beginning that are decoded and not heard.
    pub fn delay(&self) -> u64 {
        match &self.codec {
            TrackCodec::Opus(head) => head.pre_skip.into(),
            _ => frames(self.delay_ns, self.rate),
        }
    }

    /// Whether what follows of `other` can follow what came of this one.
    pub(super) fn joins(&self, other: &Self) -> bool {
        let same = (self.rate, self.channels) == (other.rate, other.channels);
        same && match (&self.codec, &other.codec) {
            (TrackCodec::Opus(a), TrackCodec::Opus(b)) => a.mapping == b.mapping,
            // Decoders of others go on with what they were told at the beginning.
            (a, b) => a == b && self.private == other.private,
        }
    }
}

/// Frames that so many nanoseconds are, to the nearest.
pub(super) fn frames(ns: u64, rate: SampleRate) -> u64 {
    let frames = (u128::from(ns) * u128::from(rate.get()) + 500_000_000) / 1_000_000_000;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// What tracks a file has.
pub(super) struct Tracks {
    /// The first of audio that is read here.
    pub(super) chosen: Option<Track>,
    /// Tracks of audio.
    pub(super) audio: usize,
    /// Why others are not read, for people.
    pub(super) refused: Option<String>,
}

/// Reads the body of the element Tracks.
pub(super) fn tracks(body: &[u8]) -> Tracks {
    let mut all = Tracks {
        chosen: None,
        audio: 0,
        refused: None,
    };
    for (_, entry) in children(body)
        .filter(|(id, _)| *id == TRACK_ENTRY)
        .take(MAX_TRACKS)
    {
        match Entry::new(entry) {
            entry if entry.kind != AUDIO_TRACK => {}
            entry => {
                all.audio += 1;
                match entry.track() {
                    Ok(track) => all.chosen = all.chosen.or(Some(track)),
                    Err(why) => all.refused = all.refused.or(Some(why)),
                }
            }
        }
    }
    all
}

/// A track as it stands.
struct Entry<'a> {
    number: u64,
    kind: u64,
    codec_id: &'a str,
    private: &'a [u8],
    delay_ns: u64,
    rate: f64,
    channels: u64,
    depth: u64,
    stripped: &'a [u8],
    /// What was done to packets, where that is not undone here.
    encoded: Option<&'static str>,
}

impl<'a> Entry<'a> {
    fn new(body: &'a [u8]) -> Self {
        let mut entry = Self {
            number: 0,
            kind: 0,
            codec_id: "",
            private: &[],
            delay_ns: 0,
            rate: 8_000.0,
            channels: 1,
            depth: 0,
            stripped: &[],
            encoded: None,
        };
        for (id, child) in children(body) {
            match id {
                0xd7 => entry.number = uint(child),
                0x83 => entry.kind = uint(child),
                0x86 => {
                    let name = std::str::from_utf8(child).unwrap_or_default();
                    entry.codec_id = name.trim_end_matches('\0');
                }
                0x63a2 => entry.private = child,
                0x56aa => entry.delay_ns = uint(child),
                0xe1 => {
                    for (id, child) in children(child) {
                        match id {
                            0xb5 => entry.rate = float(child),
                            0x9f => entry.channels = uint(child),
                            0x6264 => entry.depth = uint(child),
                            _ => {}
                        }
                    }
                }
                0x6d80 => entry.encodings(child),
                _ => {}
            }
        }
        entry
    }

    /// RFC 9559 section 5.1.4.1.31. Compression by leaving out what all packets begin with is undone.
    fn encodings(&mut self, body: &'a [u8]) {
        for (_, encoding) in children(body).filter(|(id, _)| *id == 0x6240) {
            for (id, child) in children(encoding) {
                match id {
                    0x5034 => {
                        let mut algorithm = 0;
                        for (id, child) in children(child) {
                            match id {
                                0x4254 => algorithm = uint(child),
                                0x4255 => self.stripped = child,
                                _ => {}
                            }
                        }
                        if algorithm != 3 {
                            self.encoded = Some("compressed");
                        }
                    }
                    0x5035 => self.encoded = Some("encrypted"),
                    _ => {}
                }
            }
        }
    }

    fn track(&self) -> Result<Track, String> {
        let id = self.codec_id;
        if let Some(how) = self.encoded {
            return Err(format!("its {id} packets are {how}"));
        }
        let odd = |e: audiox_core::ConfigError| format!("its track of {id}: {e}");
        let hz = self.rate.round().clamp(0.0, f64::from(u32::MAX)) as u32;
        let mut rate = SampleRate::new(hz).map_err(odd)?;
        let count = u16::try_from(self.channels).unwrap_or(u16::MAX);
        let mut channels = Channels::new(count).map_err(odd)?;
        let codec = self.codec()?;
        if let TrackCodec::Opus(head) = &codec {
            // Whatever was encoded, packets count in these.
            rate = SampleRate::new(TICK_RATE).map_err(odd)?;
            channels = Channels::new(head.mapping.channels().into()).map_err(odd)?;
        }
        Ok(Track {
            number: self.number,
            codec,
            codec_id: id.to_owned(),
            private: self.private.to_vec(),
            rate,
            channels,
            delay_ns: self.delay_ns,
            stripped: self.stripped.to_vec(),
        })
    }

    fn codec(&self) -> Result<TrackCodec, String> {
        let pcm = |sample, endian| Ok(TrackCodec::Pcm(PcmFormat::new(sample, endian)));
        let integer = |endian| match self.depth {
            8 => pcm(SampleFormat::U8, Endian::Little),
            16 => pcm(SampleFormat::S16, endian),
            24 => pcm(SampleFormat::S24, endian),
            32 => pcm(SampleFormat::S32, endian),
            n => Err(format!("its samples have {n} bits")),
        };
        match self.codec_id {
            "A_OPUS" => self.opus().map(TrackCodec::Opus),
            "A_VORBIS" => Ok(TrackCodec::Vorbis),
            "A_FLAC" => Ok(TrackCodec::Flac),
            "A_MPEG/L3" => Ok(TrackCodec::Mp3),
            "A_PCM/INT/LIT" => integer(Endian::Little),
            "A_PCM/INT/BIG" => integer(Endian::Big),
            "A_PCM/FLOAT/IEEE" => match self.depth {
                64 => Ok(TrackCodec::F64),
                32 => pcm(SampleFormat::F32, Endian::Little),
                n => Err(format!("its samples are floats of {n} bits")),
            },
            id if id.starts_with("A_AAC") => Ok(TrackCodec::Aac),
            id => Err(format!(
                "its audio is {}",
                if id.is_empty() { "of no coding" } else { id }
            )),
        }
    }

    /// The header that Opus in Ogg has, too; made up where it is missing, as browsers of old left
    /// it out for one and two channels.
    fn opus(&self) -> Result<OpusHead, String> {
        if !self.private.is_empty() {
            let head = OpusHead::parse(self.private);
            return head.map_err(|e| format!("its Opus header: {e}"));
        }
        let count = u8::try_from(self.channels).unwrap_or(0);
        let mapping = ChannelMapping::single(count).ok_or_else(|| {
            format!(
                "its Opus track has {} channels and no header",
                self.channels
            )
        })?;
        let skip = frames(self.delay_ns, SampleRate::HZ_48000);
        Ok(OpusHead::new(mapping, u16::try_from(skip).unwrap_or(0), 0))
    }
}

const TRACK_ENTRY: u32 = 0xae;
const AUDIO_TRACK: u64 = 2;
const MAX_TRACKS: usize = 128;
