//! `audiox bench`: load, to see what a machine carries.

use std::time::Duration;

use audiox::net::http::HttpConfig;
use audiox::relay::{RelayOptions, RelayServer, RelayTarget};
use audiox::websocket::load::{self, LoadConfig, LoadReport, Transport};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::Output;
use super::value;

/// Put load on what is served, to see what it carries
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Relay(RelayLoadArgs),
}

/// Many listeners of one stream, and how long its packets take to them
///
/// The listeners are in this process, and so is the relay where none is named: they share this
/// machine's cores.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct RelayLoadArgs {
    /// The relay, http://HOST:PORT, of the original's kind too; one is started where left out
    #[arg(value_name = "URL")]
    relay: Option<String>,
    /// Listeners
    #[arg(long, value_name = "N", default_value_t = 300)]
    listeners: usize,
    /// How they listen
    #[arg(long, value_enum, default_value_t = How::Socketio)]
    transport: How,
    /// How long
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "10s")]
    duration: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    /// The original's events
    Socketio,
    /// A plain WebSocket
    Websocket,
}

pub(super) fn run(args: BenchArgs, mut output: Output) -> Result<(), Failure> {
    let What::Relay(args) = args.what;
    let interrupt = Interrupt::install()?;
    super::files::raise_limit(args.listeners as u64 * 2 + 512);
    let own = match &args.relay {
        Some(_) => None,
        None => Some(OwnRelay::start(&args)?),
    };
    let url = match (&args.relay, &own) {
        (Some(url), _) => url.clone(),
        (None, own) => own
            .as_ref()
            .map_or_else(String::new, |o| o.server.url().to_owned()),
    };
    let target: RelayTarget = url.parse()?;
    let transport = match args.transport {
        How::Socketio => Transport::SocketIo,
        How::Websocket => Transport::WebSocket,
    };
    let config = LoadConfig {
        duration: args.duration,
        stop: interrupt.flag(),
        ..LoadConfig::new(target.connect.relay, args.listeners, transport)
    };
    output.go_live();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::io("cannot start threads", &e))?;
    let report = runtime
        .block_on(load::run(config))
        .map_err(audiox::Error::from)?;
    output.summary(|| text(&args, &report), || describe(&args, &report))
}

/// A relay for the bench alone.
struct OwnRelay {
    server: RelayServer,
    folder: std::path::PathBuf,
}

impl OwnRelay {
    fn start(args: &RelayLoadArgs) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("audiox-bench-{}", std::process::id()));
        let mut http = HttpConfig::new(([127, 0, 0, 1], 0).into());
        http.limits.connections = args.listeners + 64;
        let mut options = RelayOptions::new(http, folder.join("archive").display().to_string());
        options.spool = folder.join("spool");
        let server = RelayServer::start(options)?;
        Ok(Self { server, folder })
    }
}

impl Drop for OwnRelay {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn millis(d: Duration) -> f64 {
    (d.as_secs_f64() * 1e4).round() / 10.0
}

fn share(report: &LoadReport) -> f64 {
    (1e3 * report.received as f64 / report.expected.max(1) as f64).round() / 10.0
}

fn text(args: &RelayLoadArgs, report: &LoadReport) -> String {
    let [p50, p90, p99, p999, max] = report.delivery.map(millis);
    let mut lines = vec![
        format!(
            "{} listeners, {} packets sent, {} % of them heard",
            report.joined,
            report.sent,
            share(report)
        ),
        format!("  p50 {p50} ms, p90 {p90} ms, p99 {p99} ms, p99.9 {p999} ms, max {max} ms"),
    ];
    if report.failed > 0 {
        lines.push(format!(
            "  {} of {} did not join, or were cut off",
            report.failed, args.listeners
        ));
    }
    if report.late > 0 {
        lines.push(format!(
            "  {} packets were sent late: the relay held the sender up",
            report.late
        ));
    }
    lines.join("\n")
}

fn describe(args: &RelayLoadArgs, report: &LoadReport) -> serde_json::Value {
    let [p50, p90, p99, p999, max] = report.delivery.map(millis);
    json!({
        "listeners": args.listeners,
        "joined": report.joined,
        "failed": report.failed,
        "sent": report.sent,
        "late": report.late,
        "heard_percent": share(report),
        "delivery_ms": { "p50": p50, "p90": p90, "p99": p99, "p99.9": p999, "max": max },
    })
}

const EXAMPLES: &str = "\
Examples:
  audiox bench relay --listeners 1000
  audiox bench relay http://127.0.0.1:8000 --listeners 3000 --transport websocket";
