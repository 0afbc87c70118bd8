//! `audiox player`: sessions in a real Redis, by HTTP, in a browser and on a virtual speaker.

use std::io::{Cursor, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use audiox::core::source::Source;
use audiox::io::WavSource;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::browser::in_browser;
use super::redis_server::RedisServer;
use super::support::{Folder, Running, audiox};

const OPERATE: &str = "only-for-operating-in-tests-0123456789";
const VIEW: &str = "only-for-viewing-in-tests/0123456789";

/// A request and its answer: head and body.
fn ask(port: u16, line: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap(), body)
}

/// The JSON of an answer, which may be chunked.
fn json_of(port: u16, line: &str) -> Value {
    let (head, body) = ask(port, line);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let text = String::from_utf8_lossy(&body).into_owned();
    let (from, to) = (text.find('{').unwrap(), text.rfind('}').unwrap());
    let whole = match head.to_lowercase().contains("chunked") {
        // Sizes stand in lines of their own; JSON here has no line breaks.
        true => {
            let lines = text.split("\r\n").collect::<Vec<_>>();
            lines.chunks(2).filter_map(|c| c.get(1)).copied().collect()
        }
        false => text[from..=to].to_owned(),
    };
    serde_json::from_str(&whole).unwrap_or_else(|e| panic!("{e}: {whole}"))
}

/// A command of Redis' own protocol, which goes well.
fn command(redis: &RedisServer, words: &[&str]) {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = [0; 64];
    let len = stream.read(&mut answer).unwrap();
    assert_ne!(
        answer[0],
        b'-',
        "{}",
        String::from_utf8_lossy(&answer[..len])
    );
}

/// A session as applications store it.
fn store(redis: &RedisServer, id: &str, fields: &[(&str, &str)], audio: &[u8]) {
    let text = STANDARD.encode(audio);
    let key = format!("session:{id}");
    let mut words = vec!["HSET", &key, "audio_buffer", &text];
    for (name, value) in fields {
        words.extend([*name, *value]);
    }
    command(redis, &words);
    command(redis, &["EXPIRE", &key, "3600"]);
}

const KNOWN: [(&str, &str); 4] = [
    ("authenticated", "True"),
    ("is_recording", "False"),
    ("user_name", "Ann"),
    ("connected_at", "1700000000"),
];

/// A tone as 16-bit samples.
fn tone(hertz: f64, rate: f64, seconds: f64) -> Vec<u8> {
    let value = |n: usize| (n as f64 * hertz / rate * std::f64::consts::TAU).sin() * 8_192.0;
    (0..(rate * seconds) as usize)
        .flat_map(|n| (value(n) as i16).to_le_bytes())
        .collect()
}

/// Length and pitch of a WAV file with a tone.
fn measured(file: Vec<u8>) -> (f64, f64) {
    let mut wav = WavSource::new(Cursor::new(file), "downloaded").unwrap();
    assert_eq!(wav.notices(), [""; 0]);
    let (rate, channels) = (
        f64::from(wav.format().rate.get()),
        wav.format().channels.get(),
    );
    let mut samples = vec![0.0; wav.frames() as usize * channels];
    let mut filled = 0;
    while filled < samples.len() {
        match wav.read(&mut samples[filled..]).unwrap() {
            0 => break,
            n => filled += n * channels,
        }
    }
    let first: Vec<f32> = samples.iter().step_by(channels).copied().collect();
    let rises: Vec<usize> = (1..first.len())
        .filter(|n| first[n - 1] < 0.0 && first[*n] >= 0.0)
        .collect();
    let turns = rises.len().saturating_sub(1) as f64;
    let span = rises.last().unwrap_or(&0) - rises.first().unwrap_or(&0);
    (first.len() as f64 / rate, turns * rate / span.max(1) as f64)
}

