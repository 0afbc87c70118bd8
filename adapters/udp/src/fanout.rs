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
mod snapshot;
mod status;
mod tend;

pub use client::{ClientSpec, ClientWire};
pub use error::FanoutError;
pub use list::ClientList;
pub use snapshot::{
    ClientSnapshot, FanoutLevels, FanoutSnapshot, FanoutState, FileSnapshot, LevelSnapshot,
};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audiox_core::ConfigError;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::StreamFormat;
use audiox_core::source::Source;
use audiox_net::clock::Clock;
use audiox_net::pace::Priority;
use audiox_net::thread::{Realtime, request_realtime, sharpen_timers};
use audiox_net::{AllowList, StopFlag};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use serde_json::{Map, Value};

use crate::Error;
use crate::streamer::identity::Identifiers;
use engine::{End, Engine, Feed, Order};
use lane::{Lane, LaneContext};
use status::{Board, ClientStatus};

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

struct Shared {
    config: FanoutConfig,
    clock: Clock,
    cname: String,
    inner: Mutex<Inner>,
    /// Held while starting or stopping, which may take as long as a device does.
    turn: Mutex<()>,
    /// Counts what was changed by hand.
    revision: AtomicU64,
}

struct Inner {
    list: ClientList,
    clients: BTreeMap<String, Client>,
    next_id: u64,
    session: Option<Session>,
    sessions: u64,
    state: FanoutState,
    /// The file's text, as far as known.
    stored: Option<String>,
    /// The list in it, where it is one.
    saved: Option<ClientList>,
    file_error: Option<String>,
}

/// A client while it is in the list.
#[derive(Debug)]
struct Client {
    id: u64,
    spec: Result<ClientSpec, String>,
    status: Arc<ClientStatus>,
    link: Link,
}

/// How far a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    /// It is to be sent to.
    Wanted,
    Up,
    Failed {
        reason: String,
        again: Instant,
    },
}

/// What runs between a start and a stop.
struct Session {
    format: StreamFormat,
    started: Instant,
    stop: StopFlag,
    board: Arc<Board>,
    orders: HeapProd<Order>,
    gone: HeapCons<Box<Lane>>,
    thread: JoinHandle<(End, Realtime)>,
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
        let stored = config
            .file
            .as_ref()
            .and_then(|f| std::fs::read_to_string(f).ok());
        let saved = stored.as_ref().and_then(|t| ClientList::parse(t).ok());
        let shared = Arc::new(Shared {
            config,
            clock: Clock::new(),
            cname: Identifiers::new(None).cname(),
            inner: Mutex::new(Inner {
                list: ClientList::new(),
                clients: BTreeMap::new(),
                next_id: 0,
                session: None,
                sessions: 0,
                state: FanoutState::Stopped,
                stored,
                saved,
                file_error: None,
            }),
            turn: Mutex::new(()),
            revision: AtomicU64::new(0),
        });
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
        let started = shared.open_session();
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

/// Whether clients whose names have to be looked up are connected too, which may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Now,
    Later,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.revision.fetch_add(1, Relaxed);
    }

    /// A session whose thread waits until the sender that comes with it is dropped.
    fn open_session(&self) -> Result<(Session, mpsc::Sender<()>), FanoutError> {
        let source = (self.config.open)()?;
        let format = source.format();
        let feed = Feed::new(source, self.config.chunk).map_err(Error::from)?;
        let board = Arc::new(Board::new(format.channels));
        let (orders, ordered) = HeapRb::new(2 * list::MAX_CLIENTS).split();
        let (goes, gone) = HeapRb::new(2 * list::MAX_CLIENTS).split();
        let (clock, chunk) = (self.clock, self.config.chunk);
        let engine = Engine::new(clock, feed, format, chunk, ordered, goes, board.clone());
        let (stop, priority) = (StopFlag::new(), self.config.priority);
        let stopped = stop.clone();
        let (go, gate) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("audiox-fanout".to_owned())
            .spawn(move || {
                sharpen_timers();
                let realtime = match priority {
                    Priority::Ordinary => Realtime::NotAsked,
                    Priority::Realtime => request_realtime(),
                };
                let _ = gate.recv();
                (engine.run_to_end(&stopped), realtime)
            })
            .map_err(Error::from_thread)?;
        let session = Session {
            format,
            started: Instant::now(),
            stop,
            board,
            orders,
            gone,
            thread,
        };
        Ok((session, go))
    }

    fn load(&self) -> Result<(), FanoutError> {
        let file = self.config.file.as_ref().ok_or(FanoutError::NoFile)?;
        let text = std::fs::read_to_string(file).map_err(FanoutError::io("cannot read", file))?;
        self.take_text(text)
    }

    /// Takes over what the file has; a broken one is told and changes nothing.
    fn take_text(&self, text: String) -> Result<(), FanoutError> {
        let parsed = ClientList::parse(&text);
        let mut inner = self.lock();
        inner.stored = Some(text);
        let taken = match parsed {
            Ok(list) => {
                inner.file_error = None;
                inner.saved = Some(list.clone());
                inner.take_over(list);
                Ok(())
            }
            Err(e) => {
                inner.file_error = Some(e.to_string());
                inner.saved = None;
                Err(e)
            }
        };
        drop(inner);
        self.touch();
        self.connect_wanted(Names::Later);
        taken
    }

    /// Makes streams to all clients that want one. Looking up names and opening sockets is done
    /// without the lock, so a slow one holds nobody up.
    fn connect_wanted(&self, names: Names) {
        loop {
            let (session, name, id, spec, status, context) = {
                let inner = self.lock();
                let Some(session) = &inner.session else {
                    return;
                };
                let wanted = inner.clients.iter().find_map(|(name, client)| {
                    let spec = client.spec.as_ref().ok()?;
                    let now = names == Names::Now || spec.address().is_some();
                    (client.link == Link::Wanted && now).then_some((name, client, spec))
                });
                let Some((name, client, spec)) = wanted else {
                    return;
                };
                let context = LaneContext {
                    format: session.format,
                    chunk: self.config.chunk,
                    clock: self.clock,
                    codecs: self.config.codecs.clone(),
                    allow: self.config.allow.clone(),
                    cname: self.cname.clone(),
                };
                let (name, spec) = (name.clone(), spec.clone());
                (
                    inner.sessions,
                    name,
                    client.id,
                    spec,
                    client.status.clone(),
                    context,
                )
            };
            let lane = Lane::connect(id, &spec, status, &context);
            let mut inner = self.lock();
            let current = inner.sessions == session;
            let Inner {
                clients, session, ..
            } = &mut *inner;
            // It may have been changed or removed meanwhile, and is then looked at again.
            let still = clients.get_mut(&name).filter(|c| {
                current && c.id == id && c.spec.as_ref().is_ok_and(|s| s.continues(&spec))
            });
            let (Some(client), Some(session)) = (still, session) else {
                continue;
            };
            let (order, reason) = match lane {
                Ok(lane) => (Order::Put(Box::new(lane)), None),
                // What it got before it was changed is no longer wanted either.
                Err(e) => (Order::Remove(id), Some(e.to_string())),
            };
            let told = session.order(order);
            client.link = match reason {
                Some(reason) => Link::failed(reason),
                None if told => Link::Up,
                None => Link::failed(BLOCKED.to_owned()),
            };
            drop(inner);
            self.touch();
        }
    }
}

