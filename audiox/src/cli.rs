//! The command line: what is asked for, and what is told about it.

#[cfg(feature = "relay")]
mod bench;
mod compare;
mod completions;
mod config;
#[cfg(feature = "grpc")]
mod device;
#[cfg(feature = "grpc")]
mod device_server;
#[cfg(feature = "devices")]
mod devices;
mod doctor;
#[cfg(any(feature = "grpc", feature = "relay"))]
#[cfg(test)]
mod documents;
mod encoding;
mod failure;
mod fanout;
mod files;
#[cfg(test)]
mod guide;
mod interrupt;
mod link;
#[cfg(feature = "devices")]
mod loopback;
mod man;
mod meter;
mod model;
mod output;
#[cfg(test)]
#[cfg(all(feature = "grpc", feature = "player", feature = "relay"))]
mod packaging;
mod play;
#[cfg(feature = "player")]
mod player;
mod plot;
mod recv;
#[cfg(feature = "relay")]
mod relay;
mod replay;
mod send;
mod serve;
mod sidecar;
mod sim;
mod text;
mod tracefile;
mod usage;
mod value;
mod watched;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use config::Refused;
use failure::Failure;
use output::{Mode, Output};

/// Live audio between machines: sent, heard, recorded, relayed, and a bad network to try it on
#[derive(Debug, Parser)]
#[command(name = "audiox", version, after_help = EXAMPLES)]
#[command(
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
struct Common {
    /// Tell more on standard error; twice for even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Tell nothing but errors
    #[arg(short, long, global = true, conflicts_with = "json")]
    quiet: bool,
    /// Tell notices, statistics (once a second) and the summary as one JSON object a line, on
    /// standard output, or on standard error where that carries audio
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Send(Box<send::SendArgs>),
    Recv(Box<recv::RecvArgs>),
    Play(Box<play::PlayArgs>),
    Fanout(Box<fanout::FanoutArgs>),
    #[cfg(feature = "relay")]
    Relay(Box<relay::RelayArgs>),
    #[cfg(feature = "player")]
    Player(Box<player::PlayerArgs>),
    #[cfg(feature = "grpc")]
    DeviceServer(Box<device_server::DeviceServerArgs>),
    #[cfg(feature = "grpc")]
    Device(Box<device::DeviceArgs>),
    #[cfg(feature = "devices")]
    Devices(devices::DevicesArgs),
    #[cfg(feature = "devices")]
    Loopback(loopback::LoopbackArgs),
    Link(link::RelayArgs),
    Sim(sim::SimArgs),
    Plot(plot::PlotArgs),
    Compare(compare::CompareArgs),
    Replay(replay::ReplayArgs),
    Doctor(doctor::DoctorArgs),
    #[cfg(feature = "relay")]
    Bench(bench::BenchArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command and says how it went.
pub(crate) fn main() -> ExitCode {
    let cli = match config::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(Refused::Usage { error, file }) => return usage::explain(&error, file.as_deref()),
        Err(Refused::File(failure)) => return failure.report(),
    };
    start_tracing(cli.common.verbose);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let mode = match cli.common {
        Common { quiet: true, .. } => Mode::Quiet,
        Common { json: true, .. } => Mode::Json,
        _ => Mode::Text,
    };
    match cli.command {
        Command::Send(args) => send::run(*args, Output::new(mode)),
        Command::Recv(args) => recv::run(*args, Output::new(mode)),
        Command::Play(args) => play::run(*args, Output::new(mode)),
        Command::Fanout(args) => fanout::run(*args, Output::new(mode)),
        #[cfg(feature = "relay")]
        Command::Relay(args) => relay::run(*args, Output::new(mode)),
        #[cfg(feature = "player")]
        Command::Player(args) => player::run(*args, Output::new(mode)),
        #[cfg(feature = "grpc")]
        Command::DeviceServer(args) => device_server::run(*args, Output::new(mode)),
        #[cfg(feature = "grpc")]
        Command::Device(args) => device::run(*args, Output::new(mode)),
        #[cfg(feature = "devices")]
        Command::Devices(args) => devices::run(&args, &Output::new(mode)),
        #[cfg(feature = "devices")]
        Command::Loopback(args) => loopback::run(&args, Output::new(mode)),
        Command::Link(args) => link::run(args, Output::new(mode)),
        Command::Sim(args) => sim::run(args, Output::new(mode)),
        Command::Plot(args) => plot::run(args, &Output::new(mode)),
        Command::Compare(args) => compare::run(args, &Output::new(mode)),
        Command::Replay(args) => replay::run(args, &Output::new(mode)),
        Command::Doctor(args) => doctor::run(args, Output::new(mode)),
        #[cfg(feature = "relay")]
        Command::Bench(args) => bench::run(args, Output::new(mode)),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, &Output::new(mode)),
    }
}

fn start_tracing(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

const EXAMPLES: &str = "\
Examples:
  audiox send take1.wav take2.wav --to udp://192.168.2.20:12345
  audiox send recordings/ --to 'rtp://239.1.2.3:5004?codec=L24&ptime=5' --sdp session.sdp
  audiox recv session.sdp --to multitrack.wav
  audiox play session.sdp --to heard.wav --profile interactive --trace call.trace
  audiox send tone:440 --to rtp://127.0.0.1:5004
  audiox fanout mic:stage --clients clients.json
  audiox relay --store s3://recordings/live
  audiox player --redis-url redis://localhost
  audiox device-server --config devices.toml

Exit codes: 0 done (also after one Ctrl-C), 1 failed, 2 wrong usage, 130 after a second Ctrl-C.";
