//! WAV files, streamed in and out: RIFF, RF64 and BW64.
//!
//! # What is read
//! [`WavSource`] reads 8-, 16-, 24- and 32-bit integers, 32- and 64-bit floats, A-law and µ-law,
//! plain or as `WAVE_FORMAT_EXTENSIBLE`, with any channel count and with other chunks in any
//! order before and after. Depths between these are read by their container: the format
//! left-justifies valid bits, so 20 bits in a three-byte container are 24-bit samples whose last
//! bits are zero, and nothing needs shifting.
//!
//! A header that says too much or nothing about the length of its data does not stop a file from
//! being read: the file's real size decides, and [`WavSource::notices`] says what was wrong. A
//! header that leaves open what the samples mean is an error that names file, field and value.
//!
//! # What is written
//! [`WavSink`] writes `u8`, `s16`, `s24`, `s32` and `f32`, as `WAVE_FORMAT_EXTENSIBLE` where there
//! are more than two channels or 16 bits. Its header has a fixed length of 128 bytes and is true
//! again after each second of audio, so a recording whose process is killed stays a valid file
//! and lacks the last second at most. Space for the 64-bit sizes of RF64 is reserved from the start;
//! past 4 GiB the same 128 bytes become an RF64 header.
//!
//! ```text
//! RIFF size WAVE          RF64 ffffffff WAVE
//! JUNK (28 bytes)         ds64 (64-bit sizes)
//! fmt  (16 or 40 bytes)   fmt
//! fact (f32 only)         fact
//! JUNK (to byte 120)      JUNK, begins with a mark while the recording is open
//! data size               data ffffffff
//! ```
//! Where the mark still stands, our own reader takes all of the file, so even that last second is
//! there as far as it reached the system.
//!
//! # Why an own reader and writer
//! The crate `hound` is the obvious one, and is the peer in this crate's tests. It has no RF64, no
//! G.711 and no 64-bit float, believes the size in a header even where the file is shorter, gives no
//! access to the bytes as they stand (what a streamer sends untouched), and rewrites its header
//! only when asked to, byte by byte.
//!
//! # Deliberate differences from hound
//! 24 valid bits in a four-byte container are left-justified, as the format demands and ffmpeg
//! reads them; hound reads and writes them right-justified. A plain header with 24 bits and a block
//! align of four bytes a sample may mean either, so it is refused.

mod chunk;
mod fmt;
mod header;
mod layout;
mod recorder;
mod sink;
mod source;
mod stream;

pub use sink::WavSink;
pub use source::WavSource;
pub use stream::WavBytes;

use audiox_core::format::{SampleFormat, StreamFormat};

/// The header of a WAV file (RF64 where it must be) whose length is known before it is written:
/// `frames` frames of little-endian samples follow, and a zero byte where their bytes are odd in
/// number.
pub fn header(format: StreamFormat, sample: SampleFormat, frames: u64) -> [u8; HEADER_LEN] {
    layout::Layout { format, sample }.header(frames, layout::Mark::Closed)
}

/// The header of a WAV file that goes on for as long as it does, in a pipe or a buffer that grows:
/// little-endian samples follow up to the end of the data.
pub fn open_header(format: StreamFormat, sample: SampleFormat) -> [u8; HEADER_LEN] {
    let mut header = layout::Layout { format, sample }.header(0, layout::Mark::Open);
    let unknown = chunk::UNKNOWN_SIZE.to_le_bytes();
    header[4..8].copy_from_slice(&unknown);
    header[HEADER_LEN - 4..].copy_from_slice(&unknown);
    header
}

/// Bytes of every header that is written.
pub const HEADER_LEN: usize = chunk::OUR_HEADER as usize;
