//! Sends audio that a program makes itself, and takes what it hears sample by sample: no file, no
//! device. Runs for two seconds on loopback.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use audiox::core::block::AudioRef;
use audiox::core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox::core::playout::Profile;
use audiox::core::source::{Sink, SinkError, Source, SourceClock, SourceError};
use audiox::udp::node::Listen;
use audiox::udp::player::{Player, PlayerConfig};
use audiox::udp::streamer::{StreamSpec, Streamer, StreamerConfig};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = "rtp://127.0.0.1:0?codec=L16&rate=48000&channels=1";
    let mut config = PlayerConfig::new(
        Listen::from_endpoint(&url.parse()?)?,
        Profile::Balanced.config(),
    )?;
    config.stop_when_ended = true;
    let loudest = Arc::new(AtomicU32::new(0));
    let playing = Player::start(config, Box::new(Meter(loudest.clone())))?;

    let to = format!("rtp://{}?codec=L16&ptime=5", playing.local_addrs()[0]);
    let bells = Bells { frame: 0 };
    Streamer::start(
        StreamerConfig::new(to.parse()?),
        vec![StreamSpec::new("bells", bells)],
    )?
    .wait()?;

    let report = playing.wait()?;
    let peak = f32::from_bits(loudest.load(Ordering::Relaxed));
    println!("{} streams, peak {peak:.3}", report.streams.len());
    assert!((0.49..0.51).contains(&peak), "what was sent was not heard");
    Ok(())
}

/// A second of a tone that fades, again and again.
struct Bells {
    frame: u64,
}

impl Source for Bells {
    fn format(&self) -> StreamFormat {
        FORMAT
    }

    // Nothing of its own keeps time, so the streamer does.
    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some(96_000 - self.frame)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let frames = out
            .len()
            .min(usize::try_from(96_000 - self.frame).unwrap_or(0));
        for sample in &mut out[..frames] {
            let second = (self.frame % 48_000) as f32 / 48_000.0;
            *sample = 0.5 * (-5.0 * second).exp() * (std::f32::consts::TAU * 880.0 * second).sin();
            self.frame += 1;
        }
        Ok(frames)
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported("bells are no stored bytes".into()))
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.frame = frame.min(96_000);
        Ok(())
    }
}

/// Keeps the loudest sample.
struct Meter(Arc<AtomicU32>);

impl Sink for Meter {
    fn format(&self) -> StreamFormat {
        FORMAT
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        let loudest = block.samples().iter().fold(0.0f32, |m, s| m.max(s.abs()));
        // Of positive floats the bits are in order.
        self.0.fetch_max(loudest.to_bits(), Ordering::Relaxed);
        Ok(())
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Unsupported("the meter takes samples".into()))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
