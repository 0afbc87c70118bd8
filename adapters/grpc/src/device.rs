//! One device's logic: buttons, modes, LEDs and what it plays, without sockets, clocks or sound.
//!
//! A [`Device`] is told what happens and when (`handle_*`) and is asked what to do about it
//! ([`Device::poll_output`]) and when to be woken ([`Device::poll_timeout`]). Any call is legal at
//! any time. What is not fetched is not queued but replaced by what is true later, so its memory
//! is bounded however many events come.

mod behaviour;
mod leds;
mod report;
mod settings;
#[cfg(test)]
mod tests;

pub use behaviour::{Action, Behaviour, Mode, Step};
pub use leds::{Leds, Rgba};
pub use report::{Report, Reports};
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use audiox_core::time::Instant;

/// A device's buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Button {
    /// Connects; the device's own affair.
    One,
    /// Mode, by default.
    Two,
    /// Stop, by default.
    Three,
    /// Play, by default.
    Four,
}

impl Button {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::One, Self::Two, Self::Three, Self::Four];

    /// Its number, as printed on a device: 1 to 4.
    pub fn number(self) -> usize {
        self as usize + 1
    }
}

/// What is done to a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Press {
    /// It went down.
    Press,
    /// It has been down for long.
    Hold,
    /// It came up.
    Release,
}

impl Press {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Press, Self::Hold, Self::Release];
}

/// What is to be done for a device.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// End what plays under this number: nothing more of it but its end.
    Stop {
        /// The playing's number.
        play: u64,
    },
    /// Play a sound.
    Start {
        /// A number of its own for this playing; never used before.
        play: u64,
        /// The sound's name.
        sound: Arc<str>,
        /// Packets of 20 ms to leave out at the start: heard already.
        from: u64,
    },
    /// Light LEDs 1 to 5.
    Light(Leds),
    /// Ask for a report.
    Ask,
}

/// What a device is playing.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Playback {
    /// Nothing.
    #[default]
    Idle,
    /// A sound.
    Playing {
        /// Its number.
        play: u64,
        /// Its name.
        sound: Arc<str>,
        /// Why it plays.
        why: Why,
    },
    /// A sound that waits for the device to listen.
    Held {
        /// Its name.
        sound: Arc<str>,
        /// Packets of it that were heard.
        from: u64,
        /// Until when it waits.
        until: Instant,
        /// Why it is to play.
        why: Why,
    },
}

/// Why a sound plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The device asked for it.
    Asked,
    /// It was announced.
    Announced {
        /// What it interrupted and what goes on afterwards, with the packets of that which were
        /// heard.
        after: Option<(Arc<str>, u64)>,
    },
}

/// One device's logic.
#[derive(Debug)]
pub struct Device {
    behaviour: Arc<Behaviour>,
    mode: usize,
    playback: Playback,
    plays: u64,
    watched: bool,
    heard: bool,
    flourish: Option<(usize, Instant)>,
    greeted: bool,
    trouble: Option<Instant>,
    ask_at: Option<Instant>,
    down: [bool; 4],
    reports: Reports,
    told: Leds,
    stop: Option<u64>,
    start: Option<(Arc<str>, u64)>,
    light: bool,
    ask: bool,
}

impl Device {
    /// A device that was never seen before, in mode 0.
    pub fn new(behaviour: Arc<Behaviour>) -> Self {
        Self {
            behaviour,
            mode: 0,
            playback: Playback::Idle,
            plays: 0,
            watched: false,
            heard: false,
            flourish: None,
            greeted: false,
            trouble: None,
            ask_at: None,
            down: [false; 4],
            reports: Reports::default(),
            told: Leds::OFF,
            stop: None,
            start: None,
            light: false,
            ask: false,
        }
    }

    /// Its mode, 0 at the start.
    pub fn mode(&self) -> usize {
        self.mode
    }

    /// What it plays.
    pub fn playback(&self) -> &Playback {
        &self.playback
    }

