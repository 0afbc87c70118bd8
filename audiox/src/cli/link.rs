//! `audiox link`: a bad network between real sockets.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use audiox::net::endpoint::{Endpoint, NetAddress};
use audiox::net::link::{LinkRelay, RelayConfig, RelayMonitor, RelayStats};
use audiox::net::stop::StopFlag;
use audiox::net::udp::RtcpPort;
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::meter::Meter;
use super::model::{self, LinkArgs};
use super::output::Output;
use super::text::{Clock, Scaled, count};
use super::value;

/// Pass datagrams on as a bad network would: late, twice, in another order or not at all
///
/// RTP (or raw) datagrams come in and go out at the ports given, RTCP at the next ports. Senders
/// stay apart: each is passed on from a port of its own, and what the destination answers comes
/// back to it. Ends at Ctrl-C or after --duration.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RelayArgs {
    /// Where senders send to: udp://[HOST]:PORT or rtp://[HOST]:PORT
    #[arg(long, value_name = "URL")]
    listen: String,
    /// Where it goes on to: HOST:PORT
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// RTCP shares the port of RTP, or there is none (raw streams)
    #[arg(long)]
    mux: bool,
    /// What comes back passes an equal link; left out, the way back is perfect
    #[arg(long)]
    both: bool,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    duration: Option<Duration>,
    #[command(flatten)]
    link: LinkArgs,
}

impl RelayArgs {
    fn config(&self) -> Result<RelayConfig, Failure> {
        let (listen, rtcp) = address(&self.listen)?;
        let (to, _) = match self.to.contains("://") {
            true => address(&self.to)?,
            false => address(&format!("udp://{}", self.to))?,
        };
        let Some(to) = to.resolve().map_err(audiox::Error::from)? else {
            return Err(Failure::Usage(format!("--to {}: write HOST:PORT", self.to)));
        };
        let listen = listen.receiver().map_err(audiox::Error::from)?;
        let mut config = RelayConfig::new(listen.bind, to, self.link.config());
        config.listen = listen;
        config.rtcp = if self.mux { RtcpPort::Mux } else { rtcp };
        if self.both {
            config.back = self.link.config();
            // Two directions that lose the same datagrams would be no two directions.
            config.back.seed = !config.back.seed;
        }
        Ok(config)
    }
}

fn address(url: &str) -> Result<(NetAddress, RtcpPort), Failure> {
    match url.parse::<Endpoint>().map_err(audiox::Error::from)? {
        Endpoint::Udp(udp) => Ok((udp.at, RtcpPort::Next)),
        Endpoint::Rtp(rtp) => Ok((rtp.at, rtp.rtcp)),
        Endpoint::Sdp(_) => Err(Failure::Usage(format!(
            "{url}: a link listens on udp://[HOST]:PORT or rtp://[HOST]:PORT"
        ))),
    }
}

pub(super) fn run(args: RelayArgs, mut output: Output) -> Result<(), Failure> {
    let relay = LinkRelay::open(args.config()?).map_err(audiox::udp::Error::from)?;
    let interrupt = Interrupt::install()?;
    let monitor = relay.monitor();
    let stop = StopFlag::new();
    output.go_live();
    output.started(&[relay.local_addr().to_string()])?;
    let running = {
        let stop = stop.clone();
        thread::spawn(move || relay.run(&stop))
    };
    let followed = follow(
        &running,
        &monitor,
        &stop,
        args.duration,
        &interrupt,
        &mut output,
    );
    stop.stop();
    let stats = match running.join() {
        Ok(stats) => stats.map_err(audiox::udp::Error::from)?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    followed?;
    output.summary(|| text(&stats), || describe(&stats))
}

/// Shows how it goes until the relay has ended.
fn follow<T>(
    running: &JoinHandle<T>,
    monitor: &RelayMonitor,
    stop: &StopFlag,
    duration: Option<Duration>,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut meter = Meter::default();
    while !running.is_finished() {
        thread::sleep(LOOK_EVERY);
        let elapsed = output.elapsed();
        if interrupt.requested() || duration.is_some_and(|d| elapsed >= d) {
            stop.stop();
        }
        let now = monitor.stats();
        let rate = meter.bits_per_second(elapsed, now.forward.delivered_bytes);
        output.statistics(|| line(&now, elapsed, rate), || describe(&now))?;
    }
    Ok(())
}

fn line(now: &RelayStats, elapsed: Duration, rate: f64) -> String {
    let f = &now.forward;
    format!(
        "{}  {}  {}  in {}  out {}  lost {}  dropped {}  duplicated {}  reordered {}",
        Clock(elapsed),
        count(now.sessions as u64, "sender"),
        Scaled(rate, "bit/s"),
        f.handled,
        f.delivered,
        f.lost,
        f.queue_dropped + f.overflowed,
        f.duplicated,
        f.reordered,
    )
}

fn text(stats: &RelayStats) -> String {
    let mut lines = vec![
        format!("there: {}", model::text(&stats.forward)),
        format!("back: {}", model::text(&stats.back)),
        count(stats.sessions_opened, "sender"),
    ];
    for (what, n) in [
        (
            "datagrams of senders beyond what fits",
            stats.sessions_refused,
        ),
        ("datagrams of strangers", stats.foreign),
    ] {
        if n > 0 {
            lines.push(format!("dropped {n} {what}"));
        }
    }
    lines.join("\n")
}

fn describe(stats: &RelayStats) -> Value {
    json!({
        "there": model::json(&stats.forward),
        "back": model::json(&stats.back),
        "senders": stats.sessions,
        "senders_ever": stats.sessions_opened,
        "senders_refused": stats.sessions_refused,
        "foreign": stats.foreign,
    })
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  5 % lost and up to 20 ms of jitter between a sender and a receiver of this machine:
    audiox recv 'rtp://:6004?codec=L16&rate=48000&channels=1' --to heard.wav --once
    audiox link --listen udp://:5004 --to 127.0.0.1:6004 --loss 5% --jitter 20ms --seed 1
    audiox send speech.wav --to rtp://127.0.0.1:5004
  A radio link that fails in bursts, and a bottleneck:
    audiox link --listen udp://:5004 --to studio:5004 --loss ge:1%,25% --bandwidth 2Mbit/50ms";
