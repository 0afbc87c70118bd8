//! A source as the bytes of a WAV file, for who asks for them one after the other.

use std::fmt;
use std::io::{self, Read};

use audiox_core::convert;
use audiox_core::format::{Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Source, SourceError};

use super::{HEADER_LEN, header};

/// The bytes of a WAV file with the audio of a source from its position on, made as they are read.
///
/// The header tells the true length, and exactly so many bytes come: where the source ends early
/// or is damaged, silence fills up the rest and [`notice`](Self::notice) says so. Stored samples of the
/// asked format pass bit for bit. Memory is some 100 KiB.
pub struct WavBytes {
    source: Box<dyn Source>,
    pcm: PcmFormat,
    format: StreamFormat,
    /// Frames that have not been taken from the source.
    frames: u64,
    len: u64,
    buffer: Vec<u8>,
    taken: usize,
    samples: Vec<f32>,
    /// A byte that makes the data even is still to come.
    pads: bool,
    notice: Option<String>,
}

impl WavBytes {
    /// A file of `sample`s.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where the source does not know how long it is.
    pub fn new(source: Box<dyn Source>, sample: SampleFormat) -> Result<Self, SourceError> {
        let Some(frames) = source.frames_left() else {
            return Err(SourceError::Unsupported(
                "a source without a known end cannot be a WAV file with a true header".into(),
            ));
        };
        let format = source.format();
        let pcm = PcmFormat::new(sample, Endian::Little);
        let data = frames.saturating_mul(pcm.frame_bytes(format.channels) as u64);
        Ok(Self {
            pcm,
            format,
            frames,
            len: (data + (data & 1)).saturating_add(HEADER_LEN as u64),
            buffer: header(format, sample, frames).to_vec(),
            taken: 0,
            samples: vec![0.0; BLOCK * format.channels.get()],
            pads: data & 1 == 1,
            notice: None,
            source,
        })
    }

    /// Bytes of the whole file, the header included.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// What was wrong on the way and filled up with silence.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Puts what comes next into the buffer; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.taken = 0;
        self.buffer.clear();
        if self.frames == 0 {
            if std::mem::take(&mut self.pads) {
                self.buffer.push(0);
            }
            return Ok(!self.buffer.is_empty());
        }
        let size = self.pcm.frame_bytes(self.format.channels);
        let wanted = usize::try_from(self.frames).map_or(BLOCK, |n| n.min(BLOCK));
        self.buffer.resize(wanted * size, 0);
        let is_native = self.source.native() == Some(self.pcm);
        let read = match is_native {
            true => self
                .source
                .read_native(&mut self.buffer)
                .map(|bytes| bytes / size),
            false => {
                let samples = &mut self.samples[..wanted * self.format.channels.get()];
                self.source.read(samples)
            }
        };
        let frames = match read {
            Ok(0) => self.silence("it ended before its time"),
            Ok(frames) => {
                if !is_native {
                    let samples = &self.samples[..frames * self.format.channels.get()];
                    convert::encode(self.pcm, samples, &mut self.buffer);
                }
                frames
            }
            Err(SourceError::Io { what, source }) => {
                return Err(io::Error::new(source.kind(), format!("{what}: {source}")));
            }
            Err(e) => self.silence(&e.to_string()),
        };
        self.buffer.truncate(frames * size);
        self.frames -= frames as u64;
        Ok(true)
    }

    /// Makes the rest silent, of which the buffer is a part; returns the frames in it.
    fn silence(&mut self, why: &str) -> usize {
        if self.notice.is_none() {
            let rest = self.format.rate.duration_of(self.frames).as_secs_f64();
            self.notice = Some(format!("{why}; the last {rest:.3} s are silent"));
        }
        self.samples.fill(0.0);
        let frames = self.buffer.len() / self.pcm.frame_bytes(self.format.channels);
        let samples = &self.samples[..frames * self.format.channels.get()];
        convert::encode(self.pcm, samples, &mut self.buffer);
        frames
    }
}

