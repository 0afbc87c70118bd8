//! Every command that runs long, all at once, with sound through all of them and guests who come
//! and go: none fails, none grows, what is lossless arrives to the bit, and each ends when asked
//! to. Ten seconds as a rule; twenty minutes where `AUDIOX_LONG` is set, or as many seconds as
//! `AUDIOX_SOAK_SECONDS` says.
#![cfg(test)]
#![cfg(all(
    feature = "devices",
    feature = "grpc",
    feature = "opus",
    feature = "player",
    feature = "relay",
    target_os = "linux"
))]

#[path = "soak_commands/guests.rs"]
mod guests;
#[path = "../../adapters/redis/tests/support/server.rs"]
mod redis_server;
#[path = "cli/relay_calls.rs"]
#[allow(dead_code, reason = "the tests of the command use the rest")]
mod relay_calls;
#[path = "../../adapters/s3/tests/support/s3.rs"]
mod s3;
#[path = "cli/support.rs"]
#[allow(dead_code, reason = "the tests of the command use the rest")]
mod support;
#[path = "cli/virtual_devices.rs"]
#[allow(dead_code, reason = "the other tests of devices use the rest")]
mod virtual_devices;
#[path = "soak_commands/watch.rs"]
mod watch;

use std::net::UdpSocket;
use std::time::Duration;

use guests::Guests;
use redis_server::RedisServer;
use relay_calls::{environment, refs};
use s3::S3Server;
use serde_json::{Value, json};
use support::{Folder, Running, audiox, data, free_ports};
use virtual_devices::VirtualDevices;
use watch::Watch;

