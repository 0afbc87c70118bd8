//! What the handles of a fan-out and its tending thread share: the list, and how far each client is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use audiox_net::clock::Clock;

use super::FanoutConfig;
use super::client::ClientSpec;
use super::engine::{End, Order};
use super::error::FanoutError;
use super::lane::{Lane, LaneContext};
use super::list::{self, ClientList};
use super::session::Session;
use super::snapshot::FanoutState;
use super::status::ClientStatus;
use crate::streamer::identity::Identifiers;

pub(super) struct Shared {
    pub(super) config: FanoutConfig,
    pub(super) clock: Clock,
    pub(super) cname: String,
    inner: Mutex<Inner>,
    /// Held while starting or stopping, which may take as long as a device does.
    pub(super) turn: Mutex<()>,
    /// Counts what was changed by hand.
    pub(super) revision: AtomicU64,
}

pub(super) struct Inner {
    pub(super) list: ClientList,
    pub(super) clients: BTreeMap<String, Client>,
    next_id: u64,
    pub(super) session: Option<Session>,
    pub(super) sessions: u64,
    pub(super) state: FanoutState,
    /// The file's text, as far as known.
    pub(super) stored: Option<String>,
    /// The list in it, where it is one.
    pub(super) saved: Option<ClientList>,
    pub(super) file_error: Option<String>,
}

/// A client while it is in the list.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) spec: Result<ClientSpec, String>,
    pub(super) status: Arc<ClientStatus>,
    pub(super) link: Link,
}

impl Client {
    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }
}

/// How far a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// It is to be sent to.
    Wanted,
    /// It is sent to.
    Up {
        since: Instant,
    },
    Failed {
        reason: String,
        again: Instant,
    },
}

/// Whether clients whose names have to be looked up are connected too, which may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Now,
    Later,
}

impl Shared {
    /// Nobody's yet, with what the file has noted.
    pub(super) fn new(config: FanoutConfig) -> Self {
        let file = config.file.as_ref();
        let stored = file.and_then(|f| list::read(f).ok());
        let saved = stored.as_ref().and_then(|t| ClientList::parse(t).ok());
        Self {
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
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn touch(&self) {
        self.revision.fetch_add(1, Relaxed);
    }

    pub(super) fn load(&self) -> Result<(), FanoutError> {
        let file = self.config.file.as_ref().ok_or(FanoutError::NoFile)?;
        let text = list::read(file).map_err(FanoutError::io("cannot read", file))?;
        self.take_text(text)
    }

    /// Takes over what the file has; a broken one is told and changes nothing.
    pub(super) fn take_text(&self, text: String) -> Result<(), FanoutError> {
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
    pub(super) fn connect_wanted(&self, names: Names) {
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
                None if told => Link::Up {
                    since: Instant::now(),
                },
                None => Link::failed(BLOCKED.to_owned()),
            };
            drop(inner);
            self.touch();
        }
    }
}

impl Link {
    pub(super) fn failed(reason: String) -> Self {
        Self::Failed {
            reason,
            again: Instant::now() + TRY_AGAIN,
        }
    }
}

impl Inner {
    /// Notes that the source has ended.
    pub(super) fn note_end(&mut self) {
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
    pub(super) fn take_over(&mut self, list: ClientList) {
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
const BLOCKED: &str = "the source gives nothing at the moment; this waits for its next block";
