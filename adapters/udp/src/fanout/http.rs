//! A fan-out by HTTP: calls for programs, a page for people, figures for Prometheus.
//!
//! | call | does |
//! | --- | --- |
//! | `GET /` | the page |
//! | `GET /api/fanout` | how it goes: state, source, clients with their levels and troubles |
//! | `POST /api/fanout/start`, `…/stop` | starts, stops; the clients stay |
//! | `POST /api/fanout/save`, `…/load` | writes the list to its file, takes it from there |
//! | `GET /api/clients` | the list, as in its file |
//! | `PUT /api/clients` | takes another list in its place, in any form that a file may have |
//! | `POST /api/clients` | adds a client: its fields, and its name as `name` |
//! | `PATCH /api/clients/NAME` | changes these fields; a field that is null is removed |
//! | `DELETE /api/clients/NAME` | removes a client |
//! | `GET /api/events` | server-sent events: `state` as `GET /api/fanout`, once a second and at each change; `levels` 15 times a second |
//! | `GET /metrics` | figures |
//!
//! Whatever changes something answers with what `GET /api/fanout` would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audiox_core::convert::Level;
use audiox_net::http::axum::extract::{Extension, Path, State};
use audiox_net::http::axum::http::StatusCode;
use audiox_net::http::axum::http::header::CONTENT_TYPE;
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::axum::routing::{get, patch, post};
use audiox_net::http::axum::{Json, Router};
use audiox_net::http::{
    Ending, Events, HttpApp, MetricKind, MetricsSource, MetricsText, PageFile, events, page,
    refusal,
};
use serde_json::{Map, Value, json};

use super::{ClientList, Fanout, FanoutError, FanoutState, LevelSnapshot};
use crate::Error;

/// What a server serves for `fanout`.
pub fn app(fanout: &Fanout) -> HttpApp {
    let calls = Router::new()
        .route("/api/fanout", get(state))
        .route("/api/fanout/{what}", post(act))
        .route("/api/clients", get(list).put(replace).post(add))
        .route("/api/clients/{name}", patch(change).delete(remove))
        .route("/api/events", get(tell))
        .with_state(fanout.clone());
    HttpApp {
        public: page(&PAGE),
        metrics: Some(Arc::new(Figures(fanout.clone()))),
        ..HttpApp::new(calls)
    }
}

const PAGE: [PageFile; 3] = [
    PageFile::new("/", include_str!("page/index.html")),
    PageFile::new("/page.css", include_str!("page/page.css")),
    PageFile::new("/page.js", include_str!("page/page.js")),
];

type Fields = Map<String, Value>;

async fn state(State(fanout): State<Fanout>) -> Response {
    Json(fanout.snapshot()).into_response()
}

async fn act(State(fanout): State<Fanout>, Path(what): Path<String>) -> Response {
    let act: fn(&Fanout) -> Result<(), FanoutError> = match what.as_str() {
        "start" => Fanout::start,
        "stop" => |fanout| {
            fanout.stop();
            Ok(())
        },
        "save" => Fanout::save,
        "load" => Fanout::load,
        _ => {
            return refusal(
                StatusCode::NOT_FOUND,
                "there are start, stop, save and load",
            );
        }
    };
    // A device takes its time to open, and a disk to write.
    let done = tokio::task::spawn_blocking(move || answer(act(&fanout), &fanout, StatusCode::OK));
    done.await.unwrap_or_else(|_| {
        refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this failed; see the log",
        )
    })
}

async fn list(State(fanout): State<Fanout>) -> Response {
    let kind = [(CONTENT_TYPE, "application/json")];
    (kind, fanout.clients().to_text()).into_response()
}

async fn replace(State(fanout): State<Fanout>, text: String) -> Response {
    let replaced = ClientList::parse(&text).map(|list| fanout.replace(list));
    answer(replaced, &fanout, StatusCode::OK)
}

async fn add(State(fanout): State<Fanout>, text: String) -> Response {
    let added = fields(&text).and_then(|mut fields| {
        let name = fields.shift_remove("name");
        let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        fanout.add(name.trim(), fields)
    });
    answer(added, &fanout, StatusCode::CREATED)
}

async fn change(State(fanout): State<Fanout>, Path(name): Path<String>, text: String) -> Response {
    let changed = fields(&text).and_then(|fields| fanout.change(&name, fields));
    answer(changed, &fanout, StatusCode::OK)
}

async fn remove(State(fanout): State<Fanout>, Path(name): Path<String>) -> Response {
    answer(fanout.remove(&name), &fanout, StatusCode::OK)
}

async fn tell(State(fanout): State<Fanout>, Extension(ending): Extension<Ending>) -> Response {
    let mut told: Option<(u64, Instant)> = None;
    events(ending, METERS_EVERY, move |events| {
        let revision = fanout.revision();
        if told.is_none_or(|(last, at)| last != revision || at.elapsed() >= STATE_EVERY) {
            told = Some((revision, Instant::now()));
            events.push("state", json!(fanout.snapshot()));
        }
        levels(&fanout, events);
    })
}

