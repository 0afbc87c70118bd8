//! Many streams at once: told apart beside the socket, played together in the callback.
//!
//! One [`SessionInput`] lives beside the socket. It demultiplexes ([`Ingress`]), and when a
//! source is confirmed it builds a [`Playout`](crate::playout::Playout) for it and hands it, ready
//! made, to the [`SessionOutput`] in the playback callback. That one mixes all of them into the
//! device's slice, or hands out one slice a source. When a source ends, its playout travels back
//! and is dropped beside the socket. [`Session`] is both on one thread.
//!
//! # What crosses, and how
//! | from | to | what | bound |
//! | --- | --- | --- | --- |
//! | input | output | packets of all sources, in order of arrival | the packet pool |
//! | input | output | playouts; "finish", "close" | four commands a place |
//! | output | input | spent packet buffers | the packet pool |
//! | output | input | ended playouts | one a place |
//! | output | input | statistics, ten times a second | dropped while nobody reads |
//! | input | output | each place's gain, and back how many buffers it returned | atomics |
//!
//! All rings have one producer and one consumer; there is no lock, and nothing is allocated or
//! freed in the callback. A packet is routed by its [`Ticket`], in O(1); its playout was always
//! handed over before it.
//!
//! # Limits, and what hostile senders can do
//! - A source must send twice before anything is built for it. Sources heard once fill what the
//!   wire side's table has left, and replace each other, the oldest first.
//! - Places are limited; a confirmed source beyond them is refused, counted, and tried again with
//!   each packet. Those who have a place keep it until they end.
//! - Each place has its own share of the buffers: one that floods, or sends far into the future,
//!   loses its own newest packets and nobody else's.
//! - At most two playouts a place are built within a second.
//! - A forged goodbye ends nothing while packets still come: a playout is sent home only once it
//!   has run dry for 100 ms, and the next packet opens another.
//!
//! # Deliberate differences
//! - NetEQ leaves it to its user to keep one instance a stream, and WebRTC's mixer takes only the
//!   three loudest; here all are mixed, up to the number of places.
//! - roc builds and deletes sessions on the audio thread, between blocks; here only the pointer to
//!   a playout arrives there, ready to play.
//! - GStreamer's `rtpbin` makes a chain of elements and threads for each SSRC, unbounded unless an
//!   application says otherwise.

mod event;
mod handover;
mod input;
mod lane;
mod mixer;
mod output;
mod places;
mod playouts;
mod stats;
mod ticket;

pub use event::{Routed, SessionEvent, SourceRefusal};
pub use input::SessionInput;
pub use output::{Mixed, SessionOutput, SourceAudio};
pub use playouts::{NewSource, PlayoutFactory, UniformPlayouts};
pub use stats::{MixStats, PlaybackStats, SessionStats};
pub use ticket::Ticket;

use std::time::Duration;

use crate::block::AudioMut;
use crate::error::{ConfigError, ParseError};
use crate::format::StreamFormat;
use crate::ingress::{Ingress, IngressConfig, IngressFraming, Origin};
use crate::time::Instant;

/// What a [`Session`] is made with.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Format of the slices to pull.
    pub output: StreamFormat,
    /// The wire side. Its `max_sources` bounds the table of sources heard of, those without a
    /// place included; it should be a multiple of the places, so that a flood of strays does not
    /// keep newcomers out.
    pub ingress: IngressConfig,
    /// Sources played at once, 1 to 1 024: the number of places.
    pub max_sources: usize,
    /// Packets that each source can have waiting, 2 to 65 536: longest delay ÷ ptime, with room
    /// for bursts. Memory is this × places × [`max_datagram`](Self::max_datagram).
    pub buffers_per_source: usize,
    /// Bytes that a datagram can have; longer ones are dropped, counted.
    pub max_datagram: usize,
    /// Time within which a gain glides to its new value. 20 ms do not click and follow the hand.
    pub gain_slew: Duration,
}

