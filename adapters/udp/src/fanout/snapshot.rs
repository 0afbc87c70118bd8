//! How a fan-out goes, for people and programs.

use std::sync::atomic::Ordering::Relaxed;

use audiox_core::convert::Level;
use serde::Serialize;
use serde_json::{Map, Value};

use super::client::{ClientSpec, ClientWire};
use super::shared::{Client, Link, Shared};
use super::status::{Board, Meter, Trouble};

/// Whether it streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FanoutState {
    /// It was not started, or was stopped.
    Stopped,
    /// It streams.
    Running,
    /// The source has no more.
    Ended,
    /// The source could not be opened, or failed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A moment of a fan-out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FanoutSnapshot {
    /// Whether it streams.
    #[serde(flatten)]
    pub state: FanoutState,
    /// The source's name.
    pub source: String,
    /// Frames per second; `None` before the first start, as the rest of this group.
    pub rate: Option<u32>,
    /// Frames a block.
    pub chunk: usize,
    /// Seconds since the start.
    pub elapsed: f64,
    /// Blocks sent since the start.
    pub blocks: u64,
    /// Frames that the source did not have in time, sent as silence.
    pub frames_missing: u64,
    /// Frames by which the schedule was moved because this machine was held up.
    pub frames_skipped: u64,
    /// Level of each of the source's channels; empty while it does not stream.
    pub levels: Vec<LevelSnapshot>,
    /// The list's file.
    pub file: FileSnapshot,
    /// What was done otherwise than one might expect, a sentence each.
    pub notices: Vec<String>,
    /// The clients, in the list's order.
    pub clients: Vec<ClientSnapshot>,
}

/// The levels of a moment.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct FanoutLevels {
    /// Each of the source's channels; empty while it does not stream.
    pub channels: Vec<LevelSnapshot>,
    /// Each client, in the list's order.
    pub clients: Vec<LevelSnapshot>,
}

/// A level, linear, full scale 1.0: rising at once, falling 20 dB in 1.5 s.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LevelSnapshot {
    /// Largest magnitude.
    pub peak: f32,
    /// Root of the mean square.
    pub rms: f32,
}

/// The file of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileSnapshot {
    /// Where it is; `None` where the list is kept in memory alone.
    pub path: Option<String>,
    /// What is wrong with it, and where; the list before it is still in force.
    pub error: Option<String>,
    /// Whether the list has changes that the file has not.
    pub unsaved: bool,
}

/// A client.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClientSnapshot {
    /// Its name.
    pub name: String,
    /// All its fields, as in the file.
    pub fields: Map<String, Value>,
    /// Whether datagrams go to it.
    pub streaming: bool,
    /// Whether it gets silence.
    pub muted: bool,
    /// What is the matter with it, in a sentence.
    pub trouble: Option<String>,
    /// Level of what is sent, of several channels the loudest's.
    pub level: LevelSnapshot,
    /// Datagrams handed to the network.
    pub datagrams: u64,
    /// Bytes of payload in them.
    pub bytes: u64,
    /// Datagrams dropped on this machine.
    pub dropped: u64,
    /// Datagrams that the client's machine refused.
    pub refused: u64,
}

impl From<Level> for LevelSnapshot {
    fn from(level: Level) -> Self {
        Self {
            peak: level.peak,
            rms: level.rms,
        }
    }
}

pub(super) fn take(shared: &Shared) -> FanoutSnapshot {
    let inner = shared.lock();
    let session = inner.session.as_ref();
    let board = session.map(|s| &s.board);
    let count = |of: fn(&Board) -> u64| board.map_or(0, |b| of(b));
    let file = shared.config.file.as_ref();
    let clients = inner.list.names().filter_map(|name| {
        let fields = inner.list.fields(name)?.clone();
        let client = inner.clients.get(name)?;
        Some(describe(shared, name, fields, client, session.is_some()))
    });
    FanoutSnapshot {
        state: inner.state.clone(),
        source: shared.config.name.clone(),
        rate: session.map(|s| s.format.rate.get()),
        chunk: shared.config.chunk,
        elapsed: session.map_or(0.0, |s| s.started.elapsed().as_secs_f64()),
        blocks: count(|b| b.blocks.load(Relaxed)),
        frames_missing: count(|b| b.missing.load(Relaxed)),
        frames_skipped: count(|b| b.skipped.load(Relaxed)),
        levels: board.map_or_else(Vec::new, |b| {
            b.meters.iter().map(Meter::level).map(Into::into).collect()
        }),
        notices: notices(shared.config.chunk, inner.clients.values()),
        file: FileSnapshot {
            path: file.map(|f| f.display().to_string()),
            error: inner.file_error.clone(),
            unsaved: file.is_some() && inner.saved.as_ref() != Some(&inner.list),
        },
        clients: clients.collect(),
    }
}

