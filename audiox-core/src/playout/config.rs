//! What a playout is made with.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::convert::ChannelMap;
use crate::error::ConfigError;
use crate::format::StreamFormat;
use crate::jitter::DelayConfig;
use crate::resample::ResamplerQuality;

/// How much delay playout keeps, counted from when the luckiest packets arrive.
#[derive(Debug, Clone, PartialEq)]
pub enum Latency {
    /// Always this much, up to the moment the frame is heard (AES67's link offset): what several
    /// receivers need to play in step, at the price of concealing whatever comes later. Includes
    /// [`PlayoutConfig::output_delay`].
    ///
    /// It is a promise. A timeline that had to begin anew while all packets were late has too long
    /// a delay once they are not: where drift is corrected, packets are left out once that was
    /// more than 30 ms, and a packet, for 3 s; the resampler brings back the rest, as it does where
    /// the delay is too short. Where every frame goes out untouched
    /// ([`DriftCorrection::Ignore`]) the delay stays until the timeline begins anew, and
    /// [`Playout::ledger`](super::Playout::ledger) says what it is.
    Fixed(Duration),
    /// As little as the network allows, found out from the arrivals.
    Adaptive(DelayConfig),
}

/// What is heard where packets are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Concealment {
    /// Silence, to the frame: for recorders and measurements.
    Silence,
    /// The sound goes on as it went before, and as it comes after where that is known already.
    #[default]
    Waveform,
}

/// What is done about a sender and a device whose clocks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriftCorrection {
    /// Nothing: latency grows or shrinks by the difference. Right where one clock drives both
    /// ends, and where every frame must come out as it came in.
    Ignore,
    /// Measured, and resampled away once it is known not to be zero.
    #[default]
    Resample,
}

/// What a [`Playout`](super::Playout) is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayoutConfig {
    /// Delay between arrival and playout. Default: adaptive.
    pub latency: Latency,
    /// Packets the jitter buffer spans, 2 to 65 536: the longest delay ÷ ptime, with room for
    /// bursts. Default: 1 024.
    pub width: usize,
    /// Starvation after which the timeline restarts with the next packet. Shorter hears a
    /// resumed sender sooner, longer survives longer outages without a jump. Default: 500 ms.
    pub resync_after: Duration,
    /// What is heard where packets are missing. Default: a continued waveform.
    pub concealment: Concealment,
    /// What is done about clocks that differ. Default: they are resampled into step.
    pub drift: DriftCorrection,
    /// How well it is resampled, for drift and between rates.
    pub resampler: ResamplerQuality,
    /// Rate and channels of the slices to pull; default: the stream's.
    pub output: Option<StreamFormat>,
    /// From the stream's channels to the output's; default: [`ChannelMap::between`].
    pub map: Option<ChannelMap>,
    /// From the moment a slice is pulled to the moment its first frame is heard: the device's
    /// own buffers. Default: zero. A device that tells it itself is believed
    /// ([`Playout::set_output_delay`](super::Playout::set_output_delay)).
    pub output_delay: Duration,
}

impl PlayoutConfig {
    /// Plays every frame untouched, once, this long after the luckiest arrival at the start, and
    /// silence for those that are missing: for recorders, measurements and machines on one clock.
    /// No frame is ever left out to come back to that delay: where the way has become shorter since,
    /// or the start was in a time of trouble, the delay is longer until the timeline begins anew
    /// (the sender pauses or restarts, or nothing comes for [`resync_after`](Self::resync_after));
    /// [`Playout::ledger`](super::Playout::ledger) tells the one there is.
    pub fn exact(latency: Duration) -> Self {
        Self {
            latency: Latency::Fixed(latency),
            concealment: Concealment::Silence,
            drift: DriftCorrection::Ignore,
            ..Self::default()
        }
    }

    /// A fixed latency with everything else at its best: several receivers play in step.
    pub fn fixed(latency: Duration) -> Self {
        Self {
            latency: Latency::Fixed(latency),
            ..Self::default()
        }
    }

    /// As little latency as the network allows, within `delay`.
    pub fn adaptive(delay: DelayConfig) -> Self {
        Self {
            latency: Latency::Adaptive(delay),
            ..Self::default()
        }
    }
}

impl Default for PlayoutConfig {
    /// [`Profile::Balanced`].
    fn default() -> Self {
        Self {
            latency: Latency::Adaptive(DelayConfig::default()),
            width: 1_024,
            resync_after: Duration::from_millis(500),
            concealment: Concealment::default(),
            drift: DriftCorrection::default(),
            resampler: ResamplerQuality::default(),
            output: None,
            map: None,
            output_delay: Duration::ZERO,
        }
    }
}

/// A choice between delay and unbroken sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Talking and playing together: at most 20 ms on a clean wired network; a rare late packet
    /// is concealed rather than waited for.
    Interactive,
    /// Conversation and monitoring over whatever there is.
    #[default]
    Balanced,
    /// Listening: delay is cheap, a gap is not.
    Robust,
}

impl Profile {
    /// All of them, from the least delay to the most.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Balanced, Self::Robust];

    /// Its settings.
    pub fn config(self) -> PlayoutConfig {
        PlayoutConfig::adaptive(match self {
            Self::Interactive => DelayConfig::interactive(),
            Self::Balanced => DelayConfig::balanced(),
            Self::Robust => DelayConfig::robust(),
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interactive => "interactive",
            Self::Balanced => "balanced",
            Self::Robust => "robust",
        })
    }
}

impl FromStr for Profile {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        Self::ALL
            .into_iter()
            .find(|p| p.to_string() == s)
            .ok_or_else(|| {
                ConfigError::new(
                    "profile",
                    format_args!("'{s}'"),
                    "interactive, balanced or robust",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_they_are_written() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
        }
        let error = "fast".parse::<Profile>().unwrap_err().to_string();
        assert!(
            error.contains("'fast'") && error.contains("robust"),
            "{error}"
        );
    }
}
