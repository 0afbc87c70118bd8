use std::fmt;
use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::codec::{EncodeError, Encoder};
use audiox_core::error::ConfigError;
use audiox_core::format::{SampleRate, StreamFormat};
use audiox_core::redundancy::Means;

use crate::config::{Application, Bitrate, DRED, InbandFec, MAX_HISTORY, OpusConfig, RateControl};
use crate::layout::Layout;
use crate::packet::Bandwidth;
use crate::raw::{self, Code, RawEncoder, Reading, Setting};

/// Encodes Opus, one payload for each block of frames.
///
/// Input comes out of the decoder [`lookahead`](Encoder::lookahead) frames later. Input that is
/// not finite is encoded as silence.
pub struct OpusEncoder {
    raw: RawEncoder,
    format: StreamFormat,
    layout: Layout,
    frames: usize,
    max_payload: usize,
    lookahead: usize,
    /// A last block is padded with silence here.
    padded: Box<[f32]>,
    /// Bits a second at most.
    max_bitrate: u32,
    /// Deep redundancy to be added whatever is planned.
    #[cfg(feature = "dred")]
    least_history: Duration,
    /// Loss to be prepared for whatever is reported.
    least_loss: f32,
    in_band: bool,
    dtx: bool,
    /// The last payload said that silence goes on.
    silent: bool,
}

impl OpusEncoder {
    /// An encoder of packets of `frames_per_packet` frames.
    ///
    /// # Errors
    /// A rate, channel count, packet length or setting that Opus does not have, or a bitrate
    /// whose payloads would be longer than they may be.
    pub fn new(
        config: &OpusConfig,
        format: StreamFormat,
        frames_per_packet: usize,
    ) -> Result<Self, ConfigError> {
        let layout = config.layout_for(format)?;
        config.check(format, frames_per_packet)?;
        let application = match config.application {
            Application::Voip => raw::VOIP,
            Application::Audio => raw::AUDIO,
            Application::LowDelay => raw::LOW_DELAY,
        };
        let made = RawEncoder::new(format.rate.get(), &layout, application);
        let raw = made.map_err(|code| refused("encoder", &format, code))?;
        let mut encoder = Self {
            raw,
            format,
            layout,
            frames: frames_per_packet,
            max_payload: config.max_payload,
            lookahead: 0,
            padded: vec![0.0; frames_per_packet * format.channels.get()].into(),
            max_bitrate: config.max_bitrate.unwrap_or(u32::MAX),
            #[cfg(feature = "dred")]
            least_history: config.history,
            least_loss: config.expected_loss,
            // Its low-delay mode has none.
            in_band: config.fec != InbandFec::Off && config.application != Application::LowDelay,
            dtx: config.dtx,
            silent: false,
        };
        for (field, setting, value) in settings(config) {
            let set = encoder.raw.set(setting, value);
            set.map_err(|code| refused(field, &value, code))?;
        }
        encoder.set_history(config.history);
        let most = encoder.max_bitrate;
        if config.bitrate == Bitrate::Auto
            && most < automatic(format, &encoder.layout, frames_per_packet)
        {
            encoder.set_bitrate(most);
        }
        let lookahead = encoder.raw.get(Reading::Lookahead);
        let lookahead = lookahead.map_err(|code| refused("encoder", &format, code))?;
        encoder.lookahead = usize::try_from(lookahead).unwrap_or(0);
        Ok(encoder)
    }

    /// Which channels are in which of a payload's streams.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bits a second that it aims for now, all channels together.
    pub fn bitrate(&mut self) -> u32 {
        let bits = self.raw.get(Reading::Bitrate).unwrap_or(0);
        u32::try_from(bits).unwrap_or(0)
    }
}

impl Encoder for OpusEncoder {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn frames_per_packet(&self) -> usize {
        self.frames
    }

    fn clock_rate(&self) -> SampleRate {
        SampleRate::HZ_48000
    }

    fn max_payload_len(&self) -> usize {
        self.max_payload
    }

    fn lookahead(&self) -> usize {
        self.lookahead
    }