    /// LEDs 1 to 5 as they should be.
    pub fn leds(&self) -> Leds {
        if self.trouble.is_some() {
            return Leds::all(self.behaviour.trouble);
        }
        let step = self
            .flourish
            .and_then(|(n, _)| self.behaviour.flourish.get(n));
        step.map_or_else(|| self.behaviour.mode(self.mode).leds, |step| step.leds)
    }

    /// Whether its last sound could not be played, and its LEDs say so.
    pub fn is_troubled(&self) -> bool {
        self.trouble.is_some()
    }

    /// Which buttons are down, as far as its events say.
    pub fn buttons_down(&self) -> [bool; 4] {
        self.down
    }

    /// What it said of itself.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }

    /// It listens for LEDs, anew where it did before: they are told at once.
    pub fn handle_status_open(&mut self, now: Instant) {
        self.watched = true;
        self.light = true;
        if !self.greeted && !self.behaviour.flourish.is_empty() {
            self.flourish = Some((0, now + self.behaviour.flourish[0].lasts));
        }
        self.greeted = true;
        self.ask_at = self.behaviour.report_every.map(|every| now + every);
    }

    /// It listens for LEDs no more.
    pub fn handle_status_closed(&mut self) {
        (self.watched, self.light, self.ask) = (false, false, false);
        (self.flourish, self.ask_at) = (None, None);
    }

    /// It tells of its buttons no more: none is known to be down.
    pub fn handle_events_closed(&mut self) {
        self.down = [false; 4];
    }

    /// It listens for sound: what waited for it begins.
    pub fn handle_audio_open(&mut self, now: Instant) {
        self.heard = true;
        match std::mem::take(&mut self.playback) {
            Playback::Held {
                sound,
                from,
                until,
                why,
            } => {
                if now <= until {
                    self.begin(sound, from, why);
                }
            }
            other => self.playback = other,
        }
    }

    /// It listens for sound no more, having been sent `sent` packets of what it plays. That waits
    /// for it.
    pub fn handle_audio_closed(&mut self, now: Instant, sent: u64) {
        self.heard = false;
        if let Playback::Playing { sound, why, .. } = &self.playback {
            let (sound, why) = (sound.clone(), why.clone());
            let from = self.unsent().unwrap_or(sent);
            self.end();
            self.hold(now, sound, from, why);
        }
    }

    /// Something was done to a button.
    pub fn handle_button(&mut self, now: Instant, button: Button, press: Press) {
        self.down[button as usize] = press != Press::Release;
        match self.behaviour.action(button, press) {
            Action::None => {}
            Action::Mode => {
                let next = self.mode + 1;
                let modes = self.behaviour.modes.len();
                self.mode = if next < modes { next } else { 1.min(modes - 1) };
                self.calm();
            }
            Action::Stop => self.handle_stop(),
            Action::Play => {
                self.calm();
                if let Some(sound) = self.behaviour.mode(self.mode).sound.clone() {
                    self.play(now, sound, Why::Asked);
                }
            }
        }
    }

    /// It is to be silent and idle, in mode 0.
    pub fn handle_stop(&mut self) {
        self.end();
        self.playback = Playback::Idle;
        self.mode = 0;
        self.calm();
    }

    /// A sound is to be played now, whatever its mode. What it interrupts, of which `sent` packets
    /// were heard, goes on afterwards.
    pub fn handle_announcement(&mut self, now: Instant, sound: Arc<str>, sent: u64) {
        let after = match &self.playback {
            Playback::Idle => None,
            // An announcement that another one interrupts is over; what it interrupted is not.
            Playback::Playing {
                why: Why::Announced { after },
                ..
            }
            | Playback::Held {
                why: Why::Announced { after },
                ..
            } => after.clone(),
            Playback::Playing { sound, .. } => Some((sound.clone(), self.unsent().unwrap_or(sent))),
            Playback::Held { sound, from, .. } => Some((sound.clone(), *from)),
        };
        self.play(now, sound, Why::Announced { after });
    }

