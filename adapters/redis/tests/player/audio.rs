//! What is heard, downloaded and drawn.

use std::io::Cursor;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use audiox_core::source::Source;
use audiox_io::WavSource;
use audiox_redis::player::{PlayerConfig, Roles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{Ear, Server, tone, until, wav};

/// The samples of a WAV file, as stored.
fn samples(file: Vec<u8>) -> (u32, Vec<u8>) {
    let mut wav = WavSource::new(Cursor::new(file), "it").unwrap();
    assert_eq!(wav.notices(), [""; 0]);
    let (mut all, mut block) = (Vec::new(), vec![0; 48_000]);
    loop {
        match wav.read_native(&mut block).unwrap() {
            0 => return (wav.format().rate.get(), all),
            n => all.extend_from_slice(&block[..n]),
        }
    }
}

#[test]
fn a_download_is_a_wav_file_with_the_samples_that_are_there() {
    let server = Server::start();
    let data = tone(440.0, 100_000);
    server.session("7d3e", &wav(&data));
    let (status, head, body) = server.ask("GET /api/session/7d3e/download", &[]);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: audio/wav"), "{head}");
    assert!(
        head.contains("attachment; filename=\"audio_7d3e.wav\""),
        "{head}"
    );
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert_eq!(samples(body), (16_000, data));
}

#[test]
fn parts_of_a_download_fit_together() {
    let server = Server::start();
    server.session("a", &wav(&tone(440.0, 50_000)));
    let (_, _, whole) = server.ask("GET /api/session/a/download", &[]);
    for (range, bytes) in [("0-99", 0..100), ("70000-", 70_000..whole.len())] {
        let range_head = format!("Range: bytes={range}");
        let (status, head, part) = server.ask("GET /api/session/a/download", &[&range_head]);
        assert_eq!(status, 206, "{head}");
        let told = format!(
            "content-range: bytes {}-{}/{}",
            bytes.start,
            bytes.end - 1,
            whole.len()
        );
        assert!(head.contains(&told), "{head}");
        assert!(part == whole[bytes]);
    }
    let behind = format!("Range: bytes={}-", whole.len());
    assert_eq!(server.ask("GET /api/session/a/download", &[&behind]).0, 416);
}

#[test]
fn the_original_is_what_is_stored_with_its_kind() {
    let server = Server::start();
    let file = wav(&tone(440.0, 100));
    server.session("<b>", &file);
    let call = "GET /api/session/%3Cb%3E/download?format=original";
    let (_, head, body) = server.ask(call, &[]);
    assert!(
        head.contains("audio/wav") && head.contains("\"audio__b_.wav\""),
        "{head}"
    );
    assert_eq!(body, file);
    server.session("pcm", &tone(440.0, 100));
    let (_, head, _) = server.ask("GET /api/session/pcm/download?format=original", &[]);
    assert!(
        head.contains("application/octet-stream") && head.contains("audio_pcm.pcm"),
        "{head}"
    );
}

#[test]
fn headerless_samples_are_downloaded_as_a_request_or_their_session_says() {
    let server = Server::start();
    let data = tone(440.0, 4_000);
    let says = [
        ("authenticated", "True"),
        ("audio_rate", "8000"),
        ("audio_format", "s16le"),
    ];
    server.session_with("says", &says, &STANDARD.encode(&data));
    let (_, _, body) = server.ask("GET /api/session/says/download", &[]);
    assert_eq!(samples(body), (8_000, data.clone()));
    let asked = "GET /api/session/says/download?rate=22050&channels=2";
    let (_, _, body) = server.ask(asked, &[]);
    let read = WavSource::new(Cursor::new(body), "it").unwrap();
    assert_eq!(read.format().to_string(), "22050 Hz, 2 ch");
    assert_eq!(read.frames(), 2_000);
}

#[test]
fn playing_is_heard_and_said_to_be_done() {
    let ear = Ear::default();
    let server = Server::heard_by(&ear);
    server.session("a", &wav(&tone(440.0, 40_000)));
    let told = server.json("POST /api/session/a/play");
    let wanted = json!({ "success": true, "message": "Audio playback started", "session_id": "a" });
    assert_eq!(told, wanted);
    until("all is heard", || ear.heard.lock().unwrap().len() == 40_000);
    assert_eq!(ear.format.lock().unwrap().unwrap().rate.get(), 16_000);
    let rises = ear
        .heard
        .lock()
        .unwrap()
        .windows(2)
        .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
        .count();
    assert!((1_099..=1_100).contains(&rises), "{rises} periods in 2.5 s");
    until("it is over", || server.player.stats().playing == 0);
    assert_eq!(server.json("GET /api/sessions")["audio_available"], true);
    // From a point on.
    ear.heard.lock().unwrap().clear();
    server.json("POST /api/session/a/play?from=2");
    until("the rest is heard", || {
        ear.heard.lock().unwrap().len() == 8_000
    });
}

#[test]
fn stopping_stops() {
    let ear = Ear {
        is_paced: true,
        ..Ear::default()
    };
    let server = Server::heard_by(&ear);
    server.session("a", &wav(&tone(440.0, 160_000)));
    let none = json!({ "success": false, "message": "No active playback" });
    assert_eq!(server.json("POST /api/session/a/stop"), none);
    server.json("POST /api/session/a/play");
    until("something is heard", || {
        !ear.heard.lock().unwrap().is_empty()
    });
    let told = server.json("POST /api/session/a/stop");
    assert_eq!(
        told,
        json!({ "success": true, "message": "Audio playback stopped" })
    );
    // One more block may have been on its way.
    std::thread::sleep(Duration::from_millis(150));
    let heard = ear.heard.lock().unwrap().len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(ear.heard.lock().unwrap().len(), heard);
    assert!(heard < 160_000);
    assert_eq!(server.json("POST /api/session/a/stop"), none);
}

#[test]
fn several_play_at_once_within_a_limit_and_one_that_plays_begins_anew() {
    let ear = Ear {
        is_paced: true,
        ..Ear::default()
    };
    let config = PlayerConfig {
        at_once: 2,
        ..PlayerConfig::default()
    };
    let server = Server::with(config, Roles::default(), Some(ear));
    for id in ["a", "b", "c"] {
        server.session(id, &wav(&tone(440.0, 160_000)));
    }
    for id in ["a", "b", "a"] {
        let told = server.json(&format!("POST /api/session/{id}/play"));
        assert_eq!(told["success"], true, "{told}");
    }
    let told = server.json("POST /api/session/c/play");
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("2 sessions play already"),
        "{told}"
    );
    server.json("POST /api/session/b/stop");
    assert_eq!(server.json("POST /api/session/c/play")["success"], true);
    assert_eq!(server.player.stats().playing, 2);
}

