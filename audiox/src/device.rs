//! Microphones and speakers by name.
//!
//! | text | device |
//! | --- | --- |
//! | `mic`, `speaker` | the system's default; followed when that changes |
//! | `mic:usb`, `speaker:1` | by identifier, number or a part of the name, as `audiox devices` lists them |
//!
//! Behind the name, after commas: `rate`, `channels` and `buffer` (frames a callback), as in
//! `mic:usb,channels=1,buffer=240`. A rate or a channel count that the device has not is converted.
//! `ahead` says where what a player plays on a speaker is made: in its callback (`never`), a quantum
//! ahead of it (`always`), or ahead once it is too heavy for the callback (`auto`, as a rule).

use std::sync::Arc;

use audiox_core::ConfigError;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_io::device::{
    Capture, CaptureSource, DeviceInfo, DeviceName, DeviceWatch, Direction, Host, Obtained,
    Playback, PlaybackConfig, PlaybackSink, PullAhead, SystemHost, TimeSource, Wish, choose,
};
use audiox_net::clock::Clock;
use audiox_udp::player::{Player, PlayerConfig, PlayerHandle};

use crate::Error;

/// A device by name, and what it is asked to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceChoice {
    /// Which.
    pub name: DeviceName,
    /// Rate, channels and buffer, where they are asked for.
    pub wish: Wish,
    /// Where what a player plays on it is made.
    pub ahead: PullAhead,
}

impl DeviceChoice {
    /// What `text` names, where it is `kind`, or begins with it and a colon; `None` for any other
    /// text.
    ///
    /// # Errors
    /// An option's value is not possible.
    pub fn parse(kind: &str, text: &str) -> Option<Result<Self, ConfigError>> {
        let rest = text.strip_prefix(kind)?;
        match rest.chars().next() {
            None | Some(',') => Some(Self::options(kind, rest)),
            Some(':') => Some(Self::options(kind, &rest[1..])),
            Some(_) => None,
        }
    }

    /// From the end, since identifiers have commas of their own.
    fn options(kind: &str, text: &str) -> Result<Self, ConfigError> {
        let (mut name, mut wish) = (text, Wish::default());
        let mut ahead = PullAhead::default();
        while let Some((before, option)) = name.rsplit_once(',')
            && let Some((key, value)) = option.split_once('=')
        {
            let number = |allowed: &'static str| {
                let wrong = |_| ConfigError::new("device", option, allowed);
                value.parse::<u32>().map_err(wrong)
            };
            match key {
                "rate" => wish.rate = Some(SampleRate::new(number("rate=HZ")?)?),
                "channels" => {
                    let count = u16::try_from(number("channels=N")?).unwrap_or(u16::MAX);
                    wish.channels = Some(Channels::new(count)?);
                }
                "buffer" => {
                    let frames = number("buffer=FRAMES")?;
                    if !(1..=65_536).contains(&frames) {
                        let allowed = "buffer is 1 to 65536 frames";
                        return Err(ConfigError::new("device", option, allowed));
                    }
                    wish.buffer = Some(frames);
                }
                "ahead" if kind == SPEAKER => ahead = value.parse()?,
                _ => break,
            }
            name = before;
        }
        Ok(Self {
            name: DeviceName::new(name),
            wish,
            ahead,
        })
    }
}

/// The clock that packets are stamped with, for devices.
pub fn time_source() -> TimeSource {
    let clock = Clock::new();
    Arc::new(move || clock.now())
}

/// Opens a microphone.
///
/// # Errors
/// No such device, or it cannot be opened.
pub fn open_mic(host: Arc<dyn Host>, choice: &DeviceChoice) -> Result<CaptureSource, Error> {
    let capture = Capture {
        wish: choice.wish,
        ..Capture::new(choice.name.clone(), time_source())
    };
    Ok(capture.start(host)?)
}

/// Opens a speaker for blocks of `format`, of which a tenth of a second waits in front of it.
///
/// # Errors
/// No such device, or it cannot be opened.
pub fn open_speaker(
    host: Arc<dyn Host>,
    choice: &DeviceChoice,
    format: StreamFormat,
) -> Result<PlaybackSink, Error> {
    let config = playback(choice, format);
    Ok(PlaybackSink::open(host, config, format, AHEAD)?)
}

