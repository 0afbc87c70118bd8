//! Behaviour and sounds from a TOML file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::ConfigError;
use serde::Deserialize;

use super::{Action, Behaviour, Leds, Mode, Rgba, Step};
use crate::Error;
use crate::sound::BUILT_IN;

/// What a file of settings says: how devices behave, and what sounds there are beside the built-in
/// ones.
///
/// ```toml
/// [sounds]                                  # by names of your own
/// door = "sounds/door.wav"                  # a file, a signal, mic, or a stream
/// hall = "rtp://239.1.2.3:5004?codec=opus"
///
/// [[modes]]                                 # the first is mode 0
/// sound = "wake"
/// [[modes]]
/// lit = 1                                   # one LED in the usual colour,
/// sound = "door"
/// [[modes]]
/// leds = ["00FF00FF", "off", "off", "off", "00FF0080"]   # or all five: RRGGBBAA
/// sound = "hall"
///
/// [buttons.3]
/// press = "stop"
/// hold = "play"                             # mode, stop, play or none
///
/// [[flourish]]                              # shown once to a new device
/// leds = ["0000FFFF", "off", "off", "off", "off"]
/// ms = 80
///
/// [device]
/// trouble = "FF0000FF"                      # where a sound cannot be played
/// resume = 30                               # seconds that a sound waits for a device
/// report_every = 60                         # seconds; 0 is never
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// How devices behave.
    pub behaviour: Behaviour,
    /// Sounds: what each name stands for.
    pub sounds: BTreeMap<String, String>,
}

impl Settings {
    /// The tables of a file that are settings; anything else in it is somebody else's.
    pub const TABLES: [&str; 5] = ["sounds", "modes", "buttons", "flourish", "device"];

    /// Reads a file's text.
    ///
    /// # Errors
    /// It is not TOML; a table holds what it should not; a mode names a sound that there is not.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
            Error::Settings(format!("line {line}: {}", e.message()))
        })?;
        let usual = Behaviour::default();
        let mut behaviour = Behaviour {
            flourish: file
                .flourish
                .iter()
                .map(FileStep::step)
                .collect::<Result<_, _>>()?,
            trouble: file.device.trouble.unwrap_or(usual.trouble),
            resume: seconds("resume", file.device.resume)?.unwrap_or(usual.resume),
            ..usual
        };
        if let Some(every) = seconds("report_every", file.device.report_every)? {
            let every = Some(every).filter(|e| !e.is_zero());
            if every.is_some_and(|e| e < Duration::from_secs(1)) {
                let given = file.device.report_every.unwrap_or(0.0);
                let allowed = "0 (never), or 1 to 86400 seconds";
                return Err(ConfigError::new("report_every", given, allowed).into());
            }
            behaviour.report_every = every;
        }
        if let Some(modes) = file.modes {
            if !(1..=MOST_MODES).contains(&modes.len()) {
                return Err(
                    ConfigError::new("modes", modes.len(), "1 to 64; the first is mode 0").into(),
                );
            }
            behaviour.modes = modes
                .into_iter()
                .map(FileMode::mode)
                .collect::<Result<_, _>>()?;
        }
        for (number, presses) in file.buttons {
            let at = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            let Some(actions) = at.and_then(|n| behaviour.buttons.get_mut(n)) else {
                return Err(ConfigError::new("buttons", number, "1 to 4").into());
            };
            let given = [presses.press, presses.hold, presses.release];
            for (action, given) in actions.iter_mut().zip(given) {
                *action = given.unwrap_or(*action);
            }
        }
        let known = |name: &str| file.sounds.contains_key(name) || BUILT_IN.contains(&name);
        for sound in behaviour.modes.iter().filter_map(|m| m.sound.as_deref()) {
            if !known(sound) {
                let names: Vec<&str> = file
                    .sounds
                    .keys()
                    .map(String::as_str)
                    .chain(BUILT_IN)
                    .collect();
                let names = format!(
                    "a name from [sounds] or a built-in one: {}",
                    names.join(", ")
                );
                return Err(ConfigError::new("sound", format_args!("{sound:?}"), names).into());
            }
        }
        Ok(Self {
            behaviour,
            sounds: file.sounds,
        })
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    sounds: BTreeMap<String, String>,
    modes: Option<Vec<FileMode>>,
    #[serde(default)]
    buttons: BTreeMap<String, Presses>,
    #[serde(default)]
    flourish: Vec<FileStep>,
    #[serde(default)]
    device: FileDevice,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMode {
    sound: Option<String>,
    lit: Option<usize>,
    colour: Option<Rgba>,
    leds: Option<[Rgba; 5]>,
}

