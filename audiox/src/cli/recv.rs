//! `audiox recv`: streams from the network into files or a pipe.

#[cfg(feature = "relay")]
mod relay;
mod report;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use audiox::core::format::{Channels, PcmFormat, SampleFormat, SampleRate};
use audiox::net::udp::Interface;
use audiox::net::{AddressRange, AllowList, Endpoint};
use audiox::udp::node::{Listen, Node, NodeConfig, NodeHandle, NodeReport};
use audiox::{SinkName, recv};
use clap::Args;

use super::encoding::EncodingArgs;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::meter::Meter;
use super::output::Output;
use super::text::{Clock, Scaled, Short, bars, count};
use super::value;

/// Receive any number of streams and record them, aligned to the frame
///
/// Ends at Ctrl-C, after --duration, or with --once when every stream has ended. What is missing
/// is filled with silence and listed, with its place and cause, in a JSON file beside the
/// recording.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RecvArgs {
    /// What to listen to: udp://[HOST]:PORT, rtp://[HOST]:PORT?codec=L16&rate=48000&channels=2,
    /// a session description, FILE.sdp, or a relay's stream, http://HOST:PORT/STREAM. HOST is a multicast group or an address of this
    /// machine; left out, it is any
    #[arg(value_name = "URL", required = true)]
    from: Vec<String>,
    /// Where to: FILE.wav (all streams as its tracks), FILE.opus (Opus as it comes, a file each;
    /// anything else is encoded), FOLDER/ (a file each), - (raw PCM on standard output), null:, or
    /// speaker or speaker:NAME, to hear it as `audiox play` would
    #[arg(long, value_name = "SINK")]
    to: String,

    /// From where a relay's stream is wanted: live, start, -30s (so long ago), 90s or 1:30 (after
    /// the start), or @1700000000 (seconds since 1970)
    #[cfg(feature = "relay")]
    #[arg(long = "from", value_name = "TIME", allow_hyphen_values = true)]
    part_from: Option<audiox::websocket::When>,

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

    /// How long frames wait for stragglers before they are written, 100ms to 60s
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "500ms")]
    #[arg(help_heading = "Recording")]
    hold: Duration,
    /// Streams to make room for in one file from the start; late ones are merged in at the end
    #[arg(long, value_name = "N", help_heading = "Recording")]
    tracks: Option<u16>,
    /// Streams to accept on a port; further ones are counted and dropped
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        help_heading = "Recording"
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    max_streams: u16,
    /// Samples of the recording: u8, s16, s24, s32 or f32; as on the wire where left out
    #[arg(long, value_name = "FORMAT", value_parser = value::sample, help_heading = "Recording")]
    sample_format: Option<SampleFormat>,
    /// Write over what is there
    #[arg(long, help_heading = "Recording")]
    overwrite: bool,
    /// Write no JSON file beside the recording
    #[arg(long, help_heading = "Recording")]
    no_sidecar: bool,

    #[command(flatten)]
    encoding: EncodingArgs,

    /// Samples of udp:// streams: u8, s16le (assumed where left out), s16be, s24le …
    #[arg(long, help_heading = "Network")]
    format: Option<PcmFormat>,
    /// Frames per second; of udp:// streams 44100 where left out
    #[arg(long, value_name = "HZ", value_parser = value::rate, help_heading = "Network")]
    rate: Option<SampleRate>,
    /// Channels; of udp:// streams 1 where left out
    #[arg(long, value_name = "N", value_parser = value::channels, help_heading = "Network")]
    channels: Option<Channels>,
    /// Interface for multicast: a name, an index or an IPv4 address
    #[arg(long, value_name = "INTERFACE", help_heading = "Network")]
    iface: Option<String>,
    /// Take in what comes from these addresses and ranges alone, as 192.168.2.0/24
    #[arg(
        long,
        value_name = "RANGE",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    allow: Vec<AddressRange>,
}

#[cfg(feature = "relay")]
impl RecvArgs {
    /// The relay's stream, where it is one that is wanted.
    fn relay(&self) -> Result<Option<&str>, Failure> {
        match self.from.as_slice() {
            [one] if audiox::relay::is_relay(one) => Ok(Some(one)),
            all if all.iter().any(|url| audiox::relay::is_relay(url)) => Err(Failure::Usage(
                "a relay's stream is received alone; run the command once for each".to_owned(),
            )),
            _ if self.part_from.is_some() => Err(Failure::Usage(
                "--from is for a relay's stream, as http://HOST:PORT/STREAM".to_owned(),
            )),
            _ => Ok(None),
        }
    }

