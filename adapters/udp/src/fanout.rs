//! One source, each of its channels to whoever wants it.
//!
//! A [`Fanout`] captures once and sends to every client of a [`ClientList`] the channels that it
//! asks for: as datagrams of headerless 16-bit PCM, one block each, which the clients of the
//! original play; or as RTP, in any encoding. Clients are added, changed, muted and removed
//! while it streams; a client that cannot be reached, or whose channel the source lacks, has that
//! said beside it and disturbs nobody.
//!
//! | thread | does |
//! | --- | --- |
//! | `audiox-fanout` | reads a source with a clock, or waits for deadlines; sends |
//! | `audiox-prefetch` | reads a source without a clock ahead |
//! | `audiox-tend` | looks up clients' names, tries failed ones again, watches the list's file |
//!
//! ```no_run
//! use audiox_io::WavSource;
//! use audiox_udp::fanout::{ClientList, Fanout, FanoutConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clients = ClientList::load("clients.json".as_ref())?;
//! let config = FanoutConfig::new("stage.wav", || Ok(Box::new(WavSource::open("stage.wav")?)));
//! let fanout = Fanout::new(config, clients)?;
//! fanout.start()?;
//! println!("{} clients", fanout.snapshot().clients.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Deliberate differences from the original
//! Its list, its datagrams and its ports are kept. Blocks are paced by the source's clock alone;
//! each client has a socket of its own, by which a port that refuses is known; muting and gain move
//! within 5 ms instead of clicking; and a muted client gets silence, not nothing, so that its clock
//! recovery goes on.

mod client;
mod engine;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod lane;
mod list;
mod session;
mod shared;
mod snapshot;
mod status;
mod tend;

pub use client::{ClientSpec, ClientWire};
pub use error::FanoutError;
pub use list::ClientList;
pub use snapshot::{
    ClientSnapshot, FanoutLevels, FanoutSnapshot, FanoutState, FileSnapshot, LevelSnapshot,
};

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use audiox_core::ConfigError;
use audiox_core::codec::CodecRegistry;
use audiox_core::source::Source;
use audiox_net::pace::Priority;
use audiox_net::{AllowList, StopFlag};
use serde_json::{Map, Value};

use crate::Error;
use session::Session;
use shared::{Link, Names, Shared};

/// Opens the source: called at each start.
pub type OpenSource = Box<dyn Fn() -> Result<Box<dyn Source>, Error> + Send + Sync>;

/// What a [`Fanout`] is made with.
pub struct FanoutConfig {
    /// The source's name, for people.
    pub name: String,
    /// Opens the source.
    pub open: OpenSource,
    /// Frames a block, and so a raw datagram; 1 to 32 753. 1 024, the original's, by default.
    pub chunk: usize,
    /// The file that the list is loaded from and saved to, where there is one.
    pub file: Option<PathBuf>,
    /// Whether the file is taken over when it changes; on by default.
    pub watch: bool,
    /// Where clients may be; anywhere by default.
    pub allow: AllowList,
    /// Encodings for RTP.
    pub codecs: CodecRegistry,
    /// How the sending thread is scheduled: ahead of ordinary ones by default, where the system
    /// grants it.
    pub priority: Priority,
}

impl FanoutConfig {
    /// The defaults, with the source that `open` opens.
    pub fn new(
        name: impl Into<String>,
        open: impl Fn() -> Result<Box<dyn Source>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            open: Box::new(open),
            chunk: 1_024,
            file: None,
            watch: true,
            allow: AllowList::default(),
            codecs: CodecRegistry::pcm(),
            priority: Priority::Realtime,
        }
    }
}

impl fmt::Debug for FanoutConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanoutConfig")
            .field("name", &self.name)
            .field("chunk", &self.chunk)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// A fan-out. Clones are the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Fanout {
    shared: Arc<Shared>,
    _end: Arc<EndTending>,
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

/// Ends the tending thread, which itself keeps nothing alive.
#[derive(Debug)]
struct EndTending(StopFlag);

impl Drop for EndTending {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Fanout {
    /// A fan-out to `clients`, which waits to be [started](Self::start).
    ///
    /// # Errors
    /// A block length that no datagram can hold; the system starts no thread.
    pub fn new(config: FanoutConfig, clients: ClientList) -> Result<Self, FanoutError> {
        if !(1..=lane::MAX_DATAGRAM / 2).contains(&config.chunk) {
            let allowed = "1 to 32753 frames";
            return Err(ConfigError::new("chunk", config.chunk, allowed).into());
        }
        let shared = Arc::new(Shared::new(config));
        shared.lock().take_over(clients);
        let stop = StopFlag::new();
        tend::spawn(&shared, stop.clone()).map_err(Error::from_thread)?;
        Ok(Self {
            shared,
            _end: Arc::new(EndTending(stop)),
        })
    }

