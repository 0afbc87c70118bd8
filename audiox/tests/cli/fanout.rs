//! `audiox fanout`, its page and its HTTP calls.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::{Value, json};

use super::browser::in_browser;
use super::support::{Folder, Running, audiox, http};

const TOKEN: &str = "only-for-this-test-0123456789";

#[test]
fn the_page_adds_changes_mutes_and_removes_clients_and_shows_their_levels() {
    let folder = Folder::new();
    let clients = folder.at("clients.json");
    std::fs::write(&clients, "{}").unwrap();
    let tokens = folder.at("tokens");
    std::fs::write(&tokens, TOKEN).unwrap();
    let (fanout, ports) = Running::listening(&[
        "fanout",
        "tone:440+660+880,level=-12.0412dB,rate=8000",
        "--clients",
        &clients,
        "--rate=8000",
        "--chunk=160",
        "--control=127.0.0.1:0",
        "--token-file",
        &tokens,
    ]);
    let url = format!("http://127.0.0.1:{}/", ports[0]);
    in_browser("fanout.mjs", &[&url, TOKEN, "320"]);
    fanout.interrupt();
    fanout.wait().clean();
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(&clients).unwrap()).unwrap();
    assert_eq!(saved["Stage left"]["channel"], 2);
    assert_eq!(saved["Stage left"]["gain"], -20);
}

