//! Test signals as text.

use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_io::{Colour, Signal};

use crate::time::parse_duration;

/// The kinds, for messages.
pub(super) const KINDS: &str =
    "tone:440, sweep:20-20000, noise:white, noise:pink, silence: and impulse:1s";

/// The signal that `text` names; `None` where it names none.
pub(super) fn parse(text: &str) -> Option<Result<Signal, ConfigError>> {
    let (kind, rest) = text.split_once(':')?;
    let make = match kind {
        "tone" => tone,
        "sweep" => sweep,
        "noise" => noise,
        "silence" => silence,
        "impulse" => impulse,
        _ => return None,
    };
    let mut parts = rest.split(',');
    let value = parts.next().unwrap_or_default();
    Some(Options::parse(parts).and_then(|options| make(value, &options)))
}

fn tone(value: &str, options: &Options) -> Result<Signal, ConfigError> {
    let hz = value
        .split('+')
        .map(|hz| frequency("tone", hz))
        .collect::<Result<Vec<_>, _>>()?;
    let each = u16::try_from(hz.len()).unwrap_or(u16::MAX);
    let format = options.format(Channels::new(each)?);
    options.cut(Signal::tones(format, &hz, options.level(TONE_LEVEL)?)?)
}

fn sweep(value: &str, options: &Options) -> Result<Signal, ConfigError> {
    let (from, to) = match value {
        "" => (20.0, 20_000.0),
        _ => match value.split_once('-') {
            Some((from, to)) => (frequency("sweep", from)?, frequency("sweep", to)?),
            None => {
                return Err(ConfigError::new(
                    "sweep",
                    value,
                    "write FROM-TO, as in 20-20000",
                ));
            }
        },
    };
    let format = options.format(Channels::MONO);
    let length = options.length.unwrap_or(SWEEP_LENGTH);
    let frames = format.rate.frames_in(length);
    Signal::sweep(format, from, to, frames, options.level(TONE_LEVEL)?)
}

fn noise(value: &str, options: &Options) -> Result<Signal, ConfigError> {
    let colour = match value {
        "" | "white" => Colour::White,
        "pink" => Colour::Pink,
        _ => return Err(ConfigError::new("noise", value, "white or pink")),
    };
    let format = options.format(Channels::MONO);
    let level = options.level(TONE_LEVEL)?;
    options.cut(Signal::noise(format, colour, options.seed, level)?)
}

fn silence(value: &str, options: &Options) -> Result<Signal, ConfigError> {
    if !value.is_empty() {
        let allowed = "options follow a comma, as in silence:,length=5s";
        return Err(ConfigError::new("silence", value, allowed));
    }
    options.cut(Signal::silence(options.format(Channels::MONO)))
}

fn impulse(value: &str, options: &Options) -> Result<Signal, ConfigError> {
    let period = match value {
        "" => Duration::from_secs(1),
        _ => parse_duration("impulse", value)?,
    };
    let format = options.format(Channels::MONO);
    let frames = format.rate.frames_in(period);
    options.cut(Signal::impulses(
        format,
        frames,
        options.level(Gain::UNITY.db())?,
    )?)
}

fn frequency(field: &'static str, text: &str) -> Result<f64, ConfigError> {
    text.parse::<f64>()
        .ok()
        .filter(|hz| hz.is_finite())
        .ok_or_else(|| ConfigError::new(field, format_args!("{text:?}"), "write hertz, as in 440"))
}

#[derive(Debug, Default)]
struct Options {
    level: Option<Gain>,
    channels: Option<Channels>,
    rate: Option<SampleRate>,
    length: Option<Duration>,
    seed: u64,
}

impl Options {
    fn parse<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let mut options = Self::default();
        for part in parts {
            let unknown = || {
                let allowed = "level=-12dB, channels=2, rate=48000, length=5s and seed=1 are known";
                ConfigError::new("signal option", part, allowed)
            };
            let (key, value) = part.split_once('=').ok_or_else(unknown)?;
            let number = |field| {
                let wrong = || ConfigError::new(field, format_args!("{value:?}"), "write a number");
                value.parse::<u32>().map_err(|_| wrong())
            };
            match key {
                "level" => options.level = Some(value.parse()?),
                "channels" => {
                    let count = number("channels")?.try_into().unwrap_or(u16::MAX);
                    options.channels = Some(Channels::new(count)?);
                }
                "rate" => options.rate = Some(SampleRate::new(number("rate")?)?),
                "length" => options.length = Some(parse_duration("length", value)?),
                "seed" => options.seed = number("seed")?.into(),
                _ => return Err(unknown()),
            }
        }
        Ok(options)
    }

    fn format(&self, channels: Channels) -> StreamFormat {
        StreamFormat::new(
            self.rate.unwrap_or(SampleRate::HZ_48000),
            self.channels.unwrap_or(channels),
        )
    }

    fn level(&self, default_db: f32) -> Result<Gain, ConfigError> {
        self.level.map_or_else(|| Gain::from_db(default_db), Ok)
    }

    fn cut(&self, signal: Signal) -> Result<Signal, ConfigError> {
        use audiox_core::source::Source;
        Ok(match self.length {
            Some(length) => {
                let frames = signal.format().rate.frames_in(length);
                signal.with_length(frames)
            }
            None => signal,
        })
    }
}

const TONE_LEVEL: f32 = -12.0;
const SWEEP_LENGTH: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use audiox_core::source::Source;

    use super::*;

    fn signal(text: &str) -> Signal {
        parse(text).unwrap().unwrap_or_else(|e| panic!("{e}"))
    }

    fn error(text: &str) -> String {
        parse(text).unwrap().unwrap_err().to_string()
    }

    #[test]
    fn each_kind_has_defaults_and_options() {
        let format = |text| signal(text).format();
        assert_eq!(format("tone:440").to_string(), "48000 Hz, 1 ch");
        assert_eq!(format("tone:440+880").channels, Channels::STEREO);
        assert_eq!(
            format("noise:pink,channels=2,rate=44100,level=-20dB,seed=9").to_string(),
            "44100 Hz, 2 ch"
        );
        assert_eq!(signal("sweep:").frames_left(), Some(480_000));
        assert_eq!(
            signal("sweep:100-200,length=2s").frames_left(),
            Some(96_000)
        );
        assert_eq!(signal("silence:,length=250ms").frames_left(), Some(12_000));
        let mut impulses = signal("impulse:1ms");
        let mut out = [0.0; 96];
        impulses.read(&mut out).unwrap();
        assert_eq!((out[0], out[1], out[48]), (1.0, 0.0, 1.0));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("tone:", "hertz"),
            ("tone:440,volume=3", "volume=3"),
            ("tone:440,stereo", "channels=2"),
            ("tone:30000", "30000"),
            ("tone:440,level=6dB", "6"),
            ("tone:440,rate=0", "rate"),
            ("sweep:20", "FROM-TO"),
            ("noise:brown", "white or pink"),
            ("silence:5s", "length=5s"),
            ("impulse:0s", "0"),
            ("impulse:soon", "soon"),
        ] {
            let message = error(text);
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(parse("file.wav").is_none() && parse("speech:1").is_none());
    }
}
