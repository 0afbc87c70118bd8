//! A bad network in between.

use audiox::core::format::SampleFormat;

use crate::support::{Folder, Running, audiox, data};

#[test]
fn what_the_link_loses_is_a_gap_in_the_recording() {
    let folder = Folder::new();
    let (a, samples) = folder.wav("a.wav", SampleFormat::S16, 1, 96_000);
    let heard = folder.at("heard.wav");
    let (recv, there) = Running::listening(&[
        "recv",
        "rtp://127.0.0.1:0?codec=L16&rate=48000&channels=1",
        "--to",
        &heard,
        "--once",
    ]);
    let to = format!("127.0.0.1:{}", there[0]);
    let (link, here) = Running::listening(&[
        "link",
        "--listen",
        "udp://127.0.0.1:0",
        "--to",
        &to,
        "--loss",
        "bursts:10%,3",
        "--jitter",
        "15ms",
        "--reorder",
        "5%/15ms",
        "--dup",
        "5%",
        "--seed",
        "2",
    ]);
    let url = format!("rtp://127.0.0.1:{}", here[0]);
    audiox(&["send", &a, "--to", &url]).clean();
    let told = recv.wait().clean().summary();
    link.interrupt();
    let passed = link.wait().clean().summary();

    let there = &passed["there"];
    assert!(there["handled"].as_u64().unwrap() >= 200, "{passed}");
    let lost = there["lost"].as_i64().unwrap();
    assert!(
        lost > 5 && there["duplicated"].as_u64().unwrap() > 0,
        "{passed}"
    );
    assert!(there["reordered"].as_u64().unwrap() > 0, "{passed}");
    assert_eq!(passed["senders_ever"], 1);

    let stream = &told["streams"][0];
    let gaps = stream["gaps"].as_array().unwrap();
    assert!(
        !gaps.is_empty() && stream["duplicate_frames"].as_u64().unwrap() > 0,
        "{told}"
    );
    // Outside of its gaps the recording is what was sent, frame for frame.
    let recorded = data(&heard);
    let mut silent = vec![false; 96_000];
    let mut missing = 0;
    for gap in gaps {
        let start = gap["start_frame"].as_u64().unwrap() as usize;
        let frames = gap["frames"].as_u64().unwrap() as usize;
        assert_eq!(gap["cause"], "lost", "{gap}");
        silent[start..start + frames].fill(true);
        missing += frames;
    }
    assert!(missing as i64 <= lost * 480, "{missing} {lost}");
    // The first packets may be among the lost ones: the recording then begins with what came.
    let first = (0..96_000 - 480)
        .step_by(480)
        .find(|f| samples[f * 2..][..960] == recorded[..960])
        .unwrap();
    for frame in 0..recorded.len() / 2 {
        let is = &recorded[frame * 2..][..2];
        let was = &samples[(first + frame) * 2..][..2];
        assert!(
            if silent[frame] {
                is == [0, 0]
            } else {
                is == was
            },
            "frame {frame}"
        );
    }
}

#[test]
fn a_perfect_link_changes_nothing_for_raw_streams() {
    let folder = Folder::new();
    let (a, samples) = folder.wav("a.wav", SampleFormat::S16, 1, 24_000);
    let heard = folder.at("heard.wav");
    let (recv, there) = Running::listening(&[
        "recv",
        "udp://127.0.0.1:0?rate=48000",
        "--to",
        &heard,
        "--once",
        "--idle",
        "500ms",
    ]);
    let to = format!("127.0.0.1:{}", there[0]);
    let (link, here) = Running::listening(&[
        "link",
        "--mux",
        "--listen",
        "udp://127.0.0.1:0",
        "--to",
        &to,
        "--duration",
        "3s",
    ]);
    audiox(&["send", &a, "--to", &format!("udp://127.0.0.1:{}", here[0])]).clean();
    recv.wait().clean();
    assert!(data(&heard) == samples);
    assert_eq!(link.wait().clean().summary()["there"]["delivered"], 50);
}

#[test]
fn a_link_to_itself_is_told() {
    let port = crate::support::free_ports();
    let listen = format!("udp://:{port}");
    let to = format!("127.0.0.1:{port}");
    audiox(&["link", "--listen", &listen, "--to", &to]).fails(2, "round and round");
}
