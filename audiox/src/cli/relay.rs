//! `audiox relay`: one sender, thousands of listeners, everything kept.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use audiox::core::ConfigError;
use audiox::core::store::{Retention, SegmenterConfig};
use audiox::net::Endpoint;
use audiox::net::http::{Access, HttpConfig, Limits, Origins, Token};
use audiox::relay::{RelayOptions, RelayServer};
use audiox::s3::{RetentionPolicy, SpoolConfig, StoreOptions};
use audiox::udp::node::Listen;
use audiox::websocket::RelayConfig;
use audiox::websocket::access::Roles;
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::files;
use super::interrupt::Interrupt;
use super::output::Output;
use super::serve::{self, TlsArgs};
use super::text::{Clock, count};
use super::value;

/// Relay live audio to any number of listeners, and keep all of it
///
/// Senders post PCM over HTTP or WebSocket; listeners hear it over Socket.IO, WebSocket and HTTP,
/// live or from any point of the archive. Segments of some seconds are kept in a folder or on S3.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RelayArgs {
    /// Where it is served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Relay what comes by RTP or UDP as well, as rtp://0.0.0.0:5004?codec=opus or FILE.sdp, as a
    /// stream of this name; may be given again and again
    #[arg(long, value_name = "NAME=URL")]
    ingest: Vec<String>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    duration: Option<Duration>,

    /// Where streams are kept: a folder, or s3://BUCKET/PREFIX. Credentials and region come from
    /// the environment (AWS_*) or a profile
    #[arg(
        long,
        value_name = "STORE",
        default_value = "audiox-archive",
        help_heading = "Archive"
    )]
    store: String,
    /// Where what was accepted is until the store has it
    #[arg(
        long,
        value_name = "DIR",
        default_value = "audiox-spool",
        help_heading = "Archive"
    )]
    spool: PathBuf,
    /// Length of a segment
    #[arg(
        long,
        value_name = "TIME",
        value_parser = value::duration,
        default_value = "5s",
        help_heading = "Archive"
    )]
    segment: Duration,
    /// The S3 service's address, where it is not Amazon's
    #[arg(long, value_name = "URL", help_heading = "Archive")]
    endpoint: Option<String>,
    /// The profile of the AWS credentials file
    #[arg(long, value_name = "NAME", help_heading = "Archive", alias = "profile")]
    aws_profile: Option<String>,
    /// Make the bucket where there is none
    #[arg(long, help_heading = "Archive")]
    create_bucket: bool,
    /// Remove segments that are older
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Archive")]
    keep_for: Option<Duration>,
    /// Remove the oldest segments where all together are longer, as in 500G
    #[arg(long, value_name = "SIZE", value_parser = value::size, help_heading = "Archive")]
    keep_bytes: Option<u64>,

    /// Streams that may be live at once
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_024,
        help_heading = "Limits"
    )]
    max_live: usize,
    /// Longest body of a request; senders that keep one open may send more
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = value::size,
        default_value = "16M",
        help_heading = "Limits"
    )]
    max_body: u64,
    /// What may wait for a listener before it loses the oldest of it
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = value::size,
        default_value = "1M",
        help_heading = "Limits"
    )]
    listener_buffer: u64,
    /// Connections at a time
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16_384,
        help_heading = "Limits"
    )]
    max_connections: usize,
    /// End a stream to which nothing was sent for so long
    #[arg(
        long,
        value_name = "TIME",
        value_parser = value::duration,
        default_value = "1h",
        help_heading = "Limits"
    )]
    idle: Duration,

    /// Ask for tokens: a role (listen, publish or admin) and a token a line of this file. The one
    /// in the environment's AUDIOX_TOKEN is an administrator's
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    token_file: Option<PathBuf>,
    /// Let everybody listen without a token
    #[arg(long, help_heading = "Access")]
    free_listening: bool,
    /// Let everybody do everything without a token, on any address
    #[arg(long, conflicts_with = "token_file", help_heading = "Access")]
    open: bool,
    /// Let pages of these other sites use it, as https://example.org; * for all
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    origin: Vec<String>,
    #[command(flatten, next_help_heading = "Access")]
    tls: TlsArgs,
}

