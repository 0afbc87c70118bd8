//! Streams with repair packets, through a link that loses some of everything.

use serde_json::Value;

use crate::support::{Folder, Running, audiox};

/// Sends four seconds through a link; what the sender and the receiver say.
fn through(fec: &str, loss: &str, receive: &[&str]) -> (Value, Value) {
    let (receiver, there) = Running::listening(receive);
    let to = format!("127.0.0.1:{}", there[0]);
    let args = [
        "link",
        "--listen",
        "udp://127.0.0.1:0",
        "--to",
        &to,
        "--loss",
        loss,
        "--seed",
        "4",
    ];
    let (link, here) = Running::listening(&args);
    let to = format!("rtp://127.0.0.1:{}?codec=L16&ptime=2.5&{fec}", here[0]);
    let tone = "tone:440,length=4s,rate=16000";
    let sent = audiox(&["send", tone, "--to", &to, "--json"]).summary();
    let told = receiver.wait().clean().summary();
    link.interrupt();
    link.wait();
    (sent["streams"][0].clone(), told["streams"][0].clone())
}

#[test]
fn a_recording_has_what_repair_packets_brought_back() {
    let folder = Folder::new();
    let to = folder.at("heard.wav");
    let from = "rtp://127.0.0.1:0?codec=L16&rate=16000&channels=1";
    let receive = ["recv", from, "--to", &to, "--once"];
    let (sent, heard) = through("fec=80%", "15%", &receive);
    assert_eq!(sent["repair"]["window"], 24, "{sent}");
    let repair = sent["repair"]["packets"].as_u64().unwrap();
    assert!((1_270..=1_290).contains(&repair), "{sent}");
    let lost = heard["packets_lost"].as_u64().unwrap();
    assert!(lost > 150, "{heard}");
    let back = heard["packets_recovered"].as_u64().unwrap();
    assert!(back + 8 >= lost, "{heard}");
    // Where the last packets were lost nothing follows to bring them back.
    assert!(heard["gap_frames"].as_u64().unwrap() <= 8 * 40, "{heard}");
}

#[test]
fn the_loss_that_is_reported_decides_how_many_repair_packets_are_sent() {
    let folder = Folder::new();
    let to = folder.at("heard.wav");
    let from = "rtp://127.0.0.1:0?codec=L16&rate=16000&channels=1";
    let receive = [
        "play",
        from,
        "--to",
        &to,
        "--once",
        "--idle",
        "1s",
        "--latency",
        "60ms",
    ];
    let (sent, heard) = through("fec=auto&nack=off", "10%", &receive);
    // Reports come every second or so: what was sent before the first is not protected.
    let reason = sent["redundancy"]["reason"].as_str().unwrap();
    assert!(reason.contains("% are lost"), "{sent}");
    let rate = sent["repair"]["per_thousand"].as_u64().unwrap();
    assert!((100..=1_000).contains(&rate), "{sent}");
    assert!(heard["packets_recovered"].as_u64().unwrap() > 10, "{heard}");

    let again = folder.at("again.wav");
    let receive = ["recv", from, "--to", &again, "--once"];
    let (sent, _) = through("fec=auto", "none", &receive);
    assert_eq!(sent["repair"]["packets"], 0, "{sent}");
    assert_eq!(sent["redundancy"]["reason"], "hardly anything is lost");
}

#[test]
fn what_was_lost_is_asked_for_and_sent_again() {
    let folder = Folder::new();
    let to = folder.at("heard.wav");
    let from = "rtp://127.0.0.1:0?codec=L16&rate=16000&channels=1";
    let receive = ["recv", from, "--to", &to, "--once"];
    let (sent, heard) = through("nack=on", "15%", &receive);
    assert!(
        sent["repair"].is_null() && sent["redundancy"].is_null(),
        "{sent}"
    );
    let lost = heard["packets_lost"].as_u64().unwrap();
    let again = heard["packets_retransmitted"].as_u64().unwrap();
    // What was lost before the receiver was sure of the sender, or at the end, stays lost.
    assert!(lost > 150 && again + 10 >= lost, "{heard}");
    assert!(heard["gap_frames"].as_u64().unwrap() <= 10 * 40, "{heard}");
    let sent = sent["retransmission"]["packets"].as_u64().unwrap();
    assert!((again..again * 3 / 2).contains(&sent), "{sent} {heard}");

    let from = format!("{from}&nack=off");
    let other = folder.at("other.wav");
    let receive = ["recv", &from, "--to", &other, "--once"];
    let (sent, heard) = through("nack=on", "15%", &receive);
    assert_eq!(sent["retransmission"]["requested"], 0, "{sent}");
    assert_eq!(heard["retransmissions_requested"], 0, "{heard}");
}

