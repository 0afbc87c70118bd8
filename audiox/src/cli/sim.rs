//! `audiox sim`: a sender, a bad network and a receiver in virtual time.

use std::path::PathBuf;
use std::time::Duration;

use audiox::core::ConfigError;
use audiox::core::codec::{CodecSpec, PcmCoding};
use audiox::core::playout::{PlayoutConfig, Profile};
use audiox::core::sim::{Pair, PairReport};
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::model::{self, LinkArgs};
use super::output::{Output, round};
use super::send::millis;
use super::text::{Clock, Short, count};
use super::tracefile::{TraceFile, spare};
use super::value;

/// Simulate a sender, a bad network and a receiver in virtual time
///
/// Nothing is sent: a day takes seconds. The same options give the same run to the bit, on every
/// machine; the digest at the end proves it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SimArgs {
    /// Encoding, rate and channels: L16/48000/1, L24/96000/2, PCMU/8000 …
    #[arg(long, value_name = "CODEC", default_value = "L16/48000/1")]
    codec: CodecSpec,
    /// Duration of a packet in milliseconds, or with a unit (125us)
    #[arg(long, value_name = "TIME", default_value = "20", value_parser = value::ptime)]
    ptime: Duration,
    /// How long the receiver waits before it plays, every frame untouched
    #[arg(long, value_name = "TIME", default_value = "60ms", value_parser = value::duration)]
    #[arg(conflicts_with = "profile")]
    playout: Duration,
    /// Play as a listener hears it: interactive, balanced or robust
    #[arg(long, value_name = "PROFILE")]
    profile: Option<Profile>,
    /// Write every arrival and decision to this file, for `audiox replay` and `audiox doctor`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write over what is there
    #[arg(long, requires = "trace")]
    overwrite: bool,
    /// By how many parts per million the sender's audio clock is faster than the receiver's
    #[arg(
        long,
        value_name = "PPM",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    drift_ppm: f64,
    /// Virtual time to run for
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = value::duration)]
    duration: Duration,
    /// Headerless datagrams instead of RTP
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    link: LinkArgs,
}

impl SimArgs {
    fn pair(&self) -> Result<Pair, Failure> {
        let coding = PcmCoding::from_encoding(&self.codec.encoding).ok_or_else(|| {
            let names: Vec<String> = PcmCoding::NAMED
                .iter()
                .filter_map(|c| c.encoding())
                .map(|n| n.to_string())
                .collect();
            let allowed = format!("known are {}", names.join(", "));
            ConfigError::new("codec", &self.codec, allowed)
        })?;
        let mut builder = Pair::builder()
            .format(self.codec.rate, self.codec.channels)
            .coding(coding)
            .ptime(self.ptime)
            .playout(match self.profile {
                Some(profile) => profile.config(),
                None => PlayoutConfig::exact(self.playout),
            })
            .capture_ppm(self.drift_ppm)
            .link(self.link.config())
            .seed(self.link.seed);
        if self.raw {
            builder = builder.raw();
        }
        Ok(builder.build()?)
    }
}

pub(super) fn run(args: SimArgs, mut output: Output) -> Result<(), Failure> {
    let mut pair = args.pair()?;
    let mut trace = match &args.trace {
        Some(path) => {
            spare(path, args.overwrite)?;
            let (head, events) = pair.trace(TRACED);
            Some((TraceFile::create(path, &head)?, events))
        }
        None => None,
    };
    let interrupt = Interrupt::install()?;
    output.go_through(STEPS);
    let mut report = pair.report();
    let mut done = Duration::ZERO;
    for step in 1..=STEPS {
        let until = args.duration.mul_f64(step as f64 / STEPS as f64);
        let until = if step == STEPS { args.duration } else { until };
        while done < until {
            let part = match trace {
                Some(_) => (until - done).min(Duration::from_secs(1)),
                None => until - done,
            };
            report = pair.run_for(part);
            done += part;
            if let Some((file, events)) = &mut trace {
                file.drain(events)?;
            }
        }
        output.progress(step);
        if interrupt.requested() {
            break;
        }
    }
    if let Some((file, _)) = trace {
        file.finish()?;
    }
    let took = output.elapsed();
    output.summary(|| text(&report, took), || describe(&report))
}