pub(super) fn run(args: RelayArgs, mut output: Output) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let wanted = args.max_connections as u64 + SPARE_FILES;
    if let Some(limit) = files::raise_limit(wanted) {
        output.notice(format_args!(
            "this system lets the relay have {limit} files and connections; for {} connections \
             raise it, as by ulimit -n {wanted}",
            args.max_connections
        ))?;
    }
    let sources = args.ingest.iter().map(Source::parse);
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let server = RelayServer::start(options(&args)?).map_err(failure)?;
    output.go_live();
    output.started(&[server.local_addr().to_string()])?;
    output.notice(format_args!(
        "relaying at {}, keeping streams in {}",
        server.url(),
        args.store
    ))?;
    if let Some(certificate) = server.certificate() {
        output.certificate("clients", certificate)?;
    }
    let mut ingests = Vec::new();
    for Source { name, url, listen } in sources {
        let ingest = server.ingest(listen, name)?;
        let stream = format!("{}/{}", server.url().trim_end_matches('/'), ingest.stream());
        output.event("ingest", || {
            let addresses = ingest.local_addrs().iter().map(ToString::to_string);
            let addresses = addresses.collect::<Vec<_>>();
            json!({ "name": name, "url": stream, "addresses": addresses })
        })?;
        output.notice(format_args!("{name} comes by {url} and is {stream}"))?;
        ingests.push(ingest);
    }
    let followed = follow(&args, &server, &interrupt, &mut output);
    for ingest in ingests {
        // One whose stream somebody ended has ended before.
        let is_over = ingest.is_finished();
        if let (Err(e), false) = (ingest.stop(), is_over) {
            output.notice(e)?;
        }
    }
    let last = state(&server);
    server.stop().map_err(failure)?;
    followed?;
    output.summary(|| text(&last), || last.clone())
}

/// Something that comes by RTP or UDP.
struct Source<'a> {
    name: &'a str,
    url: &'a str,
    listen: Vec<Listen>,
}

impl<'a> Source<'a> {
    fn parse(text: &'a String) -> Result<Self, audiox::Error> {
        let pair = text.split_once('=');
        let Some((name, url)) = pair.filter(|(name, _)| !name.contains("://")) else {
            let allowed = "NAME=URL, as studio=rtp://0.0.0.0:5004?codec=opus";
            return Err(ConfigError::new("--ingest", text, allowed).into());
        };
        let listen = Listen::from_endpoint(&url.parse::<Endpoint>()?)?;
        Ok(Self { name, url, listen })
    }
}

fn failure(error: audiox::Error) -> Failure {
    match error {
        audiox::Error::Http(e) => serve::failure(e),
        other => other.into(),
    }
}

fn options(args: &RelayArgs) -> Result<RelayOptions, Failure> {
    let origins = args.origin.iter().map(String::as_str);
    let mut admins = Vec::new();
    admins.extend(Token::from_env("AUDIOX_TOKEN").map_err(audiox::Error::from)?);
    let roles = match &args.token_file {
        Some(file) => {
            Roles::from_file(file, admins, args.free_listening).map_err(serve::failure)?
        }
        None if args.open => Roles::default(),
        None => Roles::new(Vec::new(), Vec::new(), admins, args.free_listening),
    };
    let http = HttpConfig {
        tls: args.tls.choice(),
        access: match args.open {
            true => Access::open(),
            false => Access::default(),
        },
        origins: Origins::parse(origins).map_err(audiox::Error::from)?,
        limits: Limits {
            connections: args.max_connections,
            ..Limits::default()
        },
        ..HttpConfig::new(args.listen)
    };
    let segments = SegmenterConfig {
        max_elapsed: args.segment,
        max_media: args.segment,
        ..SegmenterConfig::default()
    };
    segments.validate().map_err(audiox::Error::from)?;
    let mut store_options = StoreOptions::from_env();
    store_options.create_bucket = args.create_bucket;
    store_options.endpoint.clone_from(&args.endpoint);
    store_options.profile.clone_from(&args.aws_profile);
    Ok(RelayOptions {
        roles,
        store_options,
        spool: args.spool.clone(),
        spool_config: SpoolConfig {
            segments,
            ..SpoolConfig::default()
        },
        relay: RelayConfig {
            max_live: args.max_live,
            max_body: usize::try_from(args.max_body).unwrap_or(usize::MAX),
            idle: args.idle,
            listener_bytes: usize::try_from(args.listener_buffer).unwrap_or(usize::MAX),
            #[cfg(feature = "opus")]
            ogg: Some(audiox::relay::ogg_encoders()),
            #[cfg(not(feature = "opus"))]
            ogg: None,
        },
        retention: RetentionPolicy {
            streams: Retention {
                max_age: args.keep_for,
                ..Retention::FOR_GOOD
            },
            max_total_bytes: args.keep_bytes,
        },
        ..RelayOptions::new(http, args.store.clone())
    })
}

