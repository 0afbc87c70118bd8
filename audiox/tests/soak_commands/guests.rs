//! Clients that come and go.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use crate::relay_calls::{ask, create, end, packet, post};
use crate::support::{Running, http};

/// What there is to visit.
pub(crate) struct House {
    pub(crate) relay: u16,
    pub(crate) stream: String,
    pub(crate) link: u16,
    pub(crate) fanout: u16,
    pub(crate) player: u16,
    pub(crate) server: String,
    pub(crate) stage: UdpSocket,
    pub(crate) redis: u16,
}

/// Threads, each of one kind of guest.
pub(crate) struct Guests {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

/// How often they came.
#[derive(Debug)]
pub(crate) struct Visits {
    pub(crate) relay: u64,
    pub(crate) listen: u64,
    pub(crate) call: u64,
    pub(crate) fanout: u64,
    pub(crate) player: u64,
    pub(crate) device: u64,
    /// Datagrams that a steady client of the fan-out got.
    pub(crate) stage: u64,
}

impl Visits {
    pub(crate) fn counts(&self) -> [u64; 7] {
        [
            self.relay,
            self.listen,
            self.call,
            self.fanout,
            self.player,
            self.device,
            self.stage,
        ]
    }
}

impl Guests {
    pub(crate) fn invite(house: House) -> Self {
        let mut this = Self {
            stop: Arc::default(),
            threads: Vec::new(),
        };
        let House {
            relay,
            stream,
            link,
            fanout,
            player,
            server,
            stage,
            redis,
        } = house;
        this.each(2_000, move || {
            let id = create(relay);
            (0..20).for_each(|n| post(relay, &id, &packet(n)));
            end(relay, &id);
            assert_eq!(ask(relay, "GET /metrics", b"").0, 200);
        });
        this.each(2_000, move || {
            run(&["recv", &stream, "--to", "null:", "--duration", "1s"]);
        });
        let call = format!("rtp://127.0.0.1:{link}?codec=opus&ptime=20");
        this.each(7_000, move || {
            run(&["send", "tone:660,length=1s", "--to", &call]);
        });
        this.each(500, move || visit_fanout(fanout));
        remember(redis);
        this.each(1_000, move || {
            for path in ["sessions", "session/one/analyze", "session/one/download"] {
                let (status, _) = ask(player, &format!("GET /api/{path}"), b"");
                assert_eq!(status, 200, "{path}");
            }
            // What is written to at the moment, and the server's own speaker.
            let session = ask(player, "POST /api/session/one/play", b"").0;
            assert_eq!(session, 200);
            thread::sleep(Duration::from_millis(500));
            assert_eq!(ask(player, "POST /api/session/one/stop", b"").0, 200);
        });
        this.each(1_000, move || {
            let steps =
                "until connected, mode, play, until start, wait 500ms, stop, until end, until ack";
            run(&[
                "device", "--server", &server, "--id", "guest", "--do", steps,
            ]);
        });
        let patience = Some(Duration::from_millis(200));
        stage.set_read_timeout(patience).unwrap();
        let stop = this.stop.clone();
        this.threads.push(thread::spawn(move || {
            let (mut count, mut buf) = (0, [0; 4_096]);
            while !stop.load(Ordering::Relaxed) {
                if let Ok(len) = stage.recv(&mut buf) {
                    count += u64::from(len == 2_048);
                }
            }
            count
        }));
        this
    }

    /// A thread that does this again and again, with so many milliseconds between.
    fn each(&mut self, pause: u64, mut visit: impl FnMut() + Send + 'static) {
        let stop = self.stop.clone();
        self.threads.push(thread::spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                visit();
                count += 1;
                for _ in 0..pause / 100 {
                    if !stop.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(100));
                    }
                }
            }
            count
        }));
    }

    /// All have left; a kind of guest of which one found something wrong counts as none, and said
    /// so on standard error.
    pub(crate) fn leave(self) -> Visits {
        self.stop.store(true, Ordering::Relaxed);
        let mut counts = self.threads.into_iter().map(JoinHandle::join);
        let mut next = || counts.next().and_then(Result::ok).unwrap_or(0);
        Visits {
            relay: next(),
            listen: next(),
            call: next(),
            fanout: next(),
            player: next(),
            device: next(),
            stage: next(),
        }
    }
}

/// A command that does its work and ends well.
fn run(args: &[&str]) {
    let outcome = Running::start(args).wait();
    assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.err);
}

fn visit_fanout(port: u16) {
    let own = UdpSocket::bind("127.0.0.1:0").unwrap();
    own.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let at = own.local_addr().unwrap().port();
    let client = json!({"name": "guest", "ip": "127.0.0.1", "port": at, "channel": 1});
    let added = http(port, "POST", "/api/clients", &client.to_string());
    assert_eq!(added.0, 201, "{added:?}");
    let mut buf = [0; 4_096];
    let mut heard = 0;
    while heard < 5 {
        // Somebody may still send to who had the port before.
        heard += u64::from(own.recv(&mut buf).unwrap() == 2_048);
    }
    let removed = http(port, "DELETE", "/api/clients/guest", "");
    assert!((200..300).contains(&removed.0), "{removed:?}");
}

/// A session that is there from the start, of two seconds at 16 kHz.
fn remember(redis: u16) {
    let to = format!("redis://127.0.0.1:{redis}/session:one?as=wav");
    run(&["send", "tone:440,rate=16000,length=2s", "--to", &to]);
}
