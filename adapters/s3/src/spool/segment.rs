use std::fs::File;
use std::io::Write;

use audiox_core::store::{SegmentKey, SegmentMeta, StoreError, StoreErrorKind};
use bytes::Bytes;

use super::Shared;

/// A segment that grows: in a file as far as the disk takes it, in memory from there on.
#[derive(Debug)]
pub(super) struct Growing {
    /// Its entry when it began.
    opened: SegmentMeta,
    /// None before the first byte, and where the disk took nothing.
    file: Option<File>,
    file_len: u64,
    tail: Vec<Bytes>,
    tail_len: u64,
}

/// How far a segment had come, to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    file_len: u64,
    tail: usize,
}

impl Growing {
    pub(super) const fn new(opened: SegmentMeta) -> Self {
        Self {
            opened,
            file: None,
            file_len: 0,
            tail: Vec::new(),
            tail_len: 0,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            file_len: self.file_len,
            tail: self.tail.len(),
        }
    }

    /// Keeps `data` behind what there is.
    ///
    /// An error leaves what part of it the disk took; [`back_to`](Self::back_to) takes it away.
    pub(super) fn append(&mut self, shared: &Shared, mut data: Bytes) -> Result<(), StoreError> {
        // What is in memory once has its successors there, too: they are in order.
        if self.tail.is_empty() {
            let written = self.write(shared, &data);
            let _ = data.split_to(written);
        }
        if data.is_empty() {
            return Ok(());
        }
        if !shared.memory.take(data.len() as u64) {
            return Err(StoreError::new(
                StoreErrorKind::Full,
                shared.name(),
                format_args!(
                    "{}: neither the disk nor memory has room for {} bytes",
                    self.opened.key,
                    data.len()
                ),
            ));
        }
        self.tail_len += data.len() as u64;
        self.tail.push(data);
        Ok(())
    }

    /// As many bytes as the disk takes.
    fn write(&mut self, shared: &Shared, data: &[u8]) -> usize {
        if self.file.is_none() {
            let made = shared.folder.write_meta(&self.opened).and_then(|()| {
                let path = shared.folder.raw(&self.opened.key);
                File::options().create_new(true).append(true).open(path)
            });
            match made {
                Ok(file) => self.file = Some(file),
                Err(e) => {
                    shared.disk_failed(&self.opened.key, &e);
                    return 0;
                }
            }
        }
        let Some(file) = &mut self.file else { return 0 };
        if !shared.disk.take(data.len() as u64) {
            let e = std::io::Error::from(std::io::ErrorKind::QuotaExceeded);
            shared.disk_failed(&self.opened.key, &e);
            return 0;
        }
        let mut written = 0;
        while written < data.len() {
            match file.write(&data[written..]) {
                Ok(0) => break,
                Ok(n) => written += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    shared.disk_failed(&self.opened.key, &e);
                    break;
                }
            }
        }
        shared.disk.give_back((data.len() - written) as u64);
        self.file_len += written as u64;
        written
    }

    /// Takes away what came after `mark`.
    pub(super) fn back_to(&mut self, shared: &Shared, mark: Mark) {
        if self.file_len > mark.file_len {
            shared.disk.give_back(self.file_len - mark.file_len);
            self.file_len = mark.file_len;
            if let Some(file) = &self.file
                && let Err(e) = file.set_len(mark.file_len)
            {
                shared.disk_failed(&self.opened.key, &e);
                // What is behind the known length must stay the last: the rest goes to memory.
                self.file = None;
            }
        }
        for data in self.tail.drain(mark.tail..) {
            self.tail_len -= data.len() as u64;
            shared.memory.give_back(data.len() as u64);
        }
    }

    /// Takes all of it away.
    pub(super) fn discard(mut self, shared: &Shared) {
        let start = Mark {
            file_len: 0,
            tail: 0,
        };
        self.back_to(shared, start);
        if self.file.take().is_some() {
            shared.folder.remove_raw(&self.opened.key);
            shared.folder.remove_meta(&self.opened.key);
        }
    }

    /// Where its bytes are.
    pub(super) fn parts(&self) -> Parts {
        Parts {
            file_len: self.file_len,
            tail: self.tail.clone(),
            tail_len: self.tail_len,
        }
    }

    /// Closes it. What is on the disk as a whole gets its final entry there.
    pub(super) fn close(self, shared: &Shared, meta: &SegmentMeta) -> Parts {
        if self.tail.is_empty()
            && let Err(e) = shared.folder.write_meta(meta)
        {
            // Its first entry is there, from which it could be closed again.
            shared.disk_failed(&self.opened.key, &e);
        }
        self.parts()
    }
}

/// Where the bytes of a segment are.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// The first ones are in its file.
    pub(super) file_len: u64,
    /// The others are in memory.
    pub(super) tail: Vec<Bytes>,
    pub(super) tail_len: u64,
}

impl Parts {
    /// A segment that lies on the disk.
    pub(super) const fn on_disk(len: u64) -> Self {
        Self {
            file_len: len,
            tail: Vec::new(),
            tail_len: 0,
        }
    }

    /// All of it. Blocks.
    pub(super) fn read(&self, shared: &Shared, key: &SegmentKey) -> std::io::Result<Bytes> {
        use std::io::Read;
        let len = self.file_len + self.tail_len;
        let mut all = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        if self.file_len > 0 {
            let file = File::open(shared.folder.raw(key))?;
            file.take(self.file_len).read_to_end(&mut all)?;
        }
        for data in &self.tail {
            all.extend_from_slice(data);
        }
        Ok(all.into())
    }
}