    /// What plays under this number has come to its end.
    pub fn handle_ended(&mut self, play: u64) {
        if !matches!(self.playback, Playback::Playing { play: p, .. } if p == play) {
            return;
        }
        self.start = None;
        if let Playback::Playing {
            why: Why::Announced {
                after: Some((sound, from)),
            },
            ..
        } = std::mem::take(&mut self.playback)
        {
            self.begin(sound, from, Why::Asked);
        }
    }

    /// What plays under this number cannot go on. The LEDs say so for a while.
    pub fn handle_failed(&mut self, now: Instant, play: u64) {
        if matches!(self.playback, Playback::Playing { play: p, .. } if p == play) {
            self.handle_ended(play);
            self.trouble = Some(now + TROUBLE);
            self.show();
        }
    }

    /// It said how it is.
    pub fn handle_report(&mut self, report: Report) {
        self.reports.keep(report);
    }

    /// It answered a request: `success`, or what went wrong.
    pub fn handle_answer(&mut self, answer: &str) {
        self.reports.answered(answer);
    }

    /// A report is wanted now.
    pub fn handle_ask(&mut self) {
        self.ask = self.watched;
    }

    /// Does what is due at `now`. Does nothing where nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((step, at)) = self.flourish
            && at <= now
        {
            let next = self.behaviour.flourish.get(step + 1);
            self.flourish = next.map(|s| (step + 1, at + s.lasts));
            self.show();
        }
        if self.trouble.is_some_and(|until| until <= now) {
            self.trouble = None;
            self.show();
        }
        if matches!(self.playback, Playback::Held { until, .. } if until <= now) {
            self.playback = Playback::Idle;
        }
        if let (Some(at), Some(every)) = (self.ask_at, self.behaviour.report_every)
            && at <= now
        {
            self.ask_at = Some(now + every);
            self.ask = true;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. May change with every `handle_*`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let held = match self.playback {
            Playback::Held { until, .. } => Some(until),
            _ => None,
        };
        let flourish = self.flourish.map(|(_, at)| at);
        [flourish, self.trouble, self.ask_at, held]
            .into_iter()
            .flatten()
            .min()
    }

    /// What to do next; `None` until something else happens.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(play) = self.stop.take() {
            return Some(Output::Stop { play });
        }
        if let Some((sound, from)) = self.start.take() {
            let play = self.plays;
            return Some(Output::Start { play, sound, from });
        }
        if std::mem::take(&mut self.light) {
            self.told = self.leds();
            return Some(Output::Light(self.told));
        }
        std::mem::take(&mut self.ask).then_some(Output::Ask)
    }

    fn play(&mut self, now: Instant, sound: Arc<str>, why: Why) {
        self.end();
        if self.heard {
            self.begin(sound, 0, why);
        } else {
            self.hold(now, sound, 0, why);
        }
    }

    fn begin(&mut self, sound: Arc<str>, from: u64, why: Why) {
        self.plays += 1;
        self.start = Some((sound.clone(), from));
        self.playback = Playback::Playing {
            play: self.plays,
            sound,
            why,
        };
    }

    fn hold(&mut self, now: Instant, sound: Arc<str>, from: u64, why: Why) {
        let until = now + self.behaviour.resume;
        self.playback = Playback::Held {
            sound,
            from,
            until,
            why,
        };
    }

    /// From which packet on what plays is to start, where that was not fetched yet.
    fn unsent(&self) -> Option<u64> {
        self.start.as_ref().map(|(_, from)| *from)
    }

    /// Ends what plays. What was to start and has not is as if it had never been asked for.
    fn end(&mut self) {
        if let Playback::Playing { play, .. } = self.playback
            && self.start.take().is_none()
        {
            self.stop = Some(play);
        }
    }

    /// Nothing but the mode is shown.
    fn calm(&mut self) {
        (self.flourish, self.trouble) = (None, None);
        self.show();
    }

    fn show(&mut self) {
        // Where a change is still to be told, it may as well have been undone.
        self.light = self.watched && (self.light || self.leds() != self.told);
    }
}

/// How long LEDs tell of trouble.
const TROUBLE: Duration = Duration::from_secs(2);
