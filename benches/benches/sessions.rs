//! A list of 10 000 voice sessions, ten of them with 14 MB of audio: a page of 100 and the whole
//! list by `RedisRegistry`, beside `KEYS` and a `HGETALL` for each as the original does it, on
//! one server in one run: how long, and how much Redis sends for it. And a live tail.
//!
//! `cargo bench -p audiox-benches --bench sessions`. It starts a redis-server of its own.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use audiox_benches::table::{Table, is_quick};
use audiox_core::registry::{SessionCursor, SessionId, SessionRegistry};
use audiox_redis::{RedisRegistry, RedisTarget, RegistryConfig};
use tokio::runtime::Builder;

fn main() {
    let server = Server::start();
    let mut conn = server.connection();
    fill(&mut conn);
    let registry = {
        let target = RedisTarget::parse(&server.url()).expect("a URL");
        RedisRegistry::new(&target, RegistryConfig::default()).expect("a registry")
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let mut table = Table::new("sessions", "10 000 sessions, ten of 14 MB")
        .significant("median", "ms", 2)
        .significant("worst", "ms", 2)
        .number("sent by Redis", "bytes", 0)
        .number("calls", "", 0);
    let table = &mut table;
    // Rough figures need fewer calls.
    let calls = |n: usize| if is_quick() { n.div_ceil(10) } else { n };
    runtime.block_on(registry.check()).expect("Redis is there");

    let mut cursor: Option<SessionCursor> = None;
    row(
        table,
        "audiox, a page of 100",
        &mut conn,
        calls(200),
        || {
            let page = runtime
                .block_on(registry.page(cursor.as_ref(), 100))
                .expect("a page");
            cursor = page.next;
        },
    );
    row(
        table,
        "audiox, the whole list in pages of 1 000",
        &mut conn,
        calls(10),
        || {
            let (mut cursor, mut listed) = (None, 0);
            loop {
                let page = runtime
                    .block_on(registry.page(cursor.as_ref(), 1_000))
                    .expect("a page");
                listed += page.sessions.len();
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert!(listed >= SESSIONS);
        },
    );
    let mut plain = server.connection();
    row(
        table,
        "KEYS and HGETALL, the whole list",
        &mut conn,
        calls(5),
        || {
            let keys: Vec<String> = redis::cmd("KEYS")
                .arg("session:*")
                .query(&mut plain)
                .expect("keys");
            for key in &keys {
                let mut get = redis::cmd("HGETALL");
                let all: HashMap<String, String> =
                    get.arg(key).query(&mut plain).expect("a session");
                assert!(all.len() >= 7);
            }
        },
    );

    let id: SessionId = name(0).parse().expect("an id");
    let mut at = (BUFFER - 117_600) as u64;
    row(
        table,
        "audiox, the last second of 14 MB",
        &mut conn,
        calls(50),
        || {
            let piece = runtime
                .block_on(registry.buffer(&id, at, 1 << 20))
                .expect("a piece");
            assert_eq!(piece.len() as u64, BUFFER as u64 - at);
        },
    );
    at = BUFFER as u64;
    row(
        table,
        "audiox, nothing new in 14 MB",
        &mut conn,
        calls(200),
        || {
            let piece = runtime
                .block_on(registry.buffer(&id, at, 1 << 20))
                .expect("nothing");
            assert!(piece.is_empty());
        },
    );
    row(
        table,
        "audiox, all of 14 MB in pieces",
        &mut conn,
        calls(10),
        || {
            let mut at = 0;
            while at < BUFFER as u64 {
                let piece = runtime
                    .block_on(registry.buffer(&id, at, 4 << 20))
                    .expect("a piece");
                at += piece.len() as u64;
            }
        },
    );
    let second = "A".repeat(117_600);
    row(
        table,
        "audiox, a second appended to 14 MB",
        &mut conn,
        calls(50),
        || {
            runtime
                .block_on(registry.append(&id, &second))
                .expect("room");
        },
    );
    table.clone().finish();
}

/// Calls it `n` times, and tells how it went.
fn row(
    table: &mut Table,
    what: &str,
    conn: &mut redis::Connection,
    n: usize,
    mut call: impl FnMut(),
) {
    call();
    let before = sent(conn);
    let mut times: Vec<Duration> = (0..n)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    let bytes = (sent(conn) - before) / n as u64;
    times.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let cells = [ms(times[n / 2]).into(), ms(times[n - 1]).into()];
    table.row(what, cells.into_iter().chain([bytes.into(), n.into()]));
}

/// Bytes that Redis has sent so far.
fn sent(conn: &mut redis::Connection) -> u64 {
    let info: String = redis::cmd("INFO")
        .arg("stats")
        .query(conn)
        .expect("figures");
    let line = info
        .lines()
        .find_map(|l| l.strip_prefix("total_net_output_bytes:"));
    line.and_then(|n| n.parse().ok()).expect("a count")
}

fn fill(conn: &mut redis::Connection) {
    let buffer = "A".repeat(BUFFER);
    for first in (0..SESSIONS).step_by(1_000) {
        let mut pipe = redis::pipe();
        for i in first..first + 1_000 {
            let set = pipe.cmd("HSET").arg(format!("session:{}", name(i)));
            set.arg("authenticated")
                .arg("True")
                .arg("is_recording")
                .arg("False");
            set.arg("user_id")
                .arg(i)
                .arg("user_name")
                .arg(format!("User {i}"));
            set.arg("connected_at").arg("1700000000.123");
            set.arg("authenticated_at").arg("1700000001.456");
            // The others have a second of a telephone call.
            set.arg("audio_buffer")
                .arg(if i < 10 { "" } else { &buffer[..21_336] })
                .ignore();
            pipe.cmd("EXPIRE")
                .arg(format!("session:{}", name(i)))
                .arg(3_600)
                .ignore();
        }
        pipe.exec(conn).expect("sessions");
    }
    for i in 0..10 {
        let mut set = redis::cmd("HSET");
        set.arg(format!("session:{}", name(i)))
            .arg("audio_buffer")
            .arg(&buffer);
        set.exec(conn).expect("a session");
    }
}

fn name(i: usize) -> String {
    format!("{i:08x}-0000-4000-8000-0123456789ab")
}

/// A server that ends with the bench.
struct Server {
    port: u16,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server: scripts/bootstrap.sh bench installs it");
        Self { port, child }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("a URL");
        for _ in 0..200 {
            if let Ok(conn) = client.get_connection() {
                return conn;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server does not answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SESSIONS: usize = 10_000;
const BUFFER: usize = 14_000_000;
