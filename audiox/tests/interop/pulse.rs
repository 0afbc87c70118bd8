//! PulseAudio's own RTP, both ways. Its sender tells of its stream by SAP (RFC 2974), and its
//! receiver hears of streams by nothing else; here all of it stays on 127.0.0.1.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use crate::pcm::noise;
use crate::peer::{Peer, is_long, program};
use crate::program::{our_description, ran, send_to_bound};
use crate::sound::{self, LEAST_SECONDS, Likeness, SECONDS, least_snr};
use crate::stream::{Codec, Stream};
use crate::support::{Folder, Running, data, free_ports};
use crate::table::{Way, passed};
use crate::virtual_devices::VirtualDevices;

#[test]
fn what_pulseaudio_sends_is_recorded_by_its_announcement() {
    let folder = Folder::new();
    let stream = Stream::new(Codec::L16, 48_000, 2, 4_000);
    let (source, sent) = noise(&folder, stream, 1);
    let heard = folder.at("heard.wav");
    let said = it_sends(&folder, &source, &heard, &["format=s16be"]);
    let heard = data(&heard);
    // It sends silence around what is played.
    let first = heard.iter().position(|b| *b != 0).unwrap();
    let first = first - first % stream.frame();
    let played = &heard[first..][..sent.len()];
    assert!(played == sent, "{} bytes: {said}", heard.len());
    assert!(
        heard[first + sent.len()..].iter().all(|b| *b == 0),
        "{said}"
    );
    let came = format!("{} frames, to the bit", sent.len() / stream.frame());
    passed(
        "L16",
        PEER,
        Way::ToUs,
        "48000 Hz, 2 ch, by its announcement",
        &came,
    );
}

#[test]
fn the_opus_that_pulseaudio_sends_is_recorded() {
    let folder = Folder::new();
    let source = sound::file(&folder, 48_000, 2, SECONDS);
    let heard = folder.at("heard.wav");
    let said = it_sends(&folder, &source, &heard, &["enable_opus=1"]);
    let heard = Likeness::of(&heard, 2);
    let what = format!("{heard:?} {said}");
    assert!(
        heard.seconds > LEAST_SECONDS && heard.unlike < 0.03,
        "{what}"
    );
    assert!(heard.snr > least_snr(2), "{what}");
    let came = format!(
        "{:.0} dB, {:.0} % unlike what was sent",
        heard.snr,
        heard.unlike * 100.0
    );
    passed(
        "Opus",
        PEER,
        Way::ToUs,
        "48000 Hz, 2 ch, by its announcement",
        &came,
    );
}

/// Plays a file on a speaker that it sends, and records it by the description that it announces.
fn it_sends(folder: &Folder, source: &str, heard: &str, codec: &[&str]) -> String {
    let devices = VirtualDevices::start();
    let listener = announcements();
    let port = free_ports();
    let (port, load) = (format!("port={port}"), ["load-module", "module-rtp-send"]);
    let to = ["destination_ip=127.0.0.1", "source_ip=127.0.0.1", &port];
    let format = ["source=out.monitor", "loop=1", "rate=48000", "channels=2"];
    let module = devices
        .pactl(&[&load[..], &to, &format, codec].concat())
        .unwrap();
    let mut buf = [0; 2_048];
    let len = listener.recv(&mut buf).expect("an announcement");
    drop(listener);
    let sdp = folder.at("theirs.sdp");
    std::fs::write(&sdp, described(&buf[..len])).unwrap();
    let args = ["recv", &sdp, "--to", heard, "--once", "--idle", "1s"];
    let (receiver, _) = Running::listening(&args);
    let mut play = program("paplay");
    ran(play.envs(devices.env()).args(["-d", "out", source]));
    // Until it has left the server, too.
    thread::sleep(Duration::from_millis(500));
    devices.pactl(&["unload-module", module.trim()]).unwrap();
    let told = receiver.wait().clean().summary();
    assert_eq!(told["streams"][0]["packets_lost"], 0, "{told}");
    told.to_string()
}

