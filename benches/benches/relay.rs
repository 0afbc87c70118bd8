//! A relay and its listeners, beside a Flask-SocketIO relay of the same contract and a room of
//! socketioxide, in one run: how long a packet takes to everybody, and how many get it.
//!
//! `cargo bench -p audiox-benches --bench relay [SECONDS]`. The listeners are in this process, so
//! they take their share of the same cores.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use audiox_benches::table::{Cell, Table, is_quick, progress};
use audiox_core::store::SegmenterConfig;
use audiox_net::http::{Access, HttpConfig, HttpServer, Limits};
use audiox_websocket::access::Roles;
use audiox_websocket::load::{LoadConfig, LoadReport, Transport, run};
use audiox_websocket::{MemoryArchive, Relay, RelayConfig, api};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use tokio::runtime::{Builder, Runtime};

fn main() {
    let seconds = std::env::args().skip(1).find_map(|a| a.parse().ok());
    let seconds = seconds.unwrap_or_else(|| if is_quick() { 3 } else { 8 });
    let duration = Duration::from_secs(seconds);
    raise_file_limit();
    let mut table = Table::new("relay", "relay")
        .number("listeners", "", 0)
        .number("heard", "%", 2)
        .number("p50", "ms", 1)
        .number("p90", "ms", 1)
        .number("p99", "ms", 1)
        .number("p99.9", "ms", 1)
        .number("max", "ms", 1)
        .number("CPU", "%", 0);
    let table = &mut table;
    for listeners in [50, 100] {
        let flask = Flask::start();
        row(
            table,
            "Flask-SocketIO",
            flask.at,
            listeners,
            Transport::SocketIo,
            duration,
            Some(flask.child.id()),
        );
    }
    for listeners in [300, 1_000] {
        let (_runtime, at) = socketioxide_room();
        row(
            table,
            "a room of socketioxide",
            at,
            listeners,
            Transport::SocketIo,
            duration,
            None,
        );
    }
    for (listeners, transport) in [
        (100, Transport::SocketIo),
        (300, Transport::SocketIo),
        (1_000, Transport::SocketIo),
        (1_000, Transport::WebSocket),
        (3_000, Transport::WebSocket),
    ] {
        let (_runtime, at) = ours();
        let name = match transport {
            Transport::SocketIo => "audiox, Socket.IO",
            Transport::WebSocket => "audiox, WebSocket",
        };
        row(table, name, at, listeners, transport, duration, None);
    }
    table.note(format!("{seconds} s each"));
    table.clone().finish();
}

/// One line of the table.
fn row(
    table: &mut Table,
    name: &str,
    at: SocketAddr,
    listeners: usize,
    transport: Transport,
    duration: Duration,
    process: Option<u32>,
) {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads");
    let config = LoadConfig {
        duration,
        ..LoadConfig::new(
            format!("http://{at}").parse().expect("a URL"),
            listeners,
            transport,
        )
    };
    let before = cpu(process);
    let report = runtime.block_on(run(config));
    let used = cpu(process) - before;
    match report {
        Ok(LoadReport {
            received,
            expected,
            delivery,
            ..
        }) => {
            let ms = |d: Duration| Cell::from(d.as_secs_f64() * 1e3);
            let heard = 100.0 * received as f64 / expected.max(1) as f64;
            let cells = [listeners.into(), heard.into()].into_iter();
            let cells = cells.chain(delivery.map(ms));
            table.row(
                name,
                cells.chain([(100.0 * used / duration.as_secs_f64()).into()]),
            );
            progress(&format!("{name}, {listeners} listeners"));
        }
        Err(e) => panic!("{name}, {listeners} listeners: {e}"),
    }
}

/// Seconds of a core that a process (this one, with the listeners, where none is named) has used.
fn cpu(process: Option<u32>) -> f64 {
    let who = process.map_or_else(|| "self".to_owned(), |id| id.to_string());
    let stat = std::fs::read_to_string(format!("/proc/{who}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |n: usize| {
        fields
            .get(n)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(12) + ticks(13)) / 100.0
}

fn threads() -> Runtime {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads")
}

/// Our relay, which keeps what it relays in memory, as the peers do.
fn ours() -> (Runtime, SocketAddr) {
    let runtime = threads();
    let archive = Arc::new(MemoryArchive::new(SegmenterConfig::default()));
    let relay = runtime.block_on(Relay::new(RelayConfig::default(), archive));
    let (app, _io) = api::app(
        &relay.expect("an empty archive"),
        Arc::new(Roles::default()),
    );
    let config = HttpConfig {
        access: Access::open(),
        limits: Limits {
            connections: 16_384,
            ..Limits::default()
        },
        ..HttpConfig::new(([127, 0, 0, 1], 0).into())
    };
    let server = HttpServer::bind(config, app).expect("a free port");
    let at = server.local_addr();
    runtime.spawn(server.run(std::future::pending()));
    (runtime, at)
}

/// The same contract, as one would write it with socketioxide: a room a stream.
fn socketioxide_room() -> (Runtime, SocketAddr) {
    let runtime = threads();
    let (layer, io) = SocketIo::new_layer();
    // What is registered by an asynchronous handler may come after the client's first event.
    io.ns("/", |socket: SocketRef| {
        socket.on(
            "join_stream",
            |socket: SocketRef, Data(data): Data<Value>| {
                let id = data["stream_id"].as_str().unwrap_or_default().to_owned();
                socket.join(id.clone());
                let joined = json!({"stream_id": id, "is_live": true, "chunks": []});
                let _ = socket.emit("joined", &joined);
                std::future::ready(())
            },
        );
        std::future::ready(())
    });
    let app = Router::new()
        .route("/api/streams", post(async || r#"{"stream_id":"bench"}"#))
        .route(
            "/api/streams/{id}/end",
            post(async || r#"{"success":true}"#),
        )
        .route("/api/streams/{id}/audio", post(relayed))
        .with_state(io)
        .layer(layer);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let at = listener.local_addr().expect("bound");
    listener.set_nonblocking(true).expect("a socket");
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let _ = axum::serve(listener, app).await;
    });
    (runtime, at)
}

async fn relayed(
    State(io): State<SocketIo>,
    Path(id): Path<String>,
    data: bytes::Bytes,
) -> &'static str {
    #[derive(serde::Serialize)]
    struct Audio<'a> {
        stream_id: &'a str,
        data: bytes::Bytes,
    }
    let audio = Audio {
        stream_id: &id,
        data,
    };
    let _ = io.to(id.clone()).emit("audio_data", &audio).await;
    r#"{"success":true}"#
}

struct Flask {
    child: Child,
    at: SocketAddr,
}

impl Flask {
    fn start() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr());
        let at = free.expect("a free port");
        let child = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/flask_relay.py"))
            .arg(at.port().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 with python3-flask-socketio and python3-eventlet");
        let started = Self { child, at };
        for _ in 0..100 {
            if std::net::TcpStream::connect(at).is_ok() {
                return started;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("install python3-flask-socketio and python3-eventlet: scripts/bootstrap.sh bench");
    }
}

impl Drop for Flask {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
