//! The relay as a process: what it accepted is there, whatever happens to it or to its store.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::relay_calls::*;
use crate::s3::S3Server;
use crate::support::{Folder, Running, audiox, channel, data, free_ports};
use audiox::core::format::SampleFormat;

#[test]
fn what_was_accepted_outlives_a_kill_and_the_stream_goes_on() {
    let folder = Folder::new();
    let options = options(&folder, &folder.at("archive"));
    let (mut relay, ports) = Running::listening(&refs(&options));
    let mut port = ports[0];
    let id = create(port);
    let other = create(port);
    for n in 0..90 {
        post(port, &id, &packet(n));
        if n % 30 == 29 {
            post(port, &other, &packet(n / 30));
            relay.kill();
            let again = Running::listening(&refs(&options));
            (relay, port) = (again.0, again.1[0]);
            let told = asked(port, "GET /api/streams", b"");
            assert_eq!(told[&id]["is_live"], true, "{told}");
        }
    }
    end(port, &id);
    assert!(kept(port, &id, 90 * 2_048) == packets(90));
    assert_eq!(kept(port, &id, 0).len(), 90 * 2_048, "nothing twice");
    // A clean end, and a start over what is there.
    relay.interrupt();
    let ended = relay.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.summary()["streams"], 2);
    let (_relay, ports) = Running::listening(&refs(&options));
    let told = asked(ports[0], "GET /api/streams", b"");
    assert_eq!(told[&id]["is_live"], false);
    assert_eq!(told[&other]["is_live"], true);
    end(ports[0], &other);
    assert!(kept(ports[0], &other, 3 * 2_048) == packets(3));
    assert!(kept(ports[0], &id, 90 * 2_048) == packets(90));
}

#[test]
fn a_store_that_is_away_delays_nobody_and_gets_everything_afterwards() {
    let folder = Folder::new();
    let mut s3 = S3Server::start();
    let environment = environment(&s3);
    let options = options(&folder, "s3://archive/live");
    let (relay, ports) = Running::listening_in(environment.clone(), &refs(&options));
    let mut port = ports[0];
    let id = create(port);
    for n in 0..60 {
        if n == 20 {
            s3.kill();
        }
        post(port, &id, &packet(n));
    }
    end(port, &id);
    let told = asked(port, &format!("GET /api/streams/{id}"), b"");
    assert_eq!(told["refused_bytes"], 0);
    // It is killed while all of that waits, and begins again once the store is there.
    relay.kill();
    s3.revive();
    let (_relay, ports) = Running::listening_in(environment, &refs(&options));
    port = ports[0];
    assert!(kept(port, &id, 60 * 2_048) == packets(60));
    // And in the bucket, under the contract's keys.
    let folder = s3.bucket().join("live").join(&id);
    let raw = || {
        let files = std::fs::read_dir(&folder).into_iter().flatten();
        let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "raw"));
        files.sort();
        let read = files.iter().map(|f| std::fs::read(f).unwrap());
        read.collect::<Vec<_>>().concat()
    };
    for _ in 0..200 {
        if raw().len() == 60 * 2_048 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(raw() == packets(60));
}

#[test]
fn what_keeps_it_from_starting_is_told_at_once() {
    let folder = Folder::new();
    let archive = folder.at("archive");
    let spool = folder.at("spool");
    let start = |more: &[&str]| audiox(&[&["relay", "--spool", &spool, "--listen"], more].concat());
    start(&["0.0.0.0:0", "--store", &archive]).fails(2, "--open");
    start(&["127.0.0.1:0", "--store", &archive, "--segment", "1ms"]).fails(2, "100 ms");
    start(&[
        "127.0.0.1:0",
        "--store",
        &archive,
        "--origin",
        "example.org",
    ])
    .fails(2, "https://");
    start(&["127.0.0.1:0", "--store", &archive, "--max-body", "many"]).fails(2, "16M");
    let tokens = folder.at("tokens");
    std::fs::write(&tokens, "somebody a-token-of-ours-0123\n").unwrap();
    let refused = start(&["127.0.0.1:0", "--store", &archive, "--token-file", &tokens]);
    refused.fails(1, "line 1");
    let s3 = S3Server::start();
    let endpoint = s3.endpoint();
    let keys = |secret: &str| {
        [
            ("AWS_ACCESS_KEY_ID", "ours"),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
        ]
        .map(|(n, v)| (n, PathBuf::from(v)))
    };
    for (store, secret, told) in [
        ("s3://nowhere", "secret", "nowhere"),
        ("s3://archive", "wrong", "denied"),
    ] {
        let args = [
            "relay",
            "--listen",
            "127.0.0.1:0",
            "--spool",
            &spool,
            "--endpoint",
            &endpoint,
            "--store",
            store,
        ];
        let ended = Running::start_in(keys(secret), &args).wait();
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.err.to_lowercase().contains(told), "{ended:?}");
    }
    // Two at one spool.
    let options = options(&folder, &archive);
    let (_relay, _) = Running::listening(&refs(&options));
    audiox(&refs(&options)).fails(1, "spool");
}