#[test]
fn a_device_that_cannot_be_had_is_told() {
    let server = Server::start();
    server.session("a", &wav(&tone(440.0, 100)));
    let message = "Failed to play audio: this server was not given a sound device";
    server.fails("POST /api/session/a/play", message);
    let broken = Ear {
        is_broken: true,
        ..Ear::default()
    };
    let server = Server::heard_by(&broken);
    server.session("a", &wav(&tone(440.0, 100)));
    server.fails(
        "POST /api/session/a/play",
        "Failed to play audio: no such device",
    );
    assert_eq!(server.json("GET /api/sessions")["audio_available"], false);
    assert_eq!(server.player.stats().playing, 0);
}

#[test]
fn pages_get_samples_from_any_moment_on() {
    let server = Server::start();
    let data = tone(440.0, 30_000);
    server.session("a", &wav(&data));
    let (status, head, body) = server.ask("GET /api/session/a/audio", &[]);
    assert_eq!(status, 200);
    assert!(
        head.contains("audiox-rate: 16000") && head.contains("audiox-channels: 1"),
        "{head}"
    );
    assert!(body == data);
    let (_, _, body) = server.ask("GET /api/session/a/audio?from=1.5", &[]);
    assert!(body == data[48_000..]);
    let (_, _, body) = server.ask("GET /api/session/a/audio?from=100", &[]);
    assert_eq!(body.len(), 0);
}