impl FileMode {
    fn mode(self) -> Result<Mode, ConfigError> {
        let leds = match (self.leds, self.lit, self.colour) {
            (Some(leds), None, None) => Leds(leds),
            (None, Some(lit @ 1..=5), colour) => Leds::one(lit, colour.unwrap_or(Rgba::MAGENTA)),
            (None, Some(lit), _) => return Err(ConfigError::new("lit", lit, "1 to 5")),
            (None, None, None) => Leds::OFF,
            _ => {
                let allowed = "either five colours, or lit (and colour)";
                return Err(ConfigError::new("leds", "with lit or colour", allowed));
            }
        };
        let sound = self.sound.map(Arc::from);
        Ok(Mode { leds, sound })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presses {
    press: Option<Action>,
    hold: Option<Action>,
    release: Option<Action>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    leds: [Rgba; 5],
    ms: u64,
}

impl FileStep {
    fn step(&self) -> Result<Step, ConfigError> {
        if !(10..=60_000).contains(&self.ms) {
            return Err(ConfigError::new("ms", self.ms, "10 to 60000"));
        }
        Ok(Step {
            leds: Leds(self.leds),
            lasts: Duration::from_millis(self.ms),
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileDevice {
    trouble: Option<Rgba>,
    resume: Option<f64>,
    report_every: Option<f64>,
}

fn seconds(field: &'static str, value: Option<f64>) -> Result<Option<Duration>, ConfigError> {
    value
        .map(|s| match Duration::try_from_secs_f64(s) {
            Ok(d) if d <= DAY => Ok(d),
            _ => Err(ConfigError::new(field, s, "0 to 86400 seconds")),
        })
        .transpose()
}

const MOST_MODES: usize = 64;
const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::super::{Button, Press};
    use super::*;

    fn error(text: &str) -> String {
        Settings::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_changes_nothing() {
        assert_eq!(Settings::from_toml("").unwrap(), Settings::default());
        let other = Settings::from_toml("listen = '127.0.0.1:1'\n").unwrap();
        assert_eq!(other, Settings::default());
    }

    #[test]
    fn modes_colours_buttons_and_sounds_are_as_the_file_says() {
        let text = "[sounds]\ndoor = 'door.wav'\n[[modes]]\nsound = 'wake'\n[[modes]]\nlit = 2\n\
                    colour = '00FF0080'\nsound = 'door'\n[[modes]]\n\
                    leds = ['off','off','0000FFFF','off','off']\n[buttons.3]\nhold = 'play'\n\
                    press = 'none'\n[[flourish]]\nleds = ['FF0000','off','off','off','off']\nms = 80\n\
                    [device]\nresume = 2.5\nreport_every = 0\ntrouble = '800000FF'\n";
        let Settings { behaviour, sounds } = Settings::from_toml(text).unwrap();
        assert_eq!(sounds["door"], "door.wav");
        assert_eq!(behaviour.modes.len(), 3);
        assert_eq!(behaviour.modes[1].leds, Leds::one(2, Rgba(0x00FF_0080)));
        assert_eq!(behaviour.modes[1].sound.as_deref(), Some("door"));
        assert_eq!(behaviour.modes[2].leds, Leds::one(3, Rgba(0x0000_FFFF)));
        assert_eq!(behaviour.action(Button::Three, Press::Hold), Action::Play);
        assert_eq!(behaviour.action(Button::Three, Press::Press), Action::None);
        assert_eq!(behaviour.action(Button::Two, Press::Press), Action::Mode);
        assert_eq!(behaviour.flourish[0].lasts, Duration::from_millis(80));
        assert_eq!(
            (behaviour.resume.as_millis(), behaviour.report_every),
            (2_500, None)
        );
        assert_eq!(behaviour.trouble, Rgba(0x8000_00FF));
    }

    #[test]
    fn mistakes_are_told_with_what_is_allowed() {
        for (text, part) in [
            ("a = = 1", "line 1"),
            ("modes = []", "1 to 64"),
            ("[[modes]]\nsound = 'dor'", "built-in one: "),
            ("[[modes]]\nlit = 6", "1 to 5"),
            (
                "[[modes]]\nleds = ['red','off','off','off','off']",
                "RRGGBBAA",
            ),
            ("[[modes]]\nleds = ['off']", "line 2"),
            ("[[modes]]\ncolor = 'off'", "color"),
            ("[buttons.5]\npress = 'stop'", "1 to 4"),
            ("[buttons.2]\npress = 'dance'", "stop"),
            (
                "[[flourish]]\nleds = ['off','off','off','off','off']\nms = 1",
                "10 to 60000",
            ),
            ("[device]\nresume = -1", "0 to 86400"),
            ("[device]\nresume = nan", "0 to 86400"),
            ("[device]\nreport_every = 0.5", "1 to 86400"),
        ] {
            assert!(error(text).contains(part), "{text}: {}", error(text));
        }
    }
}