#[test]
fn sessions_of_a_real_redis_are_listed_analysed_and_downloaded() {
    let redis = RedisServer::start();
    store(&redis, "one", &KNOWN, &tone(440.0, 16_000.0, 2.0));
    command(&redis, &["RPUSH", "session:odd", "x"]);
    let url = redis.url();
    let (player, ports) = Running::listening(&[
        "player",
        "--listen=127.0.0.1:0",
        "--redis-url",
        &url,
        "--speaker=off",
    ]);
    let port = ports[0];
    let told = json_of(port, "GET /api/sessions");
    assert_eq!(told["redis_available"], true);
    let rows = told["sessions"].as_array().unwrap();
    let row = |id: &str| rows.iter().find(|r| r["session_id"] == id).unwrap();
    assert_eq!((rows.len(), &row("one")["user_name"]), (2, &json!("Ann")));
    assert!(row("odd")["error"].as_str().unwrap().contains("not a hash"));
    let (head, file) = ask(
        port,
        "GET /api/session/one/download?rate=16000&sample=s16le&channels=1",
    );
    assert!(head.contains("audio_one.wav"), "{head}");
    let (seconds, hertz) = measured(file);
    assert!(
        seconds == 2.0 && (hertz - 440.0).abs() < 0.5,
        "{seconds} s of {hertz} Hz"
    );
    let (head, body) = ask(port, "GET /metrics");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let figures = String::from_utf8(body).unwrap();
    assert!(
        figures.contains("audiox_player_registry_available 1"),
        "{figures}"
    );
    assert!(ask(port, "GET /healthz").0.starts_with("HTTP/1.1 200"));
    player.interrupt();
    let summary = player.wait().clean().summary();
    assert_eq!(summary["downloads"], 1);
}

#[test]
fn redis_may_go_away_and_come_back() {
    let mut redis = RedisServer::start();
    store(&redis, "one", &KNOWN, b"RIFF");
    let url = redis.url();
    let (player, ports) = Running::listening(&[
        "player",
        "--listen=127.0.0.1:0",
        "--redis-url",
        &url,
        "--speaker=off",
    ]);
    let is_there = || json_of(ports[0], "GET /api/sessions")["redis_available"] == true;
    assert!(is_there());
    redis.kill();
    assert!(!is_there());
    redis.revive();
    let deadline = Instant::now() + Duration::from_secs(15);
    while !is_there() {
        assert!(Instant::now() < deadline, "it is not found again");
        std::thread::sleep(Duration::from_millis(50));
    }
    player.interrupt();
    assert_eq!(player.wait().code, 0);
}

#[test]
fn what_cannot_be_is_told_in_a_line() {
    let folder = Folder::new();
    let config = folder.at("player.toml");
    std::fs::write(&config, "speakers = 'off'\n").unwrap();
    for (args, says) in [
        (vec!["--listen=0.0.0.0:0", "--demo"], "--open"),
        (vec!["--redis-url=http://localhost"], "redis://"),
        (
            vec!["--redis-url=redis://:geheim@localhost"],
            "REDIS_PASSWORD",
        ),
        (
            vec!["--demo", "--redis-url=redis://localhost"],
            "--redis-url",
        ),
        (vec!["--demo", "--speaker=loud"], "speaker:NAME or off"),
        (vec!["--demo", "--at-once=0"], "at-once"),
        (
            vec!["--demo", "--config", &config],
            "no option \"speakers\"",
        ),
    ] {
        let args: Vec<&str> = ["player"].into_iter().chain(args).collect();
        let refused = audiox(&args);
        refused.fails(2, says);
        assert!(!refused.err.contains("geheim"));
    }
}

#[test]
fn the_page_lists_draws_plays_downloads_and_shows_what_is_recorded() {
    let folder = Folder::new();
    let tokens = folder.at("tokens");
    std::fs::write(&tokens, format!("view {VIEW}\noperate {OPERATE}\n")).unwrap();
    let (player, ports) = Running::listening(&[
        "player",
        "--demo",
        "--listen=127.0.0.1:0",
        "--speaker=off",
        "--token-file",
        &tokens,
    ]);
    let url = format!("http://127.0.0.1:{}", ports[0]);
    in_browser("player.mjs", &[&url, &folder.at(""), VIEW, OPERATE]);
    player.interrupt();
    player.wait().clean();
}

#[test]
fn the_page_shows_that_redis_went_away_and_came_back() {
    let mut redis = RedisServer::start();
    store(&redis, "one", &KNOWN, &tone(440.0, 16_000.0, 1.0));
    let url = redis.url();
    let (player, ports) = Running::listening(&[
        "player",
        "--listen=127.0.0.1:0",
        "--redis-url",
        &url,
        "--speaker=off",
    ]);
    let page = format!("http://127.0.0.1:{}", ports[0]);
    std::thread::scope(|scope| {
        let browser = scope.spawn(|| in_browser("player_redis.mjs", &[&page]));
        // The page is open by the time that it asks.
        let deadline = Instant::now() + Duration::from_secs(20);
        let listeners = || {
            let (_, body) = ask(ports[0], "GET /metrics");
            String::from_utf8(body)
                .unwrap()
                .contains("audiox_player_listeners 1")
        };
        while !listeners() && !browser.is_finished() {
            assert!(Instant::now() < deadline, "no page");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(500));
        redis.kill();
        std::thread::sleep(Duration::from_secs(6));
        redis.revive();
        store(&redis, "two", &KNOWN, &tone(440.0, 16_000.0, 1.0));
        browser.join().unwrap();
    });
    player.interrupt();
    assert_eq!(player.wait().code, 0);
}

