//! Ogg Opus files as audio: a source that decodes, a sink that encodes.
//!
//! The packets are audiox-io's ([`OpusFileReader`], [`OpusFileWriter`]); here they become frames and
//! are made of frames. More than two channels are in the order of WAV files, on both sides.
//!
//! [`OpusFileReader`]: audiox_io::OpusFileReader
//! [`OpusFileWriter`]: audiox_io::OpusFileWriter

mod sink;
mod source;

pub use sink::OpusSink;
pub use source::OpusSource;

/// For each of a number of surround channels in Vorbis' order its place in that of WAV files.
fn surround_order(channels: usize) -> Option<&'static [usize]> {
    Some(match channels {
        3 => &[0, 2, 1],
        4 => &[0, 1, 2, 3],
        5 => &[0, 2, 1, 3, 4],
        6 => &[0, 2, 1, 4, 5, 3],
        7 => &[0, 2, 1, 5, 6, 4, 3],
        8 => &[0, 2, 1, 6, 7, 4, 5, 3],
        _ => return None,
    })
}