/// What it takes: a payload type of 127, and lines that end by a line feed alone. It aborts where
/// more than 64 KiB wait for it: one channel of 16 kHz leaves it two seconds to be late, Opus, of
/// which it makes stereo of 48 kHz, a third of one.
#[test]
fn what_we_send_pulseaudio_plays_by_our_announcement() {
    for ptime in if is_long() {
        &["1", "5", "20"][..]
    } else {
        &["5"]
    } {
        let folder = Folder::new();
        let devices = VirtualDevices::start();
        let port = free_ports();
        let receive = ["load-module", "module-rtp-recv", "sink=out"];
        let from = ["sap_address=127.0.0.1", "latency_msec=200"];
        devices.pactl(&[&receive[..], &from].concat()).unwrap();
        let heard = folder.at("heard.wav");
        let recorder = Peer::start(
            program("parec")
                .envs(devices.env())
                .args(["-d", "out.monitor", "--format=s16le", "--rate=48000"])
                .args(["--channels=1", "--file-format=wav", &heard]),
        );
        let tone = "tone:440,level=-10dB,rate=16000,channels=1,length=3s";
        let url = format!("rtp://127.0.0.1:{port}?codec=L16&pt=127&ptime={ptime}");
        let sdp = our_description(&folder, tone, &url);
        let sap = announcement(&std::fs::read_to_string(sdp).unwrap());
        let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
        ours.send_to(&sap, ("127.0.0.1", SAP_PORT)).unwrap();
        send_to_bound(port, tone, &url).wait().clean();
        thread::sleep(Duration::from_millis(700));
        let said = recorder.interrupt();
        // It resamples to stay near its latency, and slips where the machine is busy: judged by
        // pitch and loudness, of a third at least.
        let good = tenths_of(440.0, -10.0, &data(&heard));
        assert!(
            (10..=31).contains(&good),
            "{ptime} ms: {good} of 30 tenths: {said}"
        );
        let how = format!("16000 Hz, 1 ch, {ptime} ms, by our announcement");
        let came = format!("a tone's pitch and loudness in {good} of 30 tenths of a second");
        passed("L16", PEER, Way::FromUs, &how, &came);
    }
}

/// How many tenths of a second of 16-bit mono at 48 kHz are a tone of this pitch and peak.
fn tenths_of(hz: f64, peak_db: f64, data: &[u8]) -> usize {
    let values = data
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]));
    let values: Vec<f64> = values.map(|v| f64::from(v) / 32_768.0).collect();
    let is_tone = |block: &&[f64]| {
        let rises = block.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0);
        let power = block.iter().map(|v| v * v).sum::<f64>() / block.len() as f64;
        let peak = 10.0 * (2.0 * power).log10();
        // A tenth holds 44 of its waves; one may be cut at an end.
        (rises.count() as f64 - hz / 10.0).abs() <= 1.0 && (peak - peak_db).abs() < 0.5
    };
    values.chunks_exact(4_800).filter(is_tone).count()
}

/// A socket where announcements come.
fn announcements() -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", SAP_PORT)).unwrap();
    let long = Some(Duration::from_secs(12));
    socket.set_read_timeout(long).unwrap();
    socket
}

/// The description in an announcement.
fn described(sap: &[u8]) -> &[u8] {
    // Version 1, of IPv4, neither a deletion, encrypted nor compressed.
    assert_eq!(sap[0], 0x20, "{sap:?}");
    let words = usize::from(sap[1]);
    let behind = &sap[8 + 4 * words..];
    behind.strip_prefix(b"application/sdp\0").unwrap_or(behind)
}

fn announcement(sdp: &str) -> Vec<u8> {
    let mut sap = vec![0x20, 0, 0x12, 0x34, 127, 0, 0, 1];
    sap.extend_from_slice(b"application/sdp\0");
    sap.extend_from_slice(sdp.replace("\r\n", "\n").as_bytes());
    sap
}

const PEER: &str = "PulseAudio";
const SAP_PORT: u16 = 9_875;