#[test]
fn the_description_says_which_packets_are_repair() {
    let folder = Folder::new();
    let (sdp, heard) = (folder.at("s.sdp"), folder.at("heard.wav"));
    // The description first, by a sender that nobody hears.
    let port = crate::support::free_ports();
    let to = format!("rtp://127.0.0.1:{port}?fec=100%&fec-pt=121&ptime=5");
    let args = ["send", "tone:440,length=50ms", "--to", &to, "--sdp", &sdp];
    assert_eq!(audiox(&args).code, 0);
    let text = std::fs::read_to_string(&sdp).unwrap();
    assert!(
        text.contains("a=rtpmap:121 x-audiox-window-fec/48000"),
        "{text}"
    );
    let (receiver, _) = Running::listening(&["recv", &sdp, "--to", &heard, "--once"]);
    audiox(&["send", "tone:440,length=1s", "--to", &to]).clean();
    let told = receiver.wait().clean().summary();
    let stream = &told["streams"][0];
    assert_eq!(stream["packets"], 200, "{told}");
    assert_eq!(stream["repair_packets"], 200, "{told}");
}

/// A link that loses 15 % on the way to `to`, and its port.
fn lossy(to: u16, seed: &str) -> (Running, u16) {
    let to = format!("127.0.0.1:{to}");
    let listen = "udp://127.0.0.1:0";
    let (link, here) = Running::listening(&[
        "link", "--listen", listen, "--to", &to, "--loss", "15%", "--seed", seed,
    ]);
    (link, here[0])
}

#[test]
fn blocks_bring_back_what_was_lost_of_them() {
    let folder = Folder::new();
    let (written, played) = (folder.at("recv.wav"), folder.at("play.wav"));
    let from = "rtp://127.0.0.1:0?codec=L16&rate=16000&channels=1&fec-scheme=rs8m";
    for receive in [
        &["recv", from, "--to", &written, "--once"][..],
        &["play", from, "--to", &played, "--once", "--latency", "80ms"],
    ] {
        let (receiver, there) = Running::listening(receive);
        let (link, media) = lossy(there[0], "4");
        let (repair_link, repair) = lossy(there[0] + 2, "5");
        let to = format!(
            "rtp://127.0.0.1:{media}?codec=L16&ptime=2.5&fec=60%&fec-scheme=rs8m&fec-port={repair}"
        );
        let tone = "tone:440,length=4s,rate=16000";
        let sent = audiox(&["send", tone, "--to", &to, "--json"]).summary();
        let told = receiver.wait().clean().summary();
        for link in [link, repair_link] {
            link.interrupt();
            link.wait();
        }
        let (sent, heard) = (&sent["streams"][0], &told["streams"][0]);
        assert_eq!(sent["repair"]["window"], 24, "{sent}");
        let repair = sent["repair"]["packets"].as_u64().unwrap();
        // 66 blocks, and 16 packets of the next.
        assert_eq!(repair, 66 * 24 * 6 / 10, "{sent}");
        let lost = heard["packets_lost"].as_u64().unwrap();
        assert!(lost > 150, "{heard}");
        let back = heard["packets_recovered"].as_u64().unwrap();
        // But for the first block, before whose repair packets there is no decoder, and the last.
        assert!(back + 16 >= lost, "{heard}");
    }
}

#[test]
fn blocks_arrive_like_anything_else_where_nothing_is_lost() {
    let folder = Folder::new();
    let heard = folder.at("heard.wav");
    let from = "rtp://127.0.0.1:0?codec=L16&rate=16000&channels=1&fec-scheme=rs8m";
    let (receiver, there) = Running::listening(&["recv", from, "--to", &heard, "--once"]);
    // Two streams from two ports, each with its repair packets.
    let to = format!(
        "rtp://127.0.0.1:{}?codec=L16&ptime=5&fec=20%&fec-scheme=rs8m",
        there[0]
    );
    let tones = [
        "tone:440,length=1s,rate=16000",
        "tone:880,length=1s,rate=16000",
    ];
    audiox(&["send", tones[0], tones[1], "--to", &to]).clean();
    let told = receiver.wait().clean().summary();
    for stream in 0..2 {
        let stream = &told["streams"][stream];
        assert_eq!(stream["packets"], 200, "{told}");
        assert_eq!(stream["packets_lost"], 0, "{told}");
        assert_eq!(stream["gap_frames"], 0, "{told}");
        // 16 blocks of 12, whose 2.4 are carried over.
        assert_eq!(stream["repair_packets"], 38, "{told}");
    }
}

