//! `audiox send … --to redis://…/session:ID`, with a real Redis.

use std::time::Duration;

use audiox::core::format::SampleFormat;
use audiox::core::registry::{SessionId, SessionRecord, SessionRegistry};
use audiox::redis::{RedisRegistry, RedisTarget, RegistryConfig};
use tokio::runtime::{Builder, Runtime};

use crate::redis_server::RedisServer;
use crate::support::{Folder, Running, audiox};

struct Reader {
    runtime: Runtime,
    registry: RedisRegistry,
}

impl Reader {
    fn new(url: &str) -> Self {
        let target = RedisTarget::parse(url).unwrap();
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            registry: RedisRegistry::new(&target, RegistryConfig::default()).unwrap(),
        }
    }

    fn session(&self, id: &str) -> Option<SessionRecord> {
        let id: SessionId = id.parse().unwrap();
        self.runtime.block_on(self.registry.session(&id)).ok()
    }

    /// The buffer's bytes.
    fn audio(&self, id: &str) -> Vec<u8> {
        let id: SessionId = id.parse().unwrap();
        let mut text = Vec::new();
        loop {
            let at = text.len() as u64;
            let more = self
                .runtime
                .block_on(self.registry.buffer(&id, at, 1 << 20));
            let more = more.unwrap();
            if more.is_empty() {
                return decode(&text);
            }
            text.extend_from_slice(&more);
        }
    }
}

/// Base64, by the alphabet's definition.
fn decode(text: &[u8]) -> Vec<u8> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let mut out = Vec::new();
    for group in text.chunks(4) {
        assert_eq!(group.len(), 4, "whole groups");
        let bits = group
            .iter()
            .fold(0u32, |bits, b| bits << 6 | u32::from(value(*b)));
        let padding = group.iter().filter(|b| **b == b'=').count();
        out.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    out
}

#[test]
fn a_file_is_in_the_session_as_it_was() {
    let server = RedisServer::start();
    let folder = Folder::new();
    let (file, sent) = folder.wav("a.wav", SampleFormat::S16, 2, 48_001);
    let to = format!("{}/2/session:a%20b?user-name=Ann&ttl=600", server.url());
    let told = audiox(&["send", &file, "--to", &to, "--json"]).clean();
    let summary = told.summary();
    assert_eq!(
        (&summary["frames"], &summary["written"]),
        (&48_001.into(), &192_004.into())
    );
    let reader = Reader::new(&format!("{}/2", server.url()));
    let there = reader.session("a b").unwrap();
    assert_eq!(there.get("user_name"), Some("Ann"));
    assert_eq!(there.get("audio_format"), Some("s16le"));
    assert_eq!(there.get("audio_rate"), Some("48000"));
    assert_eq!(there.get("audio_channels"), Some("2"));
    assert!(there.authenticated() && !there.is_recording());
    assert!(there.ttl.is_some_and(|ttl| ttl <= Duration::from_secs(600)));
    assert!(reader.audio("a b") == sent);
    // What is behind it now would be noise.
    let to = format!("{}/2/session:a%20b?as=wav", server.url());
    audiox(&["send", &file, "--to", &to]).fails(1, "other audio already");
}

#[test]
fn ctrl_c_ends_a_recording_and_its_mark() {
    let server = RedisServer::start();
    let to = format!("{}/session:live?as=wav", server.url());
    let args = ["send", "tone:440,rate=8000", "--to", &to, "--json"];
    let send = Running::start(&args);
    let reader = Reader::new(&server.url());
    loop {
        if let Some(there) = reader.session("live") {
            assert!(there.is_recording());
            if there.buffer_len > 20_000 {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    send.interrupt();
    let frames = send.wait().clean().summary()["frames"].as_u64().unwrap();
    assert!(!reader.session("live").unwrap().is_recording());
    let file = reader.audio("live");
    assert!(file.starts_with(b"RIFF"));
    assert_eq!(file.len() as u64, 128 + frames * 2);
}

#[test]
fn secrets_come_from_the_environment_alone() {
    let server = RedisServer::with("requirepass geheim");
    let to = format!("{}/session:a", server.url());
    let tone = "tone:440,rate=8000,length=100ms";
    let refused = audiox(&["send", tone, "--to", &to]);
    refused.fails(1, "NOAUTH");
    let env = [("REDIS_PASSWORD", "geheim".into())];
    Running::start_in(env, &["send", tone, "--to", &to])
        .wait()
        .clean();
    let open = format!("redis://:geheim@127.0.0.1:{}/session:a", server.port());
    let refused = audiox(&["send", tone, "--to", &open]);
    refused.fails(2, "REDIS_PASSWORD");
    assert!(!refused.err.contains("geheim"));
    let wrong = [("REDIS_PASSWORD", "falsch!".into())];
    let refused = Running::start_in(wrong, &["send", tone, "--to", &to]).wait();
    refused.fails(1, "denied");
    assert!(!refused.err.contains("falsch!"));
}

#[test]
fn what_cannot_be_is_said_in_a_line() {
    let tone = "tone:440,length=100ms";
    for (to, code, part) in [
        ("redis://127.0.0.1:1/session:a", 1, "not available"),
        ("redis://127.0.0.1:1", 2, "session:ID"),
        ("redis://127.0.0.1:1/session:a?as=mp3", 2, "raw or wav"),
        ("rediss://127.0.0.1:1/session:a?ca=/no/such", 2, "/no/such"),
    ] {
        audiox(&["send", tone, "--to", to]).fails(code, part);
    }
    let to = "redis://127.0.0.1:1/session:a";
    audiox(&["send", tone, tone, "--to", to]).fails(2, "one source");
    audiox(&["send", tone, "--to", to, "--ptime", "5"]).fails(2, "--ptime");
}
