//! Foreign programs as peers: found, started, watched and ended.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::wav::{WavSink, WavSource};
use audiox_udp::node::{Listen, Node, NodeConfig, NodeHandle, NodeReport, Target};

/// A foreign program's command; fails the test with advice where it is not installed.
pub(crate) fn program(name: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    assert!(
        found,
        "{name} is not installed; run scripts/bootstrap.sh test"
    );
    Command::new(name)
}

/// A running peer, ended when dropped.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits until the peer has ended by itself.
    pub(crate) fn finish(mut self) {
        assert!(self.0.wait().unwrap().success());
    }

    /// Asks the peer to end as Ctrl-C does, and waits.
    pub(crate) fn interrupt(mut self) {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Formats to try.
pub(crate) fn formats() -> Vec<StreamFormat> {
    let rates: &[u32] = if std::env::var_os("AUDIOX_LONG").is_some() {
        &[16_000, 44_100, 48_000, 96_000]
    } else {
        &[48_000]
    };
    let format = |hz, n| StreamFormat::new(SampleRate::new(hz).unwrap(), Channels::new(n).unwrap());
    rates
        .iter()
        .flat_map(|hz| [1, 2].map(|n| format(*hz, n)))
        .collect()
}

/// A free even port whose odd neighbour is free too.
pub(crate) fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port() & !1;
        drop(socket);
        let pair = [port, port + 1].map(|p| UdpSocket::bind(("127.0.0.1", p)));
        if pair.iter().all(Result::is_ok) {
            return port;
        }
    }
}

/// Waits until something has bound a UDP port.
pub(crate) fn wait_bound(port: u16) {
    let start = Instant::now();
    while UdpSocket::bind(("127.0.0.1", port)).is_ok() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "nothing binds port {port}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A WAV file of noise, so that any frame tells where it is from.
pub(crate) fn noise(path: &Path, format: StreamFormat, sample: SampleFormat, frames: usize) {
    let mut sink = WavSink::create(path, format, sample).unwrap();
    let mut x = 1u32;
    let samples: Vec<f32> = (0..frames * format.channels.get())
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((x >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.9
        })
        .collect();
    sink.write(AudioRef::new(&samples, format.channels))
        .unwrap();
    sink.finish().unwrap();
}

/// All samples of a WAV file.
pub(crate) fn samples(path: &Path) -> (StreamFormat, Vec<f32>) {
    let mut wav = WavSource::open(path).unwrap();
    let mut all = Vec::new();
    let mut block = vec![0.0; 1 << 16];
    let channels = wav.format().channels.get();
    let block = &mut block[..(1 << 16) / channels * channels];
    loop {
        let frames = wav.read(block).unwrap();
        if frames == 0 {
            return (wav.format(), all);
        }
        all.extend_from_slice(&block[..frames * channels]);
    }
}

/// How many frames of `part` stand in `whole` without a seam, wherever they begin there; panics
/// where they do not.
pub(crate) fn stands_in(part: &[f32], whole: &[f32], channels: usize) -> usize {
    // Recorders pad the beginning with silence.
    let first = part.iter().position(|s| *s != 0.0).expect("all is silent");
    let part = &part[first - first % channels..];
    let key = &part[..channels * 8];
    let at = whole
        .windows(key.len())
        .step_by(channels)
        .position(|w| w == key)
        .expect("the beginning is not found in what was sent");
    let rest = &whole[at * channels..];
    let len = part.len().min(rest.len());
    let wrong = part[..len].iter().zip(rest).position(|(a, b)| a != b);
    assert_eq!(
        wrong.map(|i| i / channels),
        None,
        "frame that differs, of {}",
        len / channels
    );
    assert!(
        part[len..].iter().all(|s| *s == 0.0),
        "more came than was sent"
    );
    len / channels
}

/// A node that records what a session description announces.
pub(crate) fn node(sdp: &str, file: PathBuf) -> NodeHandle {
    let session = audiox_net::sdp::SessionDescription::parse(sdp.as_bytes()).unwrap();
    let listen = Listen::from_sdp(&session).unwrap();
    Node::start(NodeConfig {
        hold: Duration::from_millis(500),
        idle_after: Duration::from_millis(1_500),
        stop_when_ended: true,
        ..NodeConfig::new(listen, Target::File(file))
    })
    .unwrap()
}

/// Checks that the one stream of a report came whole.
pub(crate) fn came_whole(report: &NodeReport) {
    assert_eq!(report.streams.len(), 1, "{report:?}");
    let s = &report.streams[0];
    assert_eq!((s.source.packets_lost, s.gap_count), (0, 0), "{s:?}");
}
