//! A device on a terminal.

use std::io::{self, Stdout, Write};
use std::time::Duration;

use audiox::grpc::client::{ClientState, Update};
use audiox::grpc::device::{Button, Press, Rgba};
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use crossterm::style::{Color, Print, ResetColor, SetForegroundColor};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, queue};

use super::Failure;
use super::script::Step;

/// What was pressed.
#[derive(Debug)]
pub(super) enum Key {
    Quit,
    Do(Step),
}

/// The terminal, as long as it is a device. Dropping it gives the terminal back.
pub(super) struct Screen {
    out: Stdout,
    title: String,
    holds: bool,
    wants: bool,
    message: String,
    acknowledged: Option<Duration>,
    packets: u64,
    shown: Vec<String>,
}

impl Screen {
    pub(super) fn open(id: &str, server: &str) -> Result<Self, Failure> {
        enable_raw_mode().map_err(|e| failed(&e))?;
        let mut screen = Self {
            out: io::stdout(),
            title: format!("{id}  at {server}"),
            holds: false,
            wants: true,
            message: "connecting".to_owned(),
            acknowledged: None,
            packets: 0,
            shown: Vec::new(),
        };
        let opened = queue!(
            screen.out,
            EnterAlternateScreen,
            cursor::Hide,
            Clear(ClearType::All)
        );
        opened
            .and_then(|()| screen.out.flush())
            .map_err(|e| failed(&e))?;
        Ok(screen)
    }

    pub(super) fn take(&mut self, update: &Update) {
        match update {
            Update::Connected => self.message = "connected".to_owned(),
            Update::Disconnected { reason } => self.message = format!("no connection: {reason}"),
            Update::Acknowledged(after) => self.acknowledged = Some(*after),
            Update::SoundStarted => self.packets = 0,
            Update::Packet(_) => self.packets += 1,
            _ => {}
        }
    }

    /// What was pressed, if anything.
    pub(super) fn key(&mut self) -> Result<Option<Key>, Failure> {
        if !poll(Duration::ZERO).map_err(|e| failed(&e))? {
            return Ok(None);
        }
        let event = match read().map_err(|e| failed(&e))? {
            Event::Key(event) if event.kind != KeyEventKind::Release => event,
            Event::Resize(..) => {
                self.shown.clear();
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let step = match event.code {
            KeyCode::Char('c') if event.modifiers.contains(KeyModifiers::CONTROL) => {
                return Ok(Some(Key::Quit));
            }
            KeyCode::Char('q') | KeyCode::Esc => return Ok(Some(Key::Quit)),
            KeyCode::Char(c @ '1'..='4') => {
                let button = Button::ALL[c as usize - '1' as usize];
                match std::mem::take(&mut self.holds) {
                    true => Step::Press(button, Press::Hold),
                    false => Step::Tap(button),
                }
            }
            KeyCode::Char('b') => Step::Drain,
            KeyCode::Char('d') => {
                self.wants = !self.wants;
                Step::Connect(self.wants)
            }
            KeyCode::Char('h') => {
                self.holds = !self.holds;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        Ok(Some(Key::Do(step)))
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, state: &ClientState) -> Result<(), Failure> {
        let sound = match state.sounding {
            true => format!("playing  {:.1} s", self.packets as f64 / 50.0),
            false => "silent".to_owned(),
        };
        let acknowledged = self.acknowledged.map_or_else(String::new, |after| {
            format!(
                "   last event acknowledged after {:.1} ms",
                after.as_secs_f64() * 1e3
            )
        });
        let battery = (state.battery * 10.0).round().clamp(0.0, 10.0) as usize;
        let leds: Vec<String> = state
            .leds
            .iter()
            .enumerate()
            .map(|(n, led)| lamp(n, *led))
            .collect();
        let holds = if self.holds {
            "   (the next button is held)"
        } else {
            ""
        };
        let lines = [
            self.title.clone(),
            self.message.clone(),
            String::new(),
            format!("LEDs     {}", leds.join("  ")),
            format!(
                "Battery  [{}{}] {} %",
                "#".repeat(battery),
                " ".repeat(10 - battery),
                battery * 10
            ),
            format!("Sound    {sound}, {} packets{acknowledged}", state.packets),
            String::new(),
            "[1] connect   [2] mode   [3] stop   [4] play".to_owned(),
            format!("h hold   b battery   d disconnect or connect   q quit{holds}"),
        ];
        if self.shown == lines {
            return Ok(());
        }
        self.put(&lines).map_err(|e| failed(&e))?;
        self.shown = lines.into();
        Ok(())
    }

    fn put(&mut self, lines: &[String]) -> io::Result<()> {
        for (row, line) in (0u16..).zip(lines) {
            queue!(
                self.out,
                cursor::MoveTo(1, row + 1),
                Print(line),
                ResetColor,
                Clear(ClearType::UntilNewLine)
            )?;
        }
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Whatever fails here, there is nothing better to be done.
        let _ = queue!(self.out, LeaveAlternateScreen, cursor::Show);
        let _ = self.out.flush();
        let _ = disable_raw_mode();
    }
}

/// An LED with its number, in its colour.
fn lamp(number: usize, led: Rgba) -> String {
    let [r, g, b] = led.seen();
    match led.seen() {
        [0, 0, 0] => format!("{number} ○"),
        _ => format!(
            "{number} {}●{ResetColor}",
            SetForegroundColor(Color::Rgb { r, g, b })
        ),
    }
}

fn failed(e: &io::Error) -> Failure {
    Failure::io("cannot use the terminal", e)
}
