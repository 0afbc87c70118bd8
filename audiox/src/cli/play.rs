//! `audiox play`: streams as a listener hears them.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use audiox::core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox::core::playout::{PlayoutConfig, Profile};
use audiox::net::udp::Interface;
use audiox::net::{AddressRange, AllowList, Endpoint};
use audiox::sink_from_str;
use audiox::udp::node::Listen;
use audiox::udp::player::{PlayedStream, Player, PlayerConfig, PlayerHandle, PlayerReport};
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::{Output, round};
use super::send::millis;
use super::text::{Clock, Short, bars, count, recovered, recovered_by, recovered_json};
use super::tracefile::spare;
use super::value;
use super::watched::Watched;

/// Play streams as a listener hears them: adaptive delay, losses concealed, senders mixed
///
/// Plays in real time, into a file or a pipe. Ends at Ctrl-C, after --duration, or with --once
/// when every stream has ended. To record what arrived as it was sent, use `audiox recv`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlayArgs {
    /// What to listen to: udp://[HOST]:PORT, rtp://[HOST]:PORT?codec=L16&rate=48000&channels=2,
    /// or a session description, FILE.sdp; several are mixed
    #[arg(value_name = "URL", required = true)]
    from: Vec<String>,
    /// Where to: speaker or speaker:NAME (see `audiox devices`), as in speaker:usb,buffer=240 (with
    /// ahead=always, what is played is made a quantum ahead of the device, as it otherwise is only
    /// once that is too heavy for its callback; ahead=never, never), FILE.wav, - (raw PCM on standard
    /// output) or null:
    #[arg(long, value_name = "SINK")]
    to: String,

    /// interactive (least delay), balanced or robust (fewest gaps)
    #[arg(long, value_name = "PROFILE", default_value_t = Profile::Balanced)]
    #[arg(help_heading = "Playout", conflicts_with = "latency")]
    profile: Profile,
    /// Always this long after the luckiest packets arrive, instead of adapting
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Playout")]
    latency: Option<Duration>,
    /// Frames per second of what is played; the first stream's where left out
    #[arg(long, value_name = "HZ", value_parser = value::rate, help_heading = "Playout")]
    rate: Option<SampleRate>,
    /// Channels of what is played; the first stream's where left out
    #[arg(long, value_name = "N", value_parser = value::channels, help_heading = "Playout")]
    channels: Option<Channels>,
    /// Samples: u8, s16, s24, s32 or f32
    #[arg(long, value_name = "FORMAT", value_parser = value::sample, default_value = "s16")]
    #[arg(help_heading = "Playout")]
    sample_format: SampleFormat,
    /// Streams played at once on a port; further ones are counted and dropped
    #[arg(long, value_name = "N", default_value = "16", help_heading = "Playout")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_streams: u16,
    /// Interface for multicast: a name, an index or an IPv4 address
    #[arg(long, value_name = "INTERFACE", help_heading = "Playout")]
    iface: Option<String>,
    /// Take in what comes from these addresses and ranges alone, as 192.168.2.0/24
    #[arg(
        long,
        value_name = "RANGE",
        value_delimiter = ',',
        help_heading = "Playout"
    )]
    allow: Vec<AddressRange>,
    /// Write every arrival and decision to this file, for `audiox replay` and `audiox doctor`
    #[arg(long, value_name = "FILE", help_heading = "Playout")]
    trace: Option<PathBuf>,
    /// Write over what is there
    #[arg(long, help_heading = "Playout")]
    overwrite: bool,

    /// End when every stream that was heard has ended
    #[arg(long, help_heading = "End")]
    once: bool,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "End")]
    duration: Option<Duration>,
    /// A stream has ended when it says so or after this much silence on the wire
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "5s")]
    #[arg(help_heading = "End")]
    idle: Duration,
}

impl PlayArgs {
    fn config(&self) -> Result<PlayerConfig, Failure> {
        let mut listen = Vec::new();
        for url in &self.from {
            let endpoint: Endpoint = url.parse().map_err(audiox::Error::from)?;
            listen.extend(Listen::from_endpoint(&endpoint)?);
        }
        // A description names the group, not where this machine joins it.
        if let Some(interface) = &self.iface {
            for one in &mut listen {
                one.socket.interface = Interface::from(interface.as_str());
            }
        }
        let playout = match self.latency {
            Some(latency) => PlayoutConfig::fixed(latency),
            None => self.profile.config(),
        };
        let config = PlayerConfig::new(listen, playout)?;
        let format = StreamFormat::new(
            self.rate.unwrap_or(config.format.rate),
            self.channels.unwrap_or(config.format.channels),
        );
        Ok(PlayerConfig {
            format,
            quantum: (format.rate.get() / 200).max(1) as usize,
            max_streams: self.max_streams.into(),
            idle_after: self.idle,
            stop_when_ended: self.once,
            duration: self.duration,
            trace: self.trace.clone(),
            allow: AllowList::new(self.allow.clone()),
            codecs: audiox::codecs(),
            ..config
        })
    }
}

