//! `audiox device-server`: buttons, LEDs and sounds of small devices.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use audiox::grpc::device::Settings;
use audiox::grpc::hub::HubSnapshot;
use audiox::grpc::server::{DeviceLimits, ServerConfig};
use audiox::grpc::sound::LibraryConfig;
use audiox::grpc::{DeviceServer, http};
use audiox::net::http::HttpServer;
use audiox::sounds::NamedSounds;
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::files;
use super::interrupt::Interrupt;
use super::output::Output;
use super::serve::{self, Control, ServeArgs};
use super::text::{Clock, count};
use super::value;

/// Drive small devices with buttons, LEDs and a speaker over gRPC, and play Opus to them
///
/// Every device has a state of its own, which is kept while it is away. Modes, colours, buttons and
/// sounds are as the tables of the --config file say; without one there are six modes with built-in
/// sounds.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeviceServerArgs {
    /// Where devices connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// Where the page and its HTTP calls are served, or off
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8051",
        alias = "http"
    )]
    control: Control,
    /// How far ahead of time sound is sent: what a device plays on after stop, less what is on its
    /// way
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "20ms")]
    lead: Duration,
    /// The longest sound that is kept encoded, at 30 MB an hour
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "1h")]
    longest: Duration,
    /// A live sound from which nothing comes for so long has failed; it may be played again
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "10s")]
    stall: Duration,
    /// Devices known at once; of more, those that have been away for longest are forgotten
    #[arg(long, value_name = "N", default_value_t = DeviceLimits::default().devices)]
    #[arg(alias = "devices")]
    max_devices: usize,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = DeviceLimits::default().connections)]
    #[arg(alias = "connections")]
    max_connections: usize,
    /// How often a quiet connection is tried
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "20s")]
    keep_alive: Duration,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    duration: Option<Duration>,
    #[arg(long, hide = true)]
    tables: Option<PathBuf>,

    #[command(flatten)]
    serve: ServeArgs,
}

pub(super) fn run(args: DeviceServerArgs, mut output: Output) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let wanted = args.max_connections as u64 + SPARE_FILES;
    if let Some(limit) = files::raise_limit(wanted) {
        output.notice(format_args!(
            "this system lets the server have {limit} files and connections; for {} connections \
             raise it, as by ulimit -n {wanted}",
            args.max_connections
        ))?;
    }
    let settings = match &args.tables {
        Some(file) => settings(file)?,
        None => Settings::default(),
    };
    let folder = args.tables.as_deref().and_then(Path::parent);
    let library = LibraryConfig {
        sounds: settings.sounds,
        opener: Arc::new(NamedSounds::new(folder.map(Path::to_owned))),
        longest: args.longest,
        stall: args.stall,
        ..LibraryConfig::new(audiox::codecs())
    };
    let config = ServerConfig {
        tls: args.serve.tls(),
        access: args.serve.access()?,
        behaviour: settings.behaviour,
        lead: args.lead,
        limits: DeviceLimits {
            devices: args.max_devices,
            connections: args.max_connections,
            keep_alive: args.keep_alive,
            ..DeviceLimits::default()
        },
        ..ServerConfig::new(args.listen, library)
    };
    let server = DeviceServer::bind(config).map_err(audiox::Error::from)?;
    let hub = server.hub().clone();
    let page = match args.control {
        Control::Off => None,
        Control::At(bind) => {
            let page = HttpServer::bind(args.serve.config(bind)?, http::app(&hub));
            Some(page.and_then(HttpServer::spawn).map_err(serve::failure)?)
        }
    };
    let server = server.spawn().map_err(audiox::Error::from)?;
    output.go_live();
    let addresses = [
        Some(server.local_addr()),
        page.as_ref().map(|p| p.local_addr()),
    ];
    let addresses = addresses.iter().flatten().map(SocketAddr::to_string);
    output.started(&addresses.collect::<Vec<_>>())?;
    if let Some(page) = &page {
        output.notice(format_args!("the page is at {}", page.url()))?;
    }
    if let Some(certificate) = server.certificate() {
        output.certificate("devices", certificate)?;
    }
    let mut followed = Ok(());
    while followed.is_ok() && !server.has_ended() && !interrupt.requested() {
        let elapsed = output.elapsed();
        if args.duration.is_some_and(|d| elapsed >= d) {
            break;
        }
        thread::sleep(LOOK_EVERY);
        let line = || line(&hub.snapshot(), elapsed);
        followed = output.statistics(line, || figures(&hub.snapshot()));
    }
    let last = hub.snapshot();
    server.stop().map_err(audiox::Error::from)?;
    if let Some(page) = page {
        page.stop().map_err(serve::failure)?;
    }
    followed?;
    output.summary(|| text(&last), || figures(&last))
}