#[test]
fn tokens_and_other_sites_are_let_in_by_option() {
    let folder = Folder::new();
    let tokens = folder.at("tokens");
    std::fs::write(
        &tokens,
        "publish a-token-to-publish\nadmin an-administrators-token\n",
    )
    .unwrap();
    let mut options = options(&folder, &folder.at("archive"));
    for more in [
        "--token-file",
        &tokens,
        "--free-listening",
        "--origin",
        "https://example.org",
    ] {
        options.push(more.to_owned());
    }
    let (_relay, ports) = Running::listening(&refs(&options));
    let port = ports[0];
    let with = |line: &str, head: &str| ask(port, &format!("{line} HTTP/1.1\r\n{head}\r\nX:"), b"");
    assert_eq!(ask(port, "POST /api/streams", b"").0, 401);
    assert_eq!(
        with(
            "POST /api/streams",
            "Authorization: Bearer a-token-to-publish"
        )
        .0,
        200
    );
    assert_eq!(ask(port, "GET /api/streams", b"").0, 200);
    assert_eq!(
        with("GET /metrics", "Authorization: Bearer a-token-to-publish").0,
        401
    );
    let (status, figures) = with(
        "GET /metrics",
        "Authorization: Bearer an-administrators-token",
    );
    assert_eq!(status, 200);
    let figures = String::from_utf8(figures).unwrap();
    assert!(figures.contains("audiox_relay_streams_live 1"), "{figures}");
    assert!(
        figures.contains("audiox_archive_waiting_segments 0"),
        "{figures}"
    );
    assert_eq!(
        with("GET /api/streams", "Origin: https://example.org").0,
        200
    );
    assert_eq!(
        with("GET /api/streams", "Origin: https://example.com").0,
        403
    );
    assert_eq!(
        ask(port, "GET /healthz", b"").1,
        json!({"status": "ok"}).to_string().as_bytes()
    );
}

/// A relay in `folder`, and its URL.
pub(super) fn relay(folder: &Folder) -> (Running, String) {
    let options = options(folder, &folder.at("archive"));
    let (relay, ports) = Running::listening(&refs(&options));
    (relay, format!("http://127.0.0.1:{}", ports[0]))
}

#[test]
fn a_file_goes_through_a_relay_and_comes_out_the_same() {
    let folder = Folder::new();
    let (_relay, url) = relay(&folder);
    let (take, sent) = folder.wav("take.wav", SampleFormat::S24, 2, 72_000);
    let to = format!("{url}?name=Take%20one&chunk=960");
    let mut sending = Running::start(&["send", &take, "--to", &to, "--json"]);
    let stream = sending.event("stream");
    let stream = stream["url"].as_str().unwrap();
    let live = Running::start(&["recv", stream, "--to", &folder.at("live.wav"), "--json"]);
    let all = [
        &["recv", stream, "--from", "start", "--json", "--to"][..],
        &[&folder.at("all.wav")],
    ];
    let all = Running::start(&all.concat()).wait().summary();
    assert_eq!(all["frames"], 72_000);
    let told = sending.wait().summary();
    let said = (&told["frames"], &told["left_out"]);
    assert_eq!(said, (&json!(72_000), &json!(0)));
    let live = live.wait().summary()["frames"].as_u64().unwrap();
    assert!((1_000..=72_000).contains(&live), "{live}");
    assert!(data(folder.at("all.wav")) == sent);
    assert!(sent.ends_with(&data(folder.at("live.wav"))));
    // And a part of it, now that it is over.
    let part = folder.at("part.wav");
    let args = ["recv", stream, "--from", "-500ms", "--to", &part];
    assert_eq!(Running::start(&args).wait().code, 0);
    assert!(data(&part) == sent[48_000 * 6..]);
    let again = audiox(&["send", &take, "--to", stream]);
    again.fails(1, "ended");
}

