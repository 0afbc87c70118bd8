//! Audio files, signals and sound devices: everything that is a [`Source`] or a [`Sink`] on this
//! machine.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`wav`] | WAV, RF64 and BW64 files, streamed in and out |
//! | `compressed` | FLAC, MP3, Vorbis and AAC files as sources (feature `compressed`) |
//! | [`ogg`] | Ogg Opus files in and out, packet by packet |
//! | [`matroska`] | WebM and Matroska files, packet by packet |
//! | [`opus`] | Opus packets, whatever container they come from |
//! | `sound` | recordings in memory, whatever they are (feature `compressed`) |
//! | [`guess`] | what PCM without a header most likely is |
//! | [`pcm`] | PCM without a header in memory |
//! | [`kind`] | what a file is, by its content |
//! | [`folder`] | every audio file of a folder |
//! | [`signal`] | tones, sweeps, noise, silence, impulses |
//! | `device` | microphones and speakers (feature `devices`) |
//! | `analysis` | levels, loudness, clipping, silence and a spectrogram of any source (feature `analysis`) |
//! | [`envelope`] | the outline of any source |
//! | [`decorate`] | loops, gain, start offset, length limit and another rate around any source |
//! | [`raw`] | PCM without a header: pipes, standard input and output; a sink for nothing |
//! | [`prefetch`] | a read-ahead thread, so that a pacing thread never waits for a disk |
//!
//! A second of a tone into a file of 24-bit samples, and back:
//! ```
//! use audiox_core::block::AudioRef;
//! use audiox_core::convert::Gain;
//! use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
//! use audiox_core::source::{Sink, Source};
//! use audiox_io::Signal;
//! use audiox_io::wav::{WavSink, WavSource};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
//! let mut tone = Signal::tone(format, 440.0, Gain::from_db(-12.0)?)?.with_length(48_000);
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("tone.wav");
//! let mut to = WavSink::create(&file, format, SampleFormat::S24)?;
//! let mut samples = vec![0.0; 4_800];
//! loop {
//!     let frames = tone.read(&mut samples)?;
//!     if frames == 0 {
//!         break;
//!     }
//!     to.write(AudioRef::new(&samples[..frames], format.channels))?;
//! }
//! to.finish()?;
//! assert_eq!(WavSource::open(&file)?.frames_left(), Some(48_000));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `compressed` | FLAC, MP3, Ogg Vorbis and AAC, recordings in memory |  |
//! | `analysis` | levels, loudness and spectrograms |  |
//! | `devices` | microphones and speakers | on Linux the headers of ALSA |
//! | `fuzzing` | the bodies of fuzz targets, for the repository; no promise of stability |  |
//!
//! [`Source`]: audiox_core::source::Source
//! [`Sink`]: audiox_core::source::Sink
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "analysis")]
pub mod analysis;
#[cfg(feature = "compressed")]
pub mod compressed;
pub mod decorate;
#[cfg(feature = "devices")]
pub mod device;
pub mod envelope;
pub mod folder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod guess;
pub mod kind;
pub mod matroska;
mod mpeg;
pub mod ogg;
pub mod opus;
pub mod pcm;
pub mod prefetch;
pub mod raw;
pub mod signal;
#[cfg(feature = "compressed")]
pub mod sound;
pub mod wav;

#[cfg(feature = "compressed")]
pub use compressed::{CompressedSource, Mp4Opus};
pub use decorate::{Amplified, Looped, Repeat, Resampled, Skip, Take};
pub use folder::{list_folder, load_folder};
pub use kind::FileKind;
pub use matroska::MatroskaOpus;
pub use ogg::{OpusFileReader, OpusFileWriter, OpusHead};
pub use pcm::{PcmCoding, PcmSource};
pub use prefetch::{Filled, Prefetch, PrefetchConfig, PrefetchReader};
pub use raw::{NullSink, RawSink, RawSource};
pub use signal::{Colour, Signal};
pub use wav::{WavBytes, WavSink, WavSource};