fn settings(file: &Path) -> Result<Settings, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::io(format_args!("cannot read {shown}"), &e))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|e| Failure::Usage(format!("{shown}: {e}")))?;
    let mut tables = table.iter().filter(|(_, v)| v.is_table() || v.is_array());
    if let Some((other, _)) = tables.find(|(key, value)| {
        let all_tables = value
            .as_array()
            .is_none_or(|all| all.iter().all(toml::Value::is_table));
        all_tables && !Settings::TABLES.contains(&key.as_str())
    }) {
        let known = Settings::TABLES.join(", ");
        return Err(Failure::Usage(format!(
            "{shown}: there is no table {other:?}; there are {known}"
        )));
    }
    Settings::from_toml(&text).map_err(|e| Failure::Usage(format!("{shown}: {e}")))
}

fn figures(now: &HubSnapshot) -> serde_json::Value {
    json!({
        "connected": now.connected,
        "playing": now.playing,
        "known": now.devices.len(),
        "packets": now.devices.iter().map(|d| d.packets).sum::<u64>(),
        "stalls": now.devices.iter().map(|d| d.stalls).sum::<u64>(),
        "stalled_sounds": now.sounds.iter().map(|s| s.stalls).sum::<u64>(),
        "latest_ms": now.devices.iter().map(|d| d.latest_ms).fold(0.0, f64::max),
    })
}

fn line(now: &HubSnapshot, elapsed: Duration) -> String {
    let mut parts = vec![
        Clock(elapsed).to_string(),
        count(now.connected as u64, "device"),
        format!("{} playing", now.playing),
    ];
    let troubled = now.devices.iter().filter(|d| d.trouble.is_some()).count();
    if troubled > 0 {
        parts.push(format!("{troubled} in trouble"));
    }
    parts.join("  ")
}

fn text(last: &HubSnapshot) -> String {
    let mut lines = vec![format!(
        "{} served",
        count(last.devices.len() as u64, "device")
    )];
    for device in last.devices.iter().take(MOST_LINES) {
        let mut text = format!(
            "  {}: buttons pressed {}, {}, {}",
            device.id,
            count(device.presses, "time"),
            count(device.plays, "sound"),
            count(device.packets, "packet"),
        );
        if let Some(trouble) = &device.trouble {
            text += &format!("; {trouble}");
        }
        lines.push(text);
    }
    if last.devices.len() > MOST_LINES {
        lines.push(format!("  and {} more", last.devices.len() - MOST_LINES));
    }
    lines.join("\n")
}

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Files that a server has beside its connections.
const SPARE_FILES: u64 = 256;
const MOST_LINES: usize = 20;

const EXAMPLES: &str = "\
Examples:
  audiox device-server
  audiox device-server --config devices.toml
  audiox device-server --listen 0.0.0.0:50051 --token-file tokens --tls-self-signed server.lan

A file for --config has options, and tables for devices:
  listen = \"127.0.0.1:50051\"
  [sounds]
  door = \"door.wav\"
  hall = \"rtp://239.1.2.3:5004?codec=opus\"
  [[modes]]
  sound = \"wake\"
  [[modes]]
  lit = 1
  colour = \"00FF00FF\"
  sound = \"door\"
  [buttons.3]
  hold = \"play\"";
