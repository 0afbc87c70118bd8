//! A server's devices by HTTP: calls for programs, a page for people, figures for Prometheus.
//!
//! | call | does |
//! | --- | --- |
//! | `GET /` | the page |
//! | `GET /api/devices` | how all devices do, and what sounds there are |
//! | `POST /api/devices/ID/press` | `{"button": 1 to 4, "event": "tap"}`, or `press`, `hold`, `release`: on the device's behalf; a tap where no event is given |
//! | `POST /api/devices/ID/ask` | asks the device for a report |
//! | `POST /api/play` | `{"devices": ["ID", …] or "all", "sound": "NAME"}`: plays it now; what it interrupts goes on afterwards |
//! | `POST /api/stop` | `{"devices": …}`: as the stop button |
//! | `GET /api/events` | server-sent events: `state` as `GET /api/devices`, once a second and after changes, less often the more devices there are; `levels` ten times a second |
//! | `GET /metrics` | figures |
//!
//! Whatever changes something answers with what `GET /api/devices` would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audiox_core::convert::Level;
use audiox_net::http::axum::extract::{Extension, Path, State};
use audiox_net::http::axum::http::StatusCode;
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::axum::routing::{get, post};
use audiox_net::http::axum::{Json, Router};
use audiox_net::http::{
    Ending, Events, HttpApp, MetricKind, MetricsSource, MetricsText, PageFile, events, page,
    refusal,
};
use serde_json::{Value, json};

use crate::device::{Button, Press};
use crate::hub::{Batch, DeviceSnapshot, Hub};

/// What a server serves for `hub`.
pub fn app(hub: &Hub) -> HttpApp {
    let calls = Router::new()
        .route("/api/devices", get(state))
        .route("/api/devices/{id}/press", post(press))
        .route("/api/devices/{id}/ask", post(ask))
        .route("/api/play", post(play))
        .route("/api/stop", post(stop))
        .route("/api/events", get(tell))
        .with_state(hub.clone());
    HttpApp {
        public: page(&PAGE),
        metrics: Some(Arc::new(Figures(hub.clone()))),
        ..HttpApp::new(calls)
    }
}

const PAGE: [PageFile; 3] = [
    PageFile::new("/", include_str!("http/page/index.html")),
    PageFile::new("/page.css", include_str!("http/page/page.css")),
    PageFile::new("/page.js", include_str!("http/page/page.js")),
];

async fn state(State(hub): State<Hub>) -> Response {
    Json(hub.snapshot()).into_response()
}

async fn press(State(hub): State<Hub>, Path(id): Path<String>, text: String) -> Response {
    answer(&hub, pressed(&hub, &id, &text))
}

fn pressed(hub: &Hub, id: &str, text: &str) -> Result<(), Refused> {
    let fields = fields(text)?;
    let number = fields["button"]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok());
    let button = number
        .and_then(|n| Button::ALL.into_iter().find(|b| b.number() == n))
        .ok_or_else(|| wrong("button is 1 to 4"))?;
    let presses: &[Press] = match &fields["event"] {
        Value::Null => TAP,
        Value::String(event) if event == "tap" => TAP,
        Value::String(event) if event == "press" => &[Press::Press],
        Value::String(event) if event == "hold" => &[Press::Hold],
        Value::String(event) if event == "release" => &[Press::Release],
        _ => return Err(wrong("event is tap, press, hold or release")),
    };
    for press in presses {
        hub.press(id, button, *press).map_err(missing)?;
    }
    Ok(())
}

async fn ask(State(hub): State<Hub>, Path(id): Path<String>) -> Response {
    answer(&hub, hub.ask(&id).map_err(missing))
}

async fn play(State(hub): State<Hub>, text: String) -> Response {
    let played = fields(&text).and_then(|fields| {
        let sound = fields["sound"]
            .as_str()
            .ok_or_else(|| wrong("sound is a name"))?;
        some(hub.announce(&batch(&fields)?, sound).map_err(wrong)?)
    });
    answer(&hub, played)
}

async fn stop(State(hub): State<Hub>, text: String) -> Response {
    let stopped = fields(&text).and_then(|fields| some(hub.stop(&batch(&fields)?)));
    answer(&hub, stopped)
}

async fn tell(State(hub): State<Hub>, Extension(ending): Extension<Ending>) -> Response {
    let mut told: Option<(u64, Instant, Duration)> = None;
    events(ending, LEVELS_EVERY, move |events| {
        let revision = hub.revision();
        let due = told.is_none_or(|(last, at, changes_every)| {
            let pause = match last == revision {
                true => STATE_EVERY.max(changes_every),
                false => changes_every,
            };
            at.elapsed() >= pause
        });
        if due {
            let now = hub.snapshot();
            let changes_every = CHANGES_EVERY + FOR_EACH * now.devices.len() as u32;
            told = Some((revision, Instant::now(), changes_every));
            events.push("state", json!(now));
        }
        levels(&hub, events);
    })
}

/// Decibels full scale, peak and mean, of devices that something is played to.
fn levels(hub: &Hub, events: &mut Events) {
    let now = hub.levels();
    let levels = now.iter().map(|l| {
        let level = Level {
            peak: l.peak,
            rms: l.rms,
        };
        let rounded = |db: f32| f64::from((db.max(FLOOR) * 10.0).round()) / 10.0;
        let pair = [rounded(level.peak_db()), rounded(level.rms_db())];
        (l.id.to_string(), json!(pair))
    });
    let levels: serde_json::Map<String, Value> = levels.collect();
    events.push("levels", Value::Object(levels));
}

