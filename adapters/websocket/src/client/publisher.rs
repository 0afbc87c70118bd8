//! Who publishes a stream.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audiox_core::store::{StoredFormat, StreamId};
use bytes::{Bytes, BytesMut};

use super::link::Link;
use super::{ClientError, Connect};

/// How a stream is published.
#[derive(Debug, Clone)]
pub struct PublisherConfig {
    /// The relay; with a stream, one that is there already and goes on.
    pub connect: Connect,
    /// What people call the stream.
    pub name: Option<String>,
    /// What is sent.
    pub format: StoredFormat,
    /// Bytes that may wait while the relay is away; 32 MiB by default. Past that the newest are
    /// left out, and the relay is told how many.
    pub buffer: usize,
    /// How long the relay may be away before it is given up; a minute by default.
    pub patience: Duration,
}

impl PublisherConfig {
    /// A new stream of `format`.
    pub fn new(connect: Connect, format: StoredFormat) -> Self {
        Self {
            connect,
            name: None,
            format,
            buffer: 32 << 20,
            patience: Duration::from_secs(60),
        }
    }
}

/// How a publisher is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublisherStats {
    /// Bytes that the relay has accepted.
    pub accepted: u64,
    /// Bytes that wait.
    pub waiting: usize,
    /// Bytes left out, because the relay was away for too long.
    pub left_out: u64,
    /// Times that the relay had to be tried again.
    pub retries: u64,
}

/// A stream on its way to a relay. What is [sent](Self::send) leaves on a thread of its own.
/// Dropping it leaves the stream live.
pub struct Publisher {
    stream: StreamId,
    format: StoredFormat,
    link: Arc<Link>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    buffer: usize,
    patience: Duration,
}

#[derive(Default)]
struct State {
    /// Bytes and where they begin.
    queue: VecDeque<(u64, Bytes)>,
    /// Bytes that were given to `send`, and those of the stream before.
    offset: u64,
    stats: PublisherStats,
    is_over: bool,
    failed: Option<ClientError>,
}

impl Publisher {
    /// Makes the stream, or finds it, and starts to publish.
    ///
    /// # Errors
    /// The relay cannot be reached, or refuses.
    pub fn start(config: PublisherConfig) -> Result<Self, ClientError> {
        let link = Arc::new(Link::new(config.connect.clone())?);
        let (stream, format, offset) = match &config.connect.relay.stream {
            None => {
                let stream = link.create(config.name.as_deref(), &config.format)?;
                (stream, config.format, 0)
            }
            Some(id) => {
                let (format, offset) = link.live(id)?;
                (id.clone(), format, offset)
            }
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                offset,
                ..State::default()
            }),
            changed: Condvar::new(),
            buffer: config.buffer,
            patience: config.patience,
        });
        let (held, to, id) = (shared.clone(), link.clone(), stream.clone());
        let thread = std::thread::Builder::new()
            .name("audiox-publish".to_owned())
            .spawn(move || held.deliver(&to, &id))
            .map_err(|source| ClientError::Io {
                what: "cannot start a thread".to_owned(),
                source,
            })?;
        Ok(Self {
            stream,
            format,
            link,
            shared,
            thread: Some(thread),
        })
    }

    /// What the relay takes the stream's bytes for: what was asked for, or what a stream that was
    /// there already is.
    pub const fn format(&self) -> &StoredFormat {
        &self.format
    }

    /// The stream's id.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Hands `data` over. Does not wait for the relay.
    ///
    /// # Errors
    /// The relay refuses, or was away for too long; nothing more can be sent then.
    pub fn send(&self, data: Bytes) -> Result<(), ClientError> {
        let mut state = self.shared.state();
        if let Some(failed) = state.failed.take() {
            return Err(failed);
        }
        let offset = state.offset;
        state.offset += data.len() as u64;
        if state.stats.waiting + data.len() > self.shared.buffer {
            state.stats.left_out += data.len() as u64;
        } else {
            state.stats.waiting += data.len();
            state.queue.push_back((offset, data));
        }
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// How it is doing.
    pub fn stats(&self) -> PublisherStats {
        self.shared.state().stats
    }

    /// Waits until the relay has all that was sent.
    ///
    /// # Errors
    /// The relay refuses, or was away for too long.
    pub fn flush(&self) -> Result<(), ClientError> {
        let mut state = self.shared.state();
        while state.stats.waiting > 0 && state.failed.is_none() {
            let waited = self.shared.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.take().map_or(Ok(()), Err)
    }

    /// Sends what waits, and ends the stream.
    ///
    /// # Errors
    /// The relay refuses, or was away for too long.
    pub fn end(self) -> Result<PublisherStats, ClientError> {
        self.flush()?;
        self.link.end(&self.stream)?;
        Ok(self.stats())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("stream", &self.stream)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Sends what comes until it is over.
    fn deliver(&self, link: &Link, id: &StreamId) {
        while let Some((offset, data)) = self.next() {
            let since = Instant::now();
            let mut pause = FIRST_PAUSE;
            loop {
                match link.post(id, offset, &data) {
                    Ok(()) => break,
                    Err(e) if e.is_transient() && since.elapsed() < self.patience => {
                        self.state().stats.retries += 1;
                        if !self.pause(pause) {
                            return;
                        }
                        pause = (pause * 2).min(LAST_PAUSE);
                    }
                    Err(e) => {
                        self.state().failed = Some(e);
                        self.changed.notify_all();
                        return;
                    }
                }
            }
            let mut state = self.state();
            state.stats.accepted += data.len() as u64;
            state.stats.waiting -= data.len();
            drop(state);
            self.changed.notify_all();
        }
    }

    /// What waits, joined where it is a lot; none when it is over and nothing waits.
    fn next(&self) -> Option<(u64, Bytes)> {
        let mut state = self.state();
        loop {
            if let Some((offset, data)) = state.queue.pop_front() {
                let mut end = offset + data.len() as u64;
                if state.queue.front().is_none_or(|(at, _)| *at != end) {
                    return Some((offset, data));
                }
                let mut joined = BytesMut::from(&data[..]);
                while let Some((at, more)) = state.queue.front()
                    && *at == end
                    && joined.len() + more.len() <= JOINED
                {
                    joined.extend_from_slice(more);
                    end += more.len() as u64;
                    state.queue.pop_front();
                }
                return Some((offset, joined.freeze()));
            }
            if state.is_over {
                return None;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits before another try. Says whether there is still somebody who wants it.
    fn pause(&self, pause: Duration) -> bool {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, pause, |state| !state.is_over);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.is_over
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// Bytes sent at once where much waits.
const JOINED: usize = 256 * 1024;