impl SessionConfig {
    /// 16 places, 256 packets each, of up to 2 048 bytes (8 MiB); gains glide within 20 ms.
    /// Tuned for a conference over PCM packets of 1 to 20 ms.
    pub fn new(output: StreamFormat, framing: IngressFraming) -> Self {
        Self {
            output,
            ingress: IngressConfig {
                framing,
                ..IngressConfig::rtp([])
            },
            max_sources: 16,
            buffers_per_source: 256,
            max_datagram: 2_048,
            gain_slew: Duration::from_millis(20),
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=Ticket::MAX_SLOTS).contains(&self.max_sources) {
            let allowed = "1 to 1024 places";
            return Err(ConfigError::new("max_sources", self.max_sources, allowed));
        }
        if !(2..=65_536).contains(&self.buffers_per_source) {
            let (field, value) = ("buffers_per_source", self.buffers_per_source);
            return Err(ConfigError::new(field, value, "2 to 65536 packets"));
        }
        if !(1..=65_535).contains(&self.max_datagram) {
            let allowed = "1 to 65535 bytes";
            return Err(ConfigError::new("max_datagram", self.max_datagram, allowed));
        }
        Ok(())
    }
}

/// Both sides on one thread: tests, the simulator, blocking programs.
#[derive(Debug)]
pub struct Session {
    input: SessionInput,
    output: SessionOutput,
}

impl Session {
    /// A session that has heard nothing yet; `playouts` makes what each source needs.
    ///
    /// # Errors
    /// A configuration out of range.
    pub fn new(
        config: SessionConfig,
        playouts: impl PlayoutFactory + 'static,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let ingress = Ingress::new(config.ingress.clone(), now)?;
        let slots = config.max_sources;
        let buffers = slots * config.buffers_per_source + SPARE_BUFFERS;
        let (socket, playback) = handover::handover(slots, buffers, config.max_datagram);
        Ok(Self {
            input: SessionInput::new(ingress, Box::new(playouts), socket, &config, now),
            output: SessionOutput::new(config.output, slots, playback),
        })
    }

    /// The two sides, each for its thread.
    pub fn split(self) -> (SessionInput, SessionOutput) {
        (self.input, self.output)
    }

    /// The socket side, for what is not here.
    pub fn input(&mut self) -> &mut SessionInput {
        &mut self.input
    }

    /// The playback side, for what is not here.
    pub fn output(&mut self) -> &mut SessionOutput {
        &mut self.output
    }

    /// See [`SessionInput::handle_datagram`].
    pub fn handle_datagram(&mut self, now: Instant, origin: Origin, datagram: &[u8]) -> Routed {
        self.input.handle_datagram(now, origin, datagram)
    }

    /// See [`SessionInput::handle_repair`].
    pub fn handle_repair(&mut self, now: Instant, origin: Origin, datagram: &[u8]) -> Routed {
        self.input.handle_repair(now, origin, datagram)
    }

    /// See [`SessionInput::handle_rtcp`].
    ///
    /// # Errors
    /// It is malformed (counted).
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Result<(), ParseError> {
        self.input.handle_rtcp(now, datagram)
    }

    /// See [`SessionOutput::pull`].
    pub fn pull(&mut self, now: Instant, out: AudioMut<'_>) -> Mixed {
        let mixed = self.output.pull(now, out);
        self.input.collect();
        mixed
    }

    /// See [`SessionOutput::pull_each`].
    pub fn pull_each(
        &mut self,
        now: Instant,
        slice: AudioMut<'_>,
        each: impl FnMut(SourceAudio<'_>),
    ) {
        self.output.pull_each(now, slice, each);
        self.input.collect();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.input.poll_timeout()
    }

    /// See [`SessionInput::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.input.handle_timeout(now);
    }

    /// See [`SessionInput::poll_report`].
    #[must_use]
    pub fn poll_report(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        self.input.poll_report(now, buf)
    }

    /// See [`SessionInput::poll_event`].
    #[must_use]
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.input.poll_event()
    }
}

/// Buffers in the hands of the socket's owner, which receives in batches.
const SPARE_BUFFERS: usize = 64;

#[cfg(test)]
mod tests;
