//! WAV in responses.

use audiox_core::ConfigError;
use audiox_core::format::SampleFormat;
use audiox_core::store::{Coding, StoredFormat};
use bytes::Bytes;

/// The header of a WAV file of `frames` frames; of a length that is not known where none are
/// given, which players take for a stream.
pub(crate) fn header(format: &StoredFormat, frames: Option<u64>) -> Result<Bytes, ConfigError> {
    let (tag, width) = match &format.coding {
        Coding::Pcm(pcm) if pcm.sample == SampleFormat::F32 => (FLOAT, 4),
        Coding::Pcm(pcm) => (PCM, pcm.sample.bytes()),
        Coding::Codec(name) => {
            let allowed = "a stream of PCM can be had as WAV";
            return Err(ConfigError::new("codec", name, allowed));
        }
    };
    let channels = format.stream.channels.get();
    let (rate, frame) = (format.stream.rate.get(), width * channels);
    // More than 4 GiB cannot be said; players then go by the length of the file.
    let data = frames.and_then(|n| u32::try_from(n.checked_mul(frame as u64)?).ok());
    let riff = data.and_then(|n| n.checked_add(HEADER - 8));
    let mut out = Vec::with_capacity(HEADER as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&riff.unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&(channels as u16).to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&rate.saturating_mul(frame as u32).to_le_bytes());
    out.extend_from_slice(&(frame as u16).to_le_bytes());
    out.extend_from_slice(&(width as u16 * 8).to_le_bytes());
    out.extend_from_slice(b"data");
    let unknown = u32::MAX - (HEADER - 8);
    out.extend_from_slice(&data.unwrap_or(unknown).to_le_bytes());
    Ok(out.into())
}

/// `data` with the bytes of each sample, `width` of them, the other way round.
pub(crate) fn swapped(data: &Bytes, width: usize) -> Bytes {
    let mut out = data.to_vec();
    out.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    out.into()
}

const HEADER: u32 = 44;
const PCM: u16 = 1;
const FLOAT: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use audiox_core::codec::EncodingName;

    #[test]
    fn a_header_says_what_follows() {
        let format = StoredFormat::default();
        let head = header(&format, Some(10)).unwrap();
        assert_eq!(head.len(), 44);
        assert_eq!(&head[..4], b"RIFF");
        assert_eq!(head[4..8], 56u32.to_le_bytes());
        assert_eq!(head[24..28], 44_100u32.to_le_bytes());
        assert_eq!(head[28..32], 88_200u32.to_le_bytes());
        assert_eq!(head[40..], 20u32.to_le_bytes());
        let endless = header(&format, None).unwrap();
        assert_eq!(endless[4..8], [0xff; 4]);
        let codec = StoredFormat {
            coding: Coding::Codec(EncodingName::PCMU),
            ..format
        };
        assert!(header(&codec, None).is_err());
        assert_eq!(
            swapped(&Bytes::from_static(&[1, 2, 3, 4]), 2)[..],
            [2, 1, 4, 3]
        );
    }
}
