//! Stored streams as WAV files.

use audiox_core::format::{Endian, PcmFormat, SampleFormat};
use audiox_core::store::{Coding, StoreError, StoreErrorKind};
use audiox_core::time::MediaTime;
use audiox_io::wav;
use bytes::{Bytes, BytesMut};

use crate::Replay;

/// A stretch of a stored PCM stream as a WAV file of known length, piece by piece.
///
/// It covers what there is when it is opened, from the first frame to the last. What is gone from
/// the archive in between is silence, so the time line stays true. Samples stand as they were
/// sent, in the byte order that WAV demands.
#[derive(Debug)]
pub struct WavExport {
    replay: Replay,
    pcm: PcmFormat,
    header: Option<Bytes>,
    at: MediaTime,
    end: MediaTime,
    len: u64,
    /// What was read and lies further on than what comes next.
    held: Option<(MediaTime, Bytes)>,
    /// Bytes of the frame that the last piece ended in.
    rest: BytesMut,
    padded: bool,
}

impl WavExport {
    /// The rest of `replay` as a file.
    ///
    /// # Errors
    /// `Invalid` where the stream is not PCM, `NotFound` where there is nothing to export; the
    /// store fails.
    pub async fn open(replay: Replay) -> Result<Self, StoreError> {
        let id = replay.record().id.clone();
        let error = |kind, what| StoreError::new(kind, "export", format_args!("{id}: {what}"));
        let format = replay.format();
        let Coding::Pcm(pcm) = format.coding else {
            let what = "it is not PCM; only its bytes can be exported";
            return Err(error(StoreErrorKind::Invalid, what));
        };
        let Some(range) = replay.extent().await? else {
            return Err(error(StoreErrorKind::NotFound, "nothing is there"));
        };
        let frames = u64::try_from(range.to - range.from).unwrap_or(0);
        let header = wav::header(format.stream, pcm.sample, frames);
        let data = frames.saturating_mul(pcm.frame_bytes(format.stream.channels) as u64);
        Ok(Self {
            pcm,
            header: Some(Bytes::copy_from_slice(&header)),
            at: range.from,
            end: range.to,
            len: data.saturating_add(wav::HEADER_LEN as u64 + data % 2),
            held: None,
            rest: BytesMut::new(),
            padded: data.is_multiple_of(2),
            replay,
        })
    }

    /// Bytes of the whole file.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Never: there is a header at least.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The next bytes of the file; none at its end.
    ///
    /// # Errors
    /// The store fails; it can be asked again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(header) = self.header.take() {
            return Ok(Some(header));
        }
        while self.at < self.end {
            if let Some(data) = self.frames().await? {
                return Ok(Some(data));
            }
        }
        if !self.padded {
            self.padded = true;
            return Ok(Some(Bytes::from_static(&[0])));
        }
        Ok(None)
    }

    /// Whole frames at `at`, where what was read makes some.
    async fn frames(&mut self) -> Result<Option<Bytes>, StoreError> {
        let (at, data) = match self.held.take() {
            Some(held) => held,
            None => match self.replay.next().await? {
                Some(piece) => (piece.at, piece.data),
                // The end is gone by now.
                None => (self.end, Bytes::new()),
            },
        };
        if at > self.at {
            // The frame that was begun is not finished any more.
            self.rest.clear();
            self.held = Some((at, data));
            return Ok(Some(self.silence(at)));
        }
        self.rest.extend_from_slice(&data);
        let frame = self.pcm.frame_bytes(self.replay.format().stream.channels);
        let wanted = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let frames = (self.rest.len() / frame).min(wanted);
        if frames == 0 {
            return Ok(None);
        }
        let mut out = self.rest.split_to(frames * frame);
        if self.pcm.endian == Endian::Big {
            let sample = self.pcm.sample.bytes();
            out.chunks_exact_mut(sample).for_each(<[u8]>::reverse);
        }
        self.at = self.at + i64::try_from(frames).unwrap_or(i64::MAX);
        Ok(Some(out.freeze()))
    }

    /// Silence up to `to`, a part of it where that is long.
    fn silence(&mut self, to: MediaTime) -> Bytes {
        let frame = self.pcm.frame_bytes(self.replay.format().stream.channels);
        let gone = usize::try_from(to.min(self.end) - self.at).unwrap_or(0);
        let frames = gone.min((SILENCE / frame).max(1));
        self.at = self.at + i64::try_from(frames).unwrap_or(0);
        let zero = match self.pcm.sample {
            SampleFormat::U8 => 0x80,
            _ => 0,
        };
        vec![zero; frames * frame].into()
    }
}

/// Bytes of silence at a time.
const SILENCE: usize = 64 << 10;