pub(super) fn levels(shared: &Shared) -> FanoutLevels {
    let inner = shared.lock();
    let channels = match &inner.session {
        Some(session) => session.board.meters.iter().map(Meter::level).collect(),
        None => Vec::new(),
    };
    let client = |name: &str| match inner.clients.get(name) {
        Some(client) if client.is_up() => client.status.meter.level(),
        _ => Level::default(),
    };
    FanoutLevels {
        channels: channels.into_iter().map(Into::into).collect(),
        clients: inner.list.names().map(client).map(Into::into).collect(),
    }
}

fn describe(
    shared: &Shared,
    name: &str,
    fields: Map<String, Value>,
    client: &Client,
    running: bool,
) -> ClientSnapshot {
    let status = &client.status;
    let streaming = running && client.is_up();
    let trouble = match (&client.spec, &client.link) {
        (Err(reason), _) => Some(reason.clone()),
        (Ok(spec), Link::Up { .. }) if running => status
            .trouble(shared.clock.now())
            .map(|trouble| sentence(trouble, spec)),
        (Ok(spec), Link::Wanted) if running && spec.address().is_none() => {
            Some(format!("looking up {}", spec.host))
        }
        (Ok(_), Link::Failed { reason, .. }) if running => Some(reason.clone()),
        _ => None,
    };
    ClientSnapshot {
        name: name.to_owned(),
        fields,
        streaming,
        muted: client.spec.as_ref().is_ok_and(|s| s.mute),
        trouble,
        level: match streaming {
            true => status.meter.level().into(),
            false => LevelSnapshot::default(),
        },
        datagrams: status.sent.load(Relaxed),
        bytes: status.bytes.load(Relaxed),
        dropped: status.lost.load(Relaxed),
        refused: status.refused.load(Relaxed),
    }
}

fn sentence(trouble: Trouble, spec: &ClientSpec) -> String {
    let (host, port) = (&spec.host, spec.port);
    match trouble {
        Trouble::Refused => {
            format!("{host} refuses: nothing listens on port {port} there; start the client")
        }
        Trouble::Unreachable => format!("there is no way to {host} at the moment"),
        Trouble::Full => "this machine's network is too busy: datagrams are dropped".to_owned(),
        Trouble::TooLong => {
            format!("datagrams are too long for the way to {host}; choose a shorter --chunk")
        }
        Trouble::System => format!("the system refuses to send to {host}"),
    }
}

fn notices<'a>(chunk: usize, clients: impl Iterator<Item = &'a Client>) -> Vec<String> {
    let raw = clients.filter_map(|c| c.spec.as_ref().ok());
    let raw = raw.filter(|spec| spec.wire == ClientWire::Raw);
    let longest = raw.map(|spec| chunk * spec.channels.len() * 2).max();
    let mut notices = Vec::new();
    if let Some(longest) = longest.filter(|&bytes| bytes > UNFRAGMENTED) {
        let fits = UNFRAGMENTED * chunk / longest;
        notices.push(format!(
            "raw datagrams of {longest} bytes travel in fragments, and are lost with any one of \
             them; --chunk {} keeps them whole, if the clients are told the same",
            // The nearest that the original's users know.
            [512, 256, 128, 64]
                .into_iter()
                .find(|&c| c <= fits)
                .unwrap_or(fits)
        ));
    }
    notices
}

/// What Ethernet carries in one piece, over IPv4.
const UNFRAGMENTED: usize = 1_472;