/// Shows how it goes until it ends.
fn follow(
    args: &RelayArgs,
    server: &RelayServer,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut told: Option<String> = None;
    loop {
        thread::sleep(LOOK_EVERY);
        let now = state(server);
        let trouble = server.archive().spool().stats().last_error;
        if trouble != told {
            told = trouble;
            match &told {
                Some(error) => output.notice(format_args!(
                    "the store does not take what is kept, which waits in {}: {error}",
                    args.spool.display()
                ))?,
                None => output.notice("the store takes what is kept again")?,
            }
        }
        let elapsed = output.elapsed();
        output.statistics(|| line(&now, elapsed), || now.clone())?;
        let over = args.duration.is_some_and(|d| elapsed >= d);
        if over || interrupt.requested() || !server.is_running() {
            return Ok(());
        }
    }
}

fn state(server: &RelayServer) -> Value {
    let streams = server.relay().streams();
    let spool = server.archive().spool().stats();
    let live = streams.iter().filter(|s| s.is_live);
    let listeners = streams.iter().map(|s| s.listeners + s.other_listeners);
    json!({
        "url": server.url(),
        "live": live.count(),
        "streams": streams.len(),
        "listeners": listeners.sum::<usize>(),
        "bytes": streams.iter().map(|s| s.bytes).sum::<u64>(),
        "refused_bytes": streams.iter().map(|s| s.refused).sum::<u64>(),
        "stored_segments": spool.stored_segments,
        "waiting_segments": spool.waiting_segments,
        "retries": spool.retries,
        "disk_errors": spool.disk_errors,
    })
}

fn number(state: &Value, field: &str) -> u64 {
    state[field].as_u64().unwrap_or(0)
}

fn line(now: &Value, elapsed: Duration) -> String {
    let mut parts = vec![
        Clock(elapsed).to_string(),
        format!("{} live", number(now, "live")),
        count(number(now, "listeners"), "listener"),
    ];
    let waiting = number(now, "waiting_segments");
    if waiting > 0 {
        parts.push(format!("{} on their way", count(waiting, "segment")));
    }
    parts.join("  ")
}

fn text(last: &Value) -> String {
    let mut lines = vec![format!(
        "{} ({} live still), {} bytes, {} kept",
        count(number(last, "streams"), "stream"),
        number(last, "live"),
        number(last, "bytes"),
        count(number(last, "stored_segments"), "segment"),
    )];
    for (field, what) in [
        (
            "waiting_segments",
            "segments wait in the spool for the next start",
        ),
        ("refused_bytes", "bytes were refused for want of room"),
        (
            "disk_errors",
            "times the disk did not take what it was given",
        ),
    ] {
        if number(last, field) > 0 {
            lines.push(format!("  {} {what}", number(last, field)));
        }
    }
    lines.join("\n")
}

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Files that a relay has beside its connections.
const SPARE_FILES: u64 = 512;

const EXAMPLES: &str = "\
Examples:
  audiox relay
  audiox relay --store s3://recordings/live --create-bucket
  audiox relay --listen 0.0.0.0:8000 --token-file tokens --free-listening
  audiox relay --ingest 'studio=rtp://0.0.0.0:5004?codec=opus&rate=48000&channels=2'
  audiox relay --config relay.toml";
