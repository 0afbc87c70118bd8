//! A file that was cut, at the length that it had: a demuxer leaves out a box that is not all
//! there, and with it all of its audio that is.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// Says that it is `len` long; what is read behind the true end is nothing.
pub(super) struct Uncut<S> {
    inner: S,
    len: u64,
}

impl<S> Uncut<S> {
    pub(super) fn new(inner: S, len: u64) -> Self {
        Self { inner, len }
    }
}

impl<S: Read> Read for Uncut<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.inner.read(out)
    }
}

impl<S: Seek> Seek for Uncut<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::End(by) = to else {
            return self.inner.seek(to);
        };
        let place = self.len.checked_add_signed(by);
        let place = place.ok_or(io::ErrorKind::InvalidInput)?;
        self.inner.seek(SeekFrom::Start(place))
    }
}

impl<S: MediaSource> MediaSource for Uncut<S> {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        // Where tags behind the audio are searched: where it truly ends.
        self.inner.byte_len()
    }
}
