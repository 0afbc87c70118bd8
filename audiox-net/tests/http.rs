//! The HTTP shell, by real sockets.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use audiox_net::http::axum::routing::{get, post};
use audiox_net::http::axum::{Extension, Router};
use audiox_net::http::{
    Access, Ending, HttpApp, HttpConfig, HttpHandle, HttpServer, Limits, MetricKind, MetricsSource,
    MetricsText, PageFile, Tls, Token, events, page,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

const TOKEN: &str = "a-token-for-the-tests";

struct Figures;

impl MetricsSource for Figures {
    fn collect(&self, out: &mut MetricsText) {
        out.metric("audiox_test_level", MetricKind::Gauge, "A figure")
            .sample(&[("channel", "0")], 0.5);
    }
}

fn app() -> HttpApp {
    let guarded = Router::new()
        .route("/api/name", get(|| async { "audiox" }))
        .route(
            "/api/length",
            post(|body: String| async move { body.len().to_string() }),
        )
        .route(
            "/api/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "done"
            }),
        );
    let guarded = guarded.route(
        "/api/events",
        get(|Extension(ending): Extension<Ending>| async {
            let mut n = 0;
            events(ending, Duration::from_millis(5), move |events| {
                n += 1;
                events.push("n", n);
            })
        }),
    );
    HttpApp {
        public: page(&[PageFile::new("/", "page")]),
        metrics: Some(Arc::new(Figures)),
        ..HttpApp::new(guarded)
    }
}

fn config() -> HttpConfig {
    HttpConfig::new(([127, 0, 0, 1], 0).into())
}

fn serve(config: HttpConfig) -> HttpHandle {
    HttpServer::bind(config, app()).unwrap().spawn().unwrap()
}

fn with_token() -> HttpConfig {
    HttpConfig {
        access: Access::tokens(vec![Token::new(TOKEN).unwrap()]),
        ..config()
    }
}

