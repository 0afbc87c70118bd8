//! `audiox fanout`: each channel of one source to whoever wants it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use audiox::core::ConfigError;
use audiox::core::format::SampleRate;
use audiox::core::source::{Source, SourceError};
use audiox::io::{Repeat, Resampled};
use audiox::net::http::{HttpHandle, HttpServer};
use audiox::net::{AddressRange, AllowList};
use audiox::udp::fanout::{
    ClientList, Fanout, FanoutConfig, FanoutError, FanoutSnapshot, FanoutState, http,
};
use audiox::{SourceOptions, sources_from_str};
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::Output;
use super::serve::{self, Control, ServeArgs};
use super::text::{Clock, bars, count};
use super::value;

/// Send each channel of one source to whoever wants it, with a page to look after it
///
/// Every client of the list gets its channel as headerless 16-bit PCM, a block a datagram, or as
/// RTP. Clients are added, changed, muted and removed while it streams: on the page, by HTTP, or
/// in the list's file, which is watched.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FanoutArgs {
    /// mic or mic:NAME (see `audiox devices`), as in mic:stage,channels=16; a file of any number of
    /// channels; or a signal, as for `audiox send`
    #[arg(value_name = "SOURCE")]
    source: String,
    /// The list: a JSON object of clients by name, as {"stage left": {"ip": "192.168.2.249",
    /// "port": 57001, "channel": 1}}. Further fields: channels, gain, mute, rtp, codec. Where
    /// there is no such file, saving makes it
    #[arg(long, value_name = "FILE")]
    clients: PathBuf,
    /// Frames per second of what is sent; the source is converted where it has another rate
    #[arg(long, value_name = "HZ", value_parser = value::rate, default_value = "44100")]
    rate: SampleRate,
    /// Frames a datagram; clients must expect the same. Up to 736 keep a channel's datagrams
    /// whole on their way
    #[arg(long, value_name = "FRAMES", default_value_t = 1_024)]
    chunk: usize,
    /// Repeat the source without a gap, N times in all or for ever
    #[arg(long = "loop", value_name = "N", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "0")]
    repeat: Option<u64>,
    /// Send to these addresses and ranges alone, as 192.168.2.0/24
    #[arg(long, value_name = "RANGE", value_delimiter = ',')]
    allow: Vec<AddressRange>,

    /// Where the page and its HTTP calls are served, or off
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8057",
        help_heading = "Control"
    )]
    control: Control,
    /// Wait to be started on the page
    #[arg(long, help_heading = "Control")]
    stopped: bool,
    /// Leave the list's file alone when it changes
    #[arg(long, help_heading = "Control")]
    no_watch: bool,
    /// End when the source has ended
    #[arg(long, help_heading = "Control")]
    once: bool,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Control")]
    duration: Option<Duration>,

    #[command(flatten)]
    serve: ServeArgs,
}

pub(super) fn run(args: FanoutArgs, mut output: Output) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let list = load(&args.clients, &output)?;
    let config = FanoutConfig {
        chunk: args.chunk,
        file: Some(args.clients.clone()),
        watch: !args.no_watch,
        allow: AllowList::new(args.allow.clone()),
        codecs: audiox::codecs(),
        ..FanoutConfig::new(args.source.clone(), opener(&args)?)
    };
    let fanout = Fanout::new(config, list).map_err(failure)?;
    let server = serve(&args, &fanout)?;
    if !args.stopped {
        fanout.start().map_err(failure)?;
    }
    output.go_live();
    if let Some(server) = &server {
        output.started(&[server.local_addr().to_string()])?;
        output.notice(format_args!("the page is at {}", server.url()))?;
        if let Some(certificate) = server.certificate() {
            output.certificate("browsers", certificate)?;
        }
    }
    let followed = follow(&args, &fanout, &interrupt, &mut output);
    let last = fanout.snapshot();
    fanout.stop();
    if let Some(server) = server {
        server.stop().map_err(serve::failure)?;
    }
    followed?;
    output.summary(|| text(&last), || json!(last))?;
    match last.state {
        FanoutState::Failed { reason } => Err(Failure::Failed(reason)),
        _ => Ok(()),
    }
}

fn load(path: &Path, output: &Output) -> Result<ClientList, Failure> {
    match ClientList::load(path) {
        Err(FanoutError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            output.notice(format_args!(
                "there is no {} yet: nobody gets anything before clients are added",
                path.display()
            ))?;
            Ok(ClientList::new())
        }
        Err(e @ FanoutError::Io { .. }) => Err(failure(e)),
        Err(e) => Err(Failure::Failed(format!("{}: {e}", path.display()))),
        Ok(list) => Ok(list),
    }
}

/// Opens the source at the rate that is sent, as often as it is started.
fn opener(
    args: &FanoutArgs,
) -> Result<impl Fn() -> Result<Box<dyn Source>, audiox::udp::Error> + Send + Sync + 'static, Failure>
{
    if args.source == "-" {
        let allowed = "a source that can be opened again: mic, a file or a signal";
        return Err(audiox::Error::from(ConfigError::new("source", "-", allowed)).into());
    }
    let (text, rate) = (args.source.clone(), args.rate);
    let options = SourceOptions {
        repeat: args.repeat.map(|n| match std::num::NonZeroU64::new(n) {
            Some(n) => Repeat::Times(n),
            None => Repeat::Forever,
        }),
        ..SourceOptions::default()
    };
    Ok(move || open(&text, &options, rate).map_err(|e| as_udp(e, &text)))
}

