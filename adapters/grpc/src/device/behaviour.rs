//! What buttons do, and what modes look and sound like.

use std::sync::Arc;
use std::time::Duration;

use super::{Button, Leds, Press, Rgba};

/// What all devices of a server do.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// The modes, at least one. A device begins in the first, where stop also leads; the mode
    /// button goes from one to the next and from the last to the second.
    pub modes: Vec<Mode>,
    /// What each button does when pressed, held and released. By default 2 is mode, 3 stop and
    /// 4 play, when pressed.
    pub buttons: [[Action; 3]; 4],
    /// Shown to a device that connects for the first time; nothing by default.
    pub flourish: Vec<Step>,
    /// All LEDs are of this colour for 2 s where a sound cannot be played; red by default.
    pub trouble: Rgba,
    /// How long a sound waits for a device that listens no more, or not yet; 30 s by default.
    pub resume: Duration,
    /// How often a device is asked for a report, the first time so long after it connected;
    /// 60 s by default.
    pub report_every: Option<Duration>,
}

/// A mode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mode {
    /// LEDs 1 to 5.
    pub leds: Leds,
    /// The sound that play plays, by its name; `None` where there is none.
    pub sound: Option<Arc<str>>,
}

/// A step of a flourish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// LEDs 1 to 5.
    pub leds: Leds,
    /// How long they are so.
    pub lasts: Duration,
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing here: it is the device's own affair.
    #[default]
    None,
    /// On to the next mode.
    Mode,
    /// Silence, and back to mode 0.
    Stop,
    /// The sound of the mode, from its start.
    Play,
}

impl Behaviour {
    /// What `button` does.
    pub fn action(&self, button: Button, press: Press) -> Action {
        self.buttons[button as usize][press as usize]
    }

    /// Mode `number`; an empty one where there is none.
    pub(super) fn mode(&self, number: usize) -> &Mode {
        const NONE: &Mode = &Mode {
            leds: Leds::OFF,
            sound: None,
        };
        self.modes.get(number).unwrap_or(NONE)
    }
}

impl Default for Behaviour {
    /// Six modes: 0 with all LEDs dark, then one lit LED that moves from 1 to 5; each has the
    /// built-in sound of its number.
    fn default() -> Self {
        let modes = crate::sound::BUILT_IN.iter().enumerate();
        let mut buttons = [[Action::None; 3]; 4];
        for (button, action) in [
            (Button::Two, Action::Mode),
            (Button::Three, Action::Stop),
            (Button::Four, Action::Play),
        ] {
            buttons[button as usize][Press::Press as usize] = action;
        }
        Self {
            modes: modes
                .map(|(number, name)| Mode {
                    leds: Leds::one(number, Rgba::MAGENTA),
                    sound: Some((*name).into()),
                })
                .collect(),
            buttons,
            flourish: Vec::new(),
            trouble: Rgba::RED,
            resume: Duration::from_secs(30),
            report_every: Some(Duration::from_secs(60)),
        }
    }
}
