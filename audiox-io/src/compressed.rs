//! FLAC, MP3, Ogg Vorbis and AAC files as sources.
//!
//! [`CompressedSource`] reads FLAC (also in Ogg), MP3, Vorbis in Ogg, AAC-LC in ADTS or MP4, and
//! these and PCM out of Matroska and WebM. What a file is,
//! its content says, never its name. Demuxing and decoding are those of the crate `symphonia`.
//!
//! # Without a gap
//! Encoders put silence before and after the audio. Where the file says how much, it is cut off:
//! by LAME's tag in MP3, by granule positions in Ogg, by the edit list or iTunes' tag in MP4. ADTS
//! has no place for it, so such files begin with their encoder's silence.
//!
//! # Length
//! Positions and lengths are exact to the frame. FLAC, Vorbis and MP4 tell their length; MP3 and
//! ADTS do not, or only as a guess, so these files are read through once when they are opened.
//! [`CompressedSource::counted`] believes no header, since a recording in memory may have been cut.
//!
//! # Damage
//! What cannot be decoded becomes silence of the same length, so that what follows stays in its
//! place; the source says so by an error at its end, when all the rest has been read. A file that
//! was cut ends with an error too, and one of which nothing can be decoded for some seconds ends there.
//!
//! Of streams that are chained in one Ogg file only the first could be read; such files are refused.

mod demuxer;
mod matroska;
mod mp4;
mod mp4_opus;
mod ogg;
mod source;
mod uncut;

pub use mp4_opus::Mp4Opus;
pub use source::CompressedSource;
