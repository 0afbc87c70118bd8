//! The servers start with the configuration that packages bring, and the image's question after
//! their health is answered.

use std::path::Path;
use std::process::Command;

use super::support::{Folder, Running};

#[test]
fn servers_start_by_the_examples_of_their_configuration() {
    let folder = Folder::new();
    let tokens = folder.at("tokens");
    // What reaches out of this test is named by hand, and so wins.
    let store = folder.at("archive");
    let spool = folder.at("spool");
    let services = [
        (
            "relay",
            "admin an-administrators-token\n",
            vec!["--store", &store, "--spool", &spool],
        ),
        (
            "player",
            "operate an-operators-token\n",
            vec!["--redis-url", "redis://127.0.0.1:1"],
        ),
        (
            "device-server",
            "a-token-of-ours-0123\n",
            vec!["--control", "127.0.0.1:0"],
        ),
    ];
    for (name, token, given) in services {
        std::fs::write(&tokens, token).unwrap();
        let config = packaging(&format!("etc/{name}.toml"));
        let start = [name, "--config", &config, "--listen", "127.0.0.1:0"];
        let args = [&start[..], &["--token-file", &tokens], &given].concat();
        let (running, ports) = Running::listening(&args);

        // The last is that of the page, where there are two.
        let healthy = healthy(&format!("127.0.0.1:{}", ports.last().unwrap()));
        assert_eq!(healthy, (true, String::new()), "{name}");

        running.interrupt();
        let ended = running.wait();
        assert_eq!((ended.code, &*ended.err), (0, ""), "{name}");
    }
}

#[test]
fn a_server_that_is_away_is_not_healthy_and_one_with_tls_is() {
    let (healthy_now, told) = healthy("127.0.0.1:1");
    assert!(
        !healthy_now && told.contains("Connection refused"),
        "{told}"
    );

    let folder = Folder::new();
    let (store, spool) = (folder.at("archive"), folder.at("spool"));
    let start = ["relay", "--listen", "127.0.0.1:0", "--store", &store];
    let also = ["--spool", &spool, "--tls-self-signed", "localhost"];
    let (_running, ports) = Running::listening(&[&start[..], &also].concat());
    let healthy = healthy(&format!("127.0.0.1:{}", ports[0]));
    assert_eq!(healthy, (true, String::new()));
}

/// What the image asks of itself.
fn healthy(address: &str) -> (bool, String) {
    let asked = Command::new("bash")
        .arg(packaging("docker/healthy"))
        .env("AUDIOX_HEALTH", address)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&asked.stderr).into_owned();
    (asked.status.success(), told)
}

fn packaging(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    root.join(name).to_str().unwrap().to_owned()
}