#[test]
fn who_listens_live_hears_on_as_it_is_recorded_and_only_the_new_part_is_read() {
    let server = Server::start();
    let data = tone(440.0, 96_000);
    let fields = [
        ("authenticated", "True"),
        ("is_recording", "True"),
        ("audio_format", "s16le"),
        ("audio_rate", "16000"),
        ("audio_channels", "1"),
    ];
    let id = server.session_with("a", &fields, "");
    server.append(&id, &data[..96_000]);
    std::thread::scope(|scope| {
        let heard = scope.spawn(|| server.ask("GET /api/session/a/audio?live=1", &[]));
        until("it is listened to", || server.player.stats().streams == 1);
        server.append(&id, &data[96_000..150_000]);
        std::thread::sleep(Duration::from_millis(1_200));
        server.append(&id, &data[150_000..]);
        server.session_with("a", &[("is_recording", "False")], "");
        let (status, _, body) = heard.join().unwrap();
        assert_eq!(status, 200);
        assert!(body == data, "{} of {} bytes", body.len(), data.len());
    });
    let chars = STANDARD.encode(&data).len();
    let read = server.sessions.chars_read.load(Relaxed);
    assert!(read < chars + 1_000, "{read} characters read of {chars}");
}

#[test]
fn a_picture_has_an_outline_and_a_spectrum() {
    let server = Server::start();
    server.session("a", &wav(&tone(440.0, 48_000)));
    let told = server.json("GET /api/session/a/picture");
    let picture = &told["picture"];
    assert_eq!(
        (&picture["seconds"], &picture["rate"]),
        (&json!(3.0), &json!(16_000))
    );
    let bytes = |value: &serde_json::Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let greatest = bytes(&picture["outline"]["greatest"]);
    let step = picture["outline"]["step"].as_f64().unwrap();
    assert_eq!(greatest.len(), (3.0 / step).ceil() as usize);
    assert!(
        greatest.iter().all(|x| (46..=48).contains(x)),
        "12000 of 32768 is 46.5 of 127"
    );
    let bands = picture["spectrum"]["bands"].as_u64().unwrap() as usize;
    let levels = bytes(&picture["spectrum"]["levels"]);
    assert_eq!(levels.len() % bands, 0);
    let column = &levels[levels.len() / bands / 2 * bands..][..bands];
    let top = (0..bands).max_by_key(|n| column[*n]).unwrap();
    assert!(column[top] > 220 && top < bands / 2, "{top}: {column:?}");
    server.session("text", b"x");
    let told = server.json("GET /api/session/text/picture");
    assert_eq!(told["success"], false);
    // What was worked out is kept, and so is what was read.
    let before = server.sessions.chars_read.load(Relaxed);
    server.json("GET /api/session/a/analyze");
    assert!(server.sessions.chars_read.load(Relaxed) - before <= 128);
}

#[test]
fn a_buffer_that_is_replaced_is_read_anew() {
    let server = Server::start();
    server.session("a", &wav(&tone(440.0, 16_000)));
    assert_eq!(
        server.json("GET /api/session/a/analyze")["analysis"]["duration"],
        1.0
    );
    // As long, and something else.
    let other = wav(&tone(880.0, 16_000));
    server.session("a", &other);
    let (_, _, body) = server.ask("GET /api/session/a/download", &[]);
    assert_eq!(samples(body).1, other[audiox_io::wav::HEADER_LEN..]);
    server.session("a", &wav(&tone(440.0, 8_000)));
    assert_eq!(
        server.json("GET /api/session/a/analyze")["analysis"]["duration"],
        0.5
    );
}