/// Decibels full scale, peak and mean in turn.
fn levels(fanout: &Fanout, events: &mut Events) {
    let now = fanout.levels();
    let text = |levels: &[LevelSnapshot]| {
        let pairs = levels.iter().flat_map(|l| {
            let level = Level {
                peak: l.peak,
                rms: l.rms,
            };
            [level.peak_db(), level.rms_db()]
        });
        let numbers: Vec<String> = pairs.map(|db| format!("{:.1}", db.max(FLOOR))).collect();
        numbers.join(",")
    };
    let data = format!(
        "{{\"channels\":[{}],\"clients\":[{}]}}",
        text(&now.channels),
        text(&now.clients)
    )
    .to_string();
    events.push("levels", data);
}

fn fields(text: &str) -> Result<Fields, FanoutError> {
    let wrong = |e: serde_json::Error| {
        FanoutError::Form(format!(
            "an object with the client's fields is expected: {e}"
        ))
    };
    serde_json::from_str(text).map_err(wrong)
}

fn answer(done: Result<(), FanoutError>, fanout: &Fanout, status: StatusCode) -> Response {
    match done {
        Ok(()) => (status, Json(fanout.snapshot())).into_response(),
        Err(e) => refusal(status_of(&e), &e),
    }
}

fn status_of(error: &FanoutError) -> StatusCode {
    match error {
        FanoutError::Unknown(_) => StatusCode::NOT_FOUND,
        FanoutError::Exists(_) | FanoutError::NoFile => StatusCode::CONFLICT,
        FanoutError::Config(_)
        | FanoutError::Json { .. }
        | FanoutError::Form(_)
        | FanoutError::Stream(Error::Config(_)) => StatusCode::BAD_REQUEST,
        FanoutError::Stream(_) | FanoutError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

struct Figures(Fanout);

impl MetricsSource for Figures {
    fn collect(&self, out: &mut MetricsText) {
        use MetricKind::{Counter, Gauge};
        let now = self.0.snapshot();
        let running = now.state == FanoutState::Running;
        for (name, kind, help, value) in [
            (
                "audiox_fanout_running",
                Gauge,
                "1 while it streams",
                f64::from(u8::from(running)),
            ),
            (
                "audiox_fanout_blocks_total",
                Counter,
                "Blocks sent since the start",
                now.blocks as f64,
            ),
            (
                "audiox_fanout_missing_frames_total",
                Counter,
                "Frames that the source did not have in time",
                now.frames_missing as f64,
            ),
            (
                "audiox_fanout_skipped_frames_total",
                Counter,
                "Frames by which the schedule was moved",
                now.frames_skipped as f64,
            ),
        ] {
            out.metric(name, kind, help).sample(&[], value);
        }
        let mut levels = out.metric(
            "audiox_fanout_channel_peak",
            Gauge,
            "Peak of a channel, full scale 1",
        );
        for (channel, level) in now.levels.iter().enumerate() {
            levels = levels.sample(&[("channel", &channel.to_string())], level.peak.into());
        }
        type Figure = fn(&super::ClientSnapshot) -> f64;
        let each: [(&'static str, MetricKind, &str, Figure); 6] = [
            (
                "audiox_fanout_client_up",
                Gauge,
                "1 while datagrams go to a client and it is not known to be in trouble",
                |c| f64::from(u8::from(c.streaming && c.trouble.is_none())),
            ),
            (
                "audiox_fanout_client_peak",
                Gauge,
                "Peak of what a client gets, full scale 1",
                |c| c.level.peak.into(),
            ),
            (
                "audiox_fanout_client_datagrams_total",
                Counter,
                "Datagrams handed to the network",
                |c| c.datagrams as f64,
            ),
            (
                "audiox_fanout_client_bytes_total",
                Counter,
                "Bytes of payload in them",
                |c| c.bytes as f64,
            ),
            (
                "audiox_fanout_client_dropped_total",
                Counter,
                "Datagrams dropped on this machine",
                |c| c.dropped as f64,
            ),
            (
                "audiox_fanout_client_refused_total",
                Counter,
                "Datagrams that a client's machine refused",
                |c| c.refused as f64,
            ),
        ];
        for (name, kind, help, value) in each {
            let mut metric = out.metric(name, kind, help);
            for client in &now.clients {
                metric = metric.sample(&[("client", &client.name)], value(client));
            }
        }
    }
}

const METERS_EVERY: Duration = Duration::from_millis(66);
const STATE_EVERY: Duration = Duration::from_secs(1);
/// Below this a meter is empty.
const FLOOR: f32 = -99.0;
