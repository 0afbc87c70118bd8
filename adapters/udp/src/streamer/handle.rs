//! The caller's end of a running streamer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use audiox_core::time::Instant;
use audiox_io::Prefetch;
use audiox_net::StopFlag;
use audiox_net::clock::Clock;

use super::report::StreamerReport;
use super::status::{Status, StreamerSnapshot};
use crate::Error;

/// A running streamer. Dropping it stops it.
#[derive(Debug)]
pub struct StreamerHandle {
    pub(super) clock: Clock,
    pub(super) stop: StopFlag,
    /// Ends the report listener, after the pacing thread.
    pub(super) listener_stop: StopFlag,
    pub(super) notices: Vec<String>,
    pub(super) sdp: Option<String>,
    pub(super) start_time: SystemTime,
    /// The common start in nanoseconds, 0 until it is settled.
    pub(super) start: Arc<AtomicU64>,
    pub(super) statuses: Vec<Arc<Status>>,
    pub(super) rejected: Option<Arc<AtomicU64>>,
    pub(super) pacing: Option<JoinHandle<StreamerReport>>,
    pub(super) listener: Option<JoinHandle<()>>,
    /// The read-ahead threads end when these are dropped.
    pub(super) prefetch: Vec<Prefetch>,
}

impl StreamerHandle {
    /// What was done otherwise than asked for, a sentence each.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The session description; `None` for raw streams, which have none.
    pub fn sdp(&self) -> Option<&str> {
        self.sdp.as_deref()
    }

    /// The address and port that each stream is sent from.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.statuses.iter().map(|s| s.local).collect()
    }

    /// When the first packets of all streams are due, by the wall clock.
    pub fn start_time(&self) -> SystemTime {
        self.start_time
    }

    /// The state now. Cheap, and never in the pacing thread's way. Peak levels are those since
    /// the snapshot before.
    pub fn snapshot(&self) -> StreamerSnapshot {
        let (elapsed, until_start) = match self.start.load(Relaxed) {
            0 => {
                let left = self.start_time.duration_since(SystemTime::now());
                (Duration::ZERO, left.unwrap_or_default())
            }
            start => {
                let (start, now) = (Instant::from_nanos(start), self.clock.now());
                (now - start, start - now)
            }
        };
        StreamerSnapshot {
            elapsed,
            until_start,
            reports_rejected: self.rejected.as_ref().map_or(0, |r| r.load(Relaxed)),
            streams: self.statuses.iter().map(|s| s.snapshot()).collect(),
        }
    }

    /// A flag that ends the streams when set.
    pub fn stop_flag(&self) -> StopFlag {
        self.stop.clone()
    }

    /// Ends the streams within some 50 ms, RTP streams with a goodbye.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Whether all streams have ended.
    pub fn is_finished(&self) -> bool {
        self.pacing.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until all streams have ended and says how it went. A stream that failed does not
    /// end the others; the report has its error.
    ///
    /// # Errors
    /// None at present: what happens to a stream stands in the report.
    pub fn wait(mut self) -> Result<StreamerReport, Error> {
        let pacing = self.pacing.take().map(JoinHandle::join);
        self.prefetch.clear();
        self.listener_stop.stop();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        match pacing.expect("only this takes it, and only once") {
            Ok(report) => Ok(report),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for StreamerHandle {
    fn drop(&mut self) {
        self.stop.stop();
        self.listener_stop.stop();
    }
}
