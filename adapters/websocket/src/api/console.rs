//! The page, and what it is told.
//!
//! | call | answer |
//! | --- | --- |
//! | `GET /` | the page |
//! | `GET /api/events` | server-sent events: `streams` when one comes, ends or goes; `live` four times a second |
//! | `GET /api/time` | `{"now": seconds since 1970}` by the clock that is in packets' headers |
//!
//! `streams` is `{"streams": […], "more": count}`, the newest first, each as `GET /api/streams/<id>`
//! but for what changes all the time; of those that have ended, so many that a page can show them.
//! `live` is `{"<id>": {"seconds", "listeners", "chunks", "refused_bytes", "rate", "levels"}}`, with
//! the rate in bytes a second and the levels in dBFS, peak and mean in turn, channel by channel.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use audiox_core::convert::Level;
use audiox_core::store::StreamId;
use audiox_net::http::axum::Router;
use audiox_net::http::axum::extract::{Extension, State};
use audiox_net::http::axum::http::HeaderMap;
use audiox_net::http::axum::response::Response;
use audiox_net::http::axum::routing::get;
use audiox_net::http::{Ending, PageFile, events, page};
use serde_json::{Map, Value, json};

use super::Api;
use super::http::{answer, describe};
use crate::access::Role;
use crate::stream::wall;
use crate::{Relay, RelayError, StreamInfo};

pub(super) fn routes(api: Api) -> Router {
    let shown = Shown {
        board: Arc::new(Board::new(api.relay.clone())),
        api,
    };
    Router::new()
        .route("/api/events", get(tell))
        .route("/api/time", get(time))
        .with_state(shown)
        .merge(page(&PAGE))
}

macro_rules! files {
    ($($path:literal: $file:literal,)*) => {
        [$(PageFile::new($path, include_str!(concat!("console/", $file))),)*]
    };
}

const PAGE: [PageFile; 15] = files! {
    "/": "index.html",
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/streams.js": "streams.js",
    "/waveform.js": "waveform.js",
    "/listen.js": "listen.js",
    "/publish.js": "publish.js",
    "/link.js": "link.js",
    "/player.js": "player.js",
    "/capture.js": "capture.js",
    "/playout/delay.js": "playout/delay.js",
    "/playout/policy.js": "playout/policy.js",
    "/playout/timeline.js": "playout/timeline.js",
    "/playout/conceal.js": "playout/conceal.js",
    "/playout/stretch.js": "playout/stretch.js",
};

#[derive(Clone)]
struct Shown {
    api: Api,
    board: Arc<Board>,
}

async fn tell(
    State(shown): State<Shown>,
    Extension(ending): Extension<Ending>,
    headers: HeaderMap,
) -> Result<Response, RelayError> {
    shown.api.check(Role::Listen, None, &headers)?;
    let mut told: Option<Arc<str>> = None;
    Ok(events(ending, EVERY, move |events| {
        let (streams, live) = shown.board.look();
        if told.as_ref() != Some(&streams) {
            events.push("streams", &streams);
            told = Some(streams);
        }
        events.push("live", &live);
    }))
}

async fn time() -> Response {
    answer(&json!({ "now": wall().as_nanos() as f64 / 1e9 }))
}

/// What all pages are told: looked up once for all of them, since levels are those since the last
/// look.
struct Board {
    relay: Relay,
    state: Mutex<Looked>,
}

struct Looked {
    at: Option<Instant>,
    all_at: Option<Instant>,
    streams: Arc<str>,
    live: Arc<str>,
    ids: Vec<StreamId>,
    /// Bytes that had come by then, for each live stream.
    bytes: HashMap<StreamId, VecDeque<(Instant, u64)>>,
}

impl Board {
    fn new(relay: Relay) -> Self {
        Self {
            relay,
            state: Mutex::new(Looked {
                at: None,
                all_at: None,
                streams: "{}".into(),
                live: "{}".into(),
                ids: Vec::new(),
                bytes: HashMap::new(),
            }),
        }
    }

    /// The data of both events.
    fn look(&self) -> (Arc<str>, Arc<str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_old = |at: Option<Instant>, age| at.is_none_or(|at| now.duration_since(at) >= age);
        if is_old(state.at, FRESH) {
            if is_old(state.all_at, ALL_EVERY) {
                state.all_at = Some(now);
                state.look_at_all(&self.relay);
            }
            state.at = Some(now);
            state.look_at_live(&self.relay, now);
        }
        (state.streams.clone(), state.live.clone())
    }
}

impl Looked {
    fn look_at_all(&mut self, relay: &Relay) {
        let all = relay.streams();
        let live = all.iter().filter(|info| info.is_live);
        self.ids = live.map(|info| info.record.id.clone()).collect();
        let ended = all.len() - self.ids.len();
        let mut room = MAX_ENDED;
        let listed: Vec<_> = all
            .iter()
            .rev()
            .filter(|info| {
                let fits = info.is_live || room > 0;
                room -= usize::from(fits && !info.is_live);
                fits
            })
            .map(listed)
            .collect();
        let more = ended.saturating_sub(MAX_ENDED);
        let streams = json!({ "streams": listed, "more": more }).to_string();
        if *streams != *self.streams {
            self.streams = streams.into();
        }
    }

    fn look_at_live(&mut self, relay: &Relay, now: Instant) {
        let mut live = Map::new();
        for id in &self.ids {
            let (Ok(info), Ok(levels)) = (relay.info(id), relay.take_levels(id)) else {
                continue;
            };
            let past = self.bytes.entry(id.clone()).or_default();
            past.push_back((now, info.bytes));
            if past.len() > LOOKS {
                past.pop_front();
            }
            live.insert(id.to_string(), at_once(&info, &levels, past));
            if !info.is_live {
                // Others are to know within the same look.
                self.all_at = None;
            }
        }
        let known: HashSet<_> = self.ids.iter().collect();
        self.bytes.retain(|id, _| known.contains(id));
        self.live = Value::Object(live).to_string().into();
    }
}

/// What does not change while a stream goes on.
fn listed(info: &StreamInfo) -> Value {
    let mut told = describe(info);
    told["stream_id"] = info.record.id.as_str().into();
    if info.is_live
        && let Value::Object(fields) = &mut told
    {
        for changing in ["seconds", "listeners", "chunks", "bytes", "refused_bytes"] {
            fields.remove(changing);
        }
    }
    told
}

fn at_once(info: &StreamInfo, levels: &[Level], past: &VecDeque<(Instant, u64)>) -> Value {
    let rate = match (past.front(), past.back()) {
        (Some((then, before)), Some((now, bytes))) if now > then => {
            (bytes - before) as f64 / now.duration_since(*then).as_secs_f64()
        }
        _ => 0.0,
    };
    let levels: Vec<_> = levels
        .iter()
        .flat_map(|l| [l.peak_db(), l.rms_db()])
        .map(|db| (f64::from(db.max(FLOOR)) * 10.0).round() / 10.0)
        .collect();
    let told = describe(info);
    json!({
        "seconds": told["seconds"],
        "listeners": told["listeners"],
        "chunks": told["chunks"],
        "refused_bytes": told["refused_bytes"],
        "rate": rate.round(),
        "levels": levels,
    })
}

const EVERY: Duration = Duration::from_millis(250);
/// A look that is younger serves another page too.
const FRESH: Duration = Duration::from_millis(200);
const ALL_EVERY: Duration = Duration::from_secs(1);
/// Looks over which a rate is taken, 2 s.
const LOOKS: usize = 9;
/// Ended streams that a page is told of.
const MAX_ENDED: usize = 500;
/// dBFS.
const FLOOR: f32 = -99.0;