#[test]
fn what_comes_by_rtp_is_relayed_too() {
    let folder = Folder::new();
    let (_relay, url) = relay(&folder);
    let port = free_ports();
    let from = format!("rtp://127.0.0.1:{port}?codec=opus");
    let play = [
        "play", &from, "--to", &url, "--once", "--idle", "1s", "--json",
    ];
    let mut playing = Running::start(&play);
    playing.wait_for("listening");
    let to = format!("rtp://127.0.0.1:{port}?codec=opus");
    audiox(&["send", "tone:440,length=2s", "--to", &to]).clean();
    assert_eq!(playing.wait().code, 0);
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let told = asked(port, "GET /api/streams", b"");
    let (id, stream) = told.as_object().unwrap().iter().next().unwrap();
    assert_eq!(stream["is_live"], false);
    let all = folder.at("all.wav");
    audiox(&[
        "recv",
        &format!("{url}/{id}"),
        "--from",
        "start",
        "--to",
        &all,
    ])
    .clean();
    let loud = data(&all)
        .chunks_exact(4)
        .filter(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs() > 300)
        .count();
    assert!(
        (80_000..100_000).contains(&loud),
        "{loud} frames of the tone"
    );
}

#[test]
fn rtp_is_taken_in_by_the_relay_itself_and_goes_on_in_its_stream_after_a_kill() {
    let folder = Folder::new();
    let udp = free_ports();
    let studio = format!("studio=rtp://127.0.0.1:{udp}?codec=L16&rate=48000&channels=2");
    let mut options = options(&folder, &folder.at("archive"));
    options.extend(["--ingest".to_owned(), studio]);
    let (mut relay, _) = Running::listening(&refs(&options));
    let before = relay.event("ingest");
    relay.kill();
    let (mut relay, ports) = Running::listening(&refs(&options));
    let ingest = relay.event("ingest");
    let stream = ingest["url"].as_str().unwrap();
    let id = stream.rsplit('/').next().unwrap();
    assert!(before["url"].as_str().unwrap().ends_with(id), "{before}");
    let told = asked(ports[0], &format!("GET /api/streams/{id}"), b"");
    assert_eq!(
        (&told["name"], &told["is_live"]),
        (&"studio".into(), &true.into())
    );

    let heard = folder.at("heard.wav");
    let args = ["recv", stream, "--to", &heard, "--json"];
    let mut listening = Running::start(&args);
    listening.wait_for("started");
    let to = format!("rtp://127.0.0.1:{udp}?ptime=5");
    audiox(&["send", "tone:440,channels=2,length=2s", "--to", &to]).clean();
    std::thread::sleep(Duration::from_millis(500));
    end(ports[0], id);
    assert_eq!(listening.wait().code, 0);
    let all = folder.at("all.wav");
    audiox(&["recv", stream, "--from", "start", "--to", &all]).clean();
    for file in [heard, all] {
        let left = channel(&data(&file), 2, 0);
        let samples = left
            .chunks_exact(2)
            .map(|s| i16::from_le_bytes([s[0], s[1]]));
        let samples: Vec<i16> = samples.skip_while(|s| s.unsigned_abs() < 300).collect();
        let tone = &samples[..90_000];
        let rises = tone.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!(
            rises.abs_diff(440 * 90 / 48) < 8,
            "{rises} periods in {file}"
        );
    }
    // The stream is over, and the relay goes on without it.
    assert!(!relay.has_ended());
    relay.interrupt();
    relay.wait().clean();

    for wrong in ["rtp://127.0.0.1:5004", "studio", "studio=rtp://nowhere"] {
        let mut args = refs(&options);
        let last = args.len() - 1;
        args[last] = wrong;
        let refused = audiox(&args);
        assert_eq!(
            (refused.code, refused.err.lines().count()),
            (2, 1),
            "{refused:?}"
        );
    }
}

