//! The spool's folder.
//!
//! | file | what |
//! | --- | --- |
//! | `lock` | held by the process that uses the folder |
//! | `<id>/stream.json` | the stream's record |
//! | `<id>/<second>.raw` | a segment's bytes, as far as they have come |
//! | `<id>/<second>.json` | its entry; without a checksum until it was closed |
//!
//! An entry whose bytes are gone is that of a segment which the store has; the newest of them says
//! where the stream goes on.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use audiox_core::store::{Crc32, SegmentKey, SegmentMeta, StoredFormat, StreamId, StreamRecord};
use audiox_core::time::{MediaTime, UnixTime};

use crate::json;

/// The folder, locked against other processes.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Keeps the lock; the system takes it back whatever becomes of the process.
    lock: Mutex<Option<File>>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lock = File::create(path.join("lock"))?;
        #[cfg(unix)]
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(
            |_| {
                io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "another process uses this folder",
                )
            },
        )?;
        Ok(Self {
            path: path.to_owned(),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Lets others use the folder. Nothing may be written afterwards.
    pub(super) fn unlock(&self) {
        drop(super::locked(&self.lock).take());
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn raw(&self, key: &SegmentKey) -> PathBuf {
        self.of(&key.stream).join(format!("{}.raw", key.second))
    }

    pub(super) fn write_record(&self, record: &StreamRecord) -> io::Result<()> {
        let folder = self.of(&record.id);
        fs::create_dir_all(&folder)?;
        replace(&folder.join("stream.json"), &json::write_record(record))
    }

    pub(super) fn write_meta(&self, meta: &SegmentMeta) -> io::Result<()> {
        replace(&self.meta(&meta.key), &json::write_meta(meta))
    }

    /// Puts a closed segment's files onto the disk itself.
    pub(super) fn sync(&self, key: &SegmentKey) -> io::Result<()> {
        let folder = self.of(&key.stream);
        for path in [self.raw(key), self.meta(key), folder.join("stream.json")] {
            match File::open(&path) {
                Ok(file) => file.sync_all()?,
                // Stored and removed meanwhile, or in memory alone.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        // Where folders can be opened, they have to be synced for their files to be found.
        File::open(&folder).map_or(Ok(()), |folder| folder.sync_all())
    }

    pub(super) fn remove_raw(&self, key: &SegmentKey) {
        drop(fs::remove_file(self.raw(key)));
    }

    pub(super) fn remove_meta(&self, key: &SegmentKey) {
        drop(fs::remove_file(self.meta(key)));
    }

    pub(super) fn remove_stream(&self, id: &StreamId) -> io::Result<()> {
        match fs::remove_dir_all(self.of(id)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// What an earlier process left.
    pub(super) fn recover(&self) -> io::Result<Vec<Left>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().and_then(|name| StreamId::parse(name).ok()) else {
                continue;
            };
            if !self.of(&id).is_dir() {
                continue;
            }
            match self.recover_stream(&id) {
                Ok(left) => all.push(left),
                // It stays where it is, for somebody to look at; the others go on.
                Err(e) => tracing::error!(stream = %id, "left in the spool and not readable: {e}"),
            }
        }
        all.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        Ok(all)
    }

    fn recover_stream(&self, id: &StreamId) -> io::Result<Left> {
        let folder = self.of(id);
        let bytes = fs::read(folder.join("stream.json"))?;
        let record = json::read_record(id, &bytes).map_err(bad)?;
        let mut seconds = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let name = name.to_str().unwrap_or_default();
            if name.ends_with(".tmp") {
                fs::remove_file(folder.join(name))?;
            }
            let json = name.strip_suffix(".json");
            let second = json.map_or_else(
                || SegmentKey::second_of(name),
                |stem| SegmentKey::second_of(&format!("{stem}.raw")),
            );
            seconds.extend(second);
        }
        seconds.sort_unstable();
        seconds.dedup();
        let mut left = Left {
            record,
            position: None,
            waiting: Vec::new(),
        };
        for second in seconds {
            let key = SegmentKey::new(id.clone(), second);
            let meta = fs::read(self.meta(&key)).ok();
            let meta = meta.and_then(|bytes| json::read_meta(id, &bytes).ok());
            let meta = meta.filter(|meta| meta.key == key);
            if !self.raw(&key).exists() {
                // Stored; only the newest says more than the others.
                match (&left.position, meta) {
                    (_, None) => self.remove_meta(&key),
                    (None, meta) => left.position = meta,
                    (Some(older), meta) => {
                        if left.waiting.is_empty() {
                            self.remove_meta(&older.key);
                        }
                        left.position = meta;
                    }
                }
                continue;
            }
            if let Some(meta) = self.recover_segment(&left, key, meta)? {
                left.position = Some(meta.clone());
                left.waiting.push(meta);
            }
        }
        Ok(left)
    }

    /// A segment whose bytes are here: as its entry has it, or closed now by what there is of it.
    fn recover_segment(
        &self,
        left: &Left,
        key: SegmentKey,
        meta: Option<SegmentMeta>,
    ) -> io::Result<Option<SegmentMeta>> {
        let path = self.raw(&key);
        let file = File::options().read(true).write(true).open(&path)?;
        let mut len = file.metadata()?.len();
        if let Some(meta) = &meta
            && meta.checksum.is_some()
            && meta.bytes == len
        {
            return Ok(Some(meta.clone()));
        }
        let frame_bytes = left.record.format.frame_bytes().map(|n| n as u64);
        let mut meta = meta.unwrap_or_else(|| unknown(key, left.position.as_ref()));
        if frame_bytes.is_none() && len > meta.bytes {
            // How many frames the rest holds nobody knows, and whoever sent it got no answer.
            len = meta.bytes;
            file.set_len(len)?;
        }
        if len == 0 {
            self.remove_raw(&meta.key);
            self.remove_meta(&meta.key);
            return Ok(None);
        }
        if let Some(frame) = frame_bytes {
            meta.frames = (meta.offset % frame + len) / frame;
        }
        meta.bytes = len;
        meta.end = UnixTime::from(file.metadata()?.modified()?);
        meta.checksum = Some(checksum(file)?);
        let end = meta.media_end();
        meta.gaps.retain(|gap| gap.at < end);
        self.write_meta(&meta)?;
        Ok(Some(meta))
    }

    fn of(&self, id: &StreamId) -> PathBuf {
        self.path.join(id.as_str())
    }

    fn meta(&self, key: &SegmentKey) -> PathBuf {
        self.of(&key.stream).join(format!("{}.json", key.second))
    }
}

/// What an earlier process left of a stream.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) record: StreamRecord,
    /// The last segment there was, stored or not.
    pub(super) position: Option<SegmentMeta>,
    /// Those that the store may not have, in order.
    pub(super) waiting: Vec<SegmentMeta>,
}

/// An entry for a segment that has lost its own.
fn unknown(key: SegmentKey, before: Option<&SegmentMeta>) -> SegmentMeta {
    let start = UnixTime::from_secs(key.second);
    SegmentMeta {
        key,
        start,
        end: start,
        media_start: before.map_or(MediaTime(0), SegmentMeta::media_end),
        frames: 0,
        offset: before.map_or(0, |before| before.offset + before.bytes),
        bytes: 0,
        checksum: None,
        gaps: Vec::new(),
    }
}

fn checksum(mut file: File) -> io::Result<u32> {
    use io::Read;
    let mut crc = Crc32::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(crc.value()),
            n => crc.update(&piece[..n]),
        }
    }
}

/// Writes a small file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path))
}

fn bad(e: json::BadJson) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e.to_string())
}

/// Whether a stream's appends must each leave an entry, since the bytes alone do not tell how
/// many frames they are.
pub(super) fn entry_per_append(format: &StoredFormat) -> bool {
    format.frame_bytes().is_none()
}