pub(super) fn run(args: PlayArgs, mut output: Output) -> Result<(), Failure> {
    if args.to == "-" {
        output.give_stdout_to_audio();
    }
    spare(args.to.as_ref(), args.overwrite)?;
    if let Some(path) = &args.trace {
        spare(path, args.overwrite)?;
    }
    let config = args.config()?;
    #[cfg(feature = "devices")]
    if let audiox::SinkName::Speaker(choice) = args.to.parse()? {
        return on_speaker(config, &choice, output);
    }
    let sink = sink_from_str(&args.to, config.format, args.sample_format)?;
    let interrupt = Interrupt::install()?;
    let rate = config.format.rate;
    let handle = Player::start(config, sink)?;
    go_on(handle, rate, &Watched::default(), &interrupt, output)
}

/// Plays on a speaker, which pulls at its own pace.
#[cfg(feature = "devices")]
pub(super) fn on_speaker(
    config: PlayerConfig,
    choice: &audiox::device::DeviceChoice,
    output: Output,
) -> Result<(), Failure> {
    on_speaker_fed(config, choice, output, |_| Ok(()))
}

/// The same with a sender of our own, which `feed` starts and which is dropped at the end.
#[cfg(feature = "devices")]
pub(super) fn on_speaker_fed<T>(
    config: PlayerConfig,
    choice: &audiox::device::DeviceChoice,
    output: Output,
    feed: impl FnOnce(&[std::net::SocketAddr]) -> Result<T, Failure>,
) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let playing = audiox::device::play_on(audiox::device::system(), choice, config)?;
    let is = &playing.obtained;
    tracing::debug!(device = is.name, format = %is.format, buffer = ?is.buffer, "speaker");
    let wish = &choice.wish;
    if wish.rate.is_some_and(|rate| rate != is.format.rate)
        || wish.channels.is_some_and(|n| n != is.format.channels)
    {
        output.notice(format_args!(
            "{} has no such format; the nearest is {}",
            is.name, is.format
        ))?;
    }
    let rate = is.format.rate;
    let watched = Watched::new([playing.watch]);
    let _feeding = feed(playing.player.local_addrs())?;
    go_on(playing.player, rate, &watched, &interrupt, output)
}

fn go_on(
    handle: PlayerHandle,
    rate: SampleRate,
    watched: &Watched,
    interrupt: &Interrupt,
    mut output: Output,
) -> Result<(), Failure> {
    output.go_live();
    let listening: Vec<String> = handle
        .local_addrs()
        .iter()
        .map(ToString::to_string)
        .collect();
    output.started(&listening)?;
    let followed = follow(&handle, watched, interrupt, &mut output);
    // Also where nobody reads what we tell any more: the file is finished first.
    handle.stop();
    let report = handle.wait()?;
    followed?;
    output.summary(
        || {
            [vec![text(&report, rate)], watched.text()]
                .concat()
                .join("\n")
        },
        || describe(&report, watched),
    )
}

