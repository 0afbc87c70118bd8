//! ffmpeg as sender and as receiver of Opus, by session descriptions both ways.

use crate::peer::{Peer, packets, program, wait_bound};
use crate::sound::{self, LEAST_SECONDS, Likeness, SECONDS, least_snr};
use crate::support::{Folder, Running, free_ports};

#[test]
fn ffmpeg_hears_the_opus_that_we_send() {
    for (ptime, channels) in packets() {
        we_send("opus", ptime, channels, "");
    }
}

/// Its parser takes what is said last, of any payload type, for the stream's.
#[test]
fn ffmpeg_hears_a_stream_with_repair_packets_and_retransmission() {
    we_send("opus", "10", 2, "&fec=60%&nack=on");
    we_send("L16", "5", 2, "&fec=auto");
}

fn we_send(codec: &str, ptime: &str, channels: usize, options: &str) {
    let folder = Folder::new();
    let source = sound::file(&folder, 48_000, channels, SECONDS);
    let url = format!(
        "rtp://127.0.0.1:{}?codec={codec}&ptime={ptime}{options}",
        free_ports()
    );
    let (sender, sdp, port) = announced(&folder, &source, &url);
    let to = folder.at("heard.wav");
    let ffmpeg = Peer::start(
        program("ffmpeg")
            .args(["-v", "error", "-protocol_whitelist", "file,udp,rtp"])
            .args(["-i", &sdp, "-c:a", "pcm_s16le", &to]),
    );
    wait_bound(port);
    // It ends at our goodbye.
    let said = ffmpeg.finish();
    sender.wait().clean();
    let heard = Likeness::of(&to, channels);
    let what = format!("{codec} {ptime} ms {channels} ch{options}: {heard:?} {said}");
    assert!(
        heard.seconds > LEAST_SECONDS && heard.unlike < 0.03,
        "{what}"
    );
    assert!(heard.snr > least_snr(channels), "{what}");
}

/// A sender that waits for its start with its description written; its port.
pub(crate) fn announced(folder: &Folder, source: &str, url: &str) -> (Running, String, u16) {
    let sdp = folder.at("ours.sdp");
    let args = ["send", source, "--to", url, "--sdp", &sdp];
    // Long enough for a receiver to read it and bind.
    let later = ["--start-at", "+1500ms", "--json"];
    let sender = Running::start(&[&args[..], &later].concat());
    while !std::fs::read_to_string(&sdp).is_ok_and(|text| text.ends_with("a=sendonly\r\n")) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let port = url.split(['?', ':']).nth(2).unwrap().parse().unwrap();
    (sender, sdp, port)
}

#[test]
fn we_record_the_opus_that_ffmpeg_sends() {
    for (ptime, channels) in packets() {
        ffmpeg_sends("recv", ptime, channels);
    }
}

#[test]
fn we_play_the_opus_that_ffmpeg_sends() {
    for (ptime, channels) in &packets()[1..] {
        ffmpeg_sends("play", ptime, *channels);
    }
}

fn ffmpeg_sends(receive: &str, ptime: &str, channels: usize) {
    let folder = Folder::new();
    let source = sound::file(&folder, 48_000, channels, SECONDS);
    let (sdp, port, to) = (
        folder.at("ffmpeg.sdp"),
        free_ports(),
        folder.at("heard.wav"),
    );
    let send = |seconds: &str| {
        let url = format!("rtp://127.0.0.1:{port}");
        let ffmpeg = Peer::start(
            program("ffmpeg")
                .args(["-v", "error", "-re", "-i", &source, "-t", seconds])
                .args(["-c:a", "libopus", "-b:a", "96k", "-frame_duration", ptime])
                .args(["-f", "rtp", "-payload_type", "96", "-sdp_file", &sdp])
                .args(["-rtpflags", "+send_bye", &url]),
        );
        ffmpeg.finish();
    };
    // Its description can be had only by sending: once to nobody, then in earnest.
    send("0.01");
    let args = [receive, &sdp, "--to", &to, "--once", "--idle", "1s"];
    // What is stretched and skipped could not be compared.
    let fixed: &[&str] = if receive == "play" {
        &["--latency", "300ms"]
    } else {
        &[]
    };
    let args = [&args[..], fixed].concat();
    let (receiver, _) = Running::listening(&args);
    send("9");
    let told = receiver.wait().clean().summary();
    let heard = Likeness::of(&to, channels);
    let what = format!("{receive} {ptime} ms {channels} ch: {heard:?} {told}");
    assert_eq!(told["streams"][0]["packets_lost"], 0, "{what}");
    assert!(
        heard.seconds > LEAST_SECONDS && heard.unlike < 0.03,
        "{what}"
    );
    assert!(heard.snr > least_snr(channels), "{what}");
}

#[test]
fn a_source_of_16_khz_is_heard_at_48_khz() {
    let folder = Folder::new();
    let source = sound::file(&folder, 16_000, 1, SECONDS);
    let url = format!("rtp://127.0.0.1:{}?codec=opus&ptime=20", free_ports());
    let (sender, sdp, port) = announced(&folder, &source, &url);
    let text = std::fs::read_to_string(&sdp).unwrap();
    assert!(text.contains("a=rtpmap:96 opus/48000/2"), "{text}");
    assert!(text.contains("sprop-maxcapturerate=16000"), "{text}");
    let to = folder.at("heard.wav");
    let ffmpeg = Peer::start(
        program("ffmpeg")
            .args(["-v", "error", "-protocol_whitelist", "file,udp,rtp"])
            .args(["-i", &sdp, "-c:a", "pcm_s16le", &to]),
    );
    wait_bound(port);
    ffmpeg.finish();
    sender.wait().clean();
    let heard = Likeness::of(&to, 1);
    assert!(
        heard.seconds > LEAST_SECONDS && heard.unlike < 0.03,
        "{heard:?}"
    );
    assert!(heard.snr > least_snr(1), "{heard:?}");
}
