//! Socket.IO by real sockets: what bytes go to and fro on each transport.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use audiox_net::fanout::{Fanout, OutboxConfig};
use audiox_net::http::axum::Router;
use audiox_net::http::{HttpApp, HttpConfig, HttpHandle, HttpServer, Limits};
use audiox_net::socketio::{
    Client, Handler, Hello, Incoming, Outgoing, SocketIo, SocketIoConfig, binary,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Says back what it hears, lets nobody in who says so, and has a room.
#[derive(Default)]
struct Echo {
    room: Fanout<Arc<Outgoing>>,
    log: Mutex<Vec<String>>,
}

impl Echo {
    fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }

    fn noted(&self, what: &str) -> bool {
        self.log.lock().unwrap().iter().any(|l| l == what)
    }
}

#[async_trait]
impl Handler for Echo {
    async fn connect(&self, _client: &Client, hello: &Hello) -> Result<(), String> {
        let refused = hello.auth.as_ref().and_then(|a| a.get("refuse"));
        match refused {
            Some(_) => Err("not you".to_owned()),
            None => Ok(()),
        }
    }

    async fn connected(&self, client: &Client) {
        client.emit(Outgoing::event(
            "hello",
            [json!({"id": client.id()})],
            vec![],
        ));
    }

    async fn event(&self, client: &Client, event: Incoming) -> Vec<Value> {
        match event.name.as_str() {
            "echo" => client.emit(Outgoing::event("echoed", event.args, event.attachments)),
            "join" => self.room.join(client.outbox()),
            "slow" => tokio::time::sleep(Duration::from_millis(100)).await,
            "bye" => client.disconnect(),
            _ => {}
        }
        self.note(event.name.clone());
        vec![json!(event.name)]
    }

    async fn disconnect(&self, client: &Client) {
        self.room.leave(client.outbox());
        self.note(format!("gone {}", client.id()));
    }
}

struct Server {
    echo: Arc<Echo>,
    io: SocketIo,
    http: HttpHandle,
}

impl Server {
    fn start(config: SocketIoConfig) -> Self {
        Self::limited(config, Limits::default())
    }

    fn limited(config: SocketIoConfig, limits: Limits) -> Self {
        let echo = Arc::new(Echo::default());
        let io = SocketIo::new(config, echo.clone());
        let app = HttpApp {
            public: io.router(),
            ..HttpApp::new(Router::new())
        };
        let config = HttpConfig {
            limits,
            ..HttpConfig::new(([127, 0, 0, 1], 0).into())
        };
        let http = HttpServer::bind(config, app).unwrap().spawn().unwrap();
        Self { echo, io, http }
    }

    fn at(&self) -> SocketAddr {
        self.http.local_addr()
    }

    fn request(&self, method: &str, query: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.at()).unwrap();
        let (at, len) = (self.at(), body.len());
        write!(
            stream,
            "{method} /socket.io/?EIO=4&{query} HTTP/1.1\r\nHost: {at}\r\n\
             Content-Length: {len}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Opens a session by polling.
    fn open(&self) -> String {
        let (status, body) = self.request("GET", "transport=polling", "");
        assert_eq!(status, 200, "{body}");
        let hello: Value = serde_json::from_str(&body[1..]).unwrap();
        assert_eq!(hello["upgrades"], json!(["websocket"]));
        hello["sid"].as_str().unwrap().to_owned()
    }

    fn poll(&self, sid: &str) -> (u16, String) {
        self.request("GET", &format!("transport=polling&sid={sid}"), "")
    }

    fn post(&self, sid: &str, body: &str) -> (u16, String) {
        self.request("POST", &format!("transport=polling&sid={sid}"), body)
    }

    fn socket(&self, sid: Option<&str>) -> Socket {
        let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
        let url = format!(
            "ws://{}/socket.io/?EIO=4&transport=websocket{sid}",
            self.at()
        );
        tungstenite::connect(url).unwrap().0
    }
}

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).unwrap();
}

fn hear(socket: &mut Socket) -> String {
    match socket.read().unwrap() {
        Message::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Past the open packet and the connection to the namespace.
fn connected(server: &Server) -> Socket {
    let mut socket = server.socket(None);
    assert!(hear(&mut socket).starts_with("0{\"sid\""));
    say(&mut socket, "40");
    assert!(hear(&mut socket).starts_with("40{\"sid\""));
    assert!(hear(&mut socket).starts_with("42[\"hello\""));
    socket
}

fn until(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not happen within 5 s");
}

#[test]
fn a_client_that_polls_connects_and_is_heard() {
    let server = Server::start(SocketIoConfig::default());
    let sid = server.open();
    assert_eq!(server.post(&sid, "40"), (200, "ok".to_owned()));
    let (_, body) = server.poll(&sid);
    let parts: Vec<_> = body.split('\u{1e}').collect();
    assert!(parts[0].starts_with("40{\"sid\"") && parts[1].starts_with("42[\"hello\""));
    let event = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
    server.post(&sid, &format!("{event}\u{1e}bAQID\u{1e}427[\"x\"]"));
    let heard = format!(
        "{}\u{1e}bAQID\u{1e}437[\"x\"]",
        event.replace("echo", "echoed")
    );
    assert_eq!(server.poll(&sid), (200, heard));
    // Whoever polls waits.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.poll(&sid));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        server.post(&sid, "42[\"echo\",1]");
        assert_eq!(waiting.join().unwrap().1, "42[\"echoed\",1]");
    });
    assert_eq!(server.post(&sid, "1"), (200, "ok".to_owned()));
    assert_eq!(server.poll(&sid).0, 400);
    assert!(server.io.clients().is_empty());
    until(|| {
        server
            .echo
            .log
            .lock()
            .unwrap()
            .last()
            .unwrap()
            .starts_with("gone ")
    });
}