/// Shows how it goes until it ends.
fn follow(
    handle: &PlayerHandle,
    watched: &Watched,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<(), Failure> {
    while !handle.is_finished() {
        thread::sleep(LOOK_EVERY);
        if interrupt.requested() {
            handle.stop();
        }
        let now = handle.snapshot();
        let elapsed = output.elapsed();
        output.statistics(
            || {
                [vec![line(&now, elapsed)], watched.line()]
                    .concat()
                    .join("  ")
            },
            || describe(&now, watched),
        )?;
    }
    Ok(())
}

fn line(now: &PlayerReport, elapsed: Duration) -> String {
    let mut parts = vec![Clock(elapsed).to_string()];
    let live: Vec<&PlayedStream> = now.streams.iter().filter(|s| !s.ended).collect();
    if live.is_empty() {
        parts.push("nothing to hear".to_owned());
        return parts.join("  ");
    }
    parts.push(bars([20.0 * now.peak.log10()]));
    parts.push(count(live.len() as u64, "stream"));
    for s in live {
        let p = &s.playback;
        let mut text = format!(
            "delay {} (target {})  lost {}  late {}  made up {:.2} %",
            Short(p.ledger.jitter_buffer),
            Short(p.target_delay),
            s.source.missing(),
            p.playout.packets_late,
            p.playout.concealed_ratio() * 100.0,
        );
        if let Some(d) = p.drift {
            text += &format!("  drift {:+.1} ppm", d.ppm);
        }
        parts.push(text);
    }
    parts.join("  ")
}

fn text(report: &PlayerReport, rate: SampleRate) -> String {
    let mut lines = vec![format!(
        "played {}, of which {} silent for want of a stream",
        Clock(rate.duration_of(report.frames)),
        Clock(rate.duration_of(report.frames_idle)),
    )];
    for s in &report.streams {
        let (p, source) = (&s.playback.playout, &s.source);
        lines.push(format!(
            "{}: {}, lost {}{}{}, late {}, duplicate {}, out of order {}, jitter {}",
            name(s),
            count(source.packets_received, "packet"),
            source.missing(),
            recovered(source),
            recovered_by(&p.recovered, rate),
            p.packets_late,
            p.packets_duplicate,
            source.packets_out_of_order,
            Short(source.jitter),
        ));
        lines.push(format!(
            "  made up {} frames ({:.3} %) in {}; put in {}, left out {}; delay {} of {} wanted, on average",
            p.concealed_samples,
            p.concealed_ratio() * 100.0,
            count(p.concealment_events, "gap"),
            p.inserted_samples_for_deceleration,
            p.removed_samples_for_acceleration,
            Short(p.mean_jitter_buffer_delay()),
            Short(p.mean_target_delay()),
        ));
        let mut ledger = s.playback.ledger;
        ledger.network = s.network;
        lines.push(format!("  latency: {ledger}"));
        if let Some(d) = s.playback.drift {
            lines.push(format!("  clock {:+.1} ppm (±{:.1})", d.ppm, d.sigma_ppm));
        }
    }
    if report.streams.is_empty() {
        lines.push("nothing was heard".to_owned());
    }
    let troubles = [
        ("malformed", report.malformed),
        ("from addresses that are not allowed", report.not_allowed),
        ("too long", report.truncated),
        ("dropped for want of time", report.overrun),
        ("without a place", report.refused),
        ("late pulls", report.late_pulls),
        ("missing from the trace", report.untraced),
    ];
    for (name, n) in troubles.into_iter().filter(|(_, n)| *n > 0) {
        lines.push(format!("{name}: {n}"));
    }
    lines.join("\n")
}

fn name(s: &PlayedStream) -> String {
    let from = s
        .from
        .map_or_else(|| "?".to_owned(), |from| from.to_string());
    match s.ssrc {
        Some(ssrc) => format!("{from} SSRC {ssrc:08x}"),
        None => from,
    }
}

fn describe(report: &PlayerReport, watched: &Watched) -> Value {
    let streams: Vec<Value> = report.streams.iter().map(stream).collect();
    json!({
        "frames": report.frames,
        "frames_idle": report.frames_idle,
        "streams": streams,
        "refused": report.refused,
        "malformed": report.malformed,
        "not_allowed": report.not_allowed,
        "truncated": report.truncated,
        "overrun": report.overrun,
        "late_pulls": report.late_pulls,
        "untraced": report.untraced,
        "devices": watched.json(),
    })
}

fn stream(s: &PlayedStream) -> Value {
    let (p, l) = (&s.playback.playout, &s.playback.ledger);
    let mut ledger = *l;
    ledger.network = s.network;
    json!({
        "from": s.from.map(|f| f.to_string()),
        "ssrc": s.ssrc,
        "cname": s.cname,
        "ended": s.ended,
        "packets_received": s.source.packets_received,
        "packets_lost": s.source.packets_lost,
        "packets_recovered": s.source.packets_recovered,
        "packets_retransmitted": s.source.packets_retransmitted,
        "retransmissions_requested": s.source.retransmissions_requested,
        "repair_packets": s.source.repair_packets,
        "packets_late": p.packets_late,
        "packets_duplicate": p.packets_duplicate,
        "packets_discarded": p.packets_discarded,
        "jitter_ms": millis(s.source.jitter),
        "concealed_samples": p.concealed_samples,
        "silent_concealed_samples": p.silent_concealed_samples,
        "concealment_events": p.concealment_events,
        "recovered_samples": p.recovered_samples,
        "recovered_by": recovered_json(&p.recovered),
        "inserted_samples_for_deceleration": p.inserted_samples_for_deceleration,
        "removed_samples_for_acceleration": p.removed_samples_for_acceleration,
        "jitter_buffer_delay": round(p.jitter_buffer_delay),
        "jitter_buffer_target_delay": round(p.jitter_buffer_target_delay),
        "jitter_buffer_minimum_delay": round(p.jitter_buffer_minimum_delay),
        "jitter_buffer_emitted_count": p.jitter_buffer_emitted_count,
        "drift_ppm": s.playback.drift.map(|d| d.ppm),
        "target_ms": millis(s.playback.target_delay),
        "latency_ms": {
            "capture": ledger.capture.map(millis),
            "packetization": millis(l.packetization),
            "network": ledger.network.map(millis),
            "jitter_buffer": millis(l.jitter_buffer),
            "resampler": millis(l.resampler),
            "device": millis(l.device),
            "total": millis(ledger.total()),
        },
    })
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  What a listener would have heard, and a trace of it:
    audiox play 'rtp://:5004?codec=L16&rate=48000&channels=2' --to heard.wav --trace call.trace
  Listen to it, with the least delay:
    audiox play session.sdp --profile interactive --to - | aplay -f S16_LE -r 48000 -c 2
  Two senders mixed, in step to the millisecond with other machines:
    audiox play rtp://:5004?pt=10 rtp://:5006?pt=10 --latency 40ms --to mix.wav

Against loss, in rtp:// URLs (a session description says it by itself):
  nack=off        does not ask for lost packets; receivers of a multicast group never do
  fec-pt, rtx-pt  payload types of repair packets and of packets sent again [118, 117]
  red=2           packets carry earlier ones; needed where the sender has it
  fec=auto        waits at least fec-delay [60ms], so that repair comes in time";