    fn encode(&mut self, input: AudioRef<'_>, payload: &mut [u8]) -> Result<usize, EncodeError> {
        let channels = self.format.channels;
        if input.channels() != channels {
            return Err(EncodeError::Channels {
                expected: channels.get(),
                actual: input.channels().get(),
            });
        }
        if input.frames() > self.frames {
            return Err(EncodeError::TooLong {
                frames: input.frames(),
                max: self.frames,
            });
        }
        // Quality must not depend on how much room a caller happens to have.
        let available = payload.len();
        let Some(room) = payload.get_mut(..self.max_payload) else {
            return Err(EncodeError::BufferTooSmall {
                needed: self.max_payload,
                available,
            });
        };
        let samples = input.samples();
        let full = if input.frames() == self.frames {
            samples
        } else if samples.is_empty() {
            return Ok(0);
        } else {
            let (given, silence) = self.padded.split_at_mut(samples.len());
            given.copy_from_slice(samples);
            silence.fill(0.0);
            &self.padded
        };
        let coded = self.raw.encode(full, self.frames, room);
        let len = coded.map_err(|Code(code)| EncodeError::Codec(code))?;
        // A stream that has nothing to say takes its first byte alone, or a length and that. The
        // first such payload tells the decoder; those after it need not travel.
        let silent = self.dtx && len <= 2 * usize::from(self.layout.streams());
        let again = silent && self.silent;
        self.silent = silent;
        Ok(if again { 0 } else { len })
    }

    fn means(&self) -> Means {
        Means {
            in_band: self.in_band,
            history: if DRED && self.layout.streams() == 1 {
                MAX_HISTORY
            } else {
                Duration::ZERO
            },
            ..Means::default()
        }
    }

    fn set_expected_loss(&mut self, fraction: f32) {
        // Not a number becomes the least.
        let fraction = fraction.max(self.least_loss).clamp(0.0, 1.0);
        let percent = (fraction * 100.0).ceil() as i32;
        let _ = self.raw.set(Setting::PacketLossPercent, percent);
    }

    #[cfg(feature = "dred")]
    fn set_history(&mut self, history: Duration) {
        let history = history.max(self.least_history);
        let spans = history.min(MAX_HISTORY).as_millis().div_ceil(10);
        // Several streams have none, which is what it answers.
        let _ = self.raw.set(Setting::DredDuration, spans as i32);
    }

    fn set_bitrate(&mut self, bits_per_second: u32) {
        let bits = bits_per_second.clamp(500, self.max_bitrate);
        let bits = i32::try_from(bits).unwrap_or(i32::MAX);
        let _ = self.raw.set(Setting::Bitrate, bits);
    }

    fn reset(&mut self) {
        self.raw.reset();
        self.silent = false;
    }
}

impl fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusEncoder")
            .field("format", &self.format)
            .field("layout", &self.layout)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// What `config` says, in libopus' numbers, each with the field that it comes from.
fn settings(config: &OpusConfig) -> [(&'static str, Setting, i32); 8] {
    let bitrate = match config.bitrate {
        Bitrate::Auto => raw::AUTO,
        Bitrate::BitsPerSecond(bits) => {
            let bits = config.max_bitrate.map_or(bits, |most| bits.min(most));
            i32::try_from(bits).unwrap_or(i32::MAX)
        }
    };
    let (vbr, constraint) = match config.rate_control {
        RateControl::Variable => (1, 0),
        RateControl::Constrained => (1, 1),
        RateControl::Constant => (0, 0),
    };
    let fec = match config.fec {
        InbandFec::Off => 0,
        InbandFec::Always => 1,
        InbandFec::Speech => 2,
    };
    let bandwidth = match config.max_bandwidth {
        Bandwidth::Narrowband => raw::NARROWBAND,
        Bandwidth::Mediumband => raw::MEDIUMBAND,
        Bandwidth::Wideband => raw::WIDEBAND,
        Bandwidth::SuperWideband => raw::SUPERWIDEBAND,
        Bandwidth::Fullband => raw::FULLBAND,
    };
    let percent = (config.expected_loss * 100.0).ceil() as i32;
    [
        ("bitrate", Setting::Bitrate, bitrate),
        ("rate_control", Setting::Vbr, vbr),
        ("rate_control", Setting::VbrConstraint, constraint),
        ("complexity", Setting::Complexity, config.complexity.into()),
        ("max_bandwidth", Setting::MaxBandwidth, bandwidth),
        ("fec", Setting::InbandFec, fec),
        ("expected_loss", Setting::PacketLossPercent, percent),
        ("dtx", Setting::Dtx, config.dtx.into()),
    ]
}

/// The bitrate that libopus chooses itself, about.
fn automatic(format: StreamFormat, layout: &Layout, frames: usize) -> u32 {
    let rate = format.rate.get();
    let packets = rate / u32::try_from(frames).unwrap_or(u32::MAX);
    60 * packets * u32::from(layout.streams()) + rate * format.channels.get() as u32
}

/// libopus refused what was checked before: its own words.
pub(crate) fn refused(field: &'static str, value: &dyn fmt::Display, code: Code) -> ConfigError {
    ConfigError::new(field, value, format!("libopus says: {}", code.text()))
}
