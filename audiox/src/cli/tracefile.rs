//! Trace files.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use audiox::core::trace::{TraceEvent, TraceHead, TraceOutput, TraceReader, TraceWriter};

use super::failure::Failure;

/// A trace in memory.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) head: TraceHead,
    pub(super) events: Vec<TraceEvent>,
}

impl Trace {
    /// Reads a file. Damage in it ends the trace there, and is told.
    pub(super) fn read(path: &Path) -> Result<(Self, Option<String>), Failure> {
        let name = path.display();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|f| f.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|e| Failure::io(path.display(), &e))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Failure::Usage(format!(
                "{name}: traces of up to 1 GiB are read, some days of a stream; cut it"
            )));
        }
        let reader =
            TraceReader::new(&bytes).map_err(|e| Failure::Failed(format!("{name}: {e}")))?;
        let head = *reader.head();
        let mut events = Vec::new();
        let mut damage = None;
        for event in reader {
            match event {
                Ok(event) => events.push(event),
                Err(e) => damage = Some(format!("{name}: {e}; what comes before it is used")),
            }
        }
        Ok((Self { head, events }, damage))
    }
}

/// Refuses to write over a file that has something in it, unless that is wanted.
pub(super) fn spare(path: &Path, overwrite: bool) -> Result<(), Failure> {
    if !overwrite && std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() > 0) {
        return Err(Failure::Usage(format!(
            "{} is there already; write elsewhere, or over it with --overwrite",
            path.display()
        )));
    }
    Ok(())
}

/// A trace being written.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: PathBuf,
    file: BufWriter<File>,
    writer: TraceWriter,
    bytes: Vec<u8>,
}

impl TraceFile {
    pub(super) fn create(path: &Path, head: &TraceHead) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|e| Failure::io(path.display(), &e))?;
        let mut bytes = Vec::new();
        let writer = TraceWriter::begin(head, &mut bytes);
        let mut this = Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            writer,
            bytes,
        };
        this.put()?;
        Ok(this)
    }

    /// Writes what waits in the ring.
    pub(super) fn drain(&mut self, from: &mut TraceOutput) -> Result<(), Failure> {
        while let Some(event) = from.poll() {
            self.write(&event)?;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, event: &TraceEvent) -> Result<(), Failure> {
        self.writer.write(event, &mut self.bytes);
        self.put()
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.file
            .flush()
            .map_err(|e| Failure::io(self.path.display(), &e))
    }

    fn put(&mut self) -> Result<(), Failure> {
        self.file
            .write_all(&self.bytes)
            .map_err(|e| Failure::io(self.path.display(), &e))?;
        self.bytes.clear();
        Ok(())
    }
}

const MAX_BYTES: u64 = 1 << 30;