#[test]
fn it_is_controlled_by_http() {
    let folder = Folder::new();
    let clients = folder.at("clients.json");
    std::fs::write(&clients, "[[1, \"127.0.0.1\"]]").unwrap();
    let (fanout, ports) = Running::listening(&[
        "fanout",
        "tone:440+660,rate=8000",
        "--clients",
        &clients,
        "--rate=8000",
        "--chunk=80",
        "--control=127.0.0.1:0",
        "--allow=127.0.0.0/8",
    ]);
    let call = |method: &str, path: &str, body: &str| http(ports[0], method, path, body);
    let (status, state) = call("GET", "/api/fanout", "");
    assert_eq!((status, &state["state"]), (200, &json!("running")));
    assert_eq!(state["clients"][0]["fields"]["port"], 50_007);

    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let port = receiver.local_addr().unwrap().port();
    let client = json!({"name": "a b/c?", "ip": "127.0.0.1", "port": port, "channel": 0});
    assert_eq!(call("POST", "/api/clients", &client.to_string()).0, 201);
    let mut buf = [0; 4_096];
    assert_eq!(receiver.recv(&mut buf).unwrap(), 160);
    assert_eq!(call("POST", "/api/clients", &client.to_string()).0, 409);
    let path = "/api/clients/a%20b%2Fc%3F";
    assert_eq!(call("PATCH", path, "{\"mute\": true}").0, 200);
    for (method, path, body, status, says) in [
        ("PATCH", path, "{\"port\": 0}", 400, "1 to 65535"),
        ("PATCH", path, "{\"port\":", 400, "an object"),
        ("PATCH", path, "{\"name\": \"c\"}", 400, "names stay"),
        ("PATCH", "/api/clients/x", "{}", 404, "no client"),
        ("POST", "/api/clients", "{\"name\": \"\"}", 400, "name"),
        (
            "PUT",
            "/api/clients",
            "{\n\"a\": }",
            400,
            "line 2, column 6",
        ),
        (
            "POST",
            "/api/fanout/explode",
            "",
            404,
            "there are start, stop",
        ),
        (
            "GET",
            "/api/clients?token=x",
            "",
            400,
            "does not belong in a URL",
        ),
    ] {
        let (got, answer) = call(method, path, body);
        assert_eq!(got, status, "{method} {path}: {answer}");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(says), "{error}");
    }
    let outside = json!({"name": "far", "ip": "10.0.0.1", "port": 9, "channel": 0});
    call("POST", "/api/clients", &outside.to_string());
    let (_, state) = call("GET", "/api/fanout", "");
    let trouble = state["clients"][2]["trouble"].as_str().unwrap();
    assert!(trouble.contains("--allow"), "{trouble}");
    assert_eq!(call("DELETE", path, "").0, 200);
    assert_eq!(call("POST", "/api/fanout/save", "").0, 200);
    assert_eq!(call("POST", "/api/fanout/stop", "").1["state"], "stopped");
    fanout.interrupt();
    let outcome = fanout.wait();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(&clients).unwrap()).unwrap();
    assert_eq!(saved.as_object().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_is_told_in_a_line() {
    let folder = Folder::new();
    let clients = folder.at("clients.json");
    let broken = folder.at("broken.json");
    std::fs::write(&clients, "{}").unwrap();
    std::fs::write(&broken, "{\n  \"a\": {\"ip\": }\n}").unwrap();
    let config = folder.at("stage.toml");
    std::fs::write(&config, "rate = 8000\nchunks = 80\n").unwrap();
    for (args, code, says) in [
        (
            vec!["tone:440", "--clients", &broken],
            1,
            "broken.json: line 2, column 15",
        ),
        (vec!["nowhere.wav", "--clients", &clients], 1, "nowhere.wav"),
        (vec!["-", "--clients", &clients], 2, "opened again"),
        (
            vec!["tone:440", "--clients", &clients, "--chunk=0"],
            2,
            "chunk",
        ),
        (
            vec!["tone:440", "--clients", &clients, "--control=0.0.0.0:0"],
            2,
            "--token-file",
        ),
        (
            vec!["tone:440", "--clients", &clients, "--control=8057"],
            2,
            "or off",
        ),
        (
            vec!["tone:440", "--clients", &clients, "--allow=10.0.0.1/8"],
            2,
            "10.0.0.0/8",
        ),
        (
            vec!["tone:440", "--config", &config],
            2,
            "no option \"chunks\"",
        ),
    ] {
        let args: Vec<&str> = ["fanout"].into_iter().chain(args).collect();
        audiox(&args).fails(code, says);
    }
}

#[test]
fn a_file_of_options_makes_a_short_line() {
    let folder = Folder::new();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let (clients, config) = (folder.at("clients.json"), folder.at("stage.toml"));
    let list = json!({"a": {"ip": "127.0.0.1", "port": port, "channel": 1}});
    std::fs::write(&clients, list.to_string()).unwrap();
    let text = format!(
        "source = 'tone:440+880,length=200ms'\nclients = '{clients}'\nrate = 8000\nchunk = 80\n\
         control = 'off'\nonce = true\n"
    );
    std::fs::write(&config, text).unwrap();
    audiox(&["fanout", "--config", &config]).clean();
    receiver
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut buf = [0; 4_096];
    let heard: Vec<usize> = std::iter::from_fn(|| receiver.recv(&mut buf).ok()).collect();
    assert_eq!(heard, [160; 20]);
}

#[cfg(all(feature = "devices", target_os = "linux"))]
#[test]
fn a_microphones_channel_is_heard_by_a_plain_socket() {
    use crate::virtual_devices::{VirtualDevices, stopped};

    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let port = receiver.local_addr().unwrap().port();
    let clients = folder.at("clients.json");
    let list = json!({"a": {"ip": "127.0.0.1", "port": port, "channel": 1}});
    std::fs::write(&clients, list.to_string()).unwrap();
    let more = ["--clients", &clients, "--control=off", "--chunk=480"];
    let fanout = |source: &str| devices.run(&[&["fanout", source], &more[..]].concat());
    fanout("mic:headset").wait().fails(2, "virtual mic");

    let tone = "tone:440,channels=2,rate=48000";
    let voice = devices.run(&["send", tone, "--to", "speaker:voice,buffer=1920"]);
    let running = fanout("mic:mic,channels=2,buffer=1920");
    let mut buf = [0; 4_096];
    let mut block = || {
        assert_eq!(receiver.recv(&mut buf).unwrap(), 960);
        let samples = buf[..960].chunks_exact(2);
        let samples = samples.map(|b| i16::from_le_bytes([b[0], b[1]]));
        samples.collect::<Vec<i16>>()
    };
    while block().iter().all(|s| s.abs() < 4_000) {}
    // Two seconds of the default rate, 44 100 Hz, in which the tone rises through zero 440 times a
    // second. What the sound server makes of late callbacks is silence in between.
    let heard: Vec<i16> = (0..185).flat_map(|_| block()).collect();
    let rises: Vec<usize> = (481..heard.len())
        .filter(|n| heard[n - 1] < 0 && heard[*n] >= 0)
        .collect();
    let whole = rises
        .windows(2)
        .filter(|w| (99..=102).contains(&(w[1] - w[0])));
    let whole = whole.count();
    stopped(running);
    stopped(voice);
    assert!((600..=884).contains(&whole), "{whole} periods of 440 Hz");
}
