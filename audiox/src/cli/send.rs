//! `audiox send`: sources to the network in real time, or to a file or pipe at full speed.

mod args;
mod copy;
mod live;
#[cfg(feature = "relay")]
mod relay;
mod report;
#[cfg(feature = "redis")]
mod session;

pub(super) use report::millis;

use audiox::{SinkName, sources_from_str};

pub(super) use args::SendArgs;

use super::failure::Failure;
use super::output::Output;

/// Sends.
pub(super) fn run(args: SendArgs, mut output: Output) -> Result<(), Failure> {
    let to = args.sink()?;
    if to == SinkName::Stdout {
        output.give_stdout_to_audio();
    }
    let options = args.source_options()?;
    let mut sources = Vec::new();
    for text in args.sources() {
        sources.extend(sources_from_str(text, &options)?);
    }
    for source in &sources {
        tracing::debug!(name = source.name, format = %source.source.format(), "source");
        for notice in &source.notices {
            output.notice(format_args!("{}: {notice}", source.name))?;
        }
    }
    match to {
        SinkName::Net(to) => {
            args.refuse_file_options()?;
            live::run(&args, sources, *to, output)
        }
        #[cfg(feature = "relay")]
        SinkName::Relay(target) => {
            args.refuse_network_options()?;
            relay::run(&args, sources, &target, output)
        }
        #[cfg(feature = "redis")]
        SinkName::Session(target) => {
            args.refuse_network_options()?;
            session::run(&args, sources, &target, output)
        }
        to => {
            args.refuse_network_options()?;
            args.refuse_samples_of_opus(&to)?;
            copy::run(&args, sources, &to, output)
        }
    }
}
