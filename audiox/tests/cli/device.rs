//! `audiox device-server` and `audiox device`.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::browser::in_browser;
use super::support::{Folder, Outcome, Running, audiox, http};

const TOKEN: &str = "only-for-this-test-0123456789";

/// A server on any ports; its own and that of its page, where it has one.
fn server(args: &[&str]) -> (Running, Vec<u16>) {
    let first = ["device-server", "--listen=127.0.0.1:0"];
    Running::listening(&[&first[..], args].concat())
}

fn device(port: u16, args: &[&str]) -> Outcome {
    let url = format!("http://127.0.0.1:{port}");
    audiox(&[&["device", "--server", &url, "--json"][..], args].concat())
}

fn stopped(server: Running) -> Value {
    server.interrupt();
    server.wait().clean().summary()
}

/// Rising zero crossings a second of 16-bit mono at 48 kHz.
fn pitch(samples: &[u8]) -> f64 {
    let values = samples
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]));
    let values: Vec<i16> = values.collect();
    let rises = values.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    rises as f64 * 48_000.0 / values.len() as f64
}

#[test]
fn a_device_by_script_hears_what_its_modes_are_set_to() {
    let folder = Folder::new();
    audiox(&[
        "send",
        "tone:330,length=2s,rate=44100",
        "--to",
        &folder.at("door.wav"),
    ])
    .clean();
    let config = "http = 'off'\n[sounds]\ndoor = 'door.wav'\nhum = 'tone:200'\n\
                  [[modes]]\n[[modes]]\nsound = 'door'\nleds = ['off','00FF00FF','off','off','off']\n\
                  [[modes]]\nsound = 'hum'\nlit = 5\n[buttons.3]\nhold = 'mode'\n";
    std::fs::write(folder.path("devices.toml"), config).unwrap();
    let (server, ports) = server(&["--config", &folder.at("devices.toml")]);
    assert_eq!(ports.len(), 1);
    let heard = folder.at("heard.wav");
    let steps = "until connected, play, mode, play, until end, hold 3, play, until start, wait 700ms, stop, until end, until dark";
    let outcome = device(ports[0], &["--to", &heard, "--do", steps]).clean();
    let events = outcome.events();
    let summary = outcome.summary();
    assert_eq!(
        (&summary["sounds"], &summary["ended"]),
        (&Value::from(2), &Value::from(2))
    );
    let leds: Vec<&Value> = events
        .iter()
        .filter(|e| e["event"] == "leds")
        .map(|e| &e["leds"])
        .collect();
    let shown: Vec<String> = leds.iter().map(|l| l.to_string()).collect();
    for (n, colour) in [(2, "00FF00FF"), (5, "FF00FFFF")] {
        assert!(leds.iter().any(|l| l[n] == colour), "{shown:?}");
    }
    assert_eq!(leds[leds.len() - 1][5], "00000000", "{shown:?}");
    let data = super::support::data(&heard);
    // Two seconds of the door, then what was heard of the hum.
    assert!(data.len() / 2 >= 2 * 48_000 + 600 * 48, "{}", data.len());
    assert!((pitch(&data[9_600..180_000]) - 330.0).abs() < 2.0);
    assert!((pitch(&data[2 * 100_000..2 * 124_000]) - 200.0).abs() < 4.0);
    let last = stopped(server);
    assert_eq!(
        (&last["known"], &last["playing"]),
        (&Value::from(1), &Value::from(0))
    );
}

#[test]
fn a_stream_from_the_network_is_a_sound() {
    let folder = Folder::new();
    let port = super::support::free_ports();
    let config = format!(
        "[sounds]\nhall = 'rtp://127.0.0.1:{port}?codec=L16&rate=48000&channels=1'\n[[modes]]\nsound = 'hall'\n"
    );
    std::fs::write(folder.path("devices.toml"), config).unwrap();
    let (server, ports) = server(&["--http=off", "--config", &folder.at("devices.toml")]);
    let to = format!("rtp://127.0.0.1:{port}");
    let sending = Running::start(&["send", "tone:523,rate=48000", "--to", &to]);
    let heard = folder.at("heard.wav");
    let steps = "until connected, play, until start, wait 2s, stop, until end";
    device(ports[0], &["--to", &heard, "--do", steps]).clean();
    sending.interrupt();
    sending.wait();
    let data = super::support::data(&heard);
    let second = &data[data.len() - 2 * 30_000..data.len() - 2 * 6_000];
    assert!((pitch(second) - 523.0).abs() < 4.0, "{}", pitch(second));
    stopped(server);
}

