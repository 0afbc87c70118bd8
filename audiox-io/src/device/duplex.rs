//! Both directions at once.

use std::sync::Arc;

use audiox_core::format::StreamFormat;
use audiox_core::source::{Pull, Source};

use super::capture::{Capture, CaptureSource};
use super::error::DeviceError;
use super::host::{Host, Wish};
use super::playback::{Playback, PlaybackConfig};

/// A microphone and a speaker that run together, at one rate.
///
/// The two directions of one sound card count with one clock; those of two devices drift apart,
/// and what goes from one to the other is then too much or too little by as many frames: send it
/// through a [`Playout`](audiox_core::playout::Playout), which resamples the difference away.
#[derive(Debug, Clone)]
pub struct Duplex {
    /// The microphone.
    pub input: Capture,
    /// The speaker. Where its wish leaves out rate or buffer, they are the microphone's.
    pub output: PlaybackConfig,
}

impl Duplex {
    /// Opens both, the microphone first, and lets the speaker pull from what `make` makes for the
    /// formats of the two, as [`Playback::start`] does.
    ///
    /// # Errors
    /// One of them is not there, or cannot be opened; the other is let go.
    pub fn start(
        self,
        host: Arc<dyn Host>,
        make: impl FnOnce(StreamFormat, StreamFormat) -> Box<dyn Pull> + Send + 'static,
    ) -> Result<(CaptureSource, Playback), DeviceError> {
        let input = self.input.start(host.clone())?;
        let captured = input.format();
        let wish = self.output.wish;
        let output = PlaybackConfig {
            wish: Wish {
                rate: wish.rate.or(Some(captured.rate)),
                buffer: wish.buffer.or_else(|| Some(input.obtained().asked_buffer)),
                ..wish
            },
            ..self.output
        };
        let playback = Playback::start(host, output, move |played| make(captured, played))?;
        Ok((input, playback))
    }
}