#[cfg(feature = "opus")]
#[test]
fn what_a_browser_records_is_listed_drawn_heard_and_downloaded() {
    let redis = RedisServer::start();
    let folder = Folder::new();
    // A recording has no end while it goes on; this one was never ended.
    in_browser("record_microphone.mjs", &[&folder.at(""), "3"]);
    let webm = std::fs::read(folder.path("recording.webm")).unwrap();
    assert!(STANDARD.encode(&webm).starts_with("GkXfo"), "WebM");
    store(&redis, "browser", &KNOWN, &webm);
    let url = redis.url();
    let (player, ports) = Running::listening(&[
        "player",
        "--listen=127.0.0.1:0",
        "--redis-url",
        &url,
        "--speaker=off",
    ]);
    let told = json_of(ports[0], "GET /api/session/browser/analyze");
    let analysis = &told["analysis"];
    assert_eq!(analysis["headers"]["webm"], true, "{told}");
    assert_eq!(
        (&analysis["codec"], &analysis["rate"]),
        (&json!("Opus"), &json!(48_000))
    );
    let (head, file) = ask(ports[0], "GET /api/session/browser/download");
    assert!(head.contains("audio/wav"), "{head}");
    let (seconds, hertz) = measured(file);
    assert!((2.5..4.5).contains(&seconds), "{seconds} s");
    assert!((hertz - 500.0).abs() < 2.0, "{hertz} Hz");
    let (head, original) = ask(
        ports[0],
        "GET /api/session/browser/download?format=original",
    );
    assert!(
        head.contains("audio/webm") && head.contains("audio_browser.webm"),
        "{head}"
    );
    assert_eq!(original, webm);
    let page = format!("http://127.0.0.1:{}", ports[0]);
    in_browser("player_recorded.mjs", &[&page, "500"]);
    player.interrupt();
    player.wait().clean();
}

#[cfg(all(feature = "devices", target_os = "linux"))]
#[test]
fn a_session_is_heard_on_the_servers_speaker_and_stopped() {
    use super::heard::{heard, periods};
    use super::virtual_devices::{VirtualDevices, stopped};

    let (devices, redis, folder) = (VirtualDevices::start(), RedisServer::start(), Folder::new());
    store(&redis, "one", &KNOWN, &tone(440.0, 44_100.0, 6.0));
    let url = redis.url();
    let speaker = "speaker:out,buffer=1920";
    let args = [
        "player",
        "--listen=127.0.0.1:0",
        "--redis-url",
        &url,
        "--speaker",
        speaker,
    ];
    let (player, ports) = Running::listening_in(devices.env(), &args);
    assert_eq!(
        json_of(ports[0], "GET /api/sessions")["audio_available"],
        true
    );
    let recording = folder.at("heard.wav");
    let listen = [
        "send",
        "mic:tap,channels=1,rate=48000,buffer=1920",
        "--to",
        &recording,
        "--duration",
        "25s",
    ];
    let tap = devices.run(&listen);
    std::thread::sleep(Duration::from_millis(500));
    let wish = "sample=s16le&rate=44100&channels=1";
    let told = json_of(ports[0], &format!("POST /api/session/one/play?{wish}"));
    assert_eq!(told["message"], "Audio playback started");
    std::thread::sleep(Duration::from_secs(3));
    let told = json_of(ports[0], "POST /api/session/one/stop");
    assert_eq!(told["success"], true);
    std::thread::sleep(Duration::from_millis(700));
    stopped(tap);
    let told = json_of(ports[0], "POST /api/session/one/stop");
    assert_eq!(
        told,
        json!({ "success": false, "message": "No active playback" })
    );
    player.interrupt();
    player.wait().clean();
    let tone = heard(&recording).tone;
    let seconds = tone.len() as f64 / 48_000.0;
    assert!((1.5..4.5).contains(&seconds), "{seconds} s were heard");
    let (hertz, odd) = periods(&tone, 440.0);
    assert!((hertz - 440.0).abs() < 4.0, "{hertz} Hz, {odd} odd periods");
}