impl Read for WavBytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || self.taken == self.buffer.len() && !self.fill()? {
            return Ok(0);
        }
        let rest = &self.buffer[self.taken..];
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.taken += len;
        Ok(len)
    }
}

impl fmt::Debug for WavBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavBytes")
            .field("pcm", &self.pcm)
            .field("format", &self.format)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// Frames made at a time.
const BLOCK: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use audiox_core::format::{Channels, SampleRate};
    use bytes::Bytes;

    use super::*;
    use crate::decorate::Take;
    use crate::pcm::{PcmCoding, PcmSource};
    use crate::wav::WavSource;

    const MONO: StreamFormat = StreamFormat::new(SampleRate::HZ_16000, Channels::MONO);

    fn all(mut bytes: WavBytes) -> (Vec<u8>, Option<String>) {
        let (mut file, len) = (Vec::new(), bytes.file_len());
        bytes.read_to_end(&mut file).unwrap();
        assert_eq!(file.len() as u64, len);
        (file, bytes.notice().map(str::to_owned))
    }

    #[test]
    fn the_file_is_true_and_stored_samples_pass_untouched() {
        let stored: Vec<u8> = (0..20_001u32).map(|i| (i * 31) as u8).collect();
        for (coding, sample) in [
            (PcmCoding::S16LE, SampleFormat::S16),
            ("u8".parse().unwrap(), SampleFormat::U8),
            ("s24be".parse().unwrap(), SampleFormat::S24),
        ] {
            let source = PcmSource::new(Bytes::from(stored.clone()), coding, MONO);
            let frames = source.frames();
            let (file, notice) = all(WavBytes::new(Box::new(source), sample).unwrap());
            assert_eq!(notice, None);
            let mut read = WavSource::new(Cursor::new(file), "it").unwrap();
            assert!(read.notices().is_empty(), "{:?}", read.notices());
            assert_eq!((read.frames(), read.format()), (frames, MONO));
            let mut native = vec![0; stored.len()];
            let len = read.read_native(&mut native).unwrap();
            match coding.to_string().as_str() {
                "s24be" => assert_eq!(native[..3], [stored[2], stored[1], stored[0]]),
                _ => assert_eq!(native[..len], stored[..len]),
            }
        }
    }

    /// Claims more than it has.
    struct Short(PcmSource);

    impl Source for Short {
        fn format(&self) -> StreamFormat {
            self.0.format()
        }
        fn clock(&self) -> audiox_core::source::SourceClock {
            self.0.clock()
        }
        fn frames_left(&self) -> Option<u64> {
            self.0.frames_left().map(|n| n + 10_000)
        }
        fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
            match self.0.read(out)? {
                0 => Err(SourceError::Malformed("it is damaged".into())),
                n => Ok(n),
            }
        }
        fn native(&self) -> Option<PcmFormat> {
            None
        }
        fn read_native(&mut self, _: &mut [u8]) -> Result<usize, SourceError> {
            Ok(0)
        }
        fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
            self.0.seek(frame)
        }
    }

    #[test]
    fn what_is_missing_is_silence_and_said() {
        let stored = Bytes::from(vec![0x10; 3_000]);
        let source = Short(PcmSource::new(stored, PcmCoding::S16LE, MONO));
        let (file, notice) = all(WavBytes::new(Box::new(source), SampleFormat::U8).unwrap());
        assert_eq!(file.len(), HEADER_LEN + 11_500);
        assert!(file[HEADER_LEN + 1_500..].iter().all(|b| *b == 0x80));
        let notice = notice.unwrap();
        assert!(
            notice.contains("damaged") && notice.contains("0.625 s"),
            "{notice}"
        );
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let endless = crate::Signal::silence(MONO);
        assert!(WavBytes::new(Box::new(endless), SampleFormat::S16).is_err());
        let short = Take::new(Box::new(crate::Signal::silence(MONO)), 3);
        assert!(WavBytes::new(Box::new(short), SampleFormat::S16).is_ok());
    }
}
