//! `audiox player`: voice sessions in Redis, looked at, heard and downloaded.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use audiox::io::sound::PcmWish;
use audiox::net::http::{Access, HttpConfig, Token};
use audiox::player::{PlayerOptions, PlayerServer, Sessions};
use audiox::redis::RedisTarget;
use audiox::redis::player::{PlayerConfig, PlayerStats, Roles, Speaker};
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::Output;
use super::serve::{self, TlsArgs};
use super::text::{Clock, count};
use super::value;

/// List the voice sessions that applications leave in Redis, hear them, and download them
///
/// Each session's audio is taken for what it is by its content: WebM and Ogg from browsers, WAV,
/// FLAC, MP3, MP4, and headerless PCM, whose format is told by the signal. It is heard in the
/// browser and on this machine's speaker.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlayerArgs {
    /// Where it is served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5001")]
    listen: SocketAddr,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    duration: Option<Duration>,

    /// Where Redis is: redis://[USER@]HOST[:PORT][/DB], rediss:// by TLS,
    /// redis+sentinel://HOST,HOST/SERVICE, redis+cluster://HOST,HOST. By default what the
    /// environment says: REDIS_HOST, REDIS_PORT, REDIS_DB. A password is taken from
    /// REDIS_PASSWORD alone
    #[arg(long, value_name = "URL", help_heading = "Sessions")]
    redis_url: Option<String>,
    /// Trust the authorities in this PEM file, by rediss://
    #[arg(long, value_name = "FILE", help_heading = "Sessions")]
    redis_ca: Option<PathBuf>,
    /// Show sessions made at the start, without Redis
    #[arg(long, conflicts_with_all = ["redis_url", "redis_ca"], help_heading = "Sessions")]
    demo: bool,

    /// Where sessions are played on the server: speaker, speaker:NAME (see `audiox devices`), or
    /// off
    #[arg(
        long,
        value_name = "SPEAKER",
        default_value = "speaker",
        help_heading = "Sound"
    )]
    speaker: String,
    /// Sessions that play there at once
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Sound")]
    at_once: usize,

    /// Longest audio of a session that is read, as stored
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = value::size,
        default_value = "96M",
        help_heading = "Limits"
    )]
    max_buffer: u64,
    /// Decoded audio that is kept in memory for the next request. What is in use may take eight times
    /// the longest beside
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = value::size,
        default_value = "256M",
        help_heading = "Limits"
    )]
    keep: u64,

    /// Ask for tokens: a role (view or operate) and a token a line of this file. Only operators
    /// have sessions that are not authenticated. The token in the environment's AUDIOX_TOKEN is an
    /// operator's
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    token_file: Option<PathBuf>,
    /// Let everybody view without a token, on any address
    #[arg(long, help_heading = "Access")]
    open: bool,
    #[command(flatten, next_help_heading = "Access")]
    tls: TlsArgs,
}

pub(super) fn run(args: PlayerArgs, mut output: Output) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let server = PlayerServer::start(options(&args)?).map_err(failure)?;
    output.go_live();
    output.started(&[server.local_addr().to_string()])?;
    output.notice(format_args!(
        "sessions of {} at {}",
        server.registry(),
        server.url()
    ))?;
    if let Some(certificate) = server.certificate() {
        output.certificate("clients", certificate)?;
    }
    let followed = follow(&args, &server, &interrupt, &mut output);
    let last = server.stats();
    server.stop().map_err(failure)?;
    followed?;
    output.summary(|| text(&last), || figures(&last))
}

fn failure(error: audiox::Error) -> Failure {
    match error {
        audiox::Error::Http(e) => serve::failure(e),
        other => other.into(),
    }
}

fn options(args: &PlayerArgs) -> Result<PlayerOptions, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = |e: audiox::core::ConfigError| Failure::from(audiox::Error::from(e));
    let sessions = match &args.redis_url {
        _ if args.demo => Sessions::Demo,
        Some(url) => {
            let target = RedisTarget::parse(url).map_err(config)?;
            if target.has_password() {
                return Err(Failure::password_in_arguments());
            }
            Sessions::Redis(with_ca(target.with_secrets(variable), args))
        }
        None => {
            let target = RedisTarget::from_vars(variable).map_err(config)?;
            Sessions::Redis(with_ca(target, args))
        }
    };
    let mut operators = Vec::new();
    operators.extend(Token::from_env("AUDIOX_TOKEN").map_err(config)?);
    let roles = match &args.token_file {
        Some(file) => Roles::from_file(file, operators, args.open).map_err(serve::failure)?,
        None => Roles::new(Vec::new(), operators, args.open),
    };
    let http = HttpConfig {
        tls: args.tls.choice(),
        access: match args.open {
            true => Access::open(),
            false => Access::default(),
        },
        ..HttpConfig::new(args.listen)
    };
    let mut options = PlayerOptions::new(http, sessions);
    options.roles = roles;
    options.speaker = speaker(&args.speaker)?;
    options.player = PlayerConfig {
        at_once: args.at_once,
        block: block(variable("AUDIO_CHUNK_SIZE"))?,
        // Base64 has four characters for three bytes.
        max_buffer: args.max_buffer.saturating_mul(4) / 3,
        keep: usize::try_from(args.keep).unwrap_or(usize::MAX),
        pcm: PcmWish::from_env(variable).map_err(config)?,
        ..options.player
    };
    Ok(options)
}