type Refused = (StatusCode, String);

fn fields(text: &str) -> Result<Value, Refused> {
    let read: Result<Value, _> = serde_json::from_str(text);
    match read {
        Ok(fields @ Value::Object(_)) => Ok(fields),
        Ok(_) => Err(wrong("an object is expected")),
        Err(e) => Err(wrong(format_args!("an object is expected: {e}"))),
    }
}

fn batch(fields: &Value) -> Result<Batch, Refused> {
    match &fields["devices"] {
        Value::String(all) if all == "all" => Ok(Batch::All),
        Value::Array(ids) => {
            let ids: Option<Vec<String>> =
                ids.iter().map(|id| Some(id.as_str()?.to_owned())).collect();
            ids.map(Batch::These)
                .ok_or_else(|| wrong("devices is a list of names, or \"all\""))
        }
        _ => Err(wrong("devices is a list of names, or \"all\"")),
    }
}

fn some(devices: usize) -> Result<(), Refused> {
    match devices {
        0 => Err(missing("there is none of these devices")),
        _ => Ok(()),
    }
}

fn wrong(reason: impl std::fmt::Display) -> Refused {
    (StatusCode::BAD_REQUEST, reason.to_string())
}

fn missing(reason: impl std::fmt::Display) -> Refused {
    (StatusCode::NOT_FOUND, reason.to_string())
}

fn answer(hub: &Hub, done: Result<(), Refused>) -> Response {
    match done {
        Ok(()) => Json(hub.snapshot()).into_response(),
        Err((status, reason)) => refusal(status, reason),
    }
}

struct Figures(Hub);

impl MetricsSource for Figures {
    fn collect(&self, out: &mut MetricsText) {
        use MetricKind::{Counter, Gauge};
        let now = self.0.snapshot();
        for (name, help, value) in [
            (
                "audiox_devices_known",
                "Devices that were ever seen and are not forgotten",
                now.devices.len(),
            ),
            (
                "audiox_devices_connected",
                "Devices with an open stream",
                now.connected,
            ),
            (
                "audiox_devices_playing",
                "Devices that something is played to",
                now.playing,
            ),
        ] {
            out.metric(name, Gauge, help).sample(&[], value as f64);
        }
        let mut troubled = out.metric(
            "audiox_device_sound_trouble",
            Gauge,
            "1 where a sound cannot be played",
        );
        for sound in &now.sounds {
            let trouble = f64::from(u8::from(sound.trouble.is_some()));
            troubled = troubled.sample(&[("sound", &sound.name)], trouble);
        }
        type Figure = fn(&DeviceSnapshot) -> f64;
        let each: [(&'static str, MetricKind, &str, Figure); 9] = [
            (
                "audiox_device_up",
                Gauge,
                "1 while a device has an open stream",
                |d| {
                    f64::from(u8::from(
                        d.streams.status || d.streams.events || d.streams.audio,
                    ))
                },
            ),
            ("audiox_device_mode", Gauge, "A device's mode", |d| {
                d.mode as f64
            }),
            (
                "audiox_device_connects_total",
                Counter,
                "Times that a device connected",
                |d| d.connects as f64,
            ),
            (
                "audiox_device_presses_total",
                Counter,
                "Buttons pressed",
                |d| d.presses as f64,
            ),
            ("audiox_device_plays_total", Counter, "Sounds begun", |d| {
                d.plays as f64
            }),
            (
                "audiox_device_packets_total",
                Counter,
                "Packets sent",
                |d| d.packets as f64,
            ),
            (
                "audiox_device_stalls_total",
                Counter,
                "Times that a sound waited for a device",
                |d| d.stalls as f64,
            ),
            (
                "audiox_device_dropped_total",
                Counter,
                "Packets of live sounds left out",
                |d| d.dropped as f64,
            ),
            (
                "audiox_device_odd_events_total",
                Counter,
                "Events that are not known",
                |d| d.odd_events as f64,
            ),
        ];
        for (name, kind, help, value) in each {
            let mut metric = out.metric(name, kind, help);
            for device in &now.devices {
                metric = metric.sample(&[("device", &device.id)], value(device));
            }
        }
        let mut metric = out.metric(
            "audiox_device_battery",
            Gauge,
            "A battery, in the device's own measure",
        );
        for device in &now.devices {
            if let Some(battery) = device.battery {
                metric = metric.sample(&[("device", &device.id)], battery.into());
            }
        }
    }
}

const TAP: &[Press] = &[Press::Press, Press::Release];
const LEVELS_EVERY: Duration = Duration::from_millis(100);
const STATE_EVERY: Duration = Duration::from_secs(1);
/// Hundreds of devices change all the time, and a page shows them all.
const CHANGES_EVERY: Duration = Duration::from_millis(190);
/// Some 400 bytes are told of each device: so it is 2 MB a second at most.
const FOR_EACH: Duration = Duration::from_micros(200);
/// Below this a meter is empty.
const FLOOR: f32 = -99.0;