#[test]
fn relays_that_are_none_and_odd_wishes_are_told() {
    let folder = Folder::new();
    let (_relay, url) = relay(&folder);
    let wav = folder.at("x.wav");
    for (args, code, told) in [
        (
            vec!["send", "tone:440", "--to", "http://127.0.0.1:9"],
            1,
            "127.0.0.1:9",
        ),
        (
            vec!["send", "tone:440", "--to", "http://a/b/c"],
            2,
            "HOST:PORT",
        ),
        (
            vec!["send", "tone:440", "--to", "http://a?token=x"],
            2,
            "AUDIOX_TOKEN",
        ),
        (
            vec!["send", "tone:440", "tone:880", "--to", &url],
            2,
            "one source",
        ),
        (
            vec!["send", "tone:440", "--to", &url, "--ptime", "5"],
            2,
            "--ptime",
        ),
        (vec!["recv", &url, "--to", &wav], 1, "/STREAM"),
        (
            vec!["recv", "rtp://:5004?pt=10", "--from", "-1s", "--to", &wav],
            2,
            "--from",
        ),
        (
            vec!["recv", &url, "--from", "soon", "--to", &wav],
            2,
            "-30s",
        ),
        (
            vec!["recv", &url, "--rate", "8000", "--to", &wav],
            2,
            "--rate",
        ),
    ] {
        let ended = Running::start(&args).wait();
        assert_eq!(ended.code, code, "{args:?}: {}", ended.err);
        assert!(ended.err.contains(told), "{args:?}: {}", ended.err);
    }
}

#[test]
fn a_load_of_listeners_hears_every_packet() {
    for transport in ["socketio", "websocket"] {
        let args = [
            "bench",
            "relay",
            "--listeners",
            "40",
            "--duration",
            "1s",
            "--json",
        ];
        let args = [&args[..], &["--transport", transport]].concat();
        let told = Running::start(&args).wait().summary();
        assert_eq!(
            (&told["joined"], &told["failed"]),
            (&json!(40), &json!(0)),
            "{told}"
        );
        assert_eq!(told["heard_percent"], 100.0, "{told}");
        assert!(told["sent"].as_u64() > Some(20), "{told}");
    }
    audiox(&["bench", "relay", "http://127.0.0.1:9"]).fails(1, "127.0.0.1:9");
}

#[cfg(feature = "opus")]
#[test]
fn a_live_stream_is_heard_as_ogg_opus_by_a_foreign_player() {
    let folder = Folder::new();
    let (_relay, url) = relay(&folder);
    let mut sending = Running::start(&["send", "tone:440,length=4s", "--to", &url, "--json"]);
    let stream = sending.event("stream")["stream_id"]
        .as_str()
        .unwrap()
        .to_owned();
    // The second begins in the middle.
    let heard = ["first.wav", "second.wav"].map(|name| {
        std::thread::sleep(Duration::from_millis(700));
        let from = format!("{url}/api/streams/{stream}/live.ogg");
        let to = folder.at(name);
        let args = ["-v", "error", "-y", "-i", &from, "-c:a", "pcm_s16le", &to];
        let ffmpeg = std::process::Command::new("ffmpeg").args(args).spawn();
        (ffmpeg.expect("ffmpeg: scripts/bootstrap.sh test"), to)
    });
    assert_eq!(sending.wait().code, 0);
    // All of it, and a part, when it is over; to the frame.
    for (query, frames) in [("", 192_000), ("?from=1s&to=2500ms", 72_000)] {
        let from = format!("{url}/api/streams/{stream}/audio.ogg{query}");
        let to = folder.at("stored.wav");
        let args = ["-v", "error", "-y", "-i", &from, "-c:a", "pcm_s16le", &to];
        let ffmpeg = std::process::Command::new("ffmpeg").args(args).status();
        assert!(ffmpeg.unwrap().success());
        assert_eq!(data(&to).len(), frames * 2, "{query}");
    }
    for (mut ffmpeg, file) in heard {
        assert!(ffmpeg.wait().unwrap().success());
        let heard = crate::heard::heard(&file);
        assert!(heard.tone.len() > 48_000, "{}", heard.tone.len());
        let (frequency, _) = crate::heard::periods(&heard.tone, 440.0);
        assert!((frequency - 440.0).abs() < 0.5, "{frequency}");
    }
}
