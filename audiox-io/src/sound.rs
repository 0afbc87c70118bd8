//! A recording in memory, whatever it is: its content says what, and how it becomes audio.
//!
//! [`open`] tells WAV, FLAC, MP3, Ogg, MP4, WebM and Matroska apart by their bytes, counts what is
//! really there, and hands over one [`Source`]; everything else is raw PCM, whose format is
//! [guessed](crate::guess) from the signal. Nothing touches a disk. Opus packets are decoded by who calls:
//! this crate has no decoder of them.
//!
//! # Recordings that were cut
//! A browser's recording that is still going on has no end and states no length. Such a recording
//! plays as far as it goes, and a notice says that it was cut. The length is that of what is there.
//!
//! # Hostile bytes
//! Memory is that of the bytes, some buffers, and the limits below, whatever headers claim. Opening reads
//! packet headers, each once, and decodes nothing. What would come out is bounded by
//! [`MAX_SAMPLES`], since a few bytes may ask for hours of silence.

use std::io::Cursor;

use audiox_core::ConfigError;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceError};
use bytes::Bytes;

use crate::compressed::{CompressedSource, Mp4Opus};
use crate::decorate::Take;
use crate::guess::{self, Content, Guess};
use crate::kind::FileKind;
use crate::matroska::MatroskaOpus;
use crate::ogg::OpusFileReader;
use crate::opus::OpusPackets;
use crate::pcm::{PcmCoding, PcmSource};
use crate::wav::WavSource;

/// What was found in the bytes.
pub struct Sound {
    /// The audio, from its start.
    pub source: Box<dyn Source>,
    /// What it is stored as; [`FileKind::Unknown`] is PCM without a header.
    pub kind: FileKind,
    /// How the audio is coded, for people: "Opus", "signed 16-bit PCM".
    pub codec: String,
    /// The sample format that keeps all of it.
    pub sample: SampleFormat,
    /// What is odd about it and what was made of it, a sentence each.
    pub notices: Vec<String>,
    /// How it was decided what PCM without a header is; `None` for everything else.
    pub guess: Option<Guess>,
}

/// What is known beforehand of samples without a header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PcmWish {
    /// Whether headers count.
    pub headers: Headers,
    /// The coding, whatever the signal says.
    pub coding: Option<PcmCoding>,
    /// The channels, whatever the signal says.
    pub channels: Option<Channels>,
    /// The rate, whatever the signal says.
    pub rate: Option<SampleRate>,
    /// What is usual where the bytes come from: an advantage among guesses, and the answer where
    /// the signal tells nothing. Signed 16 bit at 44 100 Hz, mono, by default.
    pub usual: (PcmCoding, StreamFormat),
}

/// Whether what looks like a file is taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Headers {
    /// It is.
    #[default]
    Heed,
    /// All bytes are samples.
    Ignore,
}

impl Default for PcmWish {
    fn default() -> Self {
        Self {
            headers: Headers::Heed,
            coding: None,
            channels: None,
            rate: None,
            usual: (
                PcmCoding::S16LE,
                StreamFormat::new(SampleRate::HZ_44100, Channels::MONO),
            ),
        }
    }
}

impl PcmWish {
    /// With what environment variables say is usual: `AUDIO_FORMAT` (as [`PcmCoding`] is written, or as
    /// PyAudio names it), `AUDIO_CHANNELS`, `AUDIO_RATE`. `lookup` reads one; empty ones count as
    /// not set.
    ///
    /// # Errors
    /// One is none of these; the field is the variable's name.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut wish = Self::default();
        let get = |name: &str| lookup(name).filter(|text| !text.trim().is_empty());
        let (coding, format) = &mut wish.usual;
        if let Some(text) = get("AUDIO_FORMAT") {
            *coding = text.parse()?;
        }
        if let Some(text) = get("AUDIO_CHANNELS") {
            let channels = text.trim().parse().ok().and_then(|n| Channels::new(n).ok());
            format.channels = channels
                .ok_or_else(|| ConfigError::new("AUDIO_CHANNELS", &text, "1 to 1024 channels"))?;
        }
        if let Some(text) = get("AUDIO_RATE") {
            let rate = text
                .trim()
                .parse()
                .ok()
                .and_then(|n| SampleRate::new(n).ok());
            format.rate =
                rate.ok_or_else(|| ConfigError::new("AUDIO_RATE", &text, "1 to 768000 Hz"))?;
        }
        Ok(wish)
    }
}