fn open(
    text: &str,
    options: &SourceOptions,
    rate: SampleRate,
) -> Result<Box<dyn Source>, audiox::Error> {
    #[cfg(feature = "devices")]
    if let Some(choice) = audiox::device::DeviceChoice::parse("mic", text) {
        let mut choice = choice?;
        // What it has not, the microphone itself converts.
        choice.wish.rate = Some(rate);
        let mic = audiox::device::open_mic(audiox::device::system(), &choice)?;
        return Ok(Box::new(mic));
    }
    let mut found = sources_from_str(text, options)?;
    let (Some(only), true) = (found.pop(), found.is_empty()) else {
        let allowed = "one file; this folder has several, or none";
        return Err(ConfigError::new("source", text, allowed).into());
    };
    match only.source.format().rate == rate {
        true => Ok(only.source),
        false => Ok(Box::new(Resampled::new(only.source, rate)?)),
    }
}

fn as_udp(error: audiox::Error, source: &str) -> audiox::udp::Error {
    let usage = error.is_usage();
    match error {
        audiox::Error::Config(e) => e.into(),
        audiox::Error::Source(e) => e.into(),
        audiox::Error::Udp(e) => e,
        other if usage => ConfigError::new("source", source, other.to_string()).into(),
        other => SourceError::Unsupported(other.to_string()).into(),
    }
}

fn serve(args: &FanoutArgs, fanout: &Fanout) -> Result<Option<HttpHandle>, Failure> {
    let Control::At(bind) = args.control else {
        return Ok(None);
    };
    let config = args.serve.config(bind)?;
    let server = HttpServer::bind(config, http::app(fanout)).map_err(serve::failure)?;
    server.spawn().map(Some).map_err(serve::failure)
}

fn failure(error: FanoutError) -> Failure {
    match error {
        FanoutError::Config(e) => audiox::Error::from(e).into(),
        FanoutError::Stream(e) => audiox::Error::from(e).into(),
        other => Failure::Failed(other.to_string()),
    }
}

/// Shows how it goes until it ends.
fn follow(
    args: &FanoutArgs,
    fanout: &Fanout,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut told = Told::default();
    loop {
        thread::sleep(LOOK_EVERY);
        let now = fanout.snapshot();
        told.tell(&now, output)?;
        let elapsed = output.elapsed();
        output.statistics(|| line(&now, elapsed), || json!(now))?;
        let over = match now.state {
            FanoutState::Ended => args.once,
            FanoutState::Failed { .. } => args.once || args.control == Control::Off,
            _ => false,
        };
        if over || interrupt.requested() || args.duration.is_some_and(|d| elapsed >= d) {
            return Ok(());
        }
    }
}

/// What was told already, so that it is told once.
#[derive(Debug, Default)]
struct Told {
    notices: Vec<String>,
    file: Option<String>,
    troubles: BTreeMap<String, String>,
}

impl Told {
    fn tell(&mut self, now: &FanoutSnapshot, output: &Output) -> Result<(), Failure> {
        for notice in &now.notices {
            if !self.notices.contains(notice) {
                self.notices.push(notice.clone());
                output.notice(notice)?;
            }
        }
        if self.file != now.file.error {
            self.file = now.file.error.clone();
            if let (Some(error), Some(path)) = (&self.file, &now.file.path) {
                output.notice(format_args!(
                    "{path}: {error}; the list before it stays in force"
                ))?;
            }
        }
        let mut troubles = BTreeMap::new();
        for client in &now.clients {
            let Some(trouble) = &client.trouble else {
                continue;
            };
            if self.troubles.get(&client.name) != Some(trouble) {
                output.notice(format_args!("{}: {trouble}", client.name))?;
            }
            troubles.insert(client.name.clone(), trouble.clone());
        }
        self.troubles = troubles;
        Ok(())
    }
}

fn line(now: &FanoutSnapshot, elapsed: Duration) -> String {
    let state = match &now.state {
        FanoutState::Running => bars(now.levels.iter().map(|l| 20.0 * l.peak.log10())),
        FanoutState::Ended => "the source has ended".to_owned(),
        FanoutState::Failed { reason } => reason.clone(),
        _ => "stopped".to_owned(),
    };
    let troubled = now.clients.iter().filter(|c| c.trouble.is_some()).count();
    let mut parts = vec![
        Clock(elapsed).to_string(),
        state,
        count(now.clients.len() as u64, "client"),
    ];
    if troubled > 0 {
        parts.push(format!("{troubled} in trouble"));
    }
    parts.join("  ")
}

fn text(last: &FanoutSnapshot) -> String {
    let mut lines = vec![format!(
        "{}: {} of {} frames to {}",
        last.source,
        count(last.blocks, "block"),
        last.chunk,
        count(last.clients.len() as u64, "client"),
    )];
    for (what, frames) in [
        ("not there in time", last.frames_missing),
        ("left out, this machine being held up", last.frames_skipped),
    ] {
        if frames > 0 {
            lines.push(format!("  {frames} frames {what}"));
        }
    }
    for client in &last.clients {
        let mut text = format!("  {}: {}", client.name, count(client.datagrams, "datagram"));
        if client.dropped > 0 {
            text += &format!(", {} dropped here", client.dropped);
        }
        if client.refused > 0 {
            text += &format!(", {} refused there", client.refused);
        }
        if let Some(trouble) = &client.trouble {
            text += &format!("; {trouble}");
        }
        lines.push(text);
    }
    lines.join("\n")
}

const LOOK_EVERY: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  audiox fanout mic:stage --clients clients.json
  audiox fanout stage.wav --loop --clients clients.json --rate 32000 --chunk 256
  audiox fanout mic --clients clients.json --control 0.0.0.0:8057 --token-file tokens
  audiox fanout --config stage.toml";