#[test]
fn what_cannot_be_is_told() {
    let send = |query: &str| {
        let to = format!("rtp://127.0.0.1:9?{query}");
        audiox(&["send", "tone:440,length=1s", "--to", &to])
    };
    send("fec=lots").fails(2, "60%");
    send("fec=500%").fails(2, "400%");
    send("fec=auto&fec-pt=200").fails(2, "127");
    send("fec=auto&fec-pt=96").fails(2, "media");
    send("fec=auto&fec-delay=soon").fails(2, "fec-delay");
    send("fec-scheme=ldpc").fails(2, "rs8m");
    send("fec-scheme=rs8m&fec-port=10").fails(2, "RTCP");
    send("fec-scheme=rs8m&fec=400%&fec-delay=1s").fails(2, "255");
    let described = audiox(&[
        "send",
        "tone:440,length=1s",
        "--to",
        "rtp://127.0.0.1:9?fec-scheme=rs8m",
        "--sdp",
        "never.sdp",
    ]);
    described.fails(2, "fec-scheme");
}

#[test]
fn opus_through_a_fifth_of_loss_is_heard_unbroken() {
    let folder = Folder::new();
    let (heard, sdp) = (folder.at("heard.wav"), folder.at("s.sdp"));
    let port = crate::support::free_ports();
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
    // The description names the receiver's port; the link stands before it.
    let there = format!("rtp://127.0.0.1:{port}?codec=opus&ptime=10&fec=auto&fec-delay=100ms");
    let args = [
        "send",
        "tone:440,length=20ms,rate=24000",
        "--to",
        &there,
        "--sdp",
        &sdp,
    ];
    assert_eq!(audiox(&args).code, 0);
    let play = ["play", &sdp, "--to", &heard, "--once", "--latency", "120ms"];
    let (player, _) = Running::listening(&play);
    let to = format!("127.0.0.1:{port}");
    let args = [
        "link",
        "--listen",
        "udp://127.0.0.1:0",
        "--to",
        &to,
        "--loss",
        "20%",
        "--seed",
        "6",
    ];
    let (link, here) = Running::listening(&args);
    let to = format!(
        "rtp://127.0.0.1:{}?codec=opus&ptime=10&fec=auto&fec-delay=100ms",
        here[0]
    );
    let sent = audiox(&["send", speech, "--to", &to, "--json"]).summary();
    let told = player.wait().clean().summary();
    link.interrupt();
    link.wait();
    let stream = &told["streams"][0];
    let lost = stream["packets_lost"].as_u64().unwrap();
    let back = |means: &str| stream[means].as_u64().unwrap();
    let again = back("packets_retransmitted");
    assert!(lost > 100 && again > 0, "{told} {sent}");
    assert!(
        (again + back("packets_recovered")) * 10 > lost * 9,
        "{told} {sent}"
    );
    let concealed = stream["concealed_samples"].as_u64().unwrap();
    // Half a second is made up at the end where the goodbye is lost, too.
    assert!(concealed < 48_000 / 2 + 48_000 / 5, "{told}");
    assert_eq!(stream["packets_discarded"], 0, "{told}");
    let reason = sent["streams"][0]["redundancy"]["reason"].as_str().unwrap();
    assert!(reason.contains("% are lost"), "{sent}");
}

#[test]
fn packets_that_carry_earlier_ones_bring_them_back() {
    let folder = Folder::new();
    let (heard, sdp) = (folder.at("heard.wav"), folder.at("s.sdp"));
    let from = "rtp://127.0.0.1:0?codec=opus&red=2";
    let play = ["play", from, "--to", &heard, "--once", "--latency", "80ms"];
    let (player, there) = Running::listening(&play);
    let to = format!("127.0.0.1:{}", there[0]);
    let args = [
        "link",
        "--listen",
        "udp://127.0.0.1:0",
        "--to",
        &to,
        "--loss",
        "10%",
        "--seed",
        "8",
    ];
    let (link, here) = Running::listening(&args);
    let to = format!("rtp://127.0.0.1:{}?codec=opus&red=2&ptime=20", here[0]);
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
    audiox(&["send", speech, "--to", &to, "--sdp", &sdp]).clean();
    let told = player.wait().clean().summary();
    link.interrupt();
    link.wait();
    let stream = &told["streams"][0];
    let lost = stream["packets_lost"].as_u64().unwrap() * 960;
    let back = stream["recovered_samples"].as_u64().unwrap();
    assert!(lost > 20 * 960 && back * 10 > lost * 9, "{told}");
    let text = std::fs::read_to_string(sdp).unwrap();
    for line in [
        "a=rtpmap:96 red/48000/2",
        "a=fmtp:96 119/119/119",
        "a=rtpmap:119 opus/48000/2",
    ] {
        assert!(text.contains(line), "{text}");
    }

    let long = audiox(&[
        "send",
        "tone:440,length=1s",
        "--to",
        "rtp://127.0.0.1:9?red=1&ptime=12",
    ]);
    long.fails(2, "shorter ptime");
    // The blocks' own type.
    let taken = "rtp://127.0.0.1:9?codec=opus&red=1&pt=119";
    audiox(&["send", "tone:440,length=1s", "--to", taken]).fails(2, "119");
    audiox(&["recv", taken, "--to", "null:"]).fails(2, "119");
}