/// Makes a source of Opus packets.
pub type DecodeOpus = fn(Box<dyn OpusPackets>) -> Result<Box<dyn Source>, SourceError>;

/// Opens what is in `bytes`. `opus` decodes Opus; without it, that is an error.
///
/// # Errors
/// [`SourceError::Malformed`] where it is a file that is damaged so that nothing can be read, or
/// is cut before its first audio; [`SourceError::Unsupported`] where it is one that is not read here;
/// both name what it is.
pub fn open(bytes: Bytes, wish: &PcmWish, opus: Option<DecodeOpus>) -> Result<Sound, SourceError> {
    let kind = match wish.headers {
        Headers::Heed => FileKind::of_buffer(&bytes),
        Headers::Ignore => FileKind::Unknown,
    };
    let sound = match kind {
        FileKind::Wav => of_wav(bytes)?,
        FileKind::OggOpus => {
            let packets = OpusFileReader::new(Cursor::new(bytes), NAME)?;
            of_opus(Box::new(packets), kind, opus)?
        }
        FileKind::Matroska | FileKind::WebM => {
            match MatroskaOpus::new(Cursor::new(bytes.clone()), NAME) {
                Ok(packets) => of_opus(Box::new(packets), kind, opus)?,
                Err(SourceError::Unsupported(_)) => of_compressed(bytes, kind)?,
                Err(e) => return Err(e),
            }
        }
        FileKind::Mp4 => match Mp4Opus::from_bytes(bytes.clone(), NAME)? {
            Some(packets) => of_opus(Box::new(packets), kind, opus)?,
            None => of_compressed(bytes, kind)?,
        },
        FileKind::Flac
        | FileKind::Mp3
        | FileKind::Aac
        | FileKind::OggVorbis
        | FileKind::OggFlac => of_compressed(bytes, kind)?,
        FileKind::Unknown => of_pcm(bytes, wish)?,
        FileKind::Other(name) => {
            return Err(SourceError::Unsupported(format!(
                "{NAME}: this is {name}; {} are read",
                FileKind::READ
            )));
        }
    };
    Ok(bounded(sound))
}

fn of_wav(bytes: Bytes) -> Result<Sound, SourceError> {
    let wav = WavSource::new(Cursor::new(bytes), NAME)?;
    let (codec, sample) = match wav.native() {
        Some(pcm) => (in_words(PcmCoding::Pcm(pcm)), pcm.sample),
        None if wav.valid_bits() <= 16 => ("G.711".to_owned(), SampleFormat::S16),
        None => ("64-bit float PCM".to_owned(), SampleFormat::F32),
    };
    Ok(Sound {
        kind: FileKind::Wav,
        codec,
        sample,
        notices: wav.notices().to_vec(),
        guess: None,
        source: Box::new(wav),
    })
}

fn of_opus(
    packets: Box<dyn OpusPackets>,
    kind: FileKind,
    decode: Option<DecodeOpus>,
) -> Result<Sound, SourceError> {
    let Some(decode) = decode else {
        return Err(SourceError::Unsupported(format!(
            "{NAME}: this is Opus in {kind}, which takes feature opus"
        )));
    };
    Ok(Sound {
        kind,
        codec: "Opus".to_owned(),
        sample: SampleFormat::S16,
        notices: packets.notices().to_vec(),
        guess: None,
        source: decode(packets)?,
    })
}

