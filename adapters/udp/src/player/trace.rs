//! Traces, written by a thread that may wait for the disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::playout::Playout;
use audiox_core::trace::{TraceEvent, TraceHead, TraceOutput, TraceWriter, trace_ring};

use crate::Error;

/// Gives playouts a ring to trace into, and writes what comes out.
pub(super) struct Tracer {
    new: Sender<(TraceHead, TraceOutput)>,
    thread: JoinHandle<std::io::Result<u64>>,
    path: PathBuf,
}

/// What a playout factory keeps of a tracer.
#[derive(Debug, Clone)]
pub(super) struct Tap(Sender<(TraceHead, TraceOutput)>);

impl Tap {
    /// Lets `playout` trace.
    pub(super) fn attach(&self, playout: &mut Playout) {
        let (input, output) = trace_ring(EVENTS);
        let head = playout.trace_head();
        // Where the writer is gone, so is the wish for a trace.
        if self.0.send((head, output)).is_ok() {
            playout.set_trace(Some(input));
        }
    }
}

impl Tracer {
    pub(super) fn start(path: PathBuf) -> Result<Self, Error> {
        let failed = |source| Error::Io {
            what: format!("cannot write {}", path.display()),
            source,
        };
        // Now, so that a folder that is not there is told at the start.
        let first = File::create(&path).map_err(failed)?;
        let (new, receiver) = channel();
        let name = path.clone();
        let thread = std::thread::Builder::new()
            .name("audiox-trace".to_owned())
            .spawn(move || write(&name, first, &receiver))
            .map_err(failed)?;
        Ok(Self { new, thread, path })
    }

    pub(super) fn tap(&self) -> Tap {
        Tap(self.new.clone())
    }

    /// Waits until all is written, once every tap and playout is gone; gives how many events are
    /// missing.
    pub(super) fn finish(self) -> Result<u64, Error> {
        drop(self.new);
        match self.thread.join() {
            Ok(result) => result.map_err(|source| Error::Io {
                what: format!("cannot write {}", self.path.display()),
                source,
            }),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

struct Tracing {
    ring: TraceOutput,
    writer: TraceWriter,
    file: BufWriter<File>,
}

fn write(
    path: &Path,
    first: File,
    new: &Receiver<(TraceHead, TraceOutput)>,
) -> std::io::Result<u64> {
    let (mut first, mut count) = (Some(first), 0);
    let mut tracing: Vec<Tracing> = Vec::new();
    let (mut bytes, mut lost) = (Vec::new(), 0);
    let mut open = true;
    while open || !tracing.is_empty() {
        match new.recv_timeout(EVERY) {
            Ok((head, ring)) => {
                count += 1;
                let file = match first.take() {
                    Some(file) => file,
                    None => File::create(numbered(path, count))?,
                };
                tracing.push(Tracing {
                    ring,
                    writer: TraceWriter::begin(&head, &mut bytes),
                    file: BufWriter::new(file),
                });
                if let Some(t) = tracing.last_mut() {
                    t.file.write_all(&bytes)?;
                    bytes.clear();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                open = false;
                // The playouts are about to go as well.
                std::thread::sleep(EVERY);
            }
        }
        let mut i = 0;
        while let Some(t) = tracing.get_mut(i) {
            let closed = t.ring.is_closed();
            while let Some(event) = t.ring.poll() {
                if let TraceEvent::Lost(n) = event {
                    lost += n;
                }
                t.writer.write(&event, &mut bytes);
            }
            t.file.write_all(&bytes)?;
            bytes.clear();
            t.file.flush()?;
            if closed {
                tracing.swap_remove(i);
            } else {
                i += 1;
            }
        }
    }
    Ok(lost)
}

/// `call.trace`, then `call.2.trace`.
fn numbered(path: &Path, n: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(e) => format!("{stem}.{n}.{}", e.to_string_lossy()),
        None => format!("{stem}.{n}"),
    };
    path.with_file_name(name)
}

/// Events that wait for the writer: some seconds of packets of 1 ms.
const EVENTS: usize = 1 << 14;
const EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_streams_get_a_number() {
        let name = |p: &str| numbered(Path::new(p), 3).display().to_string();
        assert_eq!(name("a/call.trace"), "a/call.3.trace");
        assert_eq!(name("call"), "call.3");
    }
}
