//! A stream over a bad link between real sockets, received by GStreamer's `rtpjitterbuffer` and by
//! our player at the same time: each datagram that comes through the link goes to all of them.
//!
//! Speech as L16 in packets of 10 ms; how late it comes out and what is missing of it. `--quick`
//! takes 15 s instead of 45 s for each network, `AUDIOX_BENCH_SECONDS` any other time.
#![allow(clippy::print_stdout, reason = "the tables are its output")]

#[path = "gstreamer/receivers.rs"]
mod receivers;
#[path = "gstreamer/tee.rs"]
mod tee;

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

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
const NETWORKS: [&str; 2] = ["12ms", "spikes:140ms/1.5s"];
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
    if !GStreamer::installed() {
        println!("gst-launch-1.0 is not installed: nothing to stand beside");
        return;
    }
    for jitter in NETWORKS {
        compare(jitter, Duration::from_secs(seconds));
    }
}

/// Sends speech for `length` over one network to all receivers, and prints what became of it.
fn compare(jitter: &str, length: Duration) {
    let clock = Clock::new();
    let mut receivers: Vec<(String, Box<dyn Receiver>)> = Vec::new();
    for latency in [200, 100, 50, 20] {
        let name = match latency {
            200 => "rtpjitterbuffer, 200 ms (default)".to_owned(),
            ms => format!("rtpjitterbuffer, {ms} ms"),
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
        receivers.push((format!("audiox {profile}"), Box::new(ours)));
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

    println!("jitter {jitter}, {} packets:", arrivals.packets());
    println!(
        "{:<36}{:>10}{:>10}{:>12}",
        "", "mean ms", "max ms", "missing %"
    );
    for (name, heard) in receivers {
        let verdict = heard.judge(&arrivals, &sent, counted.clone());
        println!(
            "{name:<36}{:>10.1}{:>10.1}{:>12.3}",
            verdict.mean.as_secs_f64() * 1e3,
            verdict.max.as_secs_f64() * 1e3,
            verdict.missing * 100.0
        );
    }
    println!();
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