    /// Opens the source and sends to every client. Where it runs already, nothing happens.
    ///
    /// # Errors
    /// The source cannot be opened; the system starts no thread.
    pub fn start(&self) -> Result<(), FanoutError> {
        let shared = &self.shared;
        let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        shared.lock().note_end();
        if shared.lock().session.is_some() {
            return Ok(());
        }
        let started = Session::open(&shared.config, shared.clock);
        let mut inner = shared.lock();
        match started {
            Ok((session, go)) => {
                inner.sessions += 1;
                inner.session = Some(session);
                inner.state = FanoutState::Running;
                for client in inner.clients.values_mut() {
                    client.link = Link::Wanted;
                }
                drop(inner);
                shared.touch();
                shared.connect_wanted(Names::Later);
                // Clients that are there at the start get the first block too.
                drop(go);
                Ok(())
            }
            Err(e) => {
                inner.state = FanoutState::Failed {
                    reason: e.to_string(),
                };
                drop(inner);
                shared.touch();
                Err(e)
            }
        }
    }

    /// Sends no more and closes the source. The clients stay.
    pub fn stop(&self) {
        let shared = &self.shared;
        let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let session = shared.lock().session.take();
        if let Some(session) = session {
            session.end();
            let mut inner = shared.lock();
            inner.state = FanoutState::Stopped;
            for client in inner.clients.values_mut() {
                client.link = Link::Wanted;
            }
        }
        shared.touch();
    }

    /// Adds a client and sends to it from the next block on.
    ///
    /// # Errors
    /// As [`ClientList::add`].
    pub fn add(&self, name: &str, fields: Map<String, Value>) -> Result<(), FanoutError> {
        self.edit(|list| list.add(name, fields))
    }

    /// Changes these fields of a client. Where the stream stays what it is (gain, muting), it goes
    /// on without a break.
    ///
    /// # Errors
    /// As [`ClientList::change`].
    pub fn change(&self, name: &str, fields: Map<String, Value>) -> Result<(), FanoutError> {
        self.edit(|list| list.change(name, fields))
    }

    /// Sends silence to a client, or sound again.
    ///
    /// # Errors
    /// There is no such client, or its other fields are wrong.
    pub fn mute(&self, name: &str, mute: bool) -> Result<(), FanoutError> {
        // A list that never muted anybody stays what the original knows.
        let value = if mute { Value::Bool(true) } else { Value::Null };
        self.change(name, Map::from_iter([("mute".to_owned(), value)]))
    }

    /// Removes a client.
    ///
    /// # Errors
    /// There is no such client.
    pub fn remove(&self, name: &str) -> Result<(), FanoutError> {
        self.edit(|list| list.remove(name))
    }

    /// Sends to these clients from now on. Streams to those that stay go on without a break.
    pub fn replace(&self, clients: ClientList) {
        // The edit cannot fail.
        let _ = self.edit(|list| {
            *list = clients;
            Ok(())
        });
    }

    /// Writes the list to its file.
    ///
    /// # Errors
    /// There is none, or the system refuses.
    pub fn save(&self) -> Result<(), FanoutError> {
        let file = self
            .shared
            .config
            .file
            .as_ref()
            .ok_or(FanoutError::NoFile)?;
        // While the lock is held, so that the watcher does not take our own writing for another's.
        let mut inner = self.shared.lock();
        inner.list.save(file)?;
        inner.stored = Some(inner.list.to_text());
        inner.saved = Some(inner.list.clone());
        inner.file_error = None;
        drop(inner);
        self.shared.touch();
        Ok(())
    }

    /// Takes the list of the file over, whatever was changed since.
    ///
    /// # Errors
    /// There is none, it cannot be read or is broken; everything is as it was then.
    pub fn load(&self) -> Result<(), FanoutError> {
        self.shared.load()
    }

    /// How it goes.
    pub fn snapshot(&self) -> FanoutSnapshot {
        self.shared.lock().note_end();
        snapshot::take(&self.shared)
    }

    /// The levels alone, for meters.
    pub fn levels(&self) -> FanoutLevels {
        snapshot::levels(&self.shared)
    }

    /// A number that grows whenever something was changed, by hand or by file.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Relaxed)
    }

    /// The list as it is now.
    pub fn clients(&self) -> ClientList {
        self.shared.lock().list.clone()
    }

    fn edit(
        &self,
        edit: impl FnOnce(&mut ClientList) -> Result<(), FanoutError>,
    ) -> Result<(), FanoutError> {
        let mut inner = self.shared.lock();
        let mut list = inner.list.clone();
        edit(&mut list)?;
        inner.take_over(list);
        drop(inner);
        self.shared.touch();
        self.shared.connect_wanted(Names::Later);
        Ok(())
    }
}