/// A player that a speaker pulls from.
#[derive(Debug)]
pub struct Playing {
    /// The player. When it ends, the speaker is let go.
    pub player: PlayerHandle,
    /// The speaker's counters.
    pub watch: DeviceWatch,
    /// What the speaker was when it was opened.
    pub obtained: Obtained,
}

/// Plays what `config` listens to on a speaker, which pulls straight from its callback. The
/// format is what comes nearest to the choice's wish, or else to [`PlayerConfig::format`].
///
/// # Errors
/// No such device, or it cannot be opened; or as [`Player::start_pulled`] says.
pub fn play_on(
    host: Arc<dyn Host>,
    choice: &DeviceChoice,
    config: PlayerConfig,
) -> Result<Playing, Error> {
    let devices = host.devices()?;
    let device: &DeviceInfo = choose(&devices, Direction::Output, &choice.name)?;
    let wish = Wish {
        rate: choice.wish.rate.or(Some(config.format.rate)),
        channels: choice.wish.channels.or(Some(config.format.channels)),
        buffer: choice.wish.buffer,
    };
    let format = device.nearest(&wish);
    let (player, output) = Player::start_pulled(PlayerConfig { format, ..config })?;
    let on = playback(choice, format);
    let playback = Playback::start(host, on, move |_| Box::new(output))?;
    let (watch, obtained) = (playback.watch(), playback.obtained().clone());
    player.keep(playback);
    Ok(Playing {
        player,
        watch,
        obtained,
    })
}

/// The system's devices.
pub fn system() -> Arc<dyn Host> {
    Arc::new(SystemHost::new())
}

fn playback(choice: &DeviceChoice, format: StreamFormat) -> PlaybackConfig {
    PlaybackConfig {
        device: choice.name.clone(),
        wish: Wish {
            buffer: choice.wish.buffer,
            ..Wish::format(format)
        },
        ahead: choice.ahead,
        time: time_source(),
    }
}

/// What sinks of this kind begin with.
const SPEAKER: &str = "speaker";
const AHEAD: std::time::Duration = std::time::Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn mic(text: &str) -> DeviceChoice {
        DeviceChoice::parse("mic", text).unwrap().unwrap()
    }

    #[test]
    fn names_and_options_are_told_apart() {
        assert_eq!(mic("mic"), DeviceChoice::default());
        assert_eq!(mic("mic:"), DeviceChoice::default());
        let alsa = mic("mic:hw:CARD=Mic,DEV=0,rate=44100,channels=1,buffer=240");
        assert_eq!(alsa.name, DeviceName::Named("hw:CARD=Mic,DEV=0".into()));
        assert_eq!(alsa.wish.rate, Some(SampleRate::HZ_44100));
        assert_eq!(alsa.wish.channels, Some(Channels::MONO));
        assert_eq!(alsa.wish.buffer, Some(240));
        assert_eq!(mic("mic,rate=8000").wish.rate, Some(SampleRate::HZ_8000));
        let speaker = |text| DeviceChoice::parse("speaker", text).unwrap().unwrap();
        assert_eq!(speaker("speaker:usb").ahead, PullAhead::WhenHeavy);
        let ahead = speaker("speaker:usb,ahead=always,buffer=240");
        assert_eq!(ahead.ahead, PullAhead::Always);
        assert_eq!(ahead.name, DeviceName::Named("usb".into()));
        let wrong = DeviceChoice::parse("speaker", "speaker,ahead=yes").unwrap();
        assert_eq!(wrong.unwrap_err().field, "ahead");
        assert!(DeviceChoice::parse("mic", "mickey.wav").is_none());
        assert!(DeviceChoice::parse("mic", "speaker").is_none());
        for wrong in [
            "mic,rate=0",
            "mic:a,channels=x",
            "mic,buffer=0",
            "mic,channels=70000",
        ] {
            assert!(
                DeviceChoice::parse("mic", wrong).unwrap().is_err(),
                "{wrong}"
            );
        }
    }
}
