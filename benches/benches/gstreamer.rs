//! A stream over a bad link between real sockets, received by GStreamer's `rtpjitterbuffer` and by
//! our player at the same time: each datagram that comes through the link goes to all of them.
//!
//! Speech as L16 in packets of 10 ms; how late it comes out and what is missing of it. `--quick`
//! takes 15 s instead of 45 s for each network, `AUDIOX_BENCH_SECONDS` any other time.

#[path = "gstreamer/receivers.rs"]
mod receivers;
#[path = "gstreamer/tee.rs"]
mod tee;

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use audiox_benches::table::{Cell, Table, progress};
use audiox_core::playout::{PlayoutConfig, Profile};
use audiox_core::sim::LinkConfig;
use audiox_core::source::Source;
use audiox_io::{Looped, Repeat, WavSource};
use audiox_net::clock::Clock;
use audiox_net::link::{LinkRelay, RelayConfig};
use audiox_net::stop::StopFlag;
use audiox_net::udp::RtcpPort;
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};
use receivers::{GStreamer, Ours, Receiver};
use tee::Tee;

const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
/// For the simulator, and for readers.
const NETWORKS: [(&str, &str); 2] = [
    ("12ms", "12 ms of jitter"),
    ("spikes:140ms/1.5s", "spikes of 140 ms every 1.5 s"),
];
const MS: Duration = Duration::from_millis(1);

fn main() {
    let is = |name: &str| std::env::args().any(|a| a == name);
    let seconds = match std::env::var("AUDIOX_BENCH_SECONDS") {
        Ok(s) => s
            .parse()
            .expect("AUDIOX_BENCH_SECONDS is a number of seconds"),
        Err(_) if is("--test") => 3,
        Err(_) if is("--quick") => 15,
        Err(_) => 45,
    };
    assert!(
        GStreamer::installed(),
        "gst-launch-1.0 is not installed: scripts/bootstrap.sh bench"
    );
    let mut table = Table::new("gstreamer", "");
    for (_, name) in NETWORKS {
        table = table
            .number(&format!("{name}: delay"), "ms", 0)
            .number("longest", "ms", 0)
            .significant("missing", "%", 2);
    }
    let length = Duration::from_secs(seconds);
    let [one, other] = NETWORKS.map(|(jitter, _)| compare(jitter, length));
    for ((name, one), (_, other)) in one.into_iter().zip(other) {
        table.row(name, one.into_iter().chain(other).map(Cell::from));
    }
    table.note(format!(
        "{seconds} s a network, of which the first quarter does not count"
    ));
    table.finish();
}

/// Sends speech for `length` over one network to all receivers: mean delay and longest in ms, and
/// what is missing in per cent.
fn compare(jitter: &str, length: Duration) -> Vec<(String, [f64; 3])> {
    progress(&format!("{jitter}, {length:?}"));
    let clock = Clock::new();
    let mut receivers: Vec<(String, Box<dyn Receiver>)> = Vec::new();
    for latency in [200, 100, 50, 20] {
        let name = match latency {
            200 => "`rtpjitterbuffer`, 200 ms (its default)".to_owned(),
            ms => format!("`rtpjitterbuffer`, {ms} ms"),
        };
        receivers.push((name, Box::new(GStreamer::start(clock, latency * MS))));
    }
    for latency in [200, 100, 50, 20] {
        let playout = PlayoutConfig::fixed(latency * MS);
        let name = format!("audiox, fixed {latency} ms");
        receivers.push((name, Box::new(Ours::start(clock, playout))));
    }
    for profile in Profile::ALL {
        let ours = Ours::start(clock, profile.config());
        receivers.push((format!("audiox `{profile}`"), Box::new(ours)));
    }
    // Pipelines need a moment to be set up.
    std::thread::sleep(Duration::from_secs(1));

    let tee = Tee::start(clock, receivers.iter().map(|(_, r)| r.address()).collect());
    let stop = StopFlag::new();
    let relay = relay(jitter, tee.address);
    let to = relay.local_addr();
    let relaying = std::thread::spawn({
        let stop = stop.clone();
        move || relay.run(&stop)
    });
    // Receivers may find their delay first, and the end of the stream is no loss.
    let counted = length / 4..length - Duration::from_millis(500);
    let sent = send(to, length, &counted, || {
        receivers.iter_mut().for_each(|(_, r)| r.mark())
    });
    let receivers: Vec<_> = receivers
        .into_iter()
        .map(|(n, r)| (n, r.finish()))
        .collect();
    stop.stop();
    relaying
        .join()
        .expect("the relay does not panic")
        .expect("the system is in order");
    let arrivals = tee.finish();

    progress(&format!("{} packets came through", arrivals.packets()));
    let judged = receivers.into_iter().map(|(name, heard)| {
        let verdict = heard.judge(&arrivals, &sent, counted.clone());
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        (
            name,
            [ms(verdict.mean), ms(verdict.max), verdict.missing * 100.0],
        )
    });
    judged.collect()
}

fn relay(jitter: &str, to: SocketAddr) -> LinkRelay {
    let link = LinkConfig {
        jitter: jitter.parse().expect("a jitter that is known"),
        seed: 3,
        ..LinkConfig::default()
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = RelayConfig {
        rtcp: RtcpPort::Mux,
        ..RelayConfig::new(any, to, link)
    };
    LinkRelay::open(config).expect("loopback has a free port")
}

/// Sends speech in real time; calls `mark` at both ends of what counts. Returns its samples.
fn send(
    to: SocketAddr,
    length: Duration,
    counted: &Range<Duration>,
    mut mark: impl FnMut(),
) -> Vec<f32> {
    let open = || WavSource::open(SPEECH).expect("the repository has it");
    let mut file = open();
    let frames = file.format().rate.frames_in(length);
    let mut once = vec![0.0; file.frames() as usize];
    file.read(&mut once).expect("it is whole");
    let url = format!("rtp://{to}?codec=L16&pt=96&ptime=10&rtcp-mux");
    let config = StreamerConfig::new(url.parse().expect("a sound URL"));
    let looped = Looped::new(Box::new(open()), Repeat::Forever).expect("a file can go back");
    let stream = StreamSpec::new("speech", looped);
    let streamer = Streamer::start(config, vec![stream]).expect("loopback can be sent to");
    std::thread::sleep(counted.start);
    mark();
    std::thread::sleep(counted.end - counted.start);
    mark();
    std::thread::sleep(length - counted.end);
    streamer.stop();
    streamer.wait().expect("loopback takes it");
    once.into_iter().cycle().take(frames as usize).collect()
}
