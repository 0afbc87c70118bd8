use std::fmt;
use std::time::Duration;

use audiox_core::error::ConfigError;
use audiox_core::format::{SampleRate, StreamFormat};

use crate::layout::Layout;
use crate::packet::{Bandwidth, MAX_FRAME_BYTES};

/// What Opus encoders and decoders are made with.
///
/// The default is tuned for live audio of any kind over networks that may lose packets: speech
/// and music, 51 kbit/s in mono and 99 in stereo, in-band error correction as soon as somebody
/// says that packets are lost.
#[derive(Debug, Clone, PartialEq)]
pub struct OpusConfig {
    /// What the encoder is for. Default: [`Application::Audio`].
    pub application: Application,
    /// Bits a second, all channels together. Default: [`Bitrate::Auto`].
    pub bitrate: Bitrate,
    /// Never more bits a second than this, also where the bitrate is set anew later; 6 000 and
    /// more. Default: none.
    pub max_bitrate: Option<u32>,
    /// How far single packets may differ from the bitrate. Default: [`RateControl::Constrained`].
    pub rate_control: RateControl,
    /// Work that the encoder puts into quality, 0 to 10. Default: 9; speech at 5 takes a quarter
    /// less time and differs little.
    pub complexity: u8,
    /// The widest bandwidth to encode. Default: full.
    pub max_bandwidth: Bandwidth,
    /// In-band error correction: each packet holds the one before it, coarsely, once
    /// [`expected_loss`](Self::expected_loss) is above zero. Default: [`InbandFec::Speech`].
    pub fec: InbandFec,
    /// Part of the packets that will be lost, 0 to 1, at least; the encoder protects itself
    /// accordingly, and more while receivers report more. Default: 0.
    pub expected_loss: f32,
    /// Deep redundancy: how far back the coarse copy of the past in each packet may reach, up to
    /// 1.04 s, in steps of 10 ms; further where the sender's plan asks for it later, never less.
    /// Default: zero, none.
    ///
    /// It needs feature `dred`, one or two channels, packets of 10 to 60 ms, an expected loss
    /// above zero, and bits, which [`fec`](Self::fec) competes for: BENCHMARKS.md says how far it
    /// reaches at which bitrate. Speech narrower than 8 kHz cannot be continued by it. Decoders
    /// that do not know it pass it over.
    pub history: Duration,
    /// What decoders fill gaps with. Default: [`Concealment::Classic`].
    pub concealment: Concealment,
    /// Whether packets of silence are left out but for one in 400 ms. Default: false.
    pub dtx: bool,
    /// Bytes that a payload may take, 16 to 61 298. Default: 1 200, which passes any network with
    /// headers and redundancy around it. A bitrate that does not fit is refused, and
    /// [`Bitrate::Auto`] lowered.
    pub max_payload: usize,
    /// How more than two channels are coded. Default: `None`, the usual layout for the count.
    pub layout: Option<Layout>,
}

/// What an encoder is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Application {
    /// Intelligibility of speech above all.
    Voip,
    /// Faithfulness to the input, speech or music.
    #[default]
    Audio,
    /// 4 ms less delay, without the modes for speech: no in-band error correction.
    LowDelay,
}

/// Bits a second, all channels together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bitrate {
    /// libopus' choice by rate and channels: 51 kbit/s for mono and 99 for stereo at 48 kHz.
    #[default]
    Auto,
    /// 6 000 to 510 000 for each channel.
    BitsPerSecond(u32),
}

/// How far packets may differ in length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RateControl {
    /// As long as quality asks for.
    Variable,
    /// The same, but so that no more than one packet's bits have to wait at the bitrate.
    #[default]
    Constrained,
    /// All of one length.
    Constant,
}

/// In-band error correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InbandFec {
    /// None.
    Off,
    /// Where the signal is speech; music keeps its quality instead.
    #[default]
    Speech,
    /// Always when packets are lost, even where music has to be coded as speech for it.
    Always,
}

/// What a decoder fills gaps with where nothing is left to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Concealment {
    /// The last pitch and spectrum, fading out.
    #[default]
    Classic,
    /// What a neural network expects of speech, for some 100 ms; where speech is narrower than
    /// 8 kHz, the classic way. It needs feature `dred` and takes some ten times the time.
    Deep,
}

impl Default for OpusConfig {
    fn default() -> Self {
        Self {
            application: Application::Audio,
            bitrate: Bitrate::Auto,
            max_bitrate: None,
            rate_control: RateControl::Constrained,
            complexity: 9,
            max_bandwidth: Bandwidth::Fullband,
            fec: InbandFec::Speech,
            expected_loss: 0.0,
            history: Duration::ZERO,
            concealment: Concealment::Classic,
            dtx: false,
            max_payload: 1_200,
            layout: None,
        }
    }
}

