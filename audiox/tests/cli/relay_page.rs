//! The relay's page in a browser: it listens, shows, plays, publishes and ends streams.

use super::browser::in_browser;
use super::support::{Folder, Running};

const LISTEN: &str = "only-for-listening-in-tests/0123456789";
const PUBLISH: &str = "only-for-publishing-in-tests-0123456789";

#[test]
fn the_page_listens_plays_publishes_and_ends() {
    let folder = Folder::new();
    let tokens = folder.at("tokens");
    std::fs::write(&tokens, format!("listen {LISTEN}\npublish {PUBLISH}\n")).unwrap();
    let (relay, ports) = Running::listening(&[
        "relay",
        "--listen",
        "127.0.0.1:0",
        "--segment",
        "1s",
        "--store",
        &folder.at("archive"),
        "--spool",
        &folder.at("spool"),
        "--token-file",
        &tokens,
    ]);
    let url = format!("http://127.0.0.1:{}", ports[0]);
    in_browser("relay.mjs", &[&url, &folder.at(""), LISTEN, PUBLISH]);
    relay.interrupt();
    relay.wait().clean();
}
