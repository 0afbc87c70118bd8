//! Reading ahead, with a place that is known.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

pub(super) struct Input<R> {
    reader: BufReader<R>,
    /// Byte that comes next, and bytes in all.
    at: u64,
    len: u64,
}

impl<R: Read + Seek> Input<R> {
    pub(super) fn new(mut reader: R) -> io::Result<Self> {
        let len = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        Ok(Self {
            reader: BufReader::with_capacity(BUFFER, reader),
            at: 0,
            len,
        })
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes to the end.
    pub(super) fn left(&self) -> u64 {
        self.len - self.at
    }

    pub(super) fn into_inner(self) -> R {
        self.reader.into_inner()
    }

    /// Goes to a byte, at most to the end.
    pub(super) fn go(&mut self, to: u64) -> io::Result<()> {
        let to = to.min(self.len);
        // Both lie within what the system counts in an i64.
        self.reader.seek_relative(to as i64 - self.at as i64)?;
        self.at = to;
        Ok(())
    }

    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.go(self.at.saturating_add(bytes))
    }

    /// Fills `out`, or as much of it as there is; how much that is.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.left()).map_or(out.len(), |left| left.min(out.len()));
        self.reader.read_exact(&mut out[..len])?;
        self.at += len as u64;
        Ok(len)
    }

    /// The next bytes, 12 at most, without going on.
    pub(super) fn peek(&mut self, out: &mut [u8; 12]) -> io::Result<usize> {
        let from = self.at;
        let len = self.fill(out)?;
        self.go(from)?;
        Ok(len)
    }

    /// Goes on to where `mark` begins; `false` where it comes no more, at the end.
    pub(super) fn find(&mut self, mark: [u8; 4]) -> io::Result<bool> {
        use std::io::BufRead;
        let mut last = [0; 4];
        loop {
            let bytes = match self.reader.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() || self.at >= self.len {
                return Ok(false);
            }
            let mut found = None;
            for (i, byte) in bytes.iter().enumerate() {
                last = [last[1], last[2], last[3], *byte];
                if last == mark {
                    found = Some(i + 1);
                    break;
                }
            }
            let used = found.unwrap_or(bytes.len());
            self.reader.consume(used);
            self.at += used as u64;
            if found.is_some() {
                self.go(self.at - 4)?;
                return Ok(true);
            }
        }
    }
}

const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn marks_are_found_across_buffers() {
        let mut bytes = vec![0x1f; BUFFER + 10];
        let at = BUFFER - 2;
        bytes[at..at + 4].copy_from_slice(&[0x1f, 0x43, 0xb6, 0x75]);
        let mut input = Input::new(Cursor::new(bytes)).unwrap();
        assert!(input.find([0x1f, 0x43, 0xb6, 0x75]).unwrap());
        assert_eq!(input.at(), at as u64);
        let mut head = [0; 12];
        assert_eq!((input.peek(&mut head).unwrap(), head[1]), (12, 0x43));
        input.skip(1).unwrap();
        assert!(!input.find([0x1f, 0x43, 0xb6, 0x75]).unwrap());
        assert_eq!((input.left(), input.fill(&mut head).unwrap()), (0, 0));
    }
}