fn of_compressed(bytes: Bytes, kind: FileKind) -> Result<Sound, SourceError> {
    let file = CompressedSource::counted(bytes, NAME)?;
    Ok(Sound {
        kind,
        codec: file.codec().to_owned(),
        // What lossy coders give is kept well enough.
        sample: match file.sample() {
            SampleFormat::F32 if !file.is_pcm() => SampleFormat::S16,
            sample => sample,
        },
        notices: file.notices().to_vec(),
        guess: None,
        source: Box::new(file),
    })
}

fn of_pcm(bytes: Bytes, wish: &PcmWish) -> Result<Sound, SourceError> {
    let guess = guess::guess(&bytes, wish.usual);
    let best = guess.best();
    let sure = |is: f32, guessed, usual| if is >= SURE { guessed } else { usual };
    let is_coded = guess.coding_confidence >= SURE;
    let coding = wish.coding.unwrap_or(match is_coded {
        true => best.coding,
        false => wish.usual.0,
    });
    let channels = match is_coded && coding == best.coding {
        true => best.format.channels,
        false => wish.usual.1.channels,
    };
    let channels = wish.channels.unwrap_or(channels);
    let rate = sure(guess.rate_confidence, best.format.rate, wish.usual.1.rate);
    let rate = wish.rate.unwrap_or(rate);
    let format = StreamFormat::new(rate, channels);
    let size = coding.frame_bytes(channels);
    if bytes.len() < size {
        return Err(SourceError::Malformed(format!(
            "{NAME}: {} bytes are no audio: not even a frame of {size}",
            bytes.len()
        )));
    }
    let mut notices = Vec::new();
    match guess.content {
        Content::Text => notices.push("it looks like text, not like audio".to_owned()),
        Content::Noise => notices.push("it looks like noise in any format".to_owned()),
        Content::Silence | Content::Audio | Content::TooShort => {}
    }
    if wish.coding.is_none() || wish.rate.is_none() {
        notices.push(format!(
            "no header: taken for {coding}, {format} (the coding with a confidence of {:.0} %, \
             the rate of {:.0} %)",
            guess.coding_confidence * 100.0,
            guess.rate_confidence * 100.0
        ));
    }
    let left = bytes.len() % size;
    if left > 0 {
        notices.push(format!(
            "the last {left} bytes are not a whole frame of {size} and are left out"
        ));
    }
    Ok(Sound {
        kind: FileKind::Unknown,
        codec: in_words(coding),
        sample: coding.sample(),
        notices,
        guess: Some(guess),
        source: Box::new(PcmSource::new(bytes, coding, format)),
    })
}

/// The sound, cut where it is longer than anything that is not an attack.
fn bounded(mut sound: Sound) -> Sound {
    let format = sound.source.format();
    let most = MAX_SAMPLES / format.channels.get() as u64;
    if sound
        .source
        .frames_left()
        .is_none_or(|frames| frames > most)
    {
        sound.notices.push(format!(
            "it claims to be longer than is read; the first {} s are",
            format.rate.duration_of(most).as_secs()
        ));
        sound.source = Box::new(Take::new(sound.source, most));
    }
    sound
}

fn in_words(coding: PcmCoding) -> String {
    let PcmCoding::Pcm(pcm) = coding else {
        return "signed 8-bit PCM".to_owned();
    };
    let order = match pcm.endian {
        audiox_core::format::Endian::Little => "",
        audiox_core::format::Endian::Big => ", big-endian",
    };
    match pcm.sample {
        SampleFormat::U8 => "unsigned 8-bit PCM".to_owned(),
        SampleFormat::F32 => format!("32-bit float PCM{order}"),
        sample => format!("signed {}-bit PCM{order}", sample.bits()),
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sound")
            .field("kind", &self.kind)
            .field("codec", &self.codec)
            .field("format", &self.source.format())
            .finish_non_exhaustive()
    }
}

/// Samples of all channels that a sound may have: a day of one channel at 48 kHz.
pub const MAX_SAMPLES: u64 = 24 * 3_600 * 48_000;
/// Confidence from which on a guess counts more than what is usual.
const SURE: f32 = 0.5;
/// What stands in messages.
const NAME: &str = "the recording";
