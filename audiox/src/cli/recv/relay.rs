//! A relay's stream into a file, a pipe or a speaker.

use std::ops::ControlFlow;

use audiox::core::source::Source;
use audiox::relay::{RelaySource, RelayTarget};
use audiox::source::OpenSource;
use audiox::{SinkName, Transfer};
use serde_json::json;

use super::RecvArgs;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Output, round};
use crate::cli::text::Clock;

pub(super) fn run(
    args: &RecvArgs,
    from: &str,
    to: &SinkName,
    mut output: Output,
) -> Result<(), Failure> {
    args.refuse_what_a_relay_says()?;
    let mut target: RelayTarget = from.parse()?;
    if let Some(from) = args.part_from {
        target.from = from;
    }
    #[cfg(feature = "devices")]
    if let SinkName::Speaker(choice) = to {
        return play(args, &target, choice, output);
    }
    let source = RelaySource::open(&target, false)?;
    let (format, name) = (source.format(), target.connect.relay.to_string());
    let sample = source.native().map(|pcm| pcm.sample);
    let source = OpenSource::new(&name, Box::new(source), sample);
    let transfer = Transfer::new(vec![source], to, args.sample_format)?;
    let transfer = transfer.encoding(args.encoding.options());
    let interrupt = Interrupt::install()?;
    output.go_live();
    output.event(
        "started",
        || json!({ "url": name, "rate": format.rate.get() }),
    )?;
    let mut told = Ok(());
    let written = transfer.run(|frames| {
        let length = format.rate.duration_of(frames);
        told = output.statistics(
            || format!("{} of {name}", Clock(length)),
            || json!({ "frames": frames }),
        );
        let over = args.duration.is_some_and(|d| length >= d);
        match over || told.is_err() || interrupt.requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    told?;
    let frames: u64 = written.iter().map(|w| w.frames).sum();
    let length = format.rate.duration_of(frames);
    output.summary(
        || format!("{}: {} of {name}", args.to, Clock(length)),
        || {
            json!({
                "url": name,
                "file": written.iter().find_map(|w| w.path.clone()),
                "frames": frames,
                "seconds": round(length),
                "rate": format.rate.get(),
                "channels": format.channels.get(),
            })
        },
    )
}

/// Plays as `audiox play` does: what comes over TCP in bursts goes on as RTP over loopback, so that
/// the one engine adapts the delay, conceals what starves and follows the speaker's clock.
#[cfg(feature = "devices")]
fn play(
    args: &RecvArgs,
    target: &RelayTarget,
    choice: &audiox::device::DeviceChoice,
    output: Output,
) -> Result<(), Failure> {
    use std::time::Duration;

    use audiox::core::format::StreamFormat;
    use audiox::core::playout::Profile;
    use audiox::udp::node::Listen;
    use audiox::udp::player::PlayerConfig;
    use audiox::udp::streamer::{StreamSpec, Streamer, StreamerConfig};

    let source = RelaySource::open(target, true)?;
    let StreamFormat { rate, channels } = source.format();
    let url = |port: u16| {
        let (rate, channels) = (rate.get(), channels.get());
        format!("rtp://127.0.0.1:{port}?codec=L24&rate={rate}&channels={channels}")
    };
    let endpoint = |port| url(port).parse().map_err(audiox::Error::from);
    let config = PlayerConfig {
        idle_after: args.idle.max(Duration::from_secs(30)),
        stop_when_ended: true,
        duration: args.duration,
        codecs: audiox::codecs(),
        ..PlayerConfig::new(
            Listen::from_endpoint(&endpoint(0)?)?,
            Profile::Balanced.config(),
        )?
    };
    let name = target.connect.relay.to_string();
    crate::cli::play::on_speaker_fed(config, choice, output, move |at| {
        let port = at.first().map_or(0, std::net::SocketAddr::port);
        let config = StreamerConfig::new(endpoint(port)?);
        Ok(Streamer::start(
            config,
            vec![StreamSpec::new(name, source)],
        )?)
    })
}
