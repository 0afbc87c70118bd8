//! What a device does by itself.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Duration;

use audiox::core::ConfigError;
use audiox::grpc::device::{Button, Press};

use super::value;

/// Steps, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Script {
    pub(super) steps: VecDeque<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Press(Button, Press),
    Tap(Button),
    Connect(bool),
    Battery(f32),
    /// A tenth of the battery goes.
    Drain,
    Wait(Duration),
    Until(Until),
}

impl Step {
    /// Events that it sends.
    pub(super) fn presses(&self) -> u64 {
        match self {
            Self::Press(..) => 1,
            Self::Tap(_) => 2,
            _ => 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Until {
    Connected,
    Start,
    End,
    Acknowledged,
    /// No LED but 0, which tells of the connection, is lit.
    Dark,
}

impl FromStr for Script {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let steps = s.split([',', ';', '\n']).map(str::trim);
        let steps = steps.filter(|s| !s.is_empty() && !s.starts_with('#'));
        let steps = steps.map(step).collect::<Result<_, _>>()?;
        Ok(Self { steps })
    }
}

fn step(text: &str) -> Result<Step, ConfigError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let known = match words[..] {
        ["mode"] => Some(Step::Tap(Button::Two)),
        ["stop"] => Some(Step::Tap(Button::Three)),
        ["play"] => Some(Step::Tap(Button::Four)),
        ["connect"] => Some(Step::Connect(true)),
        ["disconnect"] => Some(Step::Connect(false)),
        ["tap", number] => button(number).map(Step::Tap),
        ["press", number] => button(number).map(|b| Step::Press(b, Press::Press)),
        ["hold", number] => button(number).map(|b| Step::Press(b, Press::Hold)),
        ["release", number] => button(number).map(|b| Step::Press(b, Press::Release)),
        ["battery", level] => level.parse().ok().map(Step::Battery),
        ["wait", time] => return Ok(Step::Wait(value::duration(time)?)),
        ["until", "connected"] => Some(Step::Until(Until::Connected)),
        ["until", "start"] => Some(Step::Until(Until::Start)),
        ["until", "end"] => Some(Step::Until(Until::End)),
        ["until", "ack"] => Some(Step::Until(Until::Acknowledged)),
        ["until", "dark"] => Some(Step::Until(Until::Dark)),
        _ => None,
    };
    known.ok_or_else(|| {
        let allowed = "mode, stop, play, connect, disconnect, tap N, press N, hold N, release N, \
                       battery LEVEL, wait TIME, or until connected, start, end, ack or dark";
        ConfigError::new("step", format_args!("{text:?}"), allowed)
    })
}

fn button(number: &str) -> Option<Button> {
    let number: usize = number.parse().ok()?;
    Button::ALL.into_iter().find(|b| b.number() == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_in_order_and_mistakes_are_named() {
        let script: Script = "until connected, mode; hold 3\nwait 250ms, until end, until dark,"
            .parse()
            .unwrap();
        let steps = [
            Step::Until(Until::Connected),
            Step::Tap(Button::Two),
            Step::Press(Button::Three, Press::Hold),
            Step::Wait(Duration::from_millis(250)),
            Step::Until(Until::End),
            Step::Until(Until::Dark),
        ];
        assert_eq!(Vec::from(script.steps), steps);
        for (wrong, part) in [
            ("dance", "mode, stop"),
            ("tap 5", "tap 5"),
            ("tap", "tap N"),
            ("wait soon", "250ms"),
            ("battery full", "LEVEL"),
        ] {
            let error = wrong.parse::<Script>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
