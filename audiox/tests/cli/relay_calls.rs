//! The relay's calls, as the original's clients make them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::s3::S3Server;
use crate::support::Folder;

/// A request on a connection of its own.
pub(crate) fn ask(port: u16, line: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(25)))
        .unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_off(end + 4))
}

pub(crate) fn asked(port: u16, line: &str, body: &[u8]) -> Value {
    let (status, answer) = ask(port, line, body);
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert_eq!(status, 200, "{line}: {text}");
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn create(port: u16) -> String {
    let told = asked(port, "POST /api/streams", b"");
    told["stream_id"].as_str().unwrap().to_owned()
}

pub(crate) fn post(port: u16, id: &str, data: &[u8]) {
    asked(port, &format!("POST /api/streams/{id}/audio"), data);
}

pub(crate) fn end(port: u16, id: &str) {
    asked(port, &format!("POST /api/streams/{id}/end"), b"");
}

/// All that is kept of a stream, once it is `len` bytes.
pub(crate) fn kept(port: u16, id: &str, len: usize) -> Vec<u8> {
    for _ in 0..200 {
        let told = asked(port, &format!("GET /api/streams/{id}/chunks"), b"");
        let mut all = Vec::new();
        for chunk in told["chunks"].as_array().unwrap() {
            let (status, data) = ask(
                port,
                &format!("GET /api/chunks/{}", chunk.as_str().unwrap()),
                b"",
            );
            assert_eq!(status, 200);
            all.extend(data);
        }
        if all.len() >= len {
            return all;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not {len} bytes within 10 s");
}

pub(crate) fn packet(n: usize) -> Vec<u8> {
    let mut data = vec![n as u8; 2_048];
    data[..2].copy_from_slice(&(n as u16).to_le_bytes());
    data
}

pub(crate) fn packets(count: usize) -> Vec<u8> {
    (0..count).flat_map(packet).collect()
}

/// Options for a relay in `folder`, with segments of a second.
pub(crate) fn options(folder: &Folder, store: &str) -> Vec<String> {
    [
        "relay",
        "--listen",
        "127.0.0.1:0",
        "--segment",
        "1s",
        "--store",
        store,
        "--spool",
        &folder.at("spool"),
    ]
    .map(str::to_owned)
    .to_vec()
}

pub(crate) fn refs(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

/// Where a relay finds an S3 service, and as whom.
pub(crate) fn environment(s3: &S3Server) -> [(&'static str, PathBuf); 4] {
    [
        ("AWS_ACCESS_KEY_ID", "ours".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", s3.endpoint()),
    ]
    .map(|(name, value)| (name, PathBuf::from(value)))
}