impl Link {
    fn failed(reason: String) -> Self {
        Self::Failed {
            reason,
            again: Instant::now() + TRY_AGAIN,
        }
    }
}

impl Session {
    /// Tells the sending thread; `false` where it has not listened for long.
    fn order(&mut self, order: Order) -> bool {
        // What came home is dropped here.
        while self.gone.try_pop().is_some() {}
        self.orders.try_push(order).is_ok()
    }

    /// Ends the thread, and waits for it unless it hangs in its source.
    fn end(self) {
        self.stop.stop();
        let until = Instant::now() + END_WITHIN;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.thread.is_finished() {
            let _ = self.thread.join();
        }
    }
}

impl Inner {
    /// Notes that the source has ended.
    fn note_end(&mut self) {
        if !self
            .session
            .as_ref()
            .is_some_and(|s| s.thread.is_finished())
        {
            return;
        }
        let Some(session) = self.session.take() else {
            return;
        };
        self.state = match session.thread.join() {
            Ok((End::Stopped, _)) => FanoutState::Stopped,
            Ok((End::Ended, _)) => FanoutState::Ended,
            Ok((End::Failed(reason), _)) => FanoutState::Failed { reason },
            Err(panic) => std::panic::resume_unwind(panic),
        };
        for client in self.clients.values_mut() {
            client.link = Link::Wanted;
        }
    }

    /// Makes `list` the list: what changed is ordered, what stays the same goes on.
    fn take_over(&mut self, list: ClientList) {
        let mut before = std::mem::take(&mut self.clients);
        for name in list.names() {
            let spec = list.spec(name).map_err(|e| e.to_string());
            let gain = spec.as_ref().map(ClientSpec::factor).unwrap_or_default();
            let client = match before.remove(name) {
                Some(mut client) => {
                    client.status.set_gain(gain);
                    let same = match (&client.spec, &spec) {
                        (Ok(a), Ok(b)) => a.continues(b),
                        _ => false,
                    };
                    if !same {
                        // A stream that can be made takes the place of the one before.
                        if spec.is_err() {
                            self.session
                                .as_mut()
                                .map(|s| s.order(Order::Remove(client.id)));
                        }
                        client.link = Link::Wanted;
                    }
                    client.spec = spec;
                    client
                }
                None => {
                    self.next_id += 1;
                    Client {
                        id: self.next_id,
                        spec,
                        status: Arc::new(ClientStatus::new(gain)),
                        link: Link::Wanted,
                    }
                }
            };
            self.clients.insert(name.to_owned(), client);
        }
        for client in before.into_values() {
            self.session
                .as_mut()
                .map(|s| s.order(Order::Remove(client.id)));
        }
        self.list = list;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(session) = self.lock().session.take() {
            session.end();
        }
    }
}

/// How soon a client that could not be connected is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// A source that blocks for longer is left behind, to end with its next block.
const END_WITHIN: Duration = Duration::from_secs(1);
const BLOCKED: &str = "the source gives nothing at the moment; this waits for its next block";
