//! The calls of the contract, row by row.

use std::sync::atomic::Ordering::Relaxed;

use audiox_core::registry::SessionId;
use audiox_net::http::Token;
use audiox_redis::player::{PlayerConfig, Roles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Server, names, tone, wav};

const LISTED: [&str; 8] = [
    "session_id",
    "user_name",
    "authenticated",
    "is_recording",
    "audio_buffer_length",
    "has_audio",
    "connected_at",
    "authenticated_at",
];

#[test]
fn the_page_is_at_the_root() {
    let server = Server::start();
    let (status, head, body) = server.ask("GET /", &[]);
    assert_eq!(status, 200);
    assert!(head.contains("text/html") && head.contains("content-security-policy"));
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("<title>") && !text.contains(" onclick"));
    for file in ["page.css", "page.js", "detail.js", "console/socket.js"] {
        assert_eq!(server.ask(&format!("GET /{file}"), &[]).0, 200, "{file}");
    }
}

#[test]
fn sessions_are_listed_whole_and_in_pages_without_their_buffers() {
    let server = Server::start();
    server.session("a", &tone(440.0, 9_000));
    server.session_with("b", &[("is_recording", "True")], "");
    let broken = SessionId::parse("c").unwrap();
    server.sessions.memory.set_broken(&broken, "a list");
    let told = server.json("GET /api/sessions");
    assert_eq!(
        names(&told),
        ["success", "sessions", "redis_available", "audio_available"]
    );
    assert_eq!(told["success"], true);
    assert_eq!(told["redis_available"], true);
    assert_eq!(told["audio_available"], false);
    let rows = told["sessions"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let row = |id: &str| rows.iter().find(|r| r["session_id"] == id).unwrap();
    for row in rows {
        assert_eq!(names(row)[..8], LISTED, "{row}");
    }
    let a = row("a");
    assert_eq!(a["user_name"], "Ann");
    assert_eq!(
        (&a["authenticated"], &a["has_audio"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(a["audio_buffer_length"], 24_000);
    assert_eq!(a["connected_at"], "1700000000.25");
    assert_eq!(a["authenticated_at"], Value::Null);
    assert_eq!(a["ttl"], 3_600);
    let b = row("b");
    assert_eq!(
        (&b["authenticated"], &b["is_recording"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(b["has_audio"], false);
    assert_eq!(row("c")["error"], "a list");
    assert_eq!(server.sessions.chars_read.load(Relaxed), 0);

    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.json(&format!("GET /api/sessions?limit=1{cursor}"));
        let rows = page["sessions"].as_array().unwrap();
        ids.extend(
            rows.iter()
                .map(|r| r["session_id"].as_str().unwrap().to_owned()),
        );
        assert_eq!(page["role"], "view");
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ids.sort();
    assert_eq!(ids, ["a", "b", "c"]);
    let wrong = server.json("GET /api/sessions?limit=5&cursor=%25");
    assert_eq!(wrong["success"], false);
}

#[test]
fn a_registry_that_is_away_is_told_and_survived() {
    let server = Server::start();
    server.session("a", b"RIFF");
    server.sessions.is_away.store(true, Relaxed);
    let told = server.json("GET /api/sessions");
    let wanted = json!({
        "success": true, "sessions": [], "redis_available": false, "audio_available": false,
    });
    assert_eq!(told, wanted);
    let page = server.json("GET /api/sessions?limit=10");
    assert_eq!(page["redis_available"], false);
    assert!(page["message"].as_str().unwrap().contains("it is away"));
    for call in [
        "GET /api/session/a/info",
        "GET /api/session/a/analyze",
        "POST /api/session/a/play",
    ] {
        let told = server.json(call);
        assert_eq!(told["success"], false);
        assert!(
            told["message"].as_str().unwrap().contains("it is away"),
            "{told}"
        );
    }
    assert!(!server.player.stats().registry_is_available);
    server.sessions.is_away.store(false, Relaxed);
    assert_eq!(
        server.json("GET /api/sessions")["sessions"][0]["session_id"],
        "a"
    );
    assert!(server.player.stats().registry_is_available);
}

#[test]
fn info_has_the_hash_and_what_its_buffer_is() {
    let server = Server::start();
    let audio = tone(440.0, 300_000);
    server.session("a b/c", &audio);
    let text = STANDARD.encode(&audio);
    let told = server.json("GET /api/session/a%20b%2Fc/info");
    assert_eq!(
        names(&told)[..4],
        ["success", "session_id", "data", "audio_info"]
    );
    assert_eq!(told["session_id"], "a b/c");
    assert_eq!(told["data"]["user_name"], "Ann");
    assert_eq!(told["data"]["authenticated"], "True");
    assert_eq!(told["data"]["audio_buffer"], text);
    let wanted = json!({
        "length": 800_000,
        "has_audio": true,
        "preview": format!("{}...", &text[..100]),
        "decoded_length": 600_000,
        "base64_valid": true,
    });
    assert_eq!(told["audio_info"], wanted);
    assert_eq!(
        names(&told["audio_info"]),
        [
            "length",
            "has_audio",
            "preview",
            "decoded_length",
            "base64_valid"
        ]
    );
    let short = server.json("GET /api/session/a%20b%2Fc/info?buffer=preview");
    assert_eq!(short["audio_info"], wanted);
    assert_eq!(short["data"]["audio_buffer"], wanted["preview"]);

    server.session("empty", b"");
    let told = server.json("GET /api/session/empty/info");
    let wanted = json!({
        "length": 0, "has_audio": false, "preview": "", "decoded_length": 0, "base64_valid": true,
    });
    assert_eq!(told["audio_info"], wanted);
    assert_eq!(told["data"]["audio_buffer"], "");
    server.fails("GET /api/session/nobody/info", "Session not found");
    server.fails("GET /api/session/a%0Ab/info", "Session not found");
}

#[test]
fn base64_that_is_none_is_told_with_its_place() {
    let server = Server::start();
    let known = [("authenticated", "True")];
    server.session_with("bad", &known, "QUJD\"\n!UJD");
    for call in ["info", "info?buffer=preview"] {
        let told = server.json(&format!("GET /api/session/bad/{call}"));
        let info = &told["audio_info"];
        assert_eq!(
            (&info["base64_valid"], &info["decoded_length"]),
            (&json!(false), &json!(0))
        );
        let error = info["base64_error"].as_str().unwrap();
        assert_eq!(error, "'\"' at character 4 is not Base64");
    }
    let message = "Failed to decode audio: '\"' at character 4 is not Base64";
    for call in ["GET /api/session/bad/analyze", "POST /api/session/bad/play"] {
        server.fails(call, message);
    }
    server.fails("GET /api/session/bad/download", message);
    // What stops inside a byte is played as far as it goes.
    let cut = format!("{}A", STANDARD.encode(wav(&tone(440.0, 3_000))));
    server.session_with("cut", &known, &cut);
    for call in ["info", "info?buffer=preview"] {
        let info = &server.json(&format!("GET /api/session/cut/{call}"))["audio_info"];
        assert_eq!(info["base64_valid"], false);
        assert!(
            info["base64_error"]
                .as_str()
                .unwrap()
                .contains("stands alone"),
            "{info}"
        );
    }
    let analysis = &server.json("GET /api/session/cut/analyze")["analysis"];
    assert_eq!(analysis["frames"], 3_000);
    assert!(
        analysis["notices"].to_string().contains("inside a byte"),
        "{analysis}"
    );
}

#[test]
fn analyze_has_the_originals_figures_and_ours() {
    let server = Server::start();
    let audio = wav(&tone(440.0, 32_000));
    server.session("a", &audio);
    let told = server.json("GET /api/session/a/analyze");
    assert_eq!(names(&told), ["success", "session_id", "analysis"]);
    let analysis = &told["analysis"];
    assert_eq!(
        names(analysis)[..9],
        [
            "base64_length",
            "decoded_length",
            "first_20_bytes_hex",
            "null_bytes_count",
            "null_bytes_percentage",
            "unique_bytes",
            "has_repetitive_pattern",
            "headers",
            "detected_format",
        ]
    );
    assert_eq!(
        names(&analysis["headers"]),
        ["riff_wav", "id3_mp3", "mp3_sync", "ogg", "webm", "mp4_m4a"]
    );
    assert_eq!(analysis["decoded_length"], audio.len());
    assert_eq!(analysis["base64_length"], STANDARD.encode(&audio).len());
    let first: String = audio[..20].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(analysis["first_20_bytes_hex"], first);
    let nulls = audio.iter().filter(|b| **b == 0).count();
    assert_eq!(analysis["null_bytes_count"], nulls);
    let share = analysis["null_bytes_percentage"].as_f64().unwrap();
    assert!((share - nulls as f64 * 100.0 / audio.len() as f64).abs() < 1e-9);
    assert_eq!(analysis["has_repetitive_pattern"], false);
    assert_eq!(analysis["headers"]["riff_wav"], true);
    assert_eq!(analysis["headers"]["webm"], false);
    assert_eq!(analysis["detected_format"], "WAV");
    // Ours.
    assert_eq!(
        (&analysis["rate"], &analysis["channels"]),
        (&json!(16_000), &json!(1))
    );
    assert_eq!(
        (&analysis["duration"], &analysis["frames"]),
        (&json!(2.0), &json!(32_000))
    );
    let near = |field: &str, value: f64| {
        let is = analysis[field].as_f64().unwrap();
        assert!((is - value).abs() < 0.2, "{field}: {is} for {value}");
    };
    // 12 000 of 32 768.
    near("peak_db", -8.72);
    near("rms_db", -11.73);
    near("dc_offset", 0.0);
    assert!(analysis["loudness_lufs"].as_f64().unwrap() < -8.0);
    assert_eq!(
        (&analysis["clipped"], &analysis["silent"]),
        (&json!(0.0), &json!(0.0))
    );
    assert_eq!(analysis["guess"], Value::Null);
}

#[test]
fn headerless_samples_are_judged_and_a_request_has_its_way() {
    let server = Server::start();
    server.session("pcm", &tone(440.0, 32_000));
    let analysis = &server.json("GET /api/session/pcm/analyze")["analysis"];
    assert_eq!(analysis["detected_format"], "Raw PCM or unknown");
    assert_eq!(analysis["guess"]["candidates"][0]["sample"], "s16le");
    let asked = "GET /api/session/pcm/analyze?sample=s16le&rate=16000&channels=1";
    let analysis = &server.json(asked)["analysis"];
    assert_eq!(analysis["duration"], 2.0);
    let wrong = server.json("GET /api/session/pcm/analyze?rate=fast");
    assert_eq!(wrong["success"], false);
    assert!(
        wrong["message"].as_str().unwrap().contains("rate"),
        "{wrong}"
    );
    server.session("zeros", &[0; 4_000]);
    let analysis = &server.json("GET /api/session/zeros/analyze")["analysis"];
    assert_eq!(analysis["has_repetitive_pattern"], true);
    assert_eq!(analysis["null_bytes_percentage"], 100.0);
    assert_eq!(
        (&analysis["unique_bytes"], &analysis["peak_db"]),
        (&json!(1), &Value::Null)
    );
}

#[test]
fn without_a_buffer_there_is_nothing_to_hear() {
    let server = Server::start();
    server.session("empty", b"");
    for call in [
        "GET /api/session/empty/analyze",
        "GET /api/session/empty/download",
    ] {
        server.fails(call, "No audio buffer found");
    }
    server.fails("POST /api/session/empty/play", "No audio buffer found");
    for call in ["GET /api/session/x/analyze", "GET /api/session/x/download"] {
        server.fails(call, "Session not found");
    }
    server.fails("POST /api/session/x/play", "Session not found");
}

#[test]
fn a_request_that_cannot_be_read_is_answered_as_all_that_fail() {
    let server = Server::start();
    server.session("a", &wav(&tone(440.0, 400)));
    server.fails("GET /api/session/%ff/info", "Session not found");
    server.fails("POST /api/session/%ff/stop", "Session not found");
    for line in [
        "GET /api/sessions?limit=all",
        "GET /api/session/a/audio?from=now",
        "GET /api/session/a/download?rate=8000&rate=16000",
        "GET /api/session/a/audio?channels=0",
        "GET /api/session/a/analyze?sample=s17",
    ] {
        let told = server.json(line);
        assert_eq!(names(&told), ["success", "message"], "{line}");
        assert_eq!(told["success"], false, "{line}");
    }
    // However wide samples are said to be, no more is read at once than there is room for.
    let line = "GET /api/session/a/audio?channels=1024&rate=768000&sample=s8&headers=ignore";
    assert_eq!(server.ask(line, &[]).0, 200);
}

#[test]
fn too_long_a_buffer_is_not_read() {
    let config = PlayerConfig {
        max_buffer: 1_000,
        ..PlayerConfig::default()
    };
    let server = Server::with(config, Roles::default(), None);
    server.session("long", &tone(440.0, 9_000));
    let told = server.json("GET /api/session/long/analyze");
    let message = told["message"].as_str().unwrap();
    assert!(
        message.starts_with("Failed to decode audio: the buffer has 24000"),
        "{message}"
    );
    assert_eq!(server.sessions.chars_read.load(Relaxed), 0);
}

#[test]
fn who_is_not_authenticated_is_listed_and_nothing_more_but_for_operators() {
    const OPERATE: &str = "operate-operate-operate";
    const VIEW: &str = "view-view-view-view";
    let token = |text| vec![Token::new(text).unwrap()];
    let roles = Roles::new(token(VIEW), token(OPERATE), false);
    let server = Server::with(PlayerConfig::default(), roles, None);
    server.session_with("somebody", &[], &STANDARD.encode(wav(&tone(440.0, 100))));
    let calls = [
        "GET /api/session/somebody/info",
        "GET /api/session/somebody/analyze",
        "GET /api/session/somebody/download",
        "GET /api/session/somebody/picture",
        "GET /api/session/somebody/audio",
        "POST /api/session/somebody/play",
        "POST /api/session/somebody/stop",
        "POST /api/session/somebody/ticket",
    ];
    let view = format!("Authorization: Bearer {VIEW}");
    let operate = format!("Authorization: Bearer {OPERATE}");
    for call in calls {
        assert_eq!(server.ask(call, &[]).0, 401, "{call}");
        assert_eq!(
            server.ask(call, &["Authorization: Bearer no"]).0,
            401,
            "{call}"
        );
        let (status, _, body) = server.ask(call, &[&view]);
        let told: Value = serde_json::from_slice(&body).unwrap();
        let wanted = json!({ "success": false, "message": "Session not found" });
        assert_eq!((status, told), (200, wanted), "{call}");
        let (status, _, body) = server.ask(call, &[&operate]);
        assert_eq!(status, 200, "{call}");
        assert!(
            !String::from_utf8_lossy(&body).contains("Session not found"),
            "{call}"
        );
    }
    let (_, _, body) = server.ask("GET /api/sessions", &[&view]);
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["sessions"][0]["session_id"], "somebody");
    assert_eq!(server.ask("GET /api/sessions", &[]).0, 401);
    // A link has a ticket.
    let (_, _, body) = server.ask("POST /api/session/somebody/ticket", &[&operate]);
    let told: Value = serde_json::from_slice(&body).unwrap();
    let ticket = told["ticket"].as_str().unwrap();
    let line = format!("GET /api/session/somebody/download?ticket={ticket}");
    let (status, head, _) = server.ask(&line, &[]);
    assert!(status == 200 && head.contains("audio/wav"), "{head}");
    let line = format!("GET /api/session/another/download?ticket={ticket}");
    assert_eq!(server.ask(&line, &[]).0, 401);
}