#[test]
fn polling_changes_over_to_a_websocket_without_a_loss() {
    let server = Server::start(SocketIoConfig::default());
    let sid = server.open();
    server.post(&sid, "40");
    server.poll(&sid);
    let mut socket = server.socket(Some(&sid));
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.poll(&sid));
        say(&mut socket, "2probe");
        assert_eq!(hear(&mut socket), "3probe");
        waiting.join().unwrap()
    });
    assert_eq!(waiting, (200, "6".to_owned()));
    // What is said meanwhile waits for the WebSocket.
    server.post(&sid, "42[\"echo\",\"meanwhile\"]");
    say(&mut socket, "5");
    assert_eq!(hear(&mut socket), "42[\"echoed\",\"meanwhile\"]");
    say(&mut socket, "420[\"echo\",2]");
    assert_eq!(hear(&mut socket), "42[\"echoed\",2]");
    assert_eq!(hear(&mut socket), "430[\"echo\"]");
    assert!(server.io.clients()[0].stats().is_websocket);
    assert_eq!(server.poll(&sid).0, 400);
    assert_eq!(server.post(&sid, "40").0, 400);
}

#[test]
fn an_upgrade_that_fails_leaves_polling_as_it_was() {
    let server = Server::start(SocketIoConfig::default());
    let sid = server.open();
    let mut socket = server.socket(Some(&sid));
    say(&mut socket, "5");
    assert!(socket.read().is_err());
    until(|| server.post(&sid, "40").0 == 200);
    let mut heard = server.poll(&sid).1;
    while heard == "6" {
        heard = server.poll(&sid).1;
    }
    assert!(heard.starts_with("40"), "{heard}");
}

#[test]
fn binary_goes_both_ways_over_a_websocket() {
    let server = Server::start(SocketIoConfig::default());
    let mut socket = connected(&server);
    let event = r#"52-["echo",{"a":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":0}]"#;
    say(&mut socket, &format!("4{event}"));
    let parts = [vec![7u8; 70_000], vec![1, 2, 3]];
    for part in &parts {
        socket.send(Message::binary(part.clone())).unwrap();
    }
    assert_eq!(
        hear(&mut socket),
        format!("4{}", event.replace("echo", "echoed"))
    );
    for part in &parts {
        assert_eq!(socket.read().unwrap(), Message::binary(part.clone()));
    }
    // A WebSocket's own ping.
    socket
        .send(Message::Ping(Bytes::from_static(b"a")))
        .unwrap();
    say(&mut socket, "42[\"echo\"]");
    let mut heard = [socket.read().unwrap(), socket.read().unwrap()];
    heard.sort_by_key(|m| m.is_pong());
    assert_eq!(heard[0], Message::text("42[\"echoed\"]"));
    assert!(heard[1].is_pong());
}

#[test]
fn events_of_one_client_are_handled_in_their_order() {
    let server = Server::start(SocketIoConfig::default());
    let mut socket = connected(&server);
    say(&mut socket, "42[\"slow\"]");
    for n in 0..200 {
        say(&mut socket, &format!("42[\"echo\",{n}]"));
    }
    for n in 0..200 {
        assert_eq!(hear(&mut socket), format!("42[\"echoed\",{n}]"));
    }
}

#[test]
fn who_is_not_let_in_hears_why() {
    let server = Server::start(SocketIoConfig::default());
    let mut socket = server.socket(None);
    hear(&mut socket);
    say(&mut socket, "40{\"refuse\":true}");
    assert_eq!(hear(&mut socket), "44{\"message\":\"not you\"}");
    say(&mut socket, "40/admin,");
    assert_eq!(
        hear(&mut socket),
        "44/admin,{\"message\":\"Invalid namespace\"}"
    );
    // Not connected, so not heard.
    say(&mut socket, "420[\"echo\",1]");
    say(&mut socket, "40");
    assert!(hear(&mut socket).starts_with("40{"));
    assert!(!server.echo.noted("echo"));
}