fn exchange(mut stream: impl Read + Write, head: &str, body: &str) -> (u16, String) {
    let length = match body.len() {
        0 => String::new(),
        n => format!("Content-Length: {n}\r\n"),
    };
    write!(stream, "{head}\r\n{length}Connection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    (status, answer)
}

fn ask(to: SocketAddr, head: &str) -> (u16, String) {
    let head = format!("{head}\r\nHost: {to}");
    exchange(TcpStream::connect(to).unwrap(), &head, "")
}

#[test]
fn routes_take_a_token_and_pages_and_health_do_not() {
    let server = serve(with_token());
    let to = server.local_addr();
    for free in ["/", "/healthz"] {
        assert_eq!(ask(to, &format!("GET {free} HTTP/1.1")).0, 200, "{free}");
    }
    for path in ["/api/name", "/metrics"] {
        let line = format!("GET {path} HTTP/1.1");
        let (status, answer) = ask(to, &line);
        assert_eq!(status, 401, "{answer}");
        assert!(answer.contains("Authorization: Bearer TOKEN"), "{answer}");
        assert!(
            answer.to_lowercase().contains("www-authenticate: bearer"),
            "{answer}"
        );
        let wrong = ask(to, &format!("{line}\r\nAuthorization: Bearer {TOKEN}x"));
        assert_eq!(wrong.0, 401);
        let right = ask(to, &format!("{line}\r\nAuthorization: Bearer {TOKEN}"));
        assert_eq!(right.0, 200, "{}", right.1);
    }
    assert_eq!(ask(to, "GET /nowhere HTTP/1.1").0, 404);
    server.stop().unwrap();
}

#[test]
fn a_token_in_a_url_is_refused_even_if_it_is_right() {
    let server = serve(with_token());
    for query in [
        format!("token={TOKEN}"),
        format!("a=b&Access_Token={TOKEN}"),
    ] {
        let (status, answer) = ask(
            server.local_addr(),
            &format!("GET /api/name?{query} HTTP/1.1"),
        );
        assert_eq!(status, 400);
        assert!(answer.contains("does not belong in a URL"), "{answer}");
        assert!(!answer.contains(TOKEN), "{answer}");
    }
}

#[test]
fn pages_of_other_sites_are_kept_out() {
    let server = serve(config());
    let to = server.local_addr();
    let with = |header: &str| {
        let stream = TcpStream::connect(to).unwrap();
        exchange(stream, &format!("GET /api/name HTTP/1.1\r\n{header}"), "").0
    };
    assert_eq!(with(&format!("Host: {to}")), 200);
    assert_eq!(with(&format!("Host: {to}\r\nOrigin: http://{to}")), 200);
    assert_eq!(
        with(&format!("Host: {to}\r\nOrigin: https://evil.example")),
        403
    );
    assert_eq!(with(&format!("Host: {to}\r\nOrigin: null")), 403);
    // A name that somebody has point here.
    assert_eq!(with("Host: evil.example"), 403);
}

#[test]
fn bodies_and_connections_are_limited() {
    let mut small = config();
    small.limits.body = 100;
    small.limits.connections = 2;
    small.limits.head = Duration::from_millis(200);
    let server = serve(small);
    let to = server.local_addr();
    let post = |body: &str, more: &str| {
        let head =
            format!("POST /api/length HTTP/1.1\r\nHost: {to}\r\nContent-Type: text/plain{more}");
        exchange(TcpStream::connect(to).unwrap(), &head, body)
    };
    assert_eq!(post(&"x".repeat(100), "").0, 200);
    assert_eq!(post(&"x".repeat(101), "").0, 413);
    // Of a length that is not said.
    let mut stream = TcpStream::connect(to).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 101, "x".repeat(101));
    let request = format!(
        "POST /api/length HTTP/1.1\r\nHost: {to}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.contains(" 413 "), "{answer}");
    drop(stream);

    // Two that say nothing occupy both places, until their time is up.
    std::thread::sleep(Duration::from_millis(50));
    let idle: Vec<_> = (0..2).map(|_| TcpStream::connect(to).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(50));
    let mut third = TcpStream::connect(to).unwrap();
    let _ = third.write_all(format!("GET / HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    let _ = third.read_to_end(&mut answer);
    assert!(answer.is_empty());
    for mut stream in idle {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let answer = ask(to, "GET /metrics HTTP/1.1").1;
    assert!(
        answer.contains("audiox_http_connections_refused_total 1\n"),
        "{answer}"
    );
}

#[test]
fn metrics_are_those_of_the_source_and_the_servers_own() {
    let server = serve(config());
    let (_, answer) = ask(server.local_addr(), "GET /metrics HTTP/1.1");
    assert!(
        answer.contains("audiox_test_level{channel=\"0\"} 0.5\n"),
        "{answer}"
    );
    assert!(
        answer.contains("audiox_http_requests_total 1\n"),
        "{answer}"
    );
}

#[test]
fn a_self_signed_certificate_serves_those_who_trust_it() {
    let server = serve(HttpConfig {
        tls: Tls::SelfSigned {
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        },
        ..with_token()
    });
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let pem = server.certificate().unwrap().as_bytes();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    for name in ["localhost", "127.0.0.1"] {
        let name = ServerName::try_from(name).unwrap();
        let connection = rustls::ClientConnection::new(client.clone(), name).unwrap();
        let stream = TcpStream::connect(server.local_addr()).unwrap();
        let stream = rustls::StreamOwned::new(connection, stream);
        let head =
            format!("GET /api/name HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}");
        let (status, answer) = exchange(stream, &head, "");
        assert_eq!(status, 200, "{answer}");
        assert!(answer.ends_with("audiox"));
    }
    // Plain HTTP on that port gets nowhere, and leaves the server as it was.
    let plain = TcpStream::connect(server.local_addr()).unwrap();
    plain
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut plain = plain;
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("page"));
}

#[test]
fn a_request_under_way_is_finished_before_the_end() {
    let server = serve(config());
    let to = server.local_addr();
    let asked = std::thread::spawn(move || ask(to, "GET /api/slow HTTP/1.1"));
    std::thread::sleep(Duration::from_millis(100));
    server.stop().unwrap();
    let (status, answer) = asked.join().unwrap();
    assert_eq!((status, answer.ends_with("done")), (200, true));
    assert!(TcpStream::connect(to).is_err());
}

#[test]
fn what_cannot_be_served_is_refused_with_a_sentence() {
    let any = HttpConfig::new(([0, 0, 0, 0], 0).into());
    let text = HttpServer::bind(any, app()).unwrap_err().to_string();
    assert!(
        text.contains("--token-file") && text.contains("--open"),
        "{text}"
    );
    let first = serve(config());
    let taken = HttpConfig::new(first.local_addr());
    let text = HttpServer::bind(taken, app()).unwrap_err().to_string();
    assert!(text.contains(&first.local_addr().to_string()), "{text}");
}

#[test]
fn events_go_on_until_the_server_ends_and_do_not_hold_it_up() {
    let server = serve(config());
    let to = server.local_addr();
    let began = std::time::Instant::now();
    let reader = std::thread::spawn(move || ask(to, "GET /api/events HTTP/1.1"));
    std::thread::sleep(Duration::from_millis(300));
    server.stop().unwrap();
    let (status, answer) = reader.join().unwrap();
    assert!(began.elapsed() < Duration::from_millis(1_500), "its grace");
    assert_eq!(status, 200);
    assert!(answer.contains("text/event-stream"), "{answer}");
    assert!(answer.contains("event: n\ndata: 1\n\n"), "{answer}");
    assert!(answer.contains("event: n\ndata: 3\n\n"), "{answer}");
}

#[test]
fn pages_bring_the_files_that_all_share() {
    let server = serve(with_token());
    for (path, kind) in [
        ("/", "text/html"),
        ("/console/base.css", "text/css"),
        ("/console/api.js", "text/javascript"),
        ("/console/icon.svg", "image/svg+xml"),
    ] {
        let (status, answer) = ask(server.local_addr(), &format!("GET {path} HTTP/1.1"));
        assert_eq!(status, 200, "{path}");
        assert!(answer.contains(kind), "{answer}");
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let server = serve(HttpConfig {
        limits: Limits {
            head: Duration::from_millis(100),
            ..Limits::default()
        },
        ..config()
    });
    let to = server.local_addr();
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut stream = TcpStream::connect(to).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(8)))
            .unwrap();
        write!(
            stream,
            "POST /api/length HTTP/1.1\r\nHost: {to}\r\n{head}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    server.stop().unwrap();
}

/// The server's end of a connection has a keep-alive timer (`02` in its line).
#[cfg(target_os = "linux")]
#[test]
fn who_is_gone_without_a_word_is_asked_for() {
    let server = serve(config());
    let to = server.local_addr();
    let stream = TcpStream::connect(to).unwrap();
    let ends = format!(
        "0100007F:{:04X} 0100007F:{:04X} 01 ",
        to.port(),
        stream.local_addr().unwrap().port()
    );
    let mut left = 500;
    loop {
        let all = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let line = all.lines().find(|line| line.contains(&ends));
        if line.is_some_and(|line| line.split_whitespace().nth(5).unwrap().starts_with("02:")) {
            break;
        }
        left -= 1;
        assert!(left > 0, "{line:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.stop().unwrap();
}
