//! A recording in memory, whatever it is: WAV, FLAC, MP3, Ogg, MP4, WebM, Matroska, or PCM without a
//! header, whose format is guessed.
//!
//! ```
//! use audiox::sound::{PcmWish, open};
//! use bytes::Bytes;
//!
//! let samples: Vec<u8> = (0..48_000)
//!     .flat_map(|i| (((f64::from(i) * 0.05).sin() * 9_000.0) as i16).to_le_bytes())
//!     .collect();
//! let sound = open(Bytes::from(samples), &PcmWish::default())?;
//! assert_eq!(sound.codec, "signed 16-bit PCM");
//! assert_eq!(sound.source.frames_left(), Some(48_000));
//! # Ok::<(), audiox::core::source::SourceError>(())
//! ```

use audiox_core::source::SourceError;
use bytes::Bytes;

pub use audiox_io::guess::{Content, Guess, PcmGuess};
pub use audiox_io::sound::{DecodeOpus, Headers, MAX_SAMPLES, PcmWish, Sound};

/// Opens what is in `bytes`, without a file: see [`audiox_io::sound`]. It reads packet headers and
/// decodes nothing yet, but takes its time in proportion to the bytes: call it where waiting is allowed.
///
/// # Errors
/// [`SourceError::Malformed`] and [`SourceError::Unsupported`] with what the bytes are and why they
/// cannot be read.
pub fn open(bytes: Bytes, wish: &PcmWish) -> Result<Sound, SourceError> {
    audiox_io::sound::open(bytes, wish, OPUS)
}

/// What decodes Opus, where it is built in.
#[cfg(feature = "opus")]
pub const OPUS: Option<DecodeOpus> =
    Some(|packets| Ok(Box::new(audiox_opus::OpusSource::new(packets)?)));

/// What decodes Opus, where it is built in.
#[cfg(not(feature = "opus"))]
pub const OPUS: Option<DecodeOpus> = None;