#[test]
fn every_command_at_once() {
    let long = std::env::var_os("AUDIOX_LONG").is_some();
    let seconds = std::env::var("AUDIOX_SOAK_SECONDS").ok();
    let seconds = seconds.map(|s| s.parse::<u64>().unwrap());
    let seconds = seconds.unwrap_or(if long { 1_200 } else { 10 });
    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let (redis, s3) = (RedisServer::start(), S3Server::start());
    let noise = folder.at("noise.wav");
    let length = format!("noise:white,rate=16000,length={}s", seconds + 120);
    audiox(&["send", &length, "--sample-format=s16", "--to", &noise]).clean();

    // Servers and receivers, which end last, in the order that they were started in.
    let mut watch = Watch::new(long);
    let studio = free_ports();
    let relay = watch.listening("relay", {
        let mut options = vec!["relay", "--listen=127.0.0.1:0", "--segment=1s"];
        options.extend(["--store=s3://archive/live", "--keep-for=5m"]);
        let options = options.into_iter().map(str::to_owned);
        let more = [
            format!("--spool={}", folder.at("spool")),
            format!("--ingest=studio=rtp://127.0.0.1:{studio}?codec=L16&rate=16000&channels=1"),
        ];
        let options: Vec<String> = options.chain(more).collect();
        Running::listening_in(environment(&s3), &refs(&options))
    })[0];
    let relay_url = format!("http://127.0.0.1:{relay}");
    let format = "?codec=L16&rate=16000&channels=1";
    let by_rtp = folder.at("rtp.wav");
    let rtp = watch.listening(
        "recv rtp",
        Running::listening(&[
            "recv",
            &format!("rtp://127.0.0.1:0{format}"),
            "--to",
            &by_rtp,
        ]),
    )[0];
    let by_udp = folder.at("udp.wav");
    let udp = watch.listening(
        "recv udp",
        Running::listening(&["recv", "udp://127.0.0.1:0?rate=16000", "--to", &by_udp]),
    )[0];
    let call = free_ports();
    let from = format!("rtp://127.0.0.1:{call}?codec=opus&rate=48000&channels=1");
    watch.start("play null", &["play", &from, "--to", "null:"]);
    support::wait_taken(call);
    let bad = "--loss=bursts:2%,2 --jitter=4ms --seed=5 --listen=udp://127.0.0.1:0 --both";
    let to = format!("--to=127.0.0.1:{call}");
    let bad: Vec<&str> = ["link", &to].into_iter().chain(bad.split(' ')).collect();
    let link = watch.listening("link", Running::listening(&bad))[0];
    let intercom = free_ports();
    let from = format!("rtp://127.0.0.1:{intercom}?codec=L16&rate=48000&channels=1");
    let speaker = ["play", &from, "--to", "speaker:out,buffer=1920", "--json"];
    watch.add("play speaker", devices.run(&speaker));
    support::wait_taken(intercom);
    let clients = folder.at("clients.json");
    let stage = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stage_port = stage.local_addr().unwrap().port();
    let list = json!({"stage": {"ip": "127.0.0.1", "port": stage_port, "channel": 3}});
    std::fs::write(&clients, list.to_string()).unwrap();
    let fanout = watch.listening(
        "fanout",
        Running::listening(&[
            "fanout",
            "tone:440+550+660+880,rate=44100",
            "--clients",
            &clients,
            "--control=127.0.0.1:0",
        ]),
    )[0];
    let player = watch.listening("player", {
        let (redis, speaker) = (redis.url(), "--speaker=speaker:out,buffer=1920");
        let options = [
            "player",
            "--listen=127.0.0.1:0",
            "--redis-url",
            &redis,
            speaker,
        ];
        Running::listening_in(devices.env(), &options)
    })[0];
    let config = folder.at("devices.toml");
    std::fs::write(
        &config,
        "[sounds]\nhum = 'tone:200'\n[[modes]]\n[[modes]]\nsound = 'hum'\n",
    )
    .unwrap();
    let server = watch.listening(
        "device-server",
        Running::listening(&[
            "device-server",
            "--listen=127.0.0.1:0",
            "--http=127.0.0.1:0",
            "--config",
            &config,
        ]),
    )[0];
    let server = format!("http://127.0.0.1:{server}");

    // Clients and senders, which end first.
    let steps = "until connected, mode, play, wait 10h";
    let three = ["device", "--server", &server, "--count=3", "--do", steps];
    watch.start("device x3", &three);
    for transport in ["socketio", "websocket"] {
        let load = ["bench", "relay", &relay_url, "--duration=10h"];
        let kind = ["--listeners=4", "--transport", transport];
        let name = format!("bench {transport}");
        watch.start(&name, &[&load[..], &kind].concat());
    }
    let published = Running::start(&["send", &noise, "--to", &relay_url, "--json"]);
    let stream = watch.add("send relay", published).event("stream");
    let stream = stream["url"].as_str().unwrap().to_owned();
    let by_relay = folder.at("relay.wav");
    let heard = ["recv", &stream, "--from=start", "--to", &by_relay];
    watch.start("recv relay", &heard);
    for (name, to) in [
        ("send rtp", format!("rtp://127.0.0.1:{rtp}?ptime=10")),
        ("send udp", format!("udp://127.0.0.1:{udp}")),
        ("send ingest", format!("rtp://127.0.0.1:{studio}?ptime=20")),
    ] {
        watch.start(name, &["send", &noise, "--to", &to]);
    }
    let to = format!("rtp://127.0.0.1:{link}?codec=opus&ptime=20&fec=auto");
    watch.start("send opus", &["send", "tone:440", "--to", &to]);
    let to = format!("{}/session:live?as=wav", redis.url());
    watch.start("send session", &["send", "tone:440,rate=8000", "--to", &to]);
    let voice = [
        "send",
        "tone:440",
        "--to",
        "speaker:voice,buffer=1920",
        "--json",
    ];
    watch.add("send speaker", devices.run(&voice));
    let to = format!("rtp://127.0.0.1:{intercom}?ptime=10");
    let mic = "mic:mic,channels=1,buffer=1920";
    watch.add(
        "send mic",
        devices.run(&["send", mic, "--to", &to, "--json"]),
    );

    let guests = Guests::invite(guests::House {
        relay,
        stream,
        link,
        fanout,
        player,
        server,
        stage,
        redis: redis.port(),
    });
    watch.watch(Duration::from_secs(seconds));
    let visits = guests.leave();
    let ended = watch.end();
    println!("{ended}\nguests: {visits:?}");

    for visit in visits.counts() {
        assert!(visit > 0, "{visits:?}");
    }
    // A datagram each 23 ms.
    let due = seconds * 44_100 / 1_024;
    assert!(visits.stage >= due * 8 / 10, "{} of {due}", visits.stage);
    whole(&noise, &by_rtp, seconds);
    whole(&noise, &by_udp, seconds);
    whole(&noise, &by_relay, seconds);
    let said = |name: &str| ended.summary(name);
    assert_eq!(said("send relay")["left_out"], 0);
    assert_eq!(said("relay")["refused_bytes"], 0);
    assert_eq!(said("relay")["disk_errors"], 0);
    let opus = &said("play null")["streams"];
    let opus = opus.as_array().unwrap();
    let longest = opus
        .iter()
        .max_by_key(|s| s["packets_received"].as_u64())
        .unwrap();
    let packets = longest["packets_received"].as_u64().unwrap();
    assert!(packets >= seconds * 50 * 8 / 10, "{longest}");
    // 2 % are lost, and most of that comes back. What a busy machine delays for seconds is made up
    // as well, which only evens out in the long run.
    let concealed = longest["concealed_samples"].as_u64().unwrap();
    assert!(!long || concealed < seconds * 48_000 / 10, "{longest}");
    let session = said("send session");
    assert!(session["frames"].as_u64().unwrap() >= seconds * 8_000 * 9 / 10);
    assert_eq!(said("player")["playback_errors"], 0);
    ended.is_flat();
}

/// A recording is what was sent, from the first frame to where it was stopped.
fn whole(sent: &str, heard: &str, seconds: u64) {
    let (sent, heard) = (data(sent), data(heard));
    assert!(heard.len() as u64 >= seconds * 32_000, "{}", heard.len());
    let same = sent.iter().zip(&heard).take_while(|(a, b)| a == b).count();
    assert_eq!(same, heard.len(), "other from byte {same} on");
}

/// The sum of a figure over the streams of a summary, or its own.
fn figure(summary: &Value, keys: &[&str]) -> Option<i64> {
    let find = |of: &Value| keys.iter().find_map(|key| of[*key].as_i64());
    let streams = summary["streams"].as_array();
    streams
        .map(|streams| streams.iter().filter_map(find).sum())
        .or_else(|| find(summary))
        .or_else(|| find(&summary["there"]))
}