    fn refuse_what_a_relay_says(&self) -> Result<(), Failure> {
        let given = self.format.is_some() || self.rate.is_some() || self.channels.is_some();
        if given || self.iface.is_some() || self.tracks.is_some() {
            return Err(Failure::Usage(
                "a relay tells its stream's format; --format, --rate, --channels, --iface and \
                 --tracks are for udp:// and rtp://"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl RecvArgs {
    fn listen(&self) -> Result<Vec<Listen>, Failure> {
        let mut listen = Vec::new();
        for url in &self.from {
            let mut endpoint: Endpoint = url.parse().map_err(audiox::Error::from)?;
            self.apply(&mut endpoint)?;
            listen.extend(Listen::from_endpoint(&endpoint)?);
        }
        // A description names the group, not where this machine joins it.
        if let Some(interface) = &self.iface {
            for one in &mut listen {
                one.socket.interface = Interface::from(interface.as_str());
            }
        }
        Ok(listen)
    }

    /// Options win over the URL's keys.
    fn apply(&self, endpoint: &mut Endpoint) -> Result<(), Failure> {
        match endpoint {
            Endpoint::Udp(udp) => {
                udp.format = self.format.or(udp.format);
                udp.rate = self.rate.or(udp.rate);
                udp.channels = self.channels.or(udp.channels);
            }
            Endpoint::Rtp(rtp) => {
                if self.format.is_some() {
                    return Err(Failure::Usage(
                        "--format is for udp://; of RTP say the codec, as in rtp://:5004?codec=L16"
                            .to_owned(),
                    ));
                }
                rtp.rate = self.rate.or(rtp.rate);
                rtp.channels = self.channels.or(rtp.channels);
            }
            Endpoint::Sdp(path) => return self.refuse_what_it_says(path),
        }
        Ok(())
    }

    fn refuse_what_it_says(&self, path: &Path) -> Result<(), Failure> {
        let given = [
            ("--format", self.format.is_some()),
            ("--rate", self.rate.is_some()),
            ("--channels", self.channels.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::Usage(format!(
                "{} says what {option} would; leave it out",
                path.display()
            ))),
            None => Ok(()),
        }
    }
}

pub(super) fn run(args: RecvArgs, mut output: Output) -> Result<(), Failure> {
    let to: SinkName = args.to.parse()?;
    if to == SinkName::Stdout {
        output.give_stdout_to_audio();
    }
    if !args.overwrite {
        spare_what_is_there(&to)?;
    }
    #[cfg(feature = "relay")]
    if let Some(from) = args.relay()? {
        return relay::run(&args, from, &to, output);
    }
    let listen = args.listen()?;
    let encoding = args.encoding.options();
    if !to.is_opus() && args.encoding.given() || to.is_opus() && args.sample_format.is_some() {
        return Err(Failure::Usage(
            "--bitrate, --application, --complexity, --dtx and --history are for FILE.opus, and \
             --sample-format for other files"
                .to_owned(),
        ));
    }
    #[cfg(feature = "devices")]
    if let SinkName::Speaker(choice) = &to {
        return listen_to(&args, listen, choice, output);
    }
    let (target, left_out) = recv::target(to, &listen, &encoding)?;
    let config = NodeConfig {
        sample: args.sample_format,
        hold: args.hold,
        tracks: args.tracks.map_or(0, usize::from),
        max_streams: args.max_streams.into(),
        idle_after: args.idle,
        stop_when_ended: args.once,
        duration: args.duration,
        sidecar: !args.no_sidecar,
        allow: AllowList::new(args.allow),
        codecs: audiox::codecs(),
        ..NodeConfig::new(listen, target)
    };
    let interrupt = Interrupt::install()?;
    let handle = Node::start(config)?;
    output.go_live();
    let listening: Vec<String> = handle
        .local_addrs()
        .iter()
        .map(ToString::to_string)
        .collect();
    output.started(&listening)?;
    let followed = follow(&handle, &interrupt, &mut output);
    // Also where nobody reads what we tell any more: the recording is finished first.
    handle.stop();
    let report = handle.wait()?;
    followed?;
    if left_out.count() > 0 {
        output.notice(format_args!(
            "{} came after the first and found no place on standard output; record into a file",
            count(left_out.count(), "stream"),
        ))?;
    }
    output.summary(|| report::text(&report), || report::json(&report))
}

/// What is to be heard is played: with a delay that adapts, losses and starvation concealed, and
/// in step with the speaker's clock.
#[cfg(feature = "devices")]
fn listen_to(
    args: &RecvArgs,
    listen: Vec<Listen>,
    choice: &audiox::device::DeviceChoice,
    output: Output,
) -> Result<(), Failure> {
    use audiox::core::playout::Profile;
    use audiox::udp::player::PlayerConfig;

    if args.tracks.is_some() || args.sample_format.is_some() {
        return Err(Failure::Usage(
            "--tracks and --sample-format are for recordings; leave them out".to_owned(),
        ));
    }
    let config = PlayerConfig {
        max_streams: usize::from(args.max_streams).min(MOST_PLAYED),
        idle_after: args.idle,
        stop_when_ended: args.once,
        duration: args.duration,
        allow: AllowList::new(args.allow.clone()),
        codecs: audiox::codecs(),
        ..PlayerConfig::new(listen, Profile::Balanced.config())?
    };
    super::play::on_speaker(config, choice, output)
}

/// A take that was recorded before cannot be had again, nor can what else bears the name of a
/// file that recording writes.
fn spare_what_is_there(to: &SinkName) -> Result<(), Failure> {
    let taken = match to {
        SinkName::File(path) => {
            // Late streams are recorded beside the file, until they are merged into it.
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let late = format!("{stem}.track-");
            let beside = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            [path.clone(), path.with_extension("json")]
                .into_iter()
                .find(|p| std::fs::metadata(p).is_ok_and(|m| m.is_file() && m.len() > 0))
                .or_else(|| {
                    entry(beside, |n| {
                        n.starts_with(&late) && (n.ends_with(".wav") || n.ends_with(".opus"))
                    })
                })
        }
        SinkName::Folder(folder) => entry(folder, |name| {
            name == "recording.json" || name.starts_with("track-") && name.ends_with(".wav")
        }),
        _ => None,
    };
    match taken {
        Some(path) => Err(Failure::Usage(format!(
            "{} is there already; record elsewhere, or over it with --overwrite",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// A file of the folder with a name like this.
fn entry(folder: &Path, is_like: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths = entries.map(|e| e.path());
    paths.find(|p| is_like(&p.file_name().unwrap_or_default().to_string_lossy()))
}

/// Shows how it goes until the recording ends.
fn follow(handle: &NodeHandle, interrupt: &Interrupt, output: &mut Output) -> Result<(), Failure> {
    let mut meter = Meter::default();
    let (mut known, mut warned) = (BTreeSet::new(), BTreeSet::new());
    while !handle.is_finished() {
        thread::sleep(LOOK_EVERY);
        if interrupt.requested() {
            handle.stop();
        }
        let now = handle.snapshot();
        for s in now.streams.iter().filter(|s| !known.contains(&s.index)) {
            tracing::debug!(from = ?s.from, ssrc = ?s.ssrc, format = %s.format, "a stream");
        }
        known.extend(now.streams.iter().map(|s| s.index));
        for s in &now.streams {
            if let Some(m) = &s.mismatch
                && warned.insert(s.index)
            {
                output.notice(format_args!("{}: {}", report::name(s), report::mismatch(m)))?;
            }
        }
        let bytes: u64 = now.streams.iter().map(|s| s.source.bytes_received).sum();
        let rate = meter.bits_per_second(output.elapsed(), bytes);
        let elapsed = output.elapsed();
        output.statistics(
            || line(&now, elapsed, rate),
            || report::snapshot_json(&now, rate),
        )?;
    }
    Ok(())
}

fn line(now: &NodeReport, elapsed: Duration, rate: f64) -> String {
    if now.streams.is_empty() {
        return format!("{}  nothing heard yet", Clock(elapsed));
    }
    let live = now.streams.iter().filter(|s| !s.ended).count() as u64;
    let lost: u64 = now.streams.iter().map(|s| s.source.missing()).sum();
    let late: u64 = now.streams.iter().map(|s| s.lane.late_frames).sum();
    let gaps: u64 = now.streams.iter().map(|s| s.gap_count).sum();
    let jitter = now
        .streams
        .iter()
        .map(|s| s.source.jitter)
        .max()
        .unwrap_or_default();
    let drift = now.streams.iter().filter_map(|s| s.lane.drift_ppm);
    let mut parts = vec![
        Clock(elapsed).to_string(),
        bars(now.streams.iter().map(|s| 20.0 * s.lane.peak.log10())),
        count(live, "stream"),
        Scaled(rate, "bit/s").to_string(),
        format!("lost {lost}"),
        format!("late {late}"),
        format!("jitter {}", Short(jitter)),
        count(gaps, "gap"),
    ];
    if let Some(worst) = drift.max_by(|a, b| a.abs().total_cmp(&b.abs())) {
        parts.push(format!("drift {worst:+.1} ppm"));
    }
    parts.join("  ")
}

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Each has a place and buffers of its own.
#[cfg(feature = "devices")]
const MOST_PLAYED: usize = 16;

const EXAMPLES: &str = "\
Examples:
  Raw PCM, each sender its own file, until Ctrl-C:
    audiox recv 'udp://:12345?format=s24le&rate=48000&channels=2' --to takes/
  All streams of a session as tracks of one file, until they end:
    audiox recv session.sdp --to multitrack.wav --once
  Opus as it comes, without encoding it again:
    audiox recv 'rtp://:5004?codec=opus' --to call.opus --once
  A multicast group, ten minutes of it:
    audiox recv 'rtp://239.1.2.3:5004?codec=L24&rate=48000&channels=2' --to a.wav --duration 10m
  Listen to it:
    audiox recv rtp://:5004?pt=10 --to speaker
  Listen to raw datagrams of 1024 frames:
    audiox recv 'udp://0.0.0.0:57001?rate=44100&channels=1&chunk=1024' --to speaker
  Pass it on as raw PCM:
    audiox recv rtp://:5004?pt=10 --to - | audiox send - --channels 2 --to udp://studio:12345

Against loss, in rtp:// URLs (a session description says it by itself):
  nack=off        does not ask for lost packets; receivers of a multicast group never do
  fec-pt, rtx-pt  payload types of repair packets and of packets sent again [118, 117]
  red=2           packets carry earlier ones; needed where the sender has it";