#[test]
fn what_is_against_the_protocol_is_refused() {
    let server = Server::start(SocketIoConfig {
        max_payload: 1_000,
        max_clients: 3,
        ..SocketIoConfig::default()
    });
    for (query, code) in [
        ("transport=pigeon", 0),
        ("", 0),
        ("transport=polling&sid=unknown", 1),
        ("transport=websocket", 3),
    ] {
        let (status, body) = server.request("GET", query, "");
        assert_eq!(status, 400, "{query}");
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told["code"], code, "{query}");
    }
    assert_eq!(server.request("DELETE", "transport=polling", "").0, 400);
    for (body, status) in [("9", 400), ("4", 400), ("452-[]", 200), ("bAQ==", 400)] {
        let sid = server.open();
        assert_eq!(server.post(&sid, body).0, status, "{body}");
        assert_eq!(server.post(&sid, "40").0, 400, "{body} ends the session");
    }
    let sid = server.open();
    assert_eq!(server.post(&sid, &"4".repeat(1_001)).0, 413);
    // Two at a time.
    let sid = server.open();
    std::thread::scope(|scope| {
        scope.spawn(|| server.poll(&sid));
        until(|| server.poll(&sid).0 == 400);
    });
    let held: Vec<_> = (0..3).map(|_| server.open()).collect();
    assert_eq!(server.request("GET", "transport=polling", "").0, 503);
    drop(held);
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.at());
    let refused = tungstenite::connect(url).unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
}

#[test]
fn who_answers_no_heartbeat_is_taken_for_gone() {
    let server = Server::start(SocketIoConfig {
        ping_interval: Duration::from_millis(600),
        ping_timeout: Duration::from_millis(600),
        ..SocketIoConfig::default()
    });
    let mut answers = connected(&server);
    let mut silent = connected(&server);
    for _ in 0..4 {
        assert_eq!(hear(&mut answers), "2");
        say(&mut answers, "3");
    }
    assert_eq!(server.io.clients().len(), 1);
    while silent.read().is_ok() {}
    say(&mut answers, "42[\"echo\"]");
    assert_eq!(hear(&mut answers), "42[\"echoed\"]");
    assert_eq!(server.echo.room.len(), 0);
}

#[test]
fn who_does_not_connect_or_is_sent_away_goes() {
    let server = Server::start(SocketIoConfig {
        connect_timeout: Duration::from_millis(300),
        ..SocketIoConfig::default()
    });
    let mut idle = server.socket(None);
    hear(&mut idle);
    let mut sent_away = connected(&server);
    say(&mut sent_away, "42[\"bye\"]");
    assert_eq!(hear(&mut sent_away), "41");
    assert!(sent_away.read().unwrap().is_close());
    assert!(idle.read().unwrap().is_close());
    until(|| server.io.clients().is_empty());
}

#[test]
fn who_does_not_read_loses_the_oldest_and_delays_nobody() {
    let server = Server::start(SocketIoConfig {
        outbox: OutboxConfig {
            bytes: 200_000,
            kept: 64,
        },
        ..SocketIoConfig::default()
    });
    let (mut quick, mut slow) = (connected(&server), connected(&server));
    for socket in [&mut quick, &mut slow] {
        say(socket, "42[\"join\"]");
    }
    until(|| server.echo.room.len() == 2);
    let publish = |n: u32| {
        let data = Bytes::from([n.to_be_bytes().as_slice(), &[0; 50_000]].concat());
        let event = Outgoing::event("audio_data", [binary(0)], vec![data]);
        let len = event.weight();
        server.echo.room.publish(&Arc::new(event), len);
    };
    let number = |socket: &mut Socket| {
        assert!(hear(socket).starts_with("451-"));
        let data = socket.read().unwrap().into_data();
        u32::from_be_bytes(data[..4].try_into().unwrap())
    };
    for n in 0..600 {
        publish(n);
        assert_eq!(number(&mut quick), n);
    }
    let clients = server.io.clients();
    let dropped: u64 = clients.iter().map(|c| c.stats().outbox.dropped).sum();
    assert!(dropped > 100, "{dropped}");
    // What the slow one hears is in order, with one hole where the oldest were dropped.
    let mut heard = vec![number(&mut slow)];
    while heard.last() != Some(&599) {
        heard.push(number(&mut slow));
    }
    assert!(heard.is_sorted(), "{heard:?}");
    assert_eq!(heard.len() as u64 + dropped, 600);
    assert_eq!(heard[0], 0);
}

#[test]
fn websockets_count_among_the_connections() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = Server::limited(SocketIoConfig::default(), limits);
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.at());
    let mut one = server.socket(None);
    let mut other = server.socket(None);
    assert!(hear(&mut one).starts_with('0') && hear(&mut other).starts_with('0'));
    assert!(tungstenite::connect(&url).is_err());
    drop(one);
    let mut left = 500;
    while tungstenite::connect(&url).is_err() {
        left -= 1;
        assert!(left > 0, "its place is never free again");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(other);
}