fn text(r: &PairReport, took: Duration) -> String {
    let (p, l) = (&r.playout, &r.latency);
    let mut lines = vec![
        format!("{} of virtual time in {}", Clock(r.elapsed), Short(took)),
        format!(
            "sent {}, {} frames; sender dropped {} frames",
            count(r.sender.packets_sent, "packet"),
            r.sender.frames_sent,
            r.sender.frames_dropped,
        ),
        format!("link: {}", model::text(&r.forward)),
    ];
    if let Some(s) = &r.source {
        lines.push(format!(
            "received {}, lost {}, late {}, duplicate {}, out of order {}, jitter {}",
            count(s.packets_received, "packet"),
            s.packets_lost,
            p.packets_late,
            p.packets_duplicate,
            s.packets_out_of_order,
            Short(s.jitter),
        ));
    }
    let stretched = p.inserted_samples_for_deceleration + p.removed_samples_for_acceleration;
    if stretched > 0 {
        lines.push(format!(
            "delay {} of {} wanted, on average; put in {}, left out {} frames",
            Short(p.mean_jitter_buffer_delay()),
            Short(p.mean_target_delay()),
            p.inserted_samples_for_deceleration,
            p.removed_samples_for_acceleration,
        ));
    }
    lines.push(format!(
        "played {} frames; filled {} frames ({:.3} %) in {}; started over {}",
        p.frames_decoded,
        p.concealed_samples,
        p.concealed_ratio() * 100.0,
        count(p.concealment_events, "gap"),
        times(p.resyncs + p.flushes),
    ));
    if l.count() > 0 {
        lines.push(format!(
            "from capture to playback {} to {}, mean {}",
            Short(l.min()),
            Short(l.max()),
            Short(l.mean()),
        ));
    }
    lines.push(format!("digest {:032x}", r.digest));
    lines.join("\n")
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        _ => format!("{n} times"),
    }
}

fn describe(r: &PairReport) -> Value {
    let (p, l) = (&r.playout, &r.latency);
    json!({
        "seconds": round(r.elapsed),
        "digest": format!("{:032x}", r.digest),
        "packets": r.sender.packets_sent,
        "frames": r.sender.frames_sent,
        "link": model::json(&r.forward),
        "back": model::json(&r.back),
        "received": r.source.map(|s| json!({
            "packets": s.packets_received,
            "packets_lost": s.packets_lost,
            "out_of_order": s.packets_out_of_order,
            "restarts": s.restarts,
            "jitter_ms": millis(s.jitter),
        })),
        "playout": {
            "frames_decoded": p.frames_decoded,
            "concealed_samples": p.concealed_samples,
            "concealment_events": p.concealment_events,
            "inserted_samples_for_deceleration": p.inserted_samples_for_deceleration,
            "removed_samples_for_acceleration": p.removed_samples_for_acceleration,
            "target_ms": millis(p.mean_target_delay()),
            "packets_late": p.packets_late,
            "packets_duplicate": p.packets_duplicate,
            "resyncs": p.resyncs,
            "flushes": p.flushes,
        },
        "latency_ms": (l.count() > 0).then(|| json!({
            "min": millis(l.min()),
            "max": millis(l.max()),
            "mean": millis(l.mean()),
        })),
    })
}

const STEPS: u64 = 100;
/// Events of a second at most: packets and pulls of an eighth of a millisecond.
const TRACED: usize = 1 << 16;

const EXAMPLES: &str = "\
Examples:
  A minute of audio over a link that loses 2 % and delays by up to 30 ms:
    audiox sim --loss 2% --jitter 30ms --seed 7
  A day between clocks that are 50 ppm apart:
    audiox sim --duration 24h --drift-ppm 50
  Wi-Fi, as a listener hears it, and a trace to try other settings on:
    audiox sim --profile balanced --jitter spikes:140ms/1.5s --trace wifi.trace
  Small packets through a bottleneck:
    audiox sim --codec L24/48000/2 --ptime 1 --bandwidth 4Mbit/20ms --playout 40ms";