impl OpusConfig {
    /// The layout for streams of `format`.
    ///
    /// # Errors
    /// The layout is for another channel count, or Opus carries no such rate or count.
    pub fn layout_for(&self, format: StreamFormat) -> Result<Layout, ConfigError> {
        check_rate(format.rate)?;
        match &self.layout {
            Some(layout) if layout.channels() == format.channels.get() => Ok(layout.clone()),
            Some(layout) => Err(ConfigError::new(
                "channels",
                format.channels,
                format!("the layout has {}", layout.channels()),
            )),
            None => Layout::usual(format.channels),
        }
    }

    /// Checks the encoder's part for payloads of `frames_per_packet` frames.
    pub(crate) fn check(
        &self,
        format: StreamFormat,
        frames_per_packet: usize,
    ) -> Result<(), ConfigError> {
        check_frames(format.rate, frames_per_packet)?;
        if self.complexity > 10 {
            let allowed = "complexity is 0 to 10";
            return Err(ConfigError::new("complexity", self.complexity, allowed));
        }
        if !(0.0..=1.0).contains(&self.expected_loss) {
            return Err(ConfigError::new(
                "expected_loss",
                self.expected_loss,
                "the part of packets lost is 0 to 1",
            ));
        }
        if self.history > MAX_HISTORY {
            return Err(ConfigError::new(
                "history",
                format_args!("{:?}", self.history),
                "deep redundancy reaches back up to 1.04 s",
            ));
        }
        if self.history > Duration::ZERO && (!DRED || format.channels.get() > 2) {
            let allowed = "deep redundancy takes feature dred and one or two channels";
            let history = format_args!("{:?}", self.history).to_string();
            return Err(ConfigError::new("history", history, allowed));
        }
        if !(MIN_PAYLOAD..=MAX_PAYLOAD).contains(&self.max_payload) {
            return Err(ConfigError::new(
                "max_payload",
                self.max_payload,
                "a payload takes 16 to 61298 bytes",
            ));
        }
        if let Some(most) = self.max_bitrate
            && u64::from(most) < MIN_BITRATE
        {
            let allowed = "Opus takes at least 6000 bit/s";
            return Err(ConfigError::new("max_bitrate", most, allowed));
        }
        if let Bitrate::BitsPerSecond(bits) = self.bitrate {
            let most = MAX_BITRATE * format.channels.get() as u64;
            if !(MIN_BITRATE..=most).contains(&u64::from(bits)) {
                return Err(ConfigError::new(
                    "bitrate",
                    bits,
                    format!(
                        "{} channels take {MIN_BITRATE} to {most} bit/s",
                        format.channels
                    ),
                ));
            }
            let bits = self.max_bitrate.map_or(bits, |most| bits.min(most));
            let needed = bytes_at(bits, format.rate, frames_per_packet);
            if needed > self.max_payload {
                return Err(ConfigError::new(
                    "bitrate",
                    bits,
                    format!(
                        "its payloads would take {needed} bytes of {}; lower it or ptime, or raise max_payload",
                        self.max_payload
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::BitsPerSecond(bits) => write!(f, "{bits} bit/s"),
        }
    }
}

/// Whether deep redundancy and deep concealment are built in (feature `dred`).
pub const DRED: bool = cfg!(feature = "dred");

/// The rates that libopus takes and gives.
pub(crate) fn check_rate(rate: SampleRate) -> Result<(), ConfigError> {
    if RATES.contains(&rate.get()) {
        return Ok(());
    }
    Err(ConfigError::new(
        "rate",
        rate,
        "Opus takes 8000, 12000, 16000, 24000 and 48000 Hz; resample others",
    ))
}

/// The lowest rate that libopus takes and that holds all of `rate`, or its highest.
pub(crate) fn rate_above(rate: SampleRate) -> SampleRate {
    let holds = RATES.iter().filter(|r| **r >= rate.get());
    holds
        .min()
        .and_then(|r| SampleRate::new(*r).ok())
        .unwrap_or(SampleRate::HZ_48000)
}

/// Whether a packet of `frames` is one that Opus makes; says which there are.
pub(crate) fn check_frames(rate: SampleRate, frames: usize) -> Result<(), ConfigError> {
    let fits =
        |tenths: &u64| u128::from(rate.get()) * u128::from(*tenths) == frames as u128 * 10_000;
    if PTIMES.iter().any(fits) {
        return Ok(());
    }
    let nanos = u64::try_from(frames).map(|n| rate.duration_of(n));
    let ms = nanos.unwrap_or(Duration::MAX).as_nanos() as f64 / 1e6;
    Err(ConfigError::new(
        "ptime",
        format_args!("{ms} ms"),
        "Opus packets last 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms",
    ))
}

/// Bytes of a payload of `frames` frames at `bits` a second.
pub(crate) fn bytes_at(bits: u32, rate: SampleRate, frames: usize) -> usize {
    let bits = u64::from(bits) * frames as u64;
    bits.div_ceil(u64::from(rate.get()) * 8) as usize
}

const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
/// Packet durations in tenths of a millisecond.
const PTIMES: [u64; 9] = [25, 50, 100, 200, 400, 600, 800, 1_000, 1_200];
/// RFC 6716 section 2.1.1 and RFC 7587 section 6.1, `maxaveragebitrate`.
const MIN_BITRATE: u64 = 6_000;
const MAX_BITRATE: u64 = 510_000;
/// 104 spans of 10 ms.
pub(crate) const MAX_HISTORY: Duration = Duration::from_millis(1_040);
const MIN_PAYLOAD: usize = 16;
/// 48 frames of 2.5 ms, the most that RFC 6716 section 3.2.5 can hold, with their lengths.
const MAX_PAYLOAD: usize = 48 * (MAX_FRAME_BYTES + 2) + 2;

#[cfg(test)]
mod tests {
    use audiox_core::format::Channels;

    use super::*;

    const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);

    fn field(change: impl FnOnce(&mut OpusConfig), frames: usize) -> &'static str {
        let mut config = OpusConfig::default();
        change(&mut config);
        config.check(STEREO, frames).unwrap_err().field
    }

    #[test]
    fn what_cannot_be_is_refused_by_field() {
        assert_eq!(field(|c| c.complexity = 11, 960), "complexity");
        assert_eq!(field(|c| c.expected_loss = 1.1, 960), "expected_loss");
        assert_eq!(field(|c| c.expected_loss = f32::NAN, 960), "expected_loss");
        assert_eq!(field(|c| c.max_payload = 15, 960), "max_payload");
        assert_eq!(field(|c| c.max_payload = 61_299, 960), "max_payload");
        let bits = |n| move |c: &mut OpusConfig| c.bitrate = Bitrate::BitsPerSecond(n);
        assert_eq!(field(bits(5_999), 960), "bitrate");
        assert_eq!(field(bits(1_020_001), 960), "bitrate");
        assert_eq!(field(|c| c.max_bitrate = Some(5_999), 960), "max_bitrate");
        for frames in [0, 1, 119, 121, 441, 1_000, 2_400, 5_761, usize::MAX] {
            assert_eq!(field(|_| (), frames), "ptime", "{frames} frames");
        }
        for frames in [120, 240, 480, 960, 1_920, 2_880, 3_840, 4_800, 5_760] {
            assert_eq!(OpusConfig::default().check(STEREO, frames), Ok(()));
        }
    }

    #[test]
    fn what_is_not_built_in_is_refused_and_says_which_feature_it_takes() {
        let config = OpusConfig {
            history: Duration::from_millis(10),
            ..OpusConfig::default()
        };
        let refused = config.check(STEREO, 960).err();
        assert_eq!(refused.is_none(), DRED);
        assert!(refused.is_none_or(|e| e.allowed.contains("feature dred")));
        let config = OpusConfig {
            concealment: Concealment::Deep,
            ..OpusConfig::default()
        };
        let refused = crate::OpusDecoder::new(&config, STEREO, 960).err();
        assert_eq!(refused.is_none(), DRED);
        assert!(refused.is_none_or(|e| e.allowed.contains("feature dred")));
    }

    #[test]
    fn a_bitrate_that_does_not_fit_its_payload_is_refused_with_the_bytes_needed() {
        let config = OpusConfig {
            bitrate: Bitrate::BitsPerSecond(96_001),
            ..OpusConfig::default()
        };
        assert_eq!(
            config.check(STEREO, 4_800),
            Err(ConfigError::new(
                "bitrate",
                96_001,
                "its payloads would take 1201 bytes of 1200; lower it or ptime, or raise max_payload",
            ))
        );
        let config = OpusConfig {
            bitrate: Bitrate::BitsPerSecond(96_000),
            ..config
        };
        assert_eq!(config.check(STEREO, 4_800), Ok(()));
    }

    #[test]
    fn other_rates_are_resampled_to_one_that_holds_them() {
        for (rate, taken) in [
            (8_000, 8_000),
            (11_025, 12_000),
            (44_100, 48_000),
            (96_000, 48_000),
        ] {
            let rate = SampleRate::new(rate).unwrap();
            assert_eq!(rate_above(rate).get(), taken);
        }
    }

    #[test]
    fn rates_and_layouts_are_checked() {
        let config = OpusConfig::default();
        let format =
            |hz, ch| StreamFormat::new(SampleRate::new(hz).unwrap(), Channels::new(ch).unwrap());
        for hz in RATES {
            assert_eq!(config.layout_for(format(hz, 2)), Ok(Layout::stereo()));
        }
        let err = config.layout_for(format(44_100, 2)).unwrap_err();
        assert!(err.to_string().contains("24000 and 48000 Hz"), "{err}");
        assert_eq!(
            config.layout_for(format(8_000, 256)).unwrap_err().field,
            "channels"
        );
        let config = OpusConfig {
            layout: Some(Layout::mono()),
            ..config
        };
        assert_eq!(
            config.layout_for(format(8_000, 2)).unwrap_err().field,
            "channels"
        );
    }
}