fn with_ca(target: RedisTarget, args: &PlayerArgs) -> RedisTarget {
    match &args.redis_ca {
        Some(file) => target.with_ca(file),
        None => target,
    }
}

fn block(text: Option<String>) -> Result<usize, Failure> {
    match text.filter(|t| !t.trim().is_empty()) {
        None => Ok(PlayerConfig::default().block),
        Some(text) => text.trim().parse().map_err(|_| {
            Failure::Usage(format!(
                "AUDIO_CHUNK_SIZE: {text:?} is not possible; 16 to 65536 frames"
            ))
        }),
    }
}

#[cfg(feature = "devices")]
fn speaker(text: &str) -> Result<Option<Arc<dyn Speaker>>, Failure> {
    use audiox::device::DeviceChoice;
    use audiox::player::DeviceSpeaker;

    if text == "off" {
        return Ok(None);
    }
    match DeviceChoice::parse("speaker", text) {
        Some(choice) => {
            let choice = choice.map_err(audiox::Error::from)?;
            Ok(Some(Arc::new(DeviceSpeaker::new(choice))))
        }
        None => Err(Failure::Usage(format!(
            "speaker: {text:?} is not possible; speaker, speaker:NAME or off"
        ))),
    }
}

#[cfg(not(feature = "devices"))]
fn speaker(text: &str) -> Result<Option<Arc<dyn Speaker>>, Failure> {
    match text {
        "off" | "speaker" => Ok(None),
        _ => Err(Failure::Usage("speakers take feature devices".to_owned())),
    }
}

/// Shows how it goes until it ends.
fn follow(
    args: &PlayerArgs,
    server: &PlayerServer,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut was_there = true;
    loop {
        thread::sleep(LOOK_EVERY);
        let now = server.stats();
        if now.registry_is_available != was_there {
            was_there = now.registry_is_available;
            match was_there {
                true => output.notice("Redis answers again")?,
                false => output.notice(format_args!(
                    "{} cannot be reached; sessions are shown again when it can",
                    server.registry()
                ))?,
            }
        }
        let elapsed = output.elapsed();
        output.statistics(|| line(&now, elapsed), || figures(&now))?;
        let over = args.duration.is_some_and(|d| elapsed >= d);
        if over || interrupt.requested() || !server.is_running() {
            return Ok(());
        }
    }
}

fn figures(now: &PlayerStats) -> Value {
    json!({
        "redis_available": now.registry_is_available,
        "playing": now.playing,
        "playbacks": now.playbacks,
        "playback_errors": now.playback_errors,
        "streams": now.streams,
        "downloads": now.downloads,
        "listeners": now.listeners,
        "buffer_characters": now.chars_read,
        "kept_bytes": now.bytes_kept,
    })
}

fn line(now: &PlayerStats, elapsed: Duration) -> String {
    let mut parts = vec![
        Clock(elapsed).to_string(),
        count(now.listeners as u64, "page"),
        format!("{} playing", now.playing),
    ];
    if !now.registry_is_available {
        parts.push("Redis is away".to_owned());
    }
    parts.join("  ")
}

fn text(last: &PlayerStats) -> String {
    let mut text = format!(
        "{}, {}",
        count(last.playbacks, "playback"),
        count(last.downloads, "download")
    );
    if last.playback_errors > 0 {
        text += &format!("; {} failed", count(last.playback_errors, "playback"));
    }
    text
}

const LOOK_EVERY: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  audiox player --demo
  audiox player --redis-url redis://localhost
  audiox player --redis-url rediss://ops@redis.example --listen 0.0.0.0:5001 --token-file tokens
  audiox player --speaker speaker:usb --config player.toml

Headerless PCM is judged by its signal; AUDIO_FORMAT, AUDIO_CHANNELS and AUDIO_RATE in the
environment say what it usually is, AUDIO_CHUNK_SIZE how many frames the speaker is given at once.";