#[test]
fn copies_that_were_asked_for_stay_where_the_rest_is_chosen() {
    let folder = Folder::new();
    let heard = folder.at("heard.wav");
    let from = "rtp://127.0.0.1:0?codec=opus&red=2&nack=off";
    let play = ["play", from, "--to", &heard, "--once", "--latency", "80ms"];
    let (player, there) = Running::listening(&play);
    let to = format!("127.0.0.1:{}", there[0]);
    let listen = "rtp://127.0.0.1:0";
    let args = [
        "link", "--listen", listen, "--to", &to, "--loss", "10%", "--seed", "8",
    ];
    let (link, here) = Running::listening(&args);
    let query = "codec=opus&red=2&ptime=20&fec=auto&nack=off";
    let to = format!("rtp://127.0.0.1:{}?{query}", here[0]);
    let sent = audiox(&["send", "tone:440,length=3s", "--to", &to, "--json"]);
    let sent = sent.clean().summary();
    player.wait().clean();
    link.interrupt();
    link.wait();
    let stream = &sent["streams"][0];
    let reason = stream["redundancy"]["reason"].as_str().unwrap();
    assert!(reason.contains("% are lost"), "{sent}");
    // One copy of 50 kbit/s in 20 ms is 125 bytes.
    let bytes = stream["bytes"].as_u64().unwrap() / stream["packets"].as_u64().unwrap();
    assert!(bytes > 300, "{bytes} bytes a packet: {sent}");
}

#[test]
fn a_recording_of_a_codec_has_what_its_packets_say_of_each_other() {
    let folder = Folder::new();
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
    let record = |query: &str, to: &str| {
        let from = format!("rtp://127.0.0.1:0?codec=opus&{query}");
        let to = folder.at(to);
        let receive = ["recv", &from, "--to", &to, "--once"];
        let (receiver, there) = Running::listening(&receive);
        let to = format!("127.0.0.1:{}", there[0]);
        let args = [
            "link",
            "--listen",
            "udp://127.0.0.1:0",
            "--to",
            &to,
            "--loss",
            "10%",
            "--seed",
            "8",
        ];
        let (link, here) = Running::listening(&args);
        let to = format!("rtp://127.0.0.1:{}?codec=opus&{query}&ptime=20", here[0]);
        // Two at once: each has a decoder of its own.
        audiox(&["send", speech, speech, "--to", &to]).clean();
        let told = receiver.wait().clean().summary();
        link.interrupt();
        link.wait();
        told
    };
    let told = record("red=2", "red.wav");
    for n in 0..2 {
        let stream = &told["streams"][n];
        let lost = stream["packets_lost"].as_u64().unwrap() * 960;
        let back = stream["recovered_frames"].as_u64().unwrap();
        assert!(lost > 20 * 960 && back * 10 > lost * 9, "{told}");
        assert_eq!(stream["recovered_by"]["copies"], back, "{told}");
    }
    let told = record("nack=off", "opus.wav");
    for n in 0..2 {
        let stream = &told["streams"][n];
        let lost = stream["packets_lost"].as_u64().unwrap() * 960;
        let figure = |name: &str| stream[name].as_u64().unwrap();
        let made = figure("concealed_frames");
        // The loss at the end is of no account, and in-band FEC begins with reports.
        let whole = made + figure("recovered_frames") + 3 * 960;
        assert!(made > 0 && whole >= lost, "{told}");
        let in_band = stream["recovered_by"]["in_band"].as_u64();
        assert_eq!(in_band, Some(figure("recovered_frames")), "{told}");
        assert_eq!(figure("gap_frames"), made, "{told}");
    }
}