#[cfg(feature = "relay")]
#[test]
fn a_relays_stream_that_stalls_ends_for_who_plays_it_and_is_heard_once_it_goes_on() {
    use std::io::Write;

    let folder = Folder::new();
    let (_relay, url) = super::relay::relay(&folder);
    let args = ["send", "-", "--rate=48000", "--to", &url, "--json"];
    let mut sending = Running::start_with(&args, std::process::Stdio::piped());
    let mut pipe = sending.input();
    let second = [0x12u8, 0x10].repeat(48_000);
    pipe.write_all(&second).unwrap();
    let stream = sending.event("stream");
    sending.drain();
    let stream = stream["url"].as_str().unwrap();
    let config = format!("[sounds]\nhall = '{stream}'\n[[modes]]\nsound = 'hall'\n");
    std::fs::write(folder.path("devices.toml"), config).unwrap();
    let file = folder.at("devices.toml");
    let (server, ports) = server(&["--http=off", "--stall=2s", "--config", &file]);
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let steps = "until connected, play, until start, until end, play, until start, stop, until end";
    let args = ["device", "--server", &url, "--json", "--do", steps];
    let mut device = Running::start(&args);
    // Speaks until it is heard, and falls silent without an end.
    let speaking = std::thread::spawn(move || {
        for _ in 0..3 {
            pipe.write_all(&second).unwrap();
            std::thread::sleep(Duration::from_secs(1));
        }
        pipe
    });
    device.wait_for("\"begun\":true");
    device.wait_for("\"begun\":false");
    device.drain();
    let mut pipe = speaking.join().unwrap();
    while !device.has_ended() {
        pipe.write_all(&[0x12u8, 0x10].repeat(4_800)).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(device.wait().code, 0);
    drop(pipe);
    assert!(stopped(server)["stalled_sounds"].as_u64() >= Some(1));
}

#[cfg(feature = "relay")]
#[test]
fn a_relays_stream_is_a_sound_and_ends_with_it() {
    let folder = Folder::new();
    let (_relay, url) = super::relay::relay(&folder);
    let mut sending = Running::start(&["send", "tone:523,rate=48000", "--to", &url, "--json"]);
    let stream = sending.event("stream");
    let stream = stream["url"].as_str().unwrap();
    let config = format!("[sounds]\nhall = '{stream}'\n[[modes]]\nsound = 'hall'\n");
    std::fs::write(folder.path("devices.toml"), config).unwrap();
    let (server, ports) = server(&["--http=off", "--config", &folder.at("devices.toml")]);
    let (heard, url) = (
        folder.at("heard.wav"),
        format!("http://127.0.0.1:{}", ports[0]),
    );
    let steps = "until connected, play, until start, until end";
    let args = [
        "device", "--server", &url, "--json", "--to", &heard, "--do", steps,
    ];
    let mut device = Running::start(&args);
    device.wait_for("\"begun\":true");
    device.drain();
    std::thread::sleep(Duration::from_secs(2));
    // Whoever plays it is told by its end.
    sending.interrupt();
    sending.wait();
    assert_eq!(device.wait().code, 0);
    let data = super::support::data(&heard);
    let second = &data[data.len() - 2 * 60_000..data.len() - 2 * 12_000];
    assert!((pitch(second) - 523.0).abs() < 4.0, "{}", pitch(second));
    stopped(server);
}

#[cfg(all(feature = "devices", target_os = "linux"))]
#[test]
fn a_microphone_is_a_sound() {
    use super::virtual_devices::VirtualDevices;

    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let config = "[sounds]\nhall = 'mic:mic,buffer=1920'\n[[modes]]\nsound = 'hall'\n";
    std::fs::write(folder.path("devices.toml"), config).unwrap();
    let file = folder.at("devices.toml");
    let args = [
        "device-server",
        "--listen=127.0.0.1:0",
        "--http=off",
        "--config",
    ];
    let (server, ports) = Running::listening_in(devices.env(), &[&args[..], &[&file]].concat());
    let tone = "tone:440,channels=2,rate=48000";
    let voice = devices.run(&["send", tone, "--to", "speaker:voice,buffer=1920"]);
    let heard = folder.at("heard.wav");
    let steps = "until connected, play, until start, wait 3s, stop, until end";
    device(ports[0], &["--to", &heard, "--do", steps]).clean();
    voice.interrupt();
    voice.wait();
    let data = super::support::data(&heard);
    let second = &data[data.len() - 2 * 54_000..data.len() - 2 * 6_000];
    assert!((pitch(second) - 440.0).abs() < 3.0, "{}", pitch(second));
    stopped(server);
}

#[test]
fn encrypted_and_with_a_token_it_is_for_those_who_have_it() {
    let folder = Folder::new();
    let tokens = folder.at("tokens");
    std::fs::write(&tokens, TOKEN).unwrap();
    let (certificate, key) = (folder.at("cert.pem"), folder.at("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let (server, ports) = server(&[
        "--http=off",
        "--token-file",
        &tokens,
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]);
    let url = format!("https://localhost:{}", ports[0]);
    let all = [
        "device",
        "--json",
        "--server",
        &url,
        "--do",
        "until connected, play, until start",
        "--duration=6s",
    ];
    let with = |more: &[&str]| audiox(&[&all[..], more].concat());
    let good = with(&["--trust", &certificate, "--token-file", &tokens]).clean();
    assert_eq!(good.summary()["sounds"], 1);
    let short = [
        "device",
        "--json",
        "--server",
        &url,
        "--do",
        "until connected",
        "--duration=1s",
    ];
    let refused = |more: &[&str]| {
        let outcome = audiox(&[&short[..], more].concat());
        assert_eq!(outcome.summary()["connects"], 0);
        outcome.text().to_owned()
    };
    let text = refused(&["--trust", &certificate]);
    assert!(text.contains("takes a token"), "{text}");
    let text = refused(&["--token-file", &tokens]);
    assert!(
        text.contains("ertificate") || text.contains("UnknownIssuer"),
        "{text}"
    );
    stopped(server);
}

#[test]
fn a_device_finds_a_server_that_comes_later_and_again() {
    let port = super::support::free_tcp_port();
    let url = format!("http://127.0.0.1:{port}");
    let steps = "until connected, mode, play, until end, until connected, play, until start";
    let mut waiting = Running::start(&["device", "--json", "--server", &url, "--do", steps]);
    let listen = format!("--listen=127.0.0.1:{port}");
    let begin = || Running::listening(&["device-server", &listen, "--http=off"]).0;
    waiting.wait_for("no connection");
    let first = begin();
    waiting.wait_for("\"begun\":true");
    stopped(first);
    let second = begin();
    let outcome = waiting.wait();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let summary = outcome.summary();
    assert_eq!(
        (&summary["connects"], &summary["sounds"]),
        (&Value::from(2), &Value::from(2))
    );
    stopped(second);
}

#[test]
fn the_terminal_is_a_device() {
    let tmux = Command::new("tmux").arg("-V").output();
    assert!(
        tmux.is_ok_and(|o| o.status.success()),
        "tmux is missing; run scripts/bootstrap.sh test, or apt-get install tmux"
    );
    let folder = Folder::new();
    let (server, ports) = server(&["--http=off"]);
    let socket = folder.at("tmux");
    let tmux = |args: &[&str]| {
        let done = Command::new("tmux")
            .args(["-S", &socket, "-f", "/dev/null"])
            .args(args)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let heard = folder.at("heard.wav");
    let program = env!("CARGO_BIN_EXE_audiox");
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let line = format!(
        "'{program}' device --id kitchen --server {url} --to '{heard}'; echo over; sleep 30"
    );
    tmux(&["new-session", "-d", "-x", "100", "-y", "20", &line]);
    let sees = |what: &str| {
        let deadline = Instant::now() + Duration::from_secs(8);
        loop {
            let pane = tmux(&["capture-pane", "-p", "-e", "-t", "0"]);
            if pane.contains(what) {
                return pane;
            }
            assert!(Instant::now() < deadline, "{what:?} is not seen: {pane}");
            std::thread::sleep(Duration::from_millis(30));
        }
    };
    let press = |key: &str| {
        tmux(&["send-keys", "-t", "0", key]);
    };
    const MAGENTA: &str = "38;2;255;0;255m●";
    let pane = sees("connected");
    assert!(
        pane.contains("kitchen") && !pane.contains(MAGENTA),
        "{pane}"
    );
    press("2");
    assert!(sees(MAGENTA).contains(&format!("1 \u{1b}[{MAGENTA}")));
    press("2");
    sees(&format!("2 \u{1b}[{MAGENTA}"));
    press("4");
    sees("playing");
    sees("acknowledged after");
    press("h");
    sees("is held");
    press("h");
    press("b");
    sees("90 %");
    press("3");
    let pane = sees("silent");
    assert!(!pane.contains(MAGENTA), "{pane}");
    press("d");
    sees("as was asked for");
    press("d");
    sees("connected");
    press("q");
    sees("over");
    tmux(&["kill-server"]);
    assert!(super::support::data(&heard).len() > 2 * 4_800);
    let last = stopped(server);
    assert_eq!(last["known"], 1);
}

#[test]
fn what_a_script_presses_first_and_last_arrives() {
    let (server, ports) = server(&["--http=127.0.0.1:0"]);
    device(ports[0], &["--do", "mode"]).clean();
    let (_, state) = http(ports[1], "GET", "/api/devices", "");
    let device = &state["devices"][0];
    assert_eq!(
        (&device["mode"], &device["presses"]),
        (&1.into(), &1.into())
    );
    stopped(server);
}

#[test]
fn devices_are_driven_by_http() {
    let (server, ports) = server(&["--http=127.0.0.1:0"]);
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let (id, path) = ("a b/c?<i>", "/api/devices/a%20b%2Fc%3F%3Ci%3E");
    let args = ["device", "--json", "--server", &url, "--id", id, "--do"];
    let mut device = Running::start(&[&args[..], &["until connected, wait 40s"]].concat());
    device.wait_for("connected");
    let call = |method: &str, path: &str, body: &str| http(ports[1], method, path, body);
    let press = format!("{path}/press");
    for (body, mode) in [
        ("{\"button\": 2}", 1),
        ("{\"button\": 2, \"event\": \"tap\"}", 2),
        ("{\"button\": 2, \"event\": \"press\"}", 3),
        ("{\"button\": 2, \"event\": \"hold\"}", 3),
        ("{\"button\": 2, \"event\": \"release\"}", 3),
    ] {
        let (status, state) = call("POST", &press, body);
        assert_eq!((status, &state["devices"][0]["mode"]), (200, &mode.into()));
    }
    let play = "{\"devices\": [\"a b/c?<i>\"], \"sound\": \"organ\"}";
    let (status, state) = call("POST", "/api/play", play);
    assert_eq!(
        (status, &state["devices"][0]["sound"]),
        (200, &"organ".into())
    );
    let (status, state) = call("POST", "/api/stop", "{\"devices\": \"all\"}");
    assert_eq!(
        (status, &state["devices"][0]["state"]),
        (200, &"idle".into())
    );
    for (path, body, status, says) in [
        (press.as_str(), "{\"button\": 5}", 400, "button is 1 to 4"),
        (&press, "{\"button\": \"2\"}", 400, "button is 1 to 4"),
        (
            &press,
            "{\"button\": 2, \"event\": \"dance\"}",
            400,
            "event is tap",
        ),
        (&press, "{\"button\": 2, \"event\": 7}", 400, "event is tap"),
        (&press, "[2]", 400, "an object"),
        (&press, "{\"button\":", 400, "an object"),
        ("/api/devices/x/press", "{\"button\": 2}", 404, "no device"),
        ("/api/devices/x/ask", "", 404, "no device"),
        (
            "/api/play",
            "{\"devices\": \"all\"}",
            400,
            "sound is a name",
        ),
        (
            "/api/play",
            "{\"devices\": \"some\", \"sound\": \"organ\"}",
            400,
            "devices is a list",
        ),
        (
            "/api/play",
            "{\"devices\": \"all\", \"sound\": \"x\"}",
            400,
            "known are",
        ),
        (
            "/api/play",
            "{\"devices\": [\"x\"], \"sound\": \"organ\"}",
            404,
            "none of these",
        ),
        ("/api/stop", "{\"devices\": [1]}", 400, "devices is a list"),
        ("/api/stop", "{}", 400, "devices is a list"),
    ] {
        let (got, answer) = call("POST", path, body);
        assert_eq!(got, status, "{path} {body}: {answer}");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(says), "{error}");
    }
    let (_, state) = call("GET", "/api/devices", "");
    assert_eq!(
        state["devices"][0]["mode"], 0,
        "nothing of that did anything"
    );
    device.interrupt();
    device.wait();
    stopped(server);
}

#[test]
fn the_page_shows_devices_and_acts_on_their_behalf() {
    let folder = Folder::new();
    let tokens = folder.at("tokens");
    std::fs::write(&tokens, TOKEN).unwrap();
    let (server, ports) = server(&["--http=127.0.0.1:0", "--token-file", &tokens]);
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let be = |id| {
        let all = [
            "device",
            "--json",
            "--server",
            &url,
            "--id",
            id,
            "--token-file",
            &tokens,
            "--do",
            "until connected, battery 0.7, wait 40s",
        ];
        Running::start(&all)
    };
    let mut devices = ["kitchen", "hall", "constructor"].map(be);
    for device in &mut devices {
        device.wait_for("connected");
    }
    in_browser(
        "devices.mjs",
        &[&format!("http://127.0.0.1:{}/", ports[1]), TOKEN],
    );
    for device in devices {
        device.interrupt();
        device.wait();
    }
    stopped(server);
}

#[test]
fn what_cannot_be_is_told_in_a_line() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path(name), text).unwrap();
        folder.at(name)
    };
    let missing = file("missing.toml", "[sounds]\ndoor = 'door.wav'\n");
    let unknown = file("unknown.toml", "[[modes]]\nsound = 'dor'\n");
    let table = file("table.toml", "[colours]\na = 1\n");
    let option = file("option.toml", "lisen = '127.0.0.1:0'\n[[modes]]\n");
    let noise = file("noise.wav", "this is no sound");
    let broken = file("broken.toml", &format!("[sounds]\nnoise = '{noise}'\n"));
    for (args, code, says) in [
        (vec!["device-server", "--config", &missing], 1, "door.wav"),
        (vec!["device-server", "--config", &broken], 1, "noise.wav"),
        (
            vec!["device-server", "--config", &unknown],
            2,
            "built-in one: wake",
        ),
        (
            vec!["device-server", "--config", &table],
            2,
            "there is no table",
        ),
        (
            vec!["device-server", "--config", &option],
            2,
            "no option \"lisen\"",
        ),
        (vec!["device-server", "--listen=0.0.0.0:0"], 2, "--open"),
        (
            vec!["device-server", "--listen=127.0.0.1:0", "--lead=1m"],
            2,
            "lead",
        ),
        (
            vec!["device-server", "--listen=127.0.0.1:0", "--keep-alive=0s"],
            2,
            "keep",
        ),
        (vec!["device-server", "--listen=50051"], 2, "--listen"),
        (
            vec!["device", "--server", "localhost:50051", "--do", "play"],
            2,
            "http://HOST:PORT",
        ),
        (vec!["device", "--do", "dance"], 2, "mode, stop"),
        (
            vec!["device", "--id", "ä\u{7f}", "--do", "play"],
            2,
            "printable",
        ),
        (
            vec!["device", "--count=2", "--to=a.wav", "--do", "play"],
            2,
            "--count",
        ),
        (vec!["device", "--to=a.mp3", "--do", "play"], 2, "a.mp3"),
        (
            vec!["device", "--trust=/nowhere.pem", "--do", "play"],
            1,
            "/nowhere.pem",
        ),
    ] {
        audiox(&args).fails(code, says);
    }
}

#[test]
fn a_certificate_made_at_the_start_is_told_as_a_file_has_it() {
    let port = super::support::free_tcp_port();
    let listen = format!("127.0.0.1:{port}");
    let server = Running::start(&[
        "device-server",
        "--listen",
        &listen,
        "--control",
        "off",
        "--tls-self-signed",
        "localhost",
    ]);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.interrupt();
    let told = server.wait();
    assert_eq!(told.code, 0, "{}", told.err);
    let (_, pem) = told.err.split_once("first:\n").unwrap();
    let lines: Vec<&str> = pem.lines().collect();
    assert_eq!(lines[0], "-----BEGIN CERTIFICATE-----");
    assert!(lines.contains(&"-----END CERTIFICATE-----"), "{pem}");
    assert!(lines[1..4].iter().all(|l| l.len() == 64), "{pem}");
}
